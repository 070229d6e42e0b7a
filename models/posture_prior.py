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

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.body_prior import posture_table
from kincast.models.rotations import matrix_from_quaternion


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PosturePrior:
    """Means and spreads are those of the body calibration (:mod:`kincast.models.body_prior`).

    ``scale`` multiplies the spread within a person, ``correlation_time_s`` is how long one posture lasts,
    ``limit_sd_deg`` how far a joint limit may be passed at one unit of loss.
    """

    scale: float = 1.0
    list_scale: float = 1.0
    tilt_scale: float = 1.0
    lumbar_scale: float = 1.0
    hiprot_scale: float = 1.0
    hipadd_scale: float = 1.0
    foot_scale: float = 1.0
    correlation_time_s: float = 0.1
    limit_sd_deg: float = 2.0

    def means(self) -> np.ndarray:
        """(36,) rad: pelvis tilt, list, then the 34 joint coordinates."""
        return posture_table()[0]

    def sds(self) -> Float[Array, "36"]:
        """Radians, in the order of :meth:`means`."""
        f = [self.tilt_scale, self.list_scale] + [
            self.lumbar_scale
            if n.startswith("lumbar")
            else self.hiprot_scale
            if n.startswith("hip_rot")
            else self.hipadd_scale
            if n.startswith("hip_add")
            else self.foot_scale
            if n.startswith(("subt", "mtp"))
            else 1.0
            for n in JOINT_COORDINATES
        ]
        return (
            jnp.asarray(posture_table()[2], jnp.float32) * self.scale * jnp.stack([jnp.float32(x) for x in f])
        )


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
    information = share / prior.sds()[2:] ** 2
    error = jnp.asarray(prior.means()[2:], dtype) - angles
    inside = jnp.clip(angles, jnp.asarray(limits[:, 0], dtype), jnp.asarray(limits[:, 1], dtype))
    beyond = inside - angles
    stiff = jnp.where(beyond != 0.0, 1.0 / jnp.radians(prior.limit_sd_deg) ** 2, 0.0).astype(dtype)
    joint_rhs = information * error + stiff * beyond
    joint_loss = 0.5 * jnp.sum(information * error**2 + stiff * beyond**2)

    # "Up" in pelvis axes changes by up x w when the pelvis turns by w in its own axes.
    up = matrix_from_quaternion(q[3:7])[2]
    zero = jnp.zeros((), dtype)
    by_turn = [
        jnp.stack([zero, -up[2], up[1]]),
        jnp.stack([up[2], zero, -up[0]]),
        jnp.stack([-up[1], up[0], zero]),
    ]
    horizontal = jnp.maximum(up[0] ** 2 + up[1] ** 2, 1e-6)
    rows = jnp.stack(
        [(up[1] * by_turn[0] - up[0] * by_turn[1]) / horizontal, -by_turn[2] / jnp.sqrt(horizontal)]
    )
    pelvis_information = share * 1.0 / prior.sds()[:2] ** 2
    slant = jnp.stack([jnp.arctan2(up[0], up[1]), -jnp.arcsin(jnp.clip(up[2], -1.0, 1.0))])
    slant = slant - jnp.asarray(prior.means()[:2], dtype)
    pelvis_matrix = rows.T @ (pelvis_information[:, None] * rows)
    pelvis_rhs = -rows.T @ (pelvis_information * slant)

    matrix = jnp.diag(jnp.concatenate([jnp.zeros(6, dtype), information + stiff]))
    matrix = matrix.at[3:6, 3:6].set(pelvis_matrix)
    rhs = jnp.concatenate([jnp.zeros(3, dtype), pelvis_rhs, joint_rhs])
    return PostureFactor(matrix, rhs, joint_loss + 0.5 * jnp.sum(pelvis_information * slant**2))
