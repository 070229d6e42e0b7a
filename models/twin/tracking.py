"""How well a twin followed a motion, and at what price: what one run came to, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.kinematics import difference
from kincast.models.rotations import matrix_from_quaternion
from kincast.models.twin.follow import Followed
from kincast.models.twin.model import CONTROL_HZ
from kincast.models.twin.reference import Reference
from kincast.models.twin.termination import TerminationConfig

SKIP_S = 0.2
"""Of every trial: contacts begin unloaded, a foot on the floor or not."""
FACING_S = 1.0
"""The direction a person faces is a mean over this time, as where forces are compared with plates."""
PRESSED_N = 100.0
"""The centre of pressure is compared where both say more than this."""


@dataclass(frozen=True)
class Tracking:
    """One trial: what each control instant came to (rows from :data:`SKIP_S` on). Signed errors are simulated minus wanted.

    Attributes:
        fell: why it ended early, empty if it did not; ``lost``: it went on, but further from the motion than training would let it.
        joint_deg, joint_rate_deg_s: errors of the 34 joints and their rates.
        pelvis_m, pelvis_m_s: horizontal distance, and size of the error of the horizontal velocity; ``pelvis_up_m``: of the height.
        residual, residual_moment: size of the pelvis residual, in body weights and body weights times a metre.
        servo, torque: size (rms over the joints, N m) of the servos' torques, and of all.
        force: error of the force on each foot (along where the person faces, to their left, up), in body weights.
        measured: where plates saw the foot.
        pressure_m: error of each foot's centre of pressure (ahead, to the left), NaN where it is not known.
    """

    fell: str
    lost: bool
    joint_deg: Float64[np.ndarray, "row 34"]
    joint_rate_deg_s: Float64[np.ndarray, "row 34"]
    pelvis_m: Float64[np.ndarray, " row"]
    pelvis_m_s: Float64[np.ndarray, " row"]
    pelvis_up_m: Float64[np.ndarray, " row"]
    residual: Float64[np.ndarray, " row"]
    residual_moment: Float64[np.ndarray, " row"]
    servo: Float64[np.ndarray, " row"]
    torque: Float64[np.ndarray, " row"]
    force: Float64[np.ndarray, "row 2 3"]
    measured: Bool[np.ndarray, "row 2"]
    pressure_m: Float64[np.ndarray, "row 2 2"]


def tracking_of(followed: Followed, reference: Reference, weight_N: float) -> Tracking:
    """Hold a run against the motion it followed (before grounding, if that is what counts)."""
    rows = len(followed.q)
    use = slice(min(int(SKIP_S * CONTROL_HZ), rows), rows)
    q, v = np.asarray(reference.q)[:rows], np.asarray(reference.v)[:rows]
    gap = np.asarray(difference(q, followed.q))[use]
    off = (followed.v - v)[use]
    axes = walking_axes(np.asarray(reference.q))[:rows]
    force, measured, pressure = _ground(followed, reference, weight_N, axes)
    return Tracking(
        followed.fell,
        bool(np.any(np.linalg.norm(gap[:, :3], axis=1) > TerminationConfig().far_m)),
        np.rad2deg(gap[:, 6:]),
        np.rad2deg(off[:, 6:]),
        np.hypot(gap[:, 0], gap[:, 1]),
        np.hypot(off[:, 0], off[:, 1]),
        gap[:, 2],
        np.linalg.norm(followed.residual[use, :3], axis=1) / weight_N,
        np.linalg.norm(followed.residual[use, 3:], axis=1) / weight_N,
        np.sqrt(np.mean(followed.servo[use] ** 2, axis=1)),
        np.sqrt(np.mean(followed.torque[use] ** 2, axis=1)),
        force[use],
        measured[use],
        pressure[use],
    )


def walking_axes(q: Float64[np.ndarray, "row 41"]) -> Float64[np.ndarray, "row 3 3"]:
    """Ahead, left and up (rows of each matrix) of the direction the pelvis faces, averaged over :data:`FACING_S`."""
    if not len(q):
        return np.zeros((0, 3, 3))
    ahead = np.asarray(matrix_from_quaternion(q[:, 3:7]))[:, :2, 0]
    total = np.vstack([np.zeros(2), np.cumsum(ahead, axis=0)])
    half = int(FACING_S * CONTROL_HZ / 2)
    at = np.arange(len(q))
    mean = total[np.minimum(at + half + 1, len(q))] - total[np.maximum(at - half, 0)]
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    axes = np.zeros((len(q), 3, 3))
    axes[:, 0, :2] = mean
    axes[:, 1, 0], axes[:, 1, 1] = -mean[:, 1], mean[:, 0]
    axes[:, 2, 2] = 1.0
    return axes


def _ground(
    followed: Followed, reference: Reference, weight_N: float, axes: Float64[np.ndarray, "row 3 3"]
) -> tuple[Float64[np.ndarray, "row 2 3"], Bool[np.ndarray, "row 2"], Float64[np.ndarray, "row 2 2"]]:
    """Errors of forces and of centres of pressure; a run's are means until the next instant, so the reference's are too."""
    rows = len(followed.q)
    following = np.minimum(np.arange(rows) + 1, len(reference.q) - 1)
    force, cop, measured = (np.asarray(x) for x in (reference.force, reference.cop, reference.measured))
    expected = 0.5 * (force[:rows] + force[following])
    seen = measured[:rows] & measured[following]
    off = np.einsum("rij,rfj->rfi", axes, (followed.force - expected) / weight_N)
    pressed = [
        f[..., 2] >= PRESSED_N for f in (followed.force, force[:rows], force[following])
    ]  # cop of an unloaded foot is zero, not a place
    both = np.logical_and.reduce([seen, *pressed])
    apart = followed.cop - 0.5 * (cop[:rows] + cop[following])
    pressure = np.einsum("rij,rfj->rfi", axes, apart)[..., :2]
    return off, seen, np.where(both[..., None], pressure, np.nan)
