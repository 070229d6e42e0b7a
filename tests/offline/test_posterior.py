"""Intervals of a refitted motion: units, groups, and that the fit of their table finds a known one."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS
from kincast.models.pose_uncertainty import MODEL_SD_M
from kincast.offline.posterior import GROUPS, INTERVALS, UNCHECKED, posterior_sd, spread_of, within_sd
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from tests.bench.interval_calibration import Judged, fitted_group
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
    assert set(INTERVALS) <= set(GROUPS)


def test_within_has_factor_and_floor_of_its_group() -> None:
    posterior = posterior_sd(*_standing(2, np.radians(2.0)))
    within = within_sd(posterior)
    knee, neck = COORDINATES.index("knee_angle_r"), COORDINATES.index("neck_extension")
    interval = INTERVALS["knee"]
    assert posterior[:, knee] == pytest.approx(2.0)
    assert within[:, knee] == pytest.approx(np.hypot(2.0 * interval.factor, interval.floor_deg))
    assert within[:, neck] == pytest.approx(np.hypot(2.0, UNCHECKED.floor_deg))
    height = COORDINATES.index(PELVIS_TRANSLATIONS[1])
    assert within[:, height] == pytest.approx(np.hypot(np.radians(2.0), MODEL_SD_M))


def test_total_is_wider_where_the_body_is_uncertain() -> None:
    body = build_body(BodyParameters(site_offsets_sd={"RKnee": (0.02, 0.02, 0.02)}), keypoint_set="HALPE_26")
    spread = spread_of(body, *_standing(3, np.radians(0.5)))
    assert np.all(spread.total >= spread.within)
    knee = COORDINATES.index("knee_angle_r")
    assert spread.total[1, knee] > 1.2 * spread.within[1, knee]


def test_a_known_factor_and_floor_are_found() -> None:
    random = np.random.default_rng(1)
    names = ("knee_angle_r", "knee_angle_l")
    trials = []
    for person in range(4):
        for set_name, size in (("noisy", 3.0), ("clean", 0.2)):
            posterior = size * random.uniform(0.7, 1.4, (2000, 2))
            error = np.hypot(0.7 * posterior, 0.8) * random.normal(size=(2000, 2))
            trials.append(Judged(person, set_name, "case", names, error, posterior, 0.0 * posterior))
    found = fitted_group(trials, names)
    assert found is not None
    assert found.factor == pytest.approx(0.7, abs=0.11)
    assert found.floor_deg == pytest.approx(0.8, abs=0.21)
    assert fitted_group(trials[:4], names) is None  # two people
