"""How far joint angles are off that no detector error explains: the person's joints are not the model's.

Standard deviations around a trial's mean, per group of coordinates, of live and refitted angles alike: the same body moves in
both. Fitted to refits of four people with and without detector errors (``python -m tests.bench.interval_calibration``).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS

GROUPS: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
    "hip_flexion": ("hip_flexion_r", "hip_flexion_l"),
    "hip_adduction": ("hip_adduction_r", "hip_adduction_l"),
    "hip_rotation": ("hip_rotation_r", "hip_rotation_l"),
    "knee": ("knee_angle_r", "knee_angle_l"),
    "ankle": ("ankle_angle_r", "ankle_angle_l"),
    "subtalar": ("subtalar_angle_r", "subtalar_angle_l"),
    "lumbar": ("lumbar_extension", "lumbar_bending"),
    "lumbar_rotation": ("lumbar_rotation",),
}
FLOORS_DEG: dict[str, float] = {
    "pelvis": 0.6,
    "hip_flexion": 0.6,
    "hip_adduction": 0.6,
    "hip_rotation": 1.5,
    "knee": 0.45,
    "ankle": 0.45,
    "subtalar": 1.5,
    "lumbar": 0.6,
    "lumbar_rotation": 1.5,
}
UNCHECKED_DEG = 0.7
"""Of coordinates of which fewer than three people were measured."""
PLACE_M = 0.003
"""Of the pelvis' place."""


def floors(floors_deg: dict[str, float] = FLOORS_DEG) -> Float64[np.ndarray, "40"]:
    """Of the coordinates in the order of ``COORDINATES``, degrees and metres."""
    out = np.full(len(COORDINATES), UNCHECKED_DEG)
    out[[COORDINATES.index(name) for name in PELVIS_TRANSLATIONS]] = PLACE_M
    for group, value in floors_deg.items():
        out[[COORDINATES.index(name) for name in GROUPS[group]]] = value
    return out
