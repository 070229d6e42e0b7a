"""Intervals of a refitted motion: units, groups, and that the fit of their table finds a known one."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.angle_floors import FLOORS_DEG, GROUPS, PLACE_M, UNCHECKED_DEG
from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS
from kincast.offline.posterior import (
    CONVENTION_DEG,
    Parts,
    posterior_sd,
    spread,
)
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from tests.bench.interval_calibration import FACTORS, Judged, fitted_convention, fitted_group
from tests.models.rig import standing_pose


def _standing(rows: int, sd: float) -> tuple[Motion, MotionCovariance]:
    q = np.tile(standing_pose(None), (rows, 1))
    still = np.zeros((rows, 40))
    pose = np.tile(sd**2 * np.eye(40), (rows, 1, 1))
    return Motion(np.arange(rows) * 16_666_667, q, still, still), MotionCovariance(pose, still, still)


def test_groups_name_coordinates_once() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert set(names) <= set(COORDINATES)
    assert len(names) == len(set(names))
    assert set(FLOORS_DEG) <= set(GROUPS)


def test_parts_add_up_with_the_floor_of_their_group() -> None:
    posterior = posterior_sd(*_standing(2, np.radians(2.0)))
    one = np.ones_like(posterior)
    knee, neck = COORDINATES.index("knee_angle_r"), COORDINATES.index("neck_extension")
    height = COORDINATES.index(PELVIS_TRANSLATIONS[1])
    assert posterior[:, knee] == pytest.approx(2.0)
    found = spread(Parts(posterior, 1.0 * one, 3.0 * one, True))
    floor = FLOORS_DEG["knee"]
    assert found.within[:, knee] == pytest.approx(np.sqrt(2.0**2 + 1.0 + floor**2))
    assert found.within[:, neck] == pytest.approx(np.sqrt(2.0**2 + 1.0 + UNCHECKED_DEG**2))
    assert found.total[:, knee] == pytest.approx(np.sqrt(2.0**2 + 1.0 + floor**2 + 9.0 + CONVENTION_DEG**2))
    moved = spread(Parts(posterior, 0.0 * one, 0.02 * one, True))
    assert moved.within[:, height] == pytest.approx(np.hypot(np.radians(2.0), PLACE_M))
    assert moved.total[:, height] == pytest.approx(np.hypot(moved.within[:, height], 0.02))
    alone = spread(Parts(posterior, 0.0 * one, 3.0 * one, False))
    assert alone.total[:, knee] == pytest.approx(np.hypot(alone.within[:, knee], 3.0))


def test_a_known_factor_and_floor_are_found() -> None:
    random = np.random.default_rng(1)
    names = ("knee_angle_r", "knee_angle_l")
    trials = []
    for person in range(4):
        for set_name, size in (("noisy", 3.0), ("clean", 0.2)):
            posterior = size * random.uniform(0.7, 1.4, (2000, 2))
            error = np.hypot(0.7 * posterior, 0.8) * random.normal(size=(2000, 2))
            none = 0.0 * posterior
            trials.append(Judged(person, set_name, "case", names, error, posterior, none, none, True))
    found = fitted_group(trials, names, FACTORS)
    assert found is not None
    assert found[0] == pytest.approx(0.7, abs=0.11)
    assert found[1] == pytest.approx(0.8, abs=0.21)
    assert fitted_group(trials[:4], names) is None  # two people


def test_a_known_convention_is_found() -> None:
    random = np.random.default_rng(2)
    names = ("knee_angle_r", "knee_angle_l", "ankle_angle_r", "ankle_angle_l")
    trials = []
    for person in range(40):
        posterior = np.full((50, 4), 0.5)
        zero = 2.0 * random.normal(size=4)
        none = 0.0 * posterior
        error = zero + np.hypot(0.5, 0.45) * random.normal(size=(50, 4))
        trials.append(Judged(person, "walks", "case", names, error, posterior, none, none, True))
    assert fitted_convention(trials, {"knee": 0.45, "ankle": 0.45}) == pytest.approx(2.0, abs=0.41)
