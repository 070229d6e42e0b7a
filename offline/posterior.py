"""How far a refitted motion may be off, in intervals that were checked on people.

The Laplace posterior of a trajectory takes detector errors as persisting for the prior's ``correlation_time_s``, an
AR(1) inflation of their variance. What it leaves out is found by comparison with optical motion: it is too wide for
joints whose course the learned posture pins down, and knows nothing of joints that are not the model's. Per group of
coordinates ``within^2 = (factor sd)^2 + floor^2``. In total, what the body's own uncertainty makes comes on top, times
``SHAPE_FACTOR``.

The numbers are fitted by ``python -m tests.bench.interval_calibration`` (four people, eight, four and two cameras, with
and without detector errors), which also says how the intervals do on people left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.body import Body
from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS
from kincast.models.pose_uncertainty import MODEL_SD_M, MODEL_SD_RAD, coordinate_sd
from kincast.models.shape_sd import shape_sd
from kincast.offline.trajectory.motion import Motion, MotionCovariance

SHAPE_EVERY = 20
"""The part of the sd that the body's own uncertainty makes changes slowly."""
SHAPE_FACTOR = 1.25
"""Points of a detector and joints of a model are further from the person's than the body file's sd says."""
TO_FILE_UNITS = np.array([1.0 if name in PELVIS_TRANSLATIONS else 180.0 / np.pi for name in COORDINATES])


@dataclass(frozen=True)
class Interval:
    """``within^2 = (factor posterior_sd)^2 + floor^2``, floor in degrees."""

    factor: float
    floor_deg: float


UNCHECKED = Interval(1.0, float(np.degrees(MODEL_SD_RAD)))
"""Coordinates of which fewer than three people were measured."""
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
INTERVALS: dict[str, Interval] = {
    "pelvis": Interval(0.8, 0.6),
    "hip_flexion": Interval(0.7, 0.8),
    "hip_adduction": Interval(0.9, 0.6),
    "hip_rotation": Interval(0.7, 1.5),
    "knee": Interval(0.7, 0.45),
    "ankle": Interval(0.6, 0.45),
    "subtalar": Interval(0.8, 1.5),
    "lumbar": Interval(0.8, 0.6),
    "lumbar_rotation": Interval(1.0, 1.5),
}


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the 40 file coordinates in file units."""

    total: Float64[np.ndarray, "row 40"]
    within: Float64[np.ndarray, "row 40"]


def spread_of(body: Body, motion: Motion, covariance: MotionCovariance) -> Spread:
    """Within: around the trial's mean; total: with the body's uncertainty, which shifts a whole trial."""
    within = within_sd(posterior_sd(motion, covariance))
    places = np.unique(np.append(np.arange(0, len(motion.q), SHAPE_EVERY), len(motion.q) - 1))
    shape = np.stack([shape_sd(body.skeleton, body.parameters, motion.q[i]) for i in places])
    rows = np.arange(len(motion.q))
    shape = np.stack([np.interp(rows, places, column) for column in shape.T], axis=1) * TO_FILE_UNITS
    return Spread(np.hypot(within, SHAPE_FACTOR * shape), within)


def posterior_sd(motion: Motion, covariance: MotionCovariance) -> Float64[np.ndarray, "row 40"]:
    """Of the file coordinates, in file units, as the fit states it."""
    sd = [coordinate_sd(q, c) for q, c in zip(motion.q, covariance.pose, strict=True)]
    return np.stack(sd) * TO_FILE_UNITS


def within_sd(
    posterior: Float64[np.ndarray, "row 40"], intervals: dict[str, Interval] = INTERVALS
) -> Float64[np.ndarray, "row 40"]:
    """Calibrated; both in file units."""
    factor, floor = np.full(40, UNCHECKED.factor), np.full(40, UNCHECKED.floor_deg)
    floor[[COORDINATES.index(name) for name in PELVIS_TRANSLATIONS]] = MODEL_SD_M
    for group, interval in intervals.items():
        columns = [COORDINATES.index(name) for name in GROUPS[group]]
        factor[columns], floor[columns] = interval.factor, interval.floor_deg
    return np.hypot(factor * posterior, floor)
