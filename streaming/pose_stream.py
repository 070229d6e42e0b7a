"""From settled poses to the Kinematics messages: angles in clinical terms, limits, validity, keypoint positions."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32, Float64

from kincast.models.body import Body
from kincast.models.body_prior import joint_limits_deg
from kincast.models.coordinates import COORDINATES, clinical_pelvis, coordinates_from_pose, unwrapped
from kincast.models.fit_result import SettledPose
from kincast.models.kinematics import Skeleton, SkeletonValues, body_poses, site_positions
from kincast.streaming.heading import Heading
from kincast.streaming.messages import Kinematics

MAX_SD_DEG = 5.0
WITHIN_FACTOR = 0.9
"""Of the fit's own sd around the trial's mean; without it the intervals hold too much (ECE of four people, 8 and 2 cameras, 0.06)."""
LIMIT_MARGIN_DEG = 0.5
_CLINICAL = [
    COORDINATES.index(f"{name}_{side}")
    for side in ("r", "l")
    for name in ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle")
]
_IN_DEGREES = np.array([name not in ("pelvis_tx", "pelvis_ty", "pelvis_tz") for name in COORDINATES])
_TO_FILE_UNITS = np.where(_IN_DEGREES, 180.0 / np.pi, 1.0)


@partial(jax.jit, static_argnums=0)
def _world(skeleton: Skeleton, values: SkeletonValues, q):
    """World body poses and site positions of several poses at once."""
    xpos, xquat = jax.vmap(lambda pose: body_poses(skeleton, values, pose))(q)
    return xpos, xquat, jax.vmap(lambda pose: site_positions(skeleton, values, pose))(q)


class PoseStream:
    """State: the heading of progression and the last angles (continuity across turns)."""

    def __init__(self, body: Body) -> None:
        self._heading = Heading()
        self._last: Float64[np.ndarray, "40"] | None = None
        limits = joint_limits_deg()
        self._lowest_deg = np.concatenate([np.full(6, -np.inf), limits[:, 0] + LIMIT_MARGIN_DEG])
        self._highest_deg = np.concatenate([np.full(6, np.inf), limits[:, 1] - LIMIT_MARGIN_DEG])
        self.swap_body(body)

    def swap_body(self, body: Body) -> None:
        """Use another body's geometry from now on."""
        self._skeleton = body.skeleton
        self._values = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), body.values)

    def warm(self) -> None:
        """Compile what the loop calls."""
        q = np.zeros((2, 41), np.float32)
        q[:, 3] = 1.0
        jax.block_until_ready(_world(self._skeleton, self._values, q))

    def world(
        self, now_qpos: Float64[np.ndarray, "41"], settled_qpos: Float64[np.ndarray, "41"]
    ) -> tuple[
        Float32[np.ndarray, "body 3"], Float32[np.ndarray, "body 4"], Float32[np.ndarray, "keypoint 3"]
    ]:
        """World body positions and orientations at the newest pose, keypoint positions at the settled one."""
        q = np.stack([now_qpos, settled_qpos]).astype(np.float32)
        xpos, xquat, sites = jax.device_get(_world(self._skeleton, self._values, q))
        return np.ascontiguousarray(xpos[0]), np.ascontiguousarray(xquat[0]), np.ascontiguousarray(sites[1])

    def kinematics(
        self, pose: SettledPose, sites: Float32[np.ndarray, "keypoint 3"], body_known: bool
    ) -> Kinematics:
        """The message of one settled pose; every number in it is finite."""
        qpos = np.where(np.isfinite(pose.qpos), pose.qpos, 0.0)
        heading = self._heading.update(pose.t_ns, qpos)
        joints = np.asarray(coordinates_from_pose(qpos))[3:]
        coordinates = np.concatenate([np.asarray(clinical_pelvis(qpos, heading)), joints])
        if self._last is not None:
            coordinates = np.asarray(unwrapped(coordinates, self._last))
        self._last = coordinates
        angles = coordinates * _TO_FILE_UNITS
        sd = _finite_sd(pose.sd) * _TO_FILE_UNITS
        sd_within = WITHIN_FACTOR * _finite_sd(pose.sd_within) * _TO_FILE_UNITS
        precise = bool(np.max(sd_within[_CLINICAL]) <= MAX_SD_DEG)
        return Kinematics(
            t_ns=pose.t_ns,
            qpos=qpos,
            angles=angles.astype(np.float32),
            angles_sd=sd.astype(np.float32),
            angles_sd_within=sd_within.astype(np.float32),
            valid=bool(pose.tracked and body_known and precise and np.all(np.isfinite(pose.qpos))),
            tracked=bool(pose.tracked),
            at_limit=self._at_limit(angles),
            sites=sites,
        )

    def _at_limit(self, angles: Float64[np.ndarray, "40"]) -> Bool[np.ndarray, "40"]:
        return (angles <= self._lowest_deg) | (angles >= self._highest_deg)


def _finite_sd(sd: Float64[np.ndarray, "40"]) -> Float64[np.ndarray, "40"]:
    return np.where(np.isfinite(sd), np.minimum(sd, 1e3), 1e3)
