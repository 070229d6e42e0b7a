"""What is known of a person's posture before looking: weak, so that a patient's posture can be unusual.

Every joint coordinate is drawn weakly towards a resting value; the pelvis towards upright, loosely, in tilt
and list (keypoints of the legs and shoulders alone hardly see its tilt; the trunk does). At the joint limits
a one-sided quadratic rises. The pull is a rate: per second of observation it carries the information of
``1 / correlation_time_s`` independent looks, whatever the frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from kincast.models.body_prior import POSTURE, posture_table
from kincast.models.rotations import matrix_from_quaternion

# The calibration's spreads serve its shape estimate; frame by frame, what sways with the gait cycle is let go further.
_LOOSER = np.array(
    [
        1.5
        if name in ("pelvis_list", "hip_adduction_r", "hip_adduction_l")
        else 1.3
        if name.startswith("lumbar")
        else 1.0
        for name in POSTURE
    ]
)

Number = float | Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PosturePrior:
    """Means and spreads are those of the body calibration (:mod:`kincast.models.body_prior`).

    Far from its mean a coordinate is pulled ever less (Cauchy, from ``reach`` spreads on), so a bent trunk or a
    seated person is not straightened. ``scale`` multiplies the spread within a person, ``correlation_time_s`` is how long one posture lasts,
    ``limit_sd_deg`` how far a joint limit may be passed at one unit of loss.
    """

    scale: Number = 0.9
    correlation_time_s: Number = 0.1
    limit_sd_deg: Number = 2.0
    reach: Number = 1.5

    def means(self) -> np.ndarray:
        """(36,) rad: pelvis tilt, list, then the 34 joint coordinates."""
        return posture_table()[0]

    def sds(self) -> Float[Array, "36"]:
        """Radians, in the order of :meth:`means`."""
        return jnp.asarray(posture_table()[2] * _LOOSER, jnp.float32) * self.scale


class PostureFactor(NamedTuple):
    """Normal equations of one pose by its 40 velocities: the joints' part is diagonal, the pelvis' rotation 3 x 3."""

    matrix: Float[Array, "40 40"]
    rhs: Float[Array, "40"]
    loss: Float[Array, ""]


def posture_factor(
    q: Float[Array, "41"],
    dt_s: Float[Array, ""],
    limits: Float[np.ndarray, "34 2"],
    prior: PosturePrior,
) -> PostureFactor:
    """Factor of one pose that stands for ``dt_s`` seconds; ``limits`` in radians. Points down the loss."""
    dtype = q.dtype
    share = dt_s / prior.correlation_time_s
    angles = q[7:]
    error = jnp.asarray(prior.means()[2:], dtype) - angles
    information, soft_loss = _soft_pull(error, prior.sds()[2:], prior.reach)
    information = share * information
    beyond, stiff = limit_pull(angles, limits, prior.limit_sd_deg)
    joint_rhs = information * error + stiff * beyond
    joint_loss = share * soft_loss + 0.5 * jnp.sum(stiff * beyond**2)

    slant, rows = pelvis_slant(q)
    slant = slant - jnp.asarray(prior.means()[:2], dtype)
    pelvis_information, pelvis_loss = _soft_pull(slant, prior.sds()[:2], prior.reach)
    pelvis_information = share * pelvis_information
    pelvis_matrix = rows.T @ (pelvis_information[:, None] * rows)
    pelvis_rhs = -rows.T @ (pelvis_information * slant)

    matrix = jnp.diag(jnp.concatenate([jnp.zeros(6, dtype), information + stiff]))
    matrix = matrix.at[3:6, 3:6].set(pelvis_matrix)
    rhs = jnp.concatenate([jnp.zeros(3, dtype), pelvis_rhs, joint_rhs])
    return PostureFactor(matrix, rhs, joint_loss + share * pelvis_loss)


def limit_pull(
    angles: Float[Array, "34"], limits: Float[np.ndarray, "34 2"], sd_deg: Number
) -> tuple[Array, Array]:
    """Way back into the joint limits (rad; zero within them) and its information; both (34,). ``limits`` in radians."""
    inside = jnp.clip(
        angles, jnp.asarray(limits[:, 0], angles.dtype), jnp.asarray(limits[:, 1], angles.dtype)
    )
    beyond = inside - angles
    stiff = jnp.where(beyond != 0.0, 1.0 / jnp.radians(sd_deg) ** 2, 0.0).astype(angles.dtype)
    return beyond, stiff


def pelvis_slant(q: Float[Array, "41"]) -> tuple[Float[Array, "2"], Float[Array, "2 3"]]:
    """Tilt and list of the pelvis against the vertical (rad), and their derivative by a turn in its own axes."""
    # "Up" in pelvis axes changes by up x w when the pelvis turns by w in its own axes.
    up = matrix_from_quaternion(q[3:7])[2]
    zero = jnp.zeros((), q.dtype)
    by_turn = [
        jnp.stack([zero, -up[2], up[1]]),
        jnp.stack([up[2], zero, -up[0]]),
        jnp.stack([-up[1], up[0], zero]),
    ]
    horizontal = jnp.maximum(up[0] ** 2 + up[1] ** 2, 1e-6)
    rows = jnp.stack(
        [(up[1] * by_turn[0] - up[0] * by_turn[1]) / horizontal, -by_turn[2] / jnp.sqrt(horizontal)]
    )
    return jnp.stack([jnp.arctan2(up[0], up[1]), -jnp.arcsin(jnp.clip(up[2], -1.0, 1.0))]), rows


def _soft_pull(error: Float[Array, "*n"], sd: Float[Array, "*n"], reach: Number) -> tuple[Array, Array]:
    """IRLS information of a Cauchy-tailed prior and its summed loss."""
    squared = (error / (reach * sd)) ** 2
    return 1.0 / (sd**2 * (1.0 + squared)), 0.5 * reach**2 * jnp.sum(jnp.log1p(squared))
