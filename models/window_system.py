"""Normal equations of the window: the sights of its instants, smoothness between neighbours, rest, and the prior.

The prior stands on the first instant for everything older, marginalised exactly (Schur complement at the estimate
where it left the window). The system is block-tridiagonal with 80 x 80 blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from kincast.models.block_tridiagonal import marginal
from kincast.models.kinematics import difference
from kincast.models.sight import Sight
from kincast.models.smoothness import MotionFactor, Smoothness, motion_factor
from kincast.models.window_model import VELOCITY_UNIT_S, N, WindowEstimate


class System(NamedTuple):
    """Normal equations of the window at an estimate; ``upper[k]`` couples instant k to k + 1."""

    diagonal: Float[Array, "window 80 80"]
    upper: Float[Array, "window 80 80"]
    rhs: Float[Array, "window 80"]


def motions(
    smoothness: Smoothness, estimate: WindowEstimate, interval_s: Float[Array, " window"]
) -> MotionFactor:
    """Smoothness between all neighbours, velocities in their unit; leading axis: the window without its last."""
    density = smoothness.spectral_density()
    q, v = estimate.q, estimate.v
    factors = jax.vmap(motion_factor, in_axes=(0, 0, 0, 0, 0, None))(
        q[:-1], v[:-1], q[1:], v[1:], interval_s[1:], density
    )
    unit = jnp.asarray([1.0, 1.0 / VELOCITY_UNIT_S], jnp.float32)
    square = (unit[:, None] * unit[None, :])[None, :, :, None]
    column = unit[None, :, None]
    return MotionFactor(
        factors.first * square,
        factors.cross * square,
        factors.second * square,
        factors.rhs_first * column,
        factors.rhs_second * column,
        factors.loss,
    )


def window_loss(
    smoothness: Smoothness,
    estimate: WindowEstimate,
    sights: Sight,
    motion: MotionFactor,
    interval_s: Float[Array, " window"],
) -> Float[Array, ""]:
    """What the solver minimises, in nats."""
    error = _from_prior(estimate)
    prior = error @ (0.5 * (estimate.prior_matrix @ error) - estimate.prior_rhs)
    rest = rest_information(smoothness, interval_s)
    speed = 0.5 * VELOCITY_UNIT_S**2 * jnp.sum(rest[:, None] * estimate.v**2)
    return jnp.sum(sights.loss) + jnp.sum(motion.loss) + prior + speed


def window_system(
    smoothness: Smoothness,
    estimate: WindowEstimate,
    sights: Sight,
    motion: MotionFactor,
    interval_s: Float[Array, " window"],
) -> System:
    """All factors of the window at the estimate."""
    rest = rest_information(smoothness, interval_s)
    pad = jnp.zeros((1, 2, 2, N), jnp.float32)
    own = jnp.concatenate([motion.first, pad]) + jnp.concatenate([pad, motion.second])
    own = own.at[:, 1, 1].add(rest[:, None])
    position = jnp.pad(sights.matrix, ((0, 0), (0, N), (0, N)))
    diagonal = expanded(own) + position
    rhs = jnp.concatenate([motion.rhs_first, pad[:, 0]]) + jnp.concatenate([pad[:, 0], motion.rhs_second])
    pulled = jnp.stack([sights.rhs, -rest[:, None] * estimate.v * VELOCITY_UNIT_S], axis=1)
    rhs = (rhs + pulled).reshape(-1, 2 * N)
    diagonal = diagonal.at[0].add(estimate.prior_matrix)
    rhs = rhs.at[0].add(estimate.prior_rhs - estimate.prior_matrix @ _from_prior(estimate))
    return System(diagonal, expanded(jnp.concatenate([motion.cross, pad])), rhs)


def without_oldest(
    smoothness: Smoothness, estimate: WindowEstimate, sights: Sight, interval_s: Float[Array, " window"]
) -> WindowEstimate:
    """The window moved on by one: the oldest instant becomes the prior of the next, the newest stands twice."""
    pair = jax.tree.map(lambda x: x[:2], sights)
    first_two = estimate._replace(q=estimate.q[:2], v=estimate.v[:2])
    motion = motions(smoothness, first_two, interval_s[:2])
    system = window_system(smoothness, first_two, pair, motion, interval_s[:2])
    matrix, rhs = marginal(system.diagonal[0], system.upper[0], system.rhs[0])
    # The interval between the two acts on the second as well: its share is part of what is kept.
    matrix = matrix + expanded(motion.second)[0]
    return WindowEstimate(
        q=jnp.concatenate([estimate.q[1:], estimate.q[-1:]]),
        v=jnp.concatenate([estimate.v[1:], estimate.v[-1:]]),
        prior_matrix=0.5 * (matrix + matrix.T),
        prior_rhs=rhs + motion.rhs_second[0].reshape(-1),
        prior_q=estimate.q[1],
        prior_v=estimate.v[1],
    )


def rest_information(smoothness: Smoothness, interval_s: Float[Array, " window"]) -> Float[Array, " window"]:
    """Pull of every velocity to rest, per (unit velocity)^2."""
    speed = smoothness.rest_speed * VELOCITY_UNIT_S
    return interval_s / (smoothness.rest_time_s * speed**2)


def expanded(blocks: Float[Array, "window 2 2 40"]) -> Float[Array, "window 80 80"]:
    """2 x 2 blocks that are diagonal over the coordinates -> full matrices."""
    eye = jnp.eye(N, dtype=blocks.dtype)
    full = blocks[:, :, None, :, :] * eye[None, None, :, None, :]  # (window, 2, 40, 2, 40)
    return full.reshape(-1, 2 * N, 2 * N)


def _from_prior(estimate: WindowEstimate) -> Float[Array, "80"]:
    moved = difference(estimate.prior_q, estimate.q[0])
    return jnp.concatenate([moved, (estimate.v[0] - estimate.prior_v) * VELOCITY_UNIT_S])
