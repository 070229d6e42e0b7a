"""How far a fitted pose may be off: within the trial, and in total.

The window's covariance takes pictures for as new as their correlation in time lets them be, which is right for
what many pictures average out and too pessimistic for what one picture shows well; there the covariance of a
single look (all its information, the posture prior counted once) is the bound. A smooth minimum of the two
is taken, and a floor is added for what no covariance knows: the skeleton's joints are not the person's.

In total two constants of the trial come on top: keypoints attached elsewhere on the person than in the body
file, and a resting posture other than the usual one. Both shift the pose by ``P J'A d`` (P the single look's
covariance, d the displacement).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from kincast.models.angle_floors import floors
from kincast.models.body import Body
from kincast.models.body_prior import posture_table
from kincast.models.coordinates import OPENSIM_FROM_WORLD, coordinates_from_pose

GIMBAL_COSINE = 1e-3
"""Lying on the side tilt and rotation are one: their sd is as large as it gets, not infinite."""
UNKNOWN_SITE_SD_M = 0.012
"""Attachment of a detector's keypoint where the body file does not say (see ``body_prior``)."""


@dataclass(frozen=True)
class PoseUncertainty:
    """Covariances by the 40 velocities."""

    within: Float[np.ndarray, "40 40"]
    total: Float[np.ndarray, "40 40"]


def site_variance_m2(body: Body) -> Float[np.ndarray, " site"]:
    """Variance (m^2, per axis) of where each site sits on the person."""
    sds = body.parameters.site_offsets_sd
    unknown = (UNKNOWN_SITE_SD_M,) * 3
    return np.square(np.array([sds.get(name, unknown) for name in body.sites])).mean(axis=1)


def pose_uncertainty(
    covariance: Float[np.ndarray, "40 40"],
    seen: Float[np.ndarray, "40 40"],
    unsure: Float[np.ndarray, "40 40"],
    share: float,
) -> PoseUncertainty:
    """Uncertainty of one pose.

    Args:
        covariance: from the window.
        seen, unsure: information of the instant's own pictures and variance of its right-hand side by the
            sites' uncertainty, both with the pictures' information multiplied by ``share`` (by its square).
    """
    prior, resting = _posture_by_velocity()
    diagonal = np.arange(40)
    information = seen.astype(np.float64) / share
    information[diagonal, diagonal] += prior
    look = np.linalg.inv(information)
    own = look[diagonal, diagonal]
    window = np.maximum(covariance[diagonal, diagonal].astype(np.float64), 1e-12)
    # a smooth minimum: where both are alike, space and time together know more than either
    scale = np.sqrt((window**-2 + own**-2) ** -0.5 / own)
    within = look * np.outer(scale, scale)
    within[diagonal, diagonal] += _floor_by_velocity()
    displaced = unsure.astype(np.float64) / share**2
    displaced[diagonal, diagonal] += prior**2 * resting
    shift = look @ displaced @ look
    return PoseUncertainty(within, within + 0.5 * (shift + shift.T))


@lru_cache(maxsize=1)
def _floor_by_velocity() -> Float[np.ndarray, "40"]:
    """Variance; the pelvis' three turns share one floor, its three places another."""
    variance = floors() ** 2
    turns, places = variance[:3] * np.radians(1.0) ** 2, variance[3:6]
    return np.concatenate([places, turns, variance[6:] * np.radians(1.0) ** 2])


@lru_cache(maxsize=1)
def _posture_by_velocity() -> tuple[Float[np.ndarray, "40"], Float[np.ndarray, "40"]]:
    """Information of the posture prior within a person, and variance of the resting posture between people."""
    _, between, spread = posture_table()
    information, resting = np.full(40, 1e-4), np.zeros(40)
    by_turn = [5, 3, *range(6, 40)]  # tilt turns about z, list about x
    information[by_turn], resting[by_turn] = spread**-2, between**2
    return information, resting


def coordinate_sd(
    q: Float[np.ndarray, "41"], covariance: Float[np.ndarray, "*n 40 40"]
) -> Float[np.ndarray, "*n 40"]:
    """Standard deviations (rad, m) of the file coordinates, in the order of ``COORDINATES``."""
    turn, axes = _angles_by_turn(q), np.array(OPENSIM_FROM_WORLD)
    rotation = turn @ covariance[..., 3:6, 3:6] @ turn.T
    translation = axes @ covariance[..., :3, :3] @ axes.T
    parts = (rotation, translation, covariance[..., 6:, 6:])
    variance = np.concatenate([np.diagonal(part, axis1=-2, axis2=-1) for part in parts], axis=-1)
    return np.sqrt(np.maximum(variance, 0.0))


def file_directions(
    q: Float[np.ndarray, "41"], directions: Float[np.ndarray, "40 k"]
) -> Float[np.ndarray, "40 k"]:
    """Small changes of a pose by the 40 velocities, in columns -> of the file coordinates (rad, m), in their order."""
    turned = _angles_by_turn(q) @ directions[3:6]
    return np.concatenate([turned, np.array(OPENSIM_FROM_WORLD) @ directions[:3], directions[6:]])


def _angles_by_turn(q: Float[np.ndarray, "41"]) -> Float[np.ndarray, "3 3"]:
    """Derivative of pelvis tilt (z), list (x), rotation (y) by the pelvis' turn about its own x, y, z."""
    _, lean, rotation = coordinates_from_pose(q)[:3]
    sine, cosine = np.sin(rotation), np.cos(rotation)
    across = np.copysign(max(abs(np.cos(lean)), GIMBAL_COSINE), np.cos(lean))
    tilt = np.array([-sine, 0.0, cosine]) / across
    return np.stack([tilt, [cosine, 0.0, sine], [0.0, 1.0, 0.0] - np.sin(lean) * tilt])
