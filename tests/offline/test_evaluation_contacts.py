"""Simulated steps against plates: known shifts of time and place come out, and only what the plates saw counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.offline.evaluation.contacts import Loads, steps_of
from kincast.offline.truth import TruthForces

STANCES = ((0.5, 1.1), (1.6, 2.2), (2.7, 3.3))
STRIDE_M = 1.3


def loads(
    rate_hz: float,
    strike_late_s: float = 0.0,
    off_late_s: float = 0.0,
    stride_m: float = STRIDE_M,
    stances: tuple[tuple[float, float], ...] = STANCES,
) -> Loads:
    """A right foot that stands thrice and steps ahead at 30 degrees, its pressure rolling 0.2 m along; the left one never lands."""
    time_s = np.arange(0.0, 4.0, 1.0 / rate_hz)
    force, cop = np.zeros((len(time_s), 2, 3)), np.zeros((len(time_s), 2, 3))
    way = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    for k, (begin, end) in enumerate(stances):
        since = (time_s - begin - strike_late_s) / (end + off_late_s - begin - strike_late_s)
        on = (since >= 0.0) & (since <= 1.0)
        force[on, 0, 2] = 700.0
        cop[on, 0, :2] = ((k * stride_m - 0.1 + 0.2 * since[on])[:, None]) * way
    return Loads(time_s, force, cop)


def plates(seen: np.ndarray | None = None) -> TruthForces:
    true = loads(1000.0)
    everywhere = np.ones((len(true.time_s), 2), bool)
    cop = np.where(true.force[..., 2:3] > 20.0, true.cop, np.nan)
    return TruthForces(
        true.time_s, true.force, cop, everywhere if seen is None else seen, np.zeros(len(true.time_s))
    )


def test_shifts_put_in_come_out() -> None:
    found = steps_of(loads(120.0, 0.03, -0.04, STRIDE_M + 0.025), plates(), 0.0)
    # a sample of 8.3 ms before the first loaded one is where the ramp between them begins
    assert found.strike_s == pytest.approx((0.03,) * 3, abs=0.009)
    assert found.off_s == pytest.approx((-0.04,) * 3, abs=0.009)
    assert found.stride_m == pytest.approx((0.025, 0.025), abs=0.004)
    assert (found.hits, found.wrong) == (6, 0)
    same = steps_of(loads(1000.0), plates(), 0.0)
    assert same.strike_s == pytest.approx((0.0,) * 3, abs=0.002)
    assert same.stride_m == pytest.approx((0.0, 0.0), abs=1e-3)


def test_steps_that_are_missing_or_too_many() -> None:
    missing = steps_of(loads(120.0, stances=STANCES[:2]), plates(), 0.0)
    assert (len(missing.strike_s), missing.missed, missing.extra) == (2, 2, 0)
    assert len(missing.stride_m) == 1
    more = steps_of(loads(120.0, stances=(*STANCES, (3.6, 3.75))), plates(), 0.0)
    assert (len(more.strike_s), more.missed, more.extra) == (3, 0, 2)
    late = steps_of(loads(120.0, 0.2), plates(), 0.0)
    assert late.strike_s == pytest.approx((0.2,) * 3, abs=0.009)
    assert (late.hits, late.wrong) == (3, 6)  # a strike 0.2 s late is none, and an extra one


def test_only_what_plates_saw_counts() -> None:
    true = plates()
    seen = np.ones((len(true.time_s), 2), bool)
    seen[true.time_s < 1.3, 0] = False
    found = steps_of(loads(120.0, 0.03), plates(seen), 0.0)
    assert len(found.strike_s) == 2
    assert len(found.stride_m) == 1
    begun = steps_of(loads(120.0, 0.03), true, 1.2)
    assert len(begun.strike_s) == 2
    hidden = np.ones((len(true.time_s), 2), bool)
    hidden[np.abs(true.time_s - 1.35) < 0.05] = False
    between = replace(true, plates_see=hidden)
    assert len(steps_of(loads(120.0), between, 0.0).stride_m) == 1  # it may have stepped beside them
    nothing = steps_of(Loads(np.zeros(0), np.zeros((0, 2, 3)), np.zeros((0, 2, 3))), true, 0.0)
    assert nothing.strike_s == ()
    assert nothing.missed == 0
