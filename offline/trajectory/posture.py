"""How this person moves in this recording, learned while fitting: mean posture and how its angles vary together.

Gaussian on pelvis tilt, list and the 34 joint angles, learned by expectation-maximisation over the trajectory
and its posterior covariance, with an inverse-Wishart prior around the usual spreads of the body calibration. In a
walk, joints move together; what departs from how they do is mostly noise. A long recording says how, a short
one is left with the usual spreads.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from kincast.models.body_prior import posture_table
from kincast.models.pose_fit import posture
from kincast.models.posture_prior import PostureFactor, limit_pull, pelvis_slant
from kincast.offline.trajectory.motion import Motion, MotionCovariance

Number = float | Float[Array, ""]
INSTANTS_AT_ONCE = 1024


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LearnedPosture:
    """``mean`` (rad) and ``precision`` of tilt, list and joint angles; a pull of ``1 / correlation_time_s`` looks per second."""

    mean: Float[Array, "36"] | Float[np.ndarray, "36"]
    precision: Float[Array, "36 36"] | Float[np.ndarray, "36 36"]
    correlation_time_s: Number = 0.1
    limit_sd_deg: Number = 2.0


@dataclass(frozen=True)
class PostureLearning:
    """``usual_looks``: independent looks that the usual spreads are worth; ``look_s``: how long one look lasts;
    ``together``: share of the learned covariance between different angles that is kept."""

    usual_looks: float = 2.0
    look_s: float = 0.15
    together: float = 1.0
    correlation_time_s: float = 0.1


def learned_posture(
    motion: Motion,
    covariance: MotionCovariance,
    weight: Float64[np.ndarray, " time"],
    learning: PostureLearning = PostureLearning(),
) -> LearnedPosture:
    """From evenly spread instants; ``weight`` 0 where nobody was seen."""
    usual_mean, between, within = posture_table()
    value, slope = posture(motion.q)
    share = weight / max(float(weight.sum()), 1e-9)
    duration_s = float(weight.mean()) * float(motion.t_ns[-1] - motion.t_ns[0]) * 1e-9
    looks = 1.0 + duration_s / learning.look_s
    seen_mean = share @ value
    shrink = looks * between**2 / (looks * between**2 + within**2)
    mean = usual_mean + shrink * (seen_mean - usual_mean)
    deviation = value - mean
    spread = (deviation * share[:, None]).T @ deviation
    for start in range(0, len(value), INSTANTS_AT_ONCE):
        rows = slice(start, start + INSTANTS_AT_ONCE)
        weighted = share[rows, None, None] * slope[rows]
        spread += np.einsum("tij,tkj->ik", weighted @ covariance.pose[rows], slope[rows], optimize=True)
    spread = learning.together * spread + (1.0 - learning.together) * np.diag(np.diag(spread))
    usual = learning.usual_looks
    blended = (looks * spread + usual * np.diag(within**2)) / (looks + usual)
    return LearnedPosture(mean, np.linalg.inv(blended), learning.correlation_time_s)


def learned_posture_factor(
    q: Float[Array, "41"], dt_s: Float[Array, ""], limits: Float[np.ndarray, "34 2"], prior: LearnedPosture
) -> PostureFactor:
    """Factor of one pose that stands for ``dt_s`` seconds, as :func:`kincast.models.posture_prior.posture_factor`."""
    dtype = q.dtype
    share = dt_s / prior.correlation_time_s
    angles = q[7:]
    beyond, stiff = limit_pull(angles, limits, prior.limit_sd_deg)
    slant, rows = pelvis_slant(q)
    deviation = jnp.concatenate([slant, angles]) - prior.mean
    pull = share * (prior.precision @ deviation)
    slope = jnp.zeros((36, 40), dtype).at[:2, 3:6].set(rows).at[np.arange(2, 36), np.arange(6, 40)].set(1.0)
    matrix = share * (slope.T @ prior.precision @ slope)
    index = np.arange(6, 40)
    matrix = matrix.at[index, index].add(stiff)
    rhs = -slope.T @ pull
    rhs = rhs.at[6:].add(stiff * beyond)
    return PostureFactor(matrix, rhs, 0.5 * deviation @ pull + 0.5 * jnp.sum(stiff * beyond**2))
