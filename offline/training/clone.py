"""Cloning the expert: DAgger (Ross 2011, arXiv 1011.0686), states in which policy and expert drive, answers of the expert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float64

from kincast.models.twin.bank import MotionBank, window
from kincast.models.twin.environment import EnvironmentConfig
from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.expert import ExpertConfig
from kincast.models.twin.fingerprint import body_fingerprint
from kincast.models.twin.loads import FootLoads
from kincast.models.twin.model import CONTROL_HZ, RESIDUALS
from kincast.models.twin.observation import ObservationConfig, fingerprint, layout, observe, size
from kincast.models.twin.person import Person, person_of
from kincast.models.twin.policy import Normalisation, Policy, PolicyFacts
from kincast.models.twin.termination import TerminationConfig
from kincast.offline.training.config import TrainingConfig
from kincast.offline.training.episodes import starts
from kincast.offline.training.labels import Labels
from kincast.offline.training.motions import Motions
from kincast.offline.training.networks import Parameters, Perceptron, begin, finite, normalised, policy_of
from kincast.offline.training.state_file import flat, unflat
from kincast.offline.training.visited import Buffer, Visited

LEAST_SPREAD = {
    "pelvis_height": 0.02, "up_in_pelvis": 0.02, "joint_angles": 0.02, "pelvis_velocity": 0.1, "pelvis_rate": 0.1,
    "joint_rates": 0.1, "foot_forces": 0.05, "previous_action": 0.003, "log_scales": 0.1, "log_mass": 0.1,
}  # fmt: skip
"""Of a part of the observation (m, rad, s, body weights): what the expert alone hardly varies, a policy in training will."""
LEAST_DIFFERENCE_SPREAD = ((0.03, 0.3), (0.005, 0.05))
"""Of pose and velocity differences: from the simulated body, and from row to row of the reference."""
LEAST_LABEL_SPREAD = (0.02, 0.003)
"""Of the residual (body weights) and of the rest of an action: errors below are no errors worth learning."""
LABELS = "labels"
"""Folder in the run's."""
FURTHEST_LABEL = 10.0
"""Standard deviations to which a label is cut: an expert that is asked in a hopeless state shouts."""
HUBER = 1.0
NO_SPREAD = -10.0
"""Logarithm: a clone does not explore."""


class Learned(NamedTuple):
    """What gradient steps change; a pytree."""

    parameters: Parameters
    optimiser: Any


