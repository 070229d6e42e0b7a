"""A clip as the reference the twin follows: smooth, at the control rate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from kincast.models.twin.balance import balanced
from kincast.models.twin.contact_plan import ContactPlan
from kincast.models.twin.grounding import GroundingConfig, grounded
from kincast.models.twin.loads import LOADED_N
from kincast.models.twin.model import CONTROL_HZ, Twin
from kincast.models.twin.reference import Reference
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.smooth import smooth_motion

CUTOFF_HZ = 5.0
"""As the refit's kinetics: least force errors on measured walks."""
GROUNDED_CUTOFF_HZ = 7.0
"""Of the poses after grounding, which bend where a sole meets the floor; at 10 Hz the bends ask for shear that nobody gave."""


def reference_of(
    clip: Clip,
    twin: Twin | None = None,
    cutoff_hz: float = CUTOFF_HZ,
    grounding: GroundingConfig | None = None,
    balance: bool = True,
) -> Reference:
    """Poses, velocities and accelerations of the clip every 1/120 s (float64), with its forces beside them.

    With a ``twin`` (of this clip) the soles respect the floor (:func:`kincast.models.twin.grounding.grounded`) and, with ``balance``, the
    body is shifted by millimetres so that the ground can give what the motion demands (:func:`kincast.models.twin.balance.balanced`).
    """
    count = int(clip.seconds * CONTROL_HZ) + 1
    t_ns = clip.t_ns[0] + np.round(np.arange(count) * (1e9 / CONTROL_HZ)).astype(np.int64)
    motion = smooth_motion(clip.t_ns, clip.q.astype(np.float64), cutoff_hz).motion(t_ns)
    share = np.full(count, np.nan)
    if twin is not None:
        plan = ContactPlan(twin)
        share = np.array([plan.wanted(q, v).share for q, v in zip(motion.q, motion.v, strict=True)])
        poses = grounded(twin, motion.q, motion.v, grounding)
        motion = smooth_motion(t_ns, poses, GROUNDED_CUTOFF_HZ).motion(t_ns)
    force, cop = np.zeros((count, 2, 3)), np.zeros((count, 2, 3))
    known, measured = np.zeros((count, 2), bool), np.zeros((count, 2), bool)
    if clip.forces is not None:
        force = _interpolated(t_ns, clip.t_ns, clip.forces.force)
        cop = _interpolated(t_ns, clip.t_ns, clip.forces.cop)
        for foot in range(2):
            for flags, given in ((known, clip.forces.known), (measured, clip.forces.measured)):
                flags[:, foot] = np.interp(t_ns, clip.t_ns, given[:, foot].astype(float)) > 0.99
    cop[force[..., 2] < LOADED_N] = 0.0
    fitted = Reference(motion.q, motion.v, motion.a, force, cop, known, measured, share)
    return balanced(twin, fitted) if twin is not None and balance else fitted


def _interpolated(
    t_ns: np.ndarray, known_ns: np.ndarray, values: np.ndarray
) -> Float64[np.ndarray, "time 2 3"]:
    flat = values.reshape(len(values), 6).astype(np.float64)
    return np.stack([np.interp(t_ns, known_ns, c) for c in flat.T], axis=1).reshape(-1, 2, 3)
