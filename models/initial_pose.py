"""A first pose from triangulated keypoints, without any idea of where the person is or what they do.

A few postures (standing, striding, sitting, bent) are laid onto the points in closed form (Umeyama 1991),
which settles place and heading whatever parts are missing, then all are refined together and the best
explanation wins. Left and right in the keypoints' names settle the facing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.body import Body, log_scales, site_offsets
from kincast.models.body_prior import pose_prior
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.pose_fit import BatchKinematics, fit_poses
from kincast.models.rotations import quaternion_from_matrix, quaternion_multiply

_STARTS_DEG: tuple[dict[str, float], ...] = (
    {"elbow_flex": 30, "knee_angle": 10},
    {"elbow_flex": 30, "knee_angle": 85, "hip_flexion": 80},
    {"elbow_flex": 20, "knee_angle": 15, "hip_flexion": 70, "lumbar_extension": -20, "arm_flex": 60},
    {"elbow_flex": 30, "knee_angle": 25, "hip_flexion_r": 35, "hip_flexion_l": -10},
    {"elbow_flex": 30, "knee_angle": 25, "hip_flexion_l": 35, "hip_flexion_r": -10},
    {"elbow_flex": 60, "knee_angle": 120, "hip_flexion": 110, "lumbar_extension": -40, "arm_flex": 80},
)


class InitialPoseCode(enum.IntEnum):
    """Why there is a pose, or none."""

    OK = 0
    TOO_FEW_POINTS = 1
    """Fewer points than needed, or all on one line."""
    NO_POSTURE_FITS = 2
    """Every start ended with half of the points far from the body: they are not one person's, or not this person's."""


@dataclass(frozen=True)
class InitialPose:
    """``qpos`` (the rest pose unless OK), and the median distance of the points from the body."""

    code: InitialPoseCode
    qpos: Float[np.ndarray, "41"]
    median_m: float


@dataclass(frozen=True)
class InitialPoseConfig:
    """``sigma_m``: how well points and a body that may still be the generic one can agree.

    ``starts_at_once``: so many of the starts are refined, the others only if none of these fits (on 135 instants of
    seven recordings the three nearest always held the best). ``iterations``: the fit that follows does the rest.
    """

    min_points: int = 7
    sigma_m: float = 0.03
    starts_at_once: int = 3
    iterations: int = 10
    max_median_m: float = 0.10


def initial_pose(
    body: Body,
    points: Float[np.ndarray, "site 3"],
    valid: Bool[np.ndarray, " site"],
    config: InitialPoseConfig = InitialPoseConfig(),
) -> InitialPose:
    """Pose of ``body`` that explains the world points (m) of its sites; any of them may be absent."""
    rest = start_postures()[0]
    usable = valid & np.isfinite(points).all(axis=1)
    if usable.sum() < config.min_points or _flat(points[usable]):
        return InitialPose(InitialPoseCode.TOO_FEW_POINTS, rest, float("inf"))
    clean = np.where(usable[:, None], points, 0.0)
    fitted = _StartFit(body, clean, usable, config)
    starts = fitted.nearest_first()
    found = InitialPose(InitialPoseCode.NO_POSTURE_FITS, rest, float("inf"))
    for some in (starts[: config.starts_at_once], starts[config.starts_at_once :]):
        if not len(some):
            break
        qpos, median_m = fitted.refined(some)
        if median_m < config.max_median_m:
            return InitialPose(InitialPoseCode.OK, qpos, median_m)
        found = InitialPose(found.code, rest, min(found.median_m, median_m))
    return found


class _StartFit:
    """The start postures of one body against the points of one instant."""

    def __init__(
        self,
        body: Body,
        points: Float[np.ndarray, "site 3"],
        usable: Bool[np.ndarray, " site"],
        config: InitialPoseConfig,
    ) -> None:
        self._config = config
        self._points, self._usable = points, usable
        self._scales, self._offsets = (
            log_scales(body.parameters),
            site_offsets(body.parameters, body.skeleton),
        )
        # chunks as large as what is asked for: this runs in the live loop
        self._all = BatchKinematics(body.skeleton, chunk=len(_STARTS_DEG))
        self._some = BatchKinematics(body.skeleton, chunk=config.starts_at_once)

    def nearest_first(self) -> Float[np.ndarray, "start 41"]:
        """All start postures laid onto the points, those first that come near most of them."""
        starts = laid_onto(self._all, self._scales, self._offsets, self._points[None], self._usable[None])[0]
        sites, _ = self._all.poses(self._scales, self._offsets, starts)
        return starts[np.argsort([self._median_m(s) for s in sites], kind="stable")]

    def refined(self, starts: Float[np.ndarray, "some 41"]) -> tuple[Float[np.ndarray, "41"], float]:
        """The pose of least cost that some of the starts lead to, and its median distance from the points (m)."""
        n = len(starts)
        information = np.where(self._usable, 1.0, 0.0)[:, None, None] * np.eye(3) / self._config.sigma_m**2
        q, cost, _ = fit_poses(
            self._some,
            self._scales,
            self._offsets,
            starts,
            np.repeat(self._points[None], n, axis=0),
            np.repeat(information[None], n, axis=0),
            pose_prior(),
            self._config.iterations,
        )
        best = q[int(np.argmin(cost))]
        sites, _ = self._some.poses(self._scales, self._offsets, best[None])
        return best, self._median_m(sites[0])

    def _median_m(self, sites: Float[np.ndarray, "site 3"]) -> float:
        return float(np.median(np.linalg.norm(sites - self._points, axis=1)[self._usable]))


def start_postures() -> Float[np.ndarray, "start 41"]:
    """Poses at the world's origin, upright, facing x."""
    q = np.zeros((len(_STARTS_DEG), 41))
    q[:, 3:5] = np.sqrt(0.5)
    for row, angles in enumerate(_STARTS_DEG):
        for column, name in enumerate(JOINT_COORDINATES):
            angle = angles.get(name, angles.get(name[:-2], 0.0))
            q[row, 7 + column] = np.radians(angle)
    return q


def laid_onto(
    kinematics: BatchKinematics,
    scales: Float[np.ndarray, "8"],
    offsets: Float[np.ndarray, "site 3"],
    points: Float[np.ndarray, "time site 3"],
    valid: Bool[np.ndarray, "time site"],
) -> Float[np.ndarray, "time start 41"]:
    """Every start posture moved and turned rigidly onto every instant's points."""
    postures = start_postures()
    templates, _ = kinematics.poses(scales, offsets, postures)
    out = np.zeros((len(points), len(postures), 41))
    for t in range(len(points)):
        for p, posture in enumerate(postures):
            rotation, translation, _ = similarity(templates[p][valid[t]], points[t][valid[t]])
            turn = quaternion_from_matrix(rotation)
            out[t, p] = posture
            out[t, p, :3] = rotation @ posture[:3] + translation
            out[t, p, 3:7] = quaternion_multiply(turn, posture[3:7])
    return out


def similarity(
    source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"], float]:
    """Rotation and translation of least squares from source to target (no reflection), and the scale beside them.

    Umeyama 1991; the translation is for scale 1.
    """
    centre_source, centre_target = source.mean(axis=0), target.mean(axis=0)
    a, b = source - centre_source, target - centre_target
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum() / max((a**2).sum(), 1e-12))
    return rotation, centre_target - rotation @ centre_source, scale


def _flat(points: Float[np.ndarray, "n 3"]) -> bool:
    """Points on one line (or at one place) fix no orientation."""
    singular = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(singular[1] < 0.02 * np.sqrt(len(points)))
