"""How well a twin followed a motion, and at what price: the published figures of KinTwin, and those it does not report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.kinematics import difference
from kincast.models.twin.follow import Followed
from kincast.models.twin.model import CONTROL_HZ
from kincast.models.twin.reference import Reference

SKIP_S = 0.2
"""Of every trial: contacts begin unloaded, a foot on the floor or not."""


@dataclass(frozen=True)
class Tracking:
    """One trial: what each control instant came to (rows from :data:`SKIP_S` on).

    Attributes:
        fell: why it ended early, empty if it did not.
        joint_deg, joint_rate_deg_s: absolute error of the 34 joints and their rates.
        pelvis_m, pelvis_m_s: horizontal distance, and error of the horizontal velocity.
        residual: size of the pelvis residual force, in body weights.
        servo, torque: size (rms over the joints, N m) of the servos' torques, and of all.
        force: simulated minus measured force on each foot (fore-aft by the pelvis' mean heading, lateral, vertical), in body weights.
        measured: where plates saw the foot.
    """

    fell: str
    joint_deg: Float64[np.ndarray, "row 34"]
    joint_rate_deg_s: Float64[np.ndarray, "row 34"]
    pelvis_m: Float64[np.ndarray, " row"]
    pelvis_m_s: Float64[np.ndarray, " row"]
    residual: Float64[np.ndarray, " row"]
    servo: Float64[np.ndarray, " row"]
    torque: Float64[np.ndarray, " row"]
    force: Float64[np.ndarray, "row 2 3"]
    measured: Bool[np.ndarray, "row 2"]


def tracking_of(followed: Followed, reference: Reference, weight_N: float) -> Tracking:
    """Hold a run against the motion it followed (before grounding, if that is what counts)."""
    rows = len(followed.q)
    use = slice(min(int(SKIP_S * CONTROL_HZ), rows), rows)
    q, v = np.asarray(reference.q)[use], np.asarray(reference.v)[use]
    gap = np.asarray(difference(followed.q[use], q))
    off = followed.v[use] - v
    force = (followed.force[use] - np.asarray(reference.force)[use]) / weight_N
    forward = heading_of(np.asarray(reference.q))
    axes = np.stack([forward, np.cross([0.0, 0.0, 1.0], forward), [0.0, 0.0, 1.0]])
    return Tracking(
        followed.fell,
        np.rad2deg(np.abs(gap[:, 6:])),
        np.rad2deg(np.abs(off[:, 6:])),
        np.hypot(gap[:, 0], gap[:, 1]),
        np.hypot(off[:, 0], off[:, 1]),
        np.linalg.norm(followed.residual[use, :3], axis=1) / weight_N,
        np.sqrt(np.mean(followed.servo[use] ** 2, axis=1)),
        np.sqrt(np.mean(followed.torque[use] ** 2, axis=1)),
        force @ axes.T,
        np.asarray(reference.measured)[use],
    )


def heading_of(q: Float64[np.ndarray, "row 41"]) -> Float64[np.ndarray, "3"]:
    """Horizontal direction of progression; where one stays in place, the mean one in which the pelvis looks."""
    way = q[-1, :3] - q[0, :3]
    if np.hypot(way[0], way[1]) < 0.5:
        w, x, y, z = q[:, 3:7].T
        way = np.array([np.mean(1 - 2 * (y * y + z * z)), np.mean(2 * (x * y + w * z)), 0.0])
    way = way * (1.0, 1.0, 0.0)
    return way / max(float(np.linalg.norm(way)), 1e-9)


def summary(trials: Sequence[Tracking]) -> dict[str, float]:
    """Means over all rows of the trials followed to their end; a fall counts as failed and in nothing else.

    Joint figures are mean absolute errors as in KinTwin's table; forces root mean squares.
    """
    found = {"failed_trials_pct": 100.0 * float(np.mean([bool(t.fell) for t in trials]))}
    trials = [t for t in trials if not t.fell]
    joint = np.concatenate([t.joint_deg for t in trials]) if trials else np.zeros(0)
    if not len(joint):
        return found
    found["all_joints_deg"] = float(joint.mean())
    for group, names in _GROUPS.items():
        found[f"{group}_deg"] = float(joint[:, names].mean())
    found["joint_velocity_deg_s"] = float(np.concatenate([t.joint_rate_deg_s for t in trials]).mean())
    found["pelvis_mm"] = 1000.0 * float(np.concatenate([t.pelvis_m for t in trials]).mean())
    found["pelvis_mm_s"] = 1000.0 * float(np.concatenate([t.pelvis_m_s for t in trials]).mean())
    residual = np.concatenate([t.residual for t in trials])
    found["residual_pct_bw"] = 100.0 * float(residual.mean())
    found["residual_p95_pct_bw"] = 100.0 * float(np.percentile(residual, 95))
    servo, torque = (np.concatenate([getattr(t, n) for t in trials]) for n in ("servo", "torque"))
    found["servo_share_pct"] = 100.0 * float(np.sqrt(np.mean(servo**2) / max(np.mean(torque**2), 1e-12)))
    for axis, name in enumerate(("fore_aft", "lateral", "vertical")):
        off = np.concatenate([t.force[..., axis][t.measured] for t in trials])
        if len(off):
            found[f"{name}_pct_bw"] = 100.0 * float(np.sqrt(np.mean(off**2)))
    return found


def _joints(*names: str) -> list[int]:
    return [JOINT_COORDINATES.index(f"{name}_{side}") for name in names for side in ("r", "l")]


_GROUPS = {
    "hip": _joints("hip_flexion", "hip_adduction", "hip_rotation"),
    "knee": _joints("knee_angle"),
    "ankle": _joints("ankle_angle"),
}
