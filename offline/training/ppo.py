"""The teacher's fine-tuning: PPO from a clone on rollouts in C MuJoCo or MJX, with less and less residual force allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from kincast.models.twin.environment import EnvironmentConfig
from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.model import CONTROL_HZ
from kincast.models.twin.observation import ObservationConfig, size
from kincast.models.twin.policy import Normalisation, Policy
from kincast.models.twin.termination import TerminationConfig
from kincast.offline.training.config import PpoConfig, Simulator, TrainingConfig
from kincast.offline.training.episodes import starts
from kincast.offline.training.motions import Motions
from kincast.offline.training.networks import (
    Parameters,
    Perceptron,
    begin,
    hidden_of,
    normalised,
    parameters_of,
    policy_of,
)
from kincast.offline.training.ppo_learning import (
    ActorCritic,
    Learned,
    Networks,
    Steps,
    advantages,
    learn,
    log_probability,
)
from kincast.offline.training.state_file import flat, unflat


class Ppo:
    """One run, update by update; everything random follows from the seed and the number of the update.

    Raises:
        OtherBodyError, OtherActionError, ObservationLayoutError: the policy to begin with was not made for this.
    """

    def __init__(self, config: TrainingConfig, motions: Motions, first: Policy) -> None:
        p = config.ppo
        observation = ObservationConfig(config.look_ahead)
        environment = EnvironmentConfig(observation=observation, termination=TerminationConfig(far_m=p.far_m))
        first.require(motions.twins[0], observation, environment.action.size)
        self._config, self._motions, self._first = config, motions, first
        simulator = _simulator(p.simulator)
        self._environments = simulator(motions.twins, motions.bank, motions.person_of_clip, environment)
        self._networks = Networks(
            Perceptron(hidden_of(first), first.facts.actions), Perceptron(config.critic, 1)
        )
        optimiser = _optimiser(p)
        key = jax.random.key(config.seed)
        both = ActorCritic(
            parameters_of(first),
            jnp.full(first.facts.actions, float(np.log(p.spread))),
            begin(self._networks.critic, size(observation), key),
        )
        self._learned = Learned(both, optimiser.init(both))  # pyright: ignore[reportArgumentType]
        self._normalisation = Normalisation(*(jnp.asarray(x) for x in first.normalisation))
        self._learn = jax.jit(partial(learn, self._networks, optimiser, p, self._normalisation))
        self._value = jax.jit(partial(_value, self._networks.critic, self._normalisation))
        self._advantages = jax.jit(partial(advantages, discount=p.discount, trace=p.trace))
        rng = np.random.default_rng([config.seed, 0, 0])
        clip, row = starts(motions.bank, p.instances, rng)
        self._seen = self._environments.reset(clip, row, residual_limit(p, 0, config.updates))
        self._age = np.zeros(p.instances, int)

    def step(self, update: int) -> dict[str, float]:
        """Live through ``steps`` control steps, then learn from them."""
        p = self._config.ppo
        rng = np.random.default_rng([self._config.seed, 2, update])
        limit = residual_limit(p, update, self._config.updates)
        self._environments.limit_residual(limit)
        steps, figures = self._lived(rng)
        count = p.instances * p.steps
        order = np.stack([rng.permutation(count) for _ in range(p.epochs)])
        order = order[:, : count // p.batches * p.batches].reshape(p.epochs, p.batches, -1)
        self._learned, said = self._learn(
            self._learned, steps, jnp.asarray(order), jnp.asarray(update < p.critic_updates)
        )
        return figures | {"residual_limit": limit} | {k: float(v) for k, v in said.items()}

    def _lived(self, rng: np.random.Generator) -> tuple[Steps, dict[str, float]]:
        p, env = self._config.ppo, self._environments
        policy = self.policy(0)
        n = policy.normalisation
        log_spread = np.asarray(self._learned.networks.log_spread, float)
        kept: list[tuple[np.ndarray, ...]] = []
        pay: list[np.ndarray] = []
        ended_in_all = 0
        pushed = 0.0
        for _ in range(p.steps):
            mean = (policy.mean(self._seen) - n.action_mean) / n.action_spread
            said = mean + np.exp(log_spread) * rng.normal(size=mean.shape)
            action = np.asarray(n.action_mean + n.action_spread * said, np.float64)
            found = env.step(action)
            after = np.asarray(found.observation, np.float32)
            self._age += 1
            ended = np.asarray(found.ended)
            over = ended | np.asarray(found.finished) | (self._age >= p.longest_s * CONTROL_HZ)
            kept.append((np.asarray(self._seen, np.float32), said, mean, after, ended, over))
            # a body flung away costs what a fall does: its squared errors would drown all that the critic has to know
            pay.append(np.maximum(np.asarray(found.reward.total), env.config.reward.fallen))
            ended_in_all += int(ended.sum())
            force = np.linalg.norm(action[:, :3], axis=1)
            pushed += float(np.minimum(force, env.place.residual_limit).mean())
            self._seen = np.asarray(found.observation)
            if over.any():
                clip, row = starts(self._motions.bank, p.instances, rng)
                self._seen = env.reset_some(over, clip, row)
                self._age[over] = 0
        observation, said, mean, after, ended, over = (np.stack(x) for x in zip(*kept, strict=True))
        networks = self._learned.networks
        probability = log_probability(
            jnp.asarray(mean, jnp.float32), networks.log_spread, jnp.asarray(said, jnp.float32)
        )
        value = self._value(networks.critic, jnp.asarray(observation))
        value_after = self._value(networks.critic, jnp.asarray(after))
        reward = jnp.asarray(p.reward_scale * np.stack(pay), jnp.float32)
        advantage = self._advantages(
            reward, value, value_after, jnp.asarray(ended), jnp.asarray(over & ~ended)
        )
        steps = Steps(
            *(
                jnp.reshape(jnp.asarray(x, jnp.float32), (-1, *x.shape[2:]))
                for x in (observation, said, probability, value, advantage, advantage + value)
            )
        )
        figures = {
            "reward": float(np.mean(pay)),
            "falls_per_minute": 60.0 * CONTROL_HZ * ended_in_all / (p.steps * p.instances),
            "residual_pct_bw": 100.0 * pushed / p.steps,
        }
        return steps, figures

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that the next update depends on."""
        return {
            **flat("learned", self._learned),
            **{f"environments/{name}": values for name, values in self._environments.snapshot().items()},
            "age": self._age.copy(),
        }

    def restore(self, state: Mapping[str, np.ndarray], folder: Path) -> None:
        """Go on from a snapshot; nothing else lies in ``folder``."""
        self._learned = unflat("learned", self._learned, state)
        prefix = "environments/"
        environments = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self._seen = self._environments.restore(environments)
        self._age = np.array(state["age"])

    def write(self, folder: Path) -> None:
        """A snapshot needs nothing beside it."""

    def policy(self, update: int) -> Policy:
        """As learned so far."""
        p = self._config.ppo
        facts = replace(
            self._first.facts,
            library=self._motions.library,
            method="ppo",
            step=update,
            residual_limit=residual_limit(p, update, self._config.updates),
            config=json.loads(self._config.to_json()),
        )
        both = self._learned.networks
        return policy_of(facts, self._normalisation, both.actor, both.log_spread)

    def close(self) -> None:
        self._environments.close()


def _optimiser(config: PpoConfig) -> optax.GradientTransformation:
    """The actor's and the critic's gradients are bounded apart: one bound for both would leave the actor nothing."""
    kinds = {
        name: optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate))
        for name, rate in (("actor", config.learning_rate), ("critic", config.critic_learning_rate))
    }
    return optax.multi_transform(kinds, ActorCritic("actor", "actor", "critic"))  # type: ignore[arg-type]


def _simulator(name: Simulator) -> Any:
    if name == "c":
        return CEnvironments
    from kincast.models.twin.environment_mjx_batch import (
        MjxBatch,
    )  # takes seconds to import and talks about warp

    return MjxBatch


def residual_limit(config: PpoConfig, update: int, updates: int) -> float:
    """Body weights allowed at an update: geometrically from the first value to the last, which is reached before the end."""
    share = min(1.0, update / max(1.0, config.tighten_share * updates))
    return float(config.residual_limit ** (1.0 - share) * config.residual_limit_last**share)


def _value(
    critic: Perceptron,
    normalisation: Normalisation,
    parameters: Parameters,
    observation: Float[Array, "*n observation"],
) -> Float[Array, "*n"]:
    return jnp.asarray(critic.apply(parameters, normalised(normalisation, observation)))[..., 0]
