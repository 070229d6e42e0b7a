"""Belt velocity: overground stays zero, an undeclared belt is found, a declared one is taken with its direction."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.belt import BeltEstimator

AHEAD = np.array([1.0, 0.0])


def _feed(
    belt: BeltEstimator, floor: np.ndarray, pelvis: np.ndarray, seconds: float, seed: int = 0
) -> np.ndarray:
    """The lowest point moves with the floor but for one sample in eight."""
    rng = np.random.default_rng(seed)
    found = np.zeros(2)
    for i in range(int(seconds * 60)):
        low = floor + rng.normal(0, 0.06, 2) if rng.random() > 0.125 else rng.normal(0, 1.5, 2)
        found = belt.update(round(i / 60 * 1e9), low, pelvis + rng.normal(0, 0.05, 2), AHEAD)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("speed", [0.3, 1.13, 2.5])
def test_undeclared_belt_is_found_within_a_second(speed: float, seed: int) -> None:
    found = _feed(BeltEstimator(None), np.array([-speed, 0.0]), np.zeros(2), 1.0, seed)
    np.testing.assert_allclose(found, (-speed, 0.0), atol=0.06)


@pytest.mark.parametrize("pelvis_speed", [0.0, 0.5, 1.4])
def test_overground_the_floor_stands_still(pelvis_speed: float) -> None:
    found = _feed(BeltEstimator(None), np.zeros(2), pelvis_speed * AHEAD, 3.0)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


def test_sliding_feet_of_a_person_who_travels_are_no_belt() -> None:
    found = _feed(BeltEstimator(None), np.array([1.0, 0.0]), np.array([1.0, 0.0]), 3.0)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


def test_declared_belt_is_used_at_once_and_its_direction_learned() -> None:
    belt = BeltEstimator(1.2)
    np.testing.assert_allclose(belt.update(0, np.zeros(2), np.zeros(2), AHEAD), (-1.2, 0.0))
    found = _feed(BeltEstimator(1.2), 1.2 * np.array([-0.6, 0.8]), np.zeros(2), 1.5)
    np.testing.assert_allclose(found, (-0.72, 0.96), atol=0.06)
    np.testing.assert_allclose(np.linalg.norm(found), 1.2, rtol=1e-9)


def test_a_belt_that_stops_is_noticed() -> None:
    belt = BeltEstimator(None)
    _feed(belt, np.array([-1.0, 0.0]), np.zeros(2), 2.0)
    rng = np.random.default_rng(1)
    found = np.ones(2)
    for i in range(120, 480):
        found = belt.update(round(i / 60 * 1e9), rng.normal(0, 0.03, 2), np.zeros(2), AHEAD)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)
