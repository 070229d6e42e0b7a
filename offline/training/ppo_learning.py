"""Proximal policy optimisation's arithmetic: advantages, the clipped objectives, gradient steps until the policy has moved enough.

Schulman 2016 (arXiv 1506.02438) for the advantages, Schulman 2017 (arXiv 1707.06347) for the objective.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from kincast.models.twin.policy import Normalisation
from kincast.offline.training.config import PpoConfig
from kincast.offline.training.networks import Parameters, Perceptron, finite, normalised

LEAST_LOG_SPREAD = -4.0
LARGEST_LOG_SPREAD = 0.0


class ActorCritic(NamedTuple):
    """What gradient steps change; a pytree. ``log_spread``: of the exploration, in normalised actions."""

    actor: Parameters
    log_spread: Float[Array, " action"]
    critic: Parameters


class Learned(NamedTuple):
    """A pytree."""

    networks: ActorCritic
    optimiser: Any


class Steps(NamedTuple):
    """What was lived through, one row per step; ``action`` normalised, ``value`` and ``gain`` scaled as the critic's."""

    observation: Float[Array, "*n observation"]
    action: Float[Array, "*n action"]
    log_probability: Float[Array, "*n"]
    value: Float[Array, "*n"]
    advantage: Float[Array, "*n"]
    gain: Float[Array, "*n"]


class Networks(NamedTuple):
    """Structure only."""

    actor: Perceptron
    critic: Perceptron


def advantages(
    reward: Float[Array, "time n"],
    value: Float[Array, "time n"],
    value_after: Float[Array, "time n"],
    ended: Bool[Array, "time n"],
    cut: Bool[Array, "time n"],
    discount: float,
    trace: float,
) -> Float[Array, "time n"]:
    """Generalised advantage estimates.

    ``value_after``: of the state each step led to, before any reset. ``ended``: nothing comes after; ``cut``: an
    episode was broken off there without having ended, so that only the sum over time stops.
    """
    surprise = reward + discount * jnp.where(ended, 0.0, value_after) - value
    going_on = jnp.where(ended | cut, 0.0, discount * trace)

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        total = now[0] + now[1] * later
        return total, total

    _, found = jax.lax.scan(back, jnp.zeros_like(surprise[0]), (surprise, going_on), reverse=True)
    return found


def log_probability(
    mean: Float[Array, "*n action"], log_spread: Float[Array, " action"], action: Float[Array, "*n action"]
) -> Float[Array, "*n"]:
    """Of a diagonal Gaussian, up to a constant."""
    log_spread = jnp.reshape(log_spread, (1,) * (action.ndim - 1) + (-1,))
    away = (action - mean) * jnp.exp(-log_spread)
    return jnp.sum(-0.5 * away * away - log_spread, axis=-1)


def learn(
    networks: Networks,
    optimiser: optax.GradientTransformation,
    config: PpoConfig,
    normalisation: Normalisation,
    learned: Learned,
    steps: Steps,
    order: Int[Array, "pass batch row"],
    critic_only: Bool[Array, ""],
) -> tuple[Learned, dict[str, Array]]:
    """Passes over ``steps``, each in the batches of ``order``; no more once the policy is ``stop_kl`` from where it was."""
    loss = partial(_loss, networks, config, normalisation)

    def one(
        carry: tuple[Learned, Array], rows: Int[Array, " row"]
    ) -> tuple[tuple[Learned, Array], dict[str, Array]]:
        learned, stopped = carry
        batch = jax.tree.map(lambda x: x[rows], steps)
        gradient, said = jax.grad(loss, has_aux=True)(learned.networks, batch, critic_only)
        stopped = stopped | (~critic_only & (said["kl"] > config.stop_kl))
        change, state = optimiser.update(gradient, learned.optimiser, learned.networks)
        moved: ActorCritic = optax.apply_updates(learned.networks, change)  # type: ignore[assignment]
        frozen = critic_only
        moved = ActorCritic(
            jax.tree.map(lambda a, b: jnp.where(frozen, b, a), moved.actor, learned.networks.actor),
            jnp.where(
                frozen,
                learned.networks.log_spread,
                jnp.clip(moved.log_spread, LEAST_LOG_SPREAD, LARGEST_LOG_SPREAD),
            ),
            moved.critic,
        )
        new = jax.tree.map(lambda a, b: jnp.where(stopped, b, a), Learned(moved, state), learned)
        return (new, stopped), said | {"stopped": jnp.where(stopped, 1.0, 0.0)}

    batches = jnp.reshape(order, (-1, order.shape[-1]))
    (learned, _), said = jax.lax.scan(one, (learned, jnp.zeros((), bool)), batches)
    figures = {name: jnp.mean(values) for name, values in said.items()} | {"kl": said["kl"][-1]}
    return learned, figures | {"finite": jnp.where(finite(learned.networks), 1.0, jnp.nan)}


def _loss(
    networks: Networks,
    config: PpoConfig,
    normalisation: Normalisation,
    parameters: ActorCritic,
    batch: Steps,
    critic_only: Array,
) -> tuple[Array, dict[str, Array]]:
    x = normalised(normalisation, batch.observation)
    mean = jnp.asarray(networks.actor.apply(parameters.actor, x))
    log_ratio = log_probability(mean, parameters.log_spread, batch.action) - batch.log_probability
    ratio = jnp.exp(log_ratio)
    advantage = (batch.advantage - jnp.mean(batch.advantage)) / (jnp.std(batch.advantage) + 1e-8)
    held = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
    objective = jnp.mean(jnp.minimum(ratio * advantage, held * advantage))
    value = jnp.asarray(networks.critic.apply(parameters.critic, x))[..., 0]
    near = batch.value + jnp.clip(value - batch.value, -config.value_clip, config.value_clip)
    off = jnp.mean(jnp.maximum((value - batch.gain) ** 2, (near - batch.gain) ** 2))
    entropy = jnp.sum(parameters.log_spread)
    actor = jnp.where(critic_only, 0.0, objective + config.entropy * entropy)
    said = {
        "value_loss": off,
        "kl": jnp.mean(ratio - 1.0 - log_ratio),
        "clipped": jnp.mean(jnp.where(jnp.abs(ratio - 1.0) > config.clip, 1.0, 0.0)),
    }
    return config.value_weight * off - actor, said
