"""Whether the feet alone carry a motion: who sits, holds a rail or leans on a wall moves as no twin on a bare floor can."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from kincast.models.body import build_body
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.twin.contact_plan import ContactPlan
from kincast.models.twin.model import CONTROL_HZ, build_twin
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.gates import GateConfig, Reason
from kincast.offline.motion_library.reference import CUTOFF_HZ, reference_of
from kincast.offline.motion_library.smooth import smooth_motion

LOOKS_PER_S = 20
ON_FLOOR_M = 0.03
SEAT_M = 0.05
"""Heels nearer to the pelvis than this, forward, stand under the person."""


def support_reasons(clip: Clip, config: GateConfig) -> tuple[Reason, ...]:
    """A reason where the residual of inverse dynamics and contact exceeds what walking needs for too much of the time."""
    _, left = _unexplained(clip)
    share = float(np.mean(np.linalg.norm(left, axis=1) > config.support_bw))
    if share <= config.support_share:
        return ()
    return (
        Reason(
            "supported",
            f"the feet cannot give what the motion demands in {share:.0%} of the time: a seat, a rail or a hand helps",
        ),
    )


def seat_share(clip: Clip) -> Float32[np.ndarray, " time"]:
    """Least share of the body weight that a seat under the pelvis must carry at the clip's instants.

    The point of the ground at which one force would give what the motion demands must lie between the sole points that are on
    the floor and the pelvis; how far it lies behind the soles, of the way to the pelvis, is the seat's share.
    """
    twin = build_twin(build_body(clip.body), clip.sole_drop_m)
    dynamics = InverseDynamics(twin.body)
    motion = smooth_motion(clip.t_ns, clip.q.astype(np.float64), CUTOFF_HZ).motion(clip.t_ns)
    share = np.zeros(len(clip.t_ns), np.float32)
    still = np.zeros(40)
    for i in range(len(share)):
        state = MotionState(0, motion.q[i], motion.v[i], motion.a[i], still, still, still)
        force, moment = np.split(dynamics.demanded_wrench(dynamics.set_motion(state)), 2)
        if force[2] < 0.1 * twin.weight_N:
            continue
        height = motion.q[i, 2]
        behind = np.array([-height * force[0] - moment[1], -height * force[1] + moment[0]]) / force[2]
        forward = dynamics.pelvis_rotation[:2, 0]
        forward = forward / max(float(np.linalg.norm(forward)), 1e-9)
        sole = dynamics.sole_state().position
        down = sole[sole[..., 2] < ON_FLOOR_M]
        if len(down):
            # along the way the person faces, from the pelvis
            heel = float(((down[:, :2] - motion.q[i, :2]) @ forward).min())
            if heel > SEAT_M:
                carried = np.clip((heel - float(behind @ forward)) / heel, 0.0, 1.0)
                share[i] = carried * force[2] / twin.weight_N
    return share


def _unexplained(clip: Clip) -> tuple[Float64[np.ndarray, " look"], Float64[np.ndarray, "look 3"]]:
    """Seconds since the clip's begin, and the force (body weights) that the motion demands there and the feet do not give."""
    twin = build_twin(build_body(clip.body), clip.sole_drop_m)
    reference = reference_of(clip, twin, balance=False)
    plan = ContactPlan(twin)
    rows = range(0, len(reference.q), CONTROL_HZ // LOOKS_PER_S)
    left = []
    for row in rows:
        q, v, a = (np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        planned = plan.plan(q, v, a, q, v)
        left.append((planned.demanded - planned.feet)[:3] / twin.weight_N)
    return np.array(rows) / CONTROL_HZ, np.array(left)
