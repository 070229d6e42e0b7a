"""Floor heights from stance: recovered offsets, a foot that never comes down flat, an unlevelled rig."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.sole import SoleFloor

OFFSETS = np.array([[0.0, 0.01, 0.02, 0.03], [0.005, 0.0, 0.035, 0.015]])


def _walk(offsets: np.ndarray, floor: float, seconds: float = 6.0, lifted: int | None = None) -> np.ndarray:
    """Learned heights after alternate steps: each foot rests 0.6 s of 1.1 s and swings at 10 cm for the rest."""
    rng = np.random.default_rng(0)
    sole = SoleFloor(4)
    found = np.zeros((2, 4))
    for i in range(int(seconds * 60)):
        t = i / 60
        resting = np.array([[(t % 1.1) < 0.6], [((t + 0.55) % 1.1) < 0.6]])
        height = floor + offsets + np.where(resting, 0.0, 0.1) + rng.normal(0, 0.002, (2, 4))
        if lifted is not None:
            height[0, lifted] += 0.08
        found = sole.update(round(t * 1e9), height, np.broadcast_to(resting, (2, 4)))
    return found


@pytest.mark.parametrize("floor", [0.0, -0.03, 0.15])
def test_each_points_own_floor_is_found(floor: float) -> None:
    np.testing.assert_allclose(_walk(OFFSETS, floor), floor + OFFSETS, atol=0.006)


def test_a_heel_that_never_touches_is_not_taken_for_one_that_does() -> None:
    found = _walk(np.zeros((2, 4)), 0.0, lifted=1)
    assert 0.08 - found[0, 1] > 0.035, "an 8 cm high heel stays above its floor"
    np.testing.assert_allclose(np.delete(found.ravel(), 1), 0.0, atol=0.006)


def test_before_anything_is_known_the_lowest_point_touches() -> None:
    found = SoleFloor(4).update(0, np.full((2, 4), 0.3) + OFFSETS, np.zeros((2, 4), bool))
    np.testing.assert_allclose(found, 0.3, atol=1e-9)
