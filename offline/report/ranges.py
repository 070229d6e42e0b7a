"""Ranges of motion over the valid time, for sessions that are not walking: standing, rising from a chair, reaching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kincast.offline.report.session import ReportSession

SIDED = (
    ("Hip flexion", "hip_flexion"),
    ("Hip adduction", "hip_adduction"),
    ("Knee flexion", "knee_angle"),
    ("Ankle dorsiflexion", "ankle_angle"),
    ("Shoulder flexion", "arm_flex"),
    ("Elbow flexion", "elbow_flex"),
)
CENTRAL = (
    ("Trunk extension on pelvis", "lumbar_extension"),
    ("Trunk bending on pelvis", "lumbar_bending"),
    ("Trunk rotation on pelvis", "lumbar_rotation"),
)


NEVER_MOVED_DEG = 1e-3


@dataclass(frozen=True)
class Range:
    """Least and greatest value (deg) of one coordinate; ``side`` is empty for trunk coordinates."""

    label: str
    side: str
    least: float
    greatest: float


def ranges(session: ReportSession) -> tuple[Range, ...]:
    """Of legs, arms and trunk over all valid rows; without those that no measurement ever moved."""
    valid = session.valid.kinematics
    if not valid.any():
        return ()
    names = [(label, side, f"{name}_{side[0]}") for label, name in SIDED for side in ("left", "right")]
    names += [(label, "", name) for label, name in CENTRAL]
    found = []
    for label, side, name in names:
        values = session.coordinate(name)[valid]
        if np.ptp(values) < NEVER_MOVED_DEG:
            continue  # nobody measured it: the model's own pose
        found.append(Range(label, side, float(values.min()), float(values.max())))
    return tuple(found)
