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

import numpy as np
from jaxtyping import Float

from kincast.models.body import Body
from kincast.models.body_prior import posture_table
from kincast.models.coordinates import OPENSIM_FROM_WORLD, coordinates_from_pose
from kincast.models.rotations import quaternion_exp, quaternion_multiply

MODEL_SD_RAD = np.radians(0.7)
MODEL_SD_M = 0.003
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
    _, between, spread = posture_table()
    prior = np.full(40, 1e-4)
    prior[5], prior[3] = spread[0] ** -2, spread[1] ** -2  # tilt turns about z, list about x
    prior[6:] = spread[2:] ** -2
    look = np.linalg.inv(seen.astype(np.float64) / share + np.diag(prior))
    window = np.maximum(np.diag(covariance).astype(np.float64), 1e-12)
    # a smooth minimum: where both are alike, space and time together know more than either
    smaller = (window**-2 + np.diag(look) ** -2) ** -0.5
    scale = np.sqrt(smaller / np.diag(look))
    floor = np.concatenate([np.full(3, MODEL_SD_M**2), np.full(37, MODEL_SD_RAD**2)])
    within = look * scale[:, None] * scale[None, :] + np.diag(floor)
    resting = np.zeros(40)
    resting[5], resting[3] = between[0] ** 2, between[1] ** 2
    resting[6:] = between[2:] ** 2
    shift = look @ (unsure.astype(np.float64) / share**2 + np.diag(prior**2 * resting)) @ look
    return PoseUncertainty(within, within + 0.5 * (shift + shift.T))


def coordinate_sd(
    q: Float[np.ndarray, "41"], covariance: Float[np.ndarray, "40 40"]
) -> Float[np.ndarray, "40"]:
    """Standard deviations (rad, m) of the file coordinates, in the order of ``COORDINATES``."""
    turn = np.zeros((3, 3))
    step = 1e-5
    here = coordinates_from_pose(q)[:3]
    for axis in range(3):
        moved = q.copy()
        moved[3:7] = quaternion_multiply(q[3:7], quaternion_exp(step * np.eye(3)[axis]))
        change = coordinates_from_pose(moved)[:3] - here
        turn[:, axis] = (np.mod(change + np.pi, 2.0 * np.pi) - np.pi) / step
    to_opensim = np.array(OPENSIM_FROM_WORLD)
    rotation = turn @ covariance[3:6, 3:6] @ turn.T
    translation = to_opensim @ covariance[:3, :3] @ to_opensim.T
    variance = np.concatenate([np.diag(rotation), np.diag(translation), np.diag(covariance)[6:]])
    return np.sqrt(np.maximum(variance, 0.0))