class Clone:
    """One run, update by update; everything random follows from the seed and the number of the update."""

    def __init__(self, config: TrainingConfig, motions: Motions) -> None:
        self.config, self._motions = config, motions
        c = self._clone = config.clone
        self._observation = ObservationConfig(config.look_ahead)
        environment = EnvironmentConfig(
            observation=self._observation, termination=TerminationConfig(far_m=c.far_m)
        )
        self._actions = environment.action.size
        self._environments = CEnvironments(motions.twins, motions.bank, motions.person_of_clip, environment)
        self._labels = Labels(
            motions,
            ExpertConfig(residual_limit=c.residual_limit),
            environment.action,  # pyright: ignore[reportArgumentType]
        )
        self._most = min(c.most_labels, config.updates * c.instances * c.steps)
        self.buffer = Buffer(self._most, self._actions)
        inputs = size(self._observation)
        network = Perceptron(config.hidden, self._actions)
        optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(learning_rate(config)))
        parameters = begin(network, inputs, jax.random.key(config.seed))
        self._learned = Learned(parameters, optimiser.init(parameters))
        self._normalisation = Normalisation(
            np.zeros(inputs, np.float32),
            np.ones(inputs, np.float32),
            np.zeros(self._actions, np.float32),
            np.ones(self._actions, np.float32),
        )
        people = [person_of(t) for t in motions.twins]
        self._people = Person(*(jnp.asarray(np.stack(x), jnp.float32) for x in zip(*people, strict=True)))
        self._owner = jnp.asarray(motions.person_of_clip)
        self._bank: MotionBank = jax.tree.map(_single, motions.bank)
        self._learn = jax.jit(partial(_learn, network, optimiser, self._observation))
        self._observe = jax.jit(partial(_observed, self._observation))
        self._seen = self._begin()
        self._age = np.zeros(c.instances, int)
        self._by_expert = np.ones(c.instances, bool)

    def _begin(self) -> Float64[np.ndarray, "n observation"]:
        rng = np.random.default_rng([self.config.seed, 0, 0])
        clip, row = starts(self._motions.bank, self._clone.instances, rng)
        return self._environments.reset(clip, row, self._clone.residual_limit)

    def step(self, update: int) -> dict[str, float]:
        """Collect, then learn; figures of both."""
        rng = np.random.default_rng([self.config.seed, 1, update])
        first = self.buffer.rows
        c = self._clone
        room = self._most - first >= c.instances * c.steps
        figures = self._collect(update, rng) if room else {}
        fresh = self.buffer.rows - first
        figures |= {"labels": float(self.buffer.rows)}
        if update + 1 < c.warm_updates:
            return figures
        if update + 1 == c.warm_updates:
            self._normalisation = self._normalisation_of(self.buffer.take(np.arange(self.buffer.rows)))
            return figures
        picked = rng.integers(0, self.buffer.rows, (c.batches + 1, c.batch))
        if fresh:
            picked[0] = first + rng.integers(0, fresh, c.batch)
        batches = jax.tree.map(jnp.asarray, self.buffer.take(picked))
        self._learned, losses, fine = self._learn(
            self._learned, self._normalisation, self._people, self._owner, self._bank, batches
        )
        figures["fresh_loss"], figures["loss"] = float(losses[0]), float(losses[1:].mean())
        if not fine:
            figures["loss"] = np.nan
        return figures

    def _collect(self, update: int, rng: np.random.Generator) -> dict[str, float]:
        c, env = self._clone, self._environments
        warm = update < c.warm_updates
        since = update - c.warm_updates
        share = 1.0 if warm else c.expert_share * max(0.0, 1.0 - since / c.expert_updates)
        label_spread = np.asarray(self._normalisation.action_spread, float)
        ended = finished = 0
        reward = 0.0
        policy = self.policy(update)
        push = np.zeros((c.instances, self._actions))
        for step in range(c.steps):
            policy_asks = (step + np.arange(c.instances)) % c.label_every == 0
            asked = self._by_expert | policy_asks
            place = env.place
            q, v = env.state()
            force, previous = env.situation()
            answer = self._labels.of(env, asked)
            action = policy.mean(self._seen).astype(np.float64)
            label = np.zeros_like(action)
            label[asked] = answer
            if warm:
                # until it is known how far labels spread, by those of this moment
                label_spread = label.std(axis=0)
                if step % c.disturbed_steps == 0:
                    push = c.disturbance * label_spread * rng.normal(size=push.shape)
            action[self._by_expert] = (label + push * warm)[self._by_expert]
            values = (place.clip, place.row, q, v, force, previous, label)
            self.buffer.append(Visited(*(np.asarray(x)[asked] for x in values)))
            found = env.step(action)
            self._age += 1
            reward += float(np.mean(found.reward.total))
            ended += int(np.sum(found.ended))
            finished += int(np.sum(found.finished))
            over = np.asarray(found.ended | found.finished) | (self._age >= c.longest_s * CONTROL_HZ)
            self._seen = np.asarray(found.observation)
            if over.any():
                clip, row = starts(self._motions.bank, c.instances, rng)
                self._seen = env.reset_some(over, clip, row)
                self._age[over] = 0
                self._by_expert[over] = (rng.random(c.instances) < share)[over]
        steps = c.steps * c.instances
        return {
            "reward": reward / c.steps,
            "falls_per_minute": 60.0 * CONTROL_HZ * ended / steps,
            "by_expert": float(self._by_expert.mean()),
        }

    def _normalisation_of(self, visited: Visited) -> Normalisation:
        pieces = np.array_split(np.arange(len(visited.clip)), max(1, len(visited.clip) // 4096))
        seen = np.concatenate([np.asarray(self._observe(*self._known(), _part(visited, p))) for p in pieces])
        spread = np.maximum(seen.std(axis=0), _least_spread(self._observation))
        # quantiles: a few shouts must not decide
        low, middle, high = np.percentile(visited.label, (16.0, 50.0, 84.0), axis=0)
        least = np.where(np.arange(self._actions) < RESIDUALS, *LEAST_LABEL_SPREAD)
        label_spread = np.maximum(0.5 * (high - low), least)
        return Normalisation(
            *(np.asarray(x, np.float32) for x in (seen.mean(axis=0), spread, middle, label_spread))
        )

    def _known(self) -> tuple[Person, Array, MotionBank]:
        return self._people, self._owner, self._bank

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that the next update depends on, but for the labels' rows."""
        return {
            **flat("learned", self._learned),
            **flat("normalisation", self._normalisation),
            **{f"environments/{name}": values for name, values in self._environments.snapshot().items()},
            "age": self._age.copy(),
            "by_expert": self._by_expert.copy(),
            "rows": np.array(self.buffer.rows),
        }

    def restore(self, state: Mapping[str, np.ndarray], folder: Path) -> None:
        """Go on from a snapshot whose labels lie in ``folder``.

        Raises:
            LabelsMissingError
        """
        self._learned = unflat("learned", self._learned, state)
        self._normalisation = Normalisation(
            *map(np.asarray, unflat("normalisation", self._normalisation, state))
        )
        prefix = "environments/"
        environments = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self._seen = self._environments.restore(environments)
        self._age, self._by_expert = np.array(state["age"]), np.array(state["by_expert"])
        self.buffer.read(folder / LABELS, int(state["rows"]))

    def write(self, folder: Path) -> None:
        """What a snapshot needs beside it."""
        self.buffer.write(folder / LABELS)

    def policy(self, update: int) -> Policy:
        """As learned so far."""
        facts = PolicyFacts(
            body=body_fingerprint(self._motions.twins[0].config),
            observation=fingerprint(self._observation),
            look_ahead=self.config.look_ahead,
            actions=self._actions,
            library=self._motions.library,
            method="clone",
            step=update,
            residual_limit=self._clone.residual_limit,
            config=json.loads(self.config.to_json()),
        )
        return policy_of(
            facts, self._normalisation, self._learned.parameters, jnp.full(self._actions, NO_SPREAD)
        )

    def close(self) -> None:
        self._environments.close()


def _least_spread(config: ObservationConfig) -> Float64[np.ndarray, " observation"]:
    parts = []
    differences = 0
    for name, count in layout(config):
        least = LEAST_SPREAD.get(name)
        if least is None:
            least = LEAST_DIFFERENCE_SPREAD[min(differences // 2, 1)][differences % 2]
            differences += 1
        parts.append(np.full(count, least))
    return np.concatenate(parts)


def learning_rate(config: TrainingConfig) -> optax.Schedule:
    """Down a cosine to a hundredth over all gradient steps."""
    steps = max(1, (config.updates - config.clone.warm_updates) * config.clone.batches)
    return optax.cosine_decay_schedule(config.clone.learning_rate, steps, alpha=0.01)


def _learn(
    network: Perceptron,
    optimiser: optax.GradientTransformation,
    observation: ObservationConfig,
    learned: Learned,
    normalisation: Normalisation,
    people: Person,
    owner: Array,
    bank: MotionBank,
    batches: Visited,
) -> tuple[Learned, Float[Array, " batch"], Array]:
    """Gradient steps on all batches but the first, whose loss beforehand tells how well what is new was known."""

    def loss(parameters: Parameters, batch: Visited) -> Array:
        seen = _observed(observation, people, owner, bank, batch)
        said = jnp.asarray(network.apply(parameters, normalised(normalisation, seen)))
        wanted = (batch.label - normalisation.action_mean[None]) / normalisation.action_spread[None]
        return jnp.mean(
            optax.huber_loss(said, jnp.clip(wanted, -FURTHEST_LABEL, FURTHEST_LABEL), delta=HUBER)
        )

    def one(learned: Learned, batch: Visited) -> tuple[Learned, Array]:
        value, gradient = jax.value_and_grad(loss)(learned.parameters, batch)
        change, state = optimiser.update(gradient, learned.optimiser, learned.parameters)
        return Learned(optax.apply_updates(learned.parameters, change), state), value

    fresh = loss(learned.parameters, jax.tree.map(lambda x: x[0], batches))
    learned, losses = jax.lax.scan(one, learned, jax.tree.map(lambda x: x[1:], batches))
    return learned, jnp.concatenate([fresh[None], losses]), finite(learned.parameters)


def _observed(
    config: ObservationConfig, people: Person, owner: Array, bank: MotionBank, visited: Visited
) -> Float[Array, "n observation"]:
    def one(seen: Visited) -> Array:
        person = Person(*(values[owner[seen.clip]] for values in people))
        ahead = window(bank, seen.clip, seen.row, config.look_ahead)
        loads = FootLoads(seen.force, jnp.zeros_like(seen.force), jnp.zeros_like(seen.force[..., 0]))
        return jnp.asarray(observe(person, seen.q, seen.v, loads, seen.previous, ahead.q, ahead.v))

    return jax.vmap(one)(visited)


def _part(visited: Visited, rows: np.ndarray) -> Visited:
    return Visited(*(jnp.asarray(values[rows]) for values in visited))


def _single(values: np.ndarray) -> Array:
    return jnp.asarray(values, jnp.float32 if values.dtype == np.float64 else None)
