"""Forces set the clocks: a person's delay is learned, bounded, and only from valid kinetics."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.gait.clocks import OFF, STRIKE, Reading
from kincast.models.gait.force_clock import ForceClock


def walk(clock: ForceClock, delay_s: float, strides: int, valid: bool = True) -> None:
    """Right foot loaded from 0.1 to 0.7 s of every second; motion says the strike ``delay_s`` late."""
    for k in range(strides):
        for t in np.arange(0, 1, 1 / 60):
            share = np.clip((t - 0.1) / 0.05, 0, 1) if t < 0.7 else 0.0
            clock.load(k + t, share if share > 0.03 else 0.0, 0.0, valid)
            if t <= 0.15 < t + 1 / 60:
                clock.expect(0, STRIKE, k + 0.1025 + delay_s)


def test_delay_is_learned_and_the_deviation_shrinks():
    clock, reading = ForceClock(), Reading(10.0, 0.013, 3, 0.010)
    before = clock.correct(0, STRIKE, reading)
    walk(clock, 0.020, 8)
    after = clock.correct(0, STRIKE, reading)
    assert before.t_s == 10.0
    assert after.t_s == pytest.approx(9.980, abs=0.005)
    assert after.sd_s < before.sd_s


def test_the_other_side_learns_less_and_other_events_nothing():
    clock, reading = ForceClock(), Reading(10.0, 0.013, 3, 0.010)
    walk(clock, 0.020, 3)
    own, other = clock.correct(0, STRIKE, reading), clock.correct(1, STRIKE, reading)
    assert own.t_s < other.t_s < 10.0
    assert clock.correct(0, OFF, reading).t_s == 10.0


def test_invalid_kinetics_teach_nothing():
    clock, reading = ForceClock(), Reading(10.0, 0.013, 3, 0.010)
    walk(clock, 0.020, 5, valid=False)
    corrected = clock.correct(0, STRIKE, reading)
    assert corrected.t_s == 10.0
    assert corrected.sd_s == pytest.approx(0.013)


def test_the_correction_is_bounded():
    clock = ForceClock()
    walk(clock, 0.055, 40)
    assert 10.0 - clock.correct(0, STRIKE, Reading(10.0, 0.013, 3, 0.010)).t_s <= clock.config.limit + 1e-12
