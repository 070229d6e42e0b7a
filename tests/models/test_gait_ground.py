"""Does the ground move, and how fast? From the feet alone."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.gait.ground import GroundVelocity, estimate_ground_velocity, followed
from tests.models.gait_walks import multiview_walk


@pytest.mark.data
@pytest.mark.parametrize(
    ("case", "speed_m_s"),
    [
        ("walking1", 0.0),
        ("walkingTI1", 0.0),
        ("camargo_levelground", 0.0),
        ("STS1", 0.0),
        ("subject01_walk", 1.13),
        ("treadmill60", 1.209),
    ],
)
@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_floors_and_belts(data_dir, case, speed_m_s, seconds):
    walk = multiview_walk(data_dir / "multiview" / case).turned(0.7)
    rows = walk.t_s < walk.t_s[0] + seconds
    ground = estimate_ground_velocity(np.gradient(walk.feet[rows], walk.t_s[rows], axis=0))
    assert ground.speed_m_s == pytest.approx(speed_m_s, rel=0.03, abs=1e-9)
    if speed_m_s:
        direction = ground.velocity_m_s / ground.speed_m_s
        assert direction == pytest.approx([-np.cos(0.7), -np.sin(0.7)], abs=0.05)


@pytest.mark.data
def test_declared_speed(data_dir):
    """Averaged in where the feet agree, not believed where they do not (the belt stands still)."""
    belt = multiview_walk(data_dir / "multiview" / "subject01_walk")
    floor = multiview_walk(data_dir / "multiview" / "walking1")
    rates = [np.gradient(w.feet, w.t_s, axis=0) for w in (belt, floor)]
    free, declared = estimate_ground_velocity(rates[0]), estimate_ground_velocity(rates[0], 1.10)
    assert 1.10 < declared.speed_m_s < free.speed_m_s
    assert declared.sd_m_s > 0
    assert estimate_ground_velocity(rates[1], 1.2).speed_m_s == 0.0


def test_too_little_says_still():
    assert estimate_ground_velocity(np.zeros((3, 2, 3, 3))).speed_m_s == 0.0


def test_a_change_of_speed_is_taken_at_once_a_wobble_is_not():
    steady = GroundVelocity(np.array([-1.0, 0.0]), 0.9, 0.01, estimates=50)
    wobble = followed(steady, GroundVelocity(np.array([-1.05, 0.0]), 0.9, 0.01))
    assert -1.01 < wobble.velocity_m_s[0] < -1.0
    faster = GroundVelocity(np.array([-1.4, 0.0]), 0.9, 0.01)
    assert followed(steady, faster).velocity_m_s[0] == -1.4
