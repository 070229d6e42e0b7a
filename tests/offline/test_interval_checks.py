"""The judge of intervals: true sd are found true, wrong ones by their factor, and every person has one vote."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.offline.angle_errors import COVERAGES
from tests.bench.interval_checks import (
    Check,
    chance_error,
    figures_of,
    fitted_factor,
    lines_of,
    mean_coverage,
)


def _checks(people: int, stated: float, values: int = 4000) -> list[Check]:
    random = np.random.default_rng(3)
    return [
        Check(f"p{i}", "force vertical", 2.0 * random.normal(size=values), np.full(values, 2.0 * stated), 5)
        for i in range(people)
    ]


def test_true_sd_have_no_calibration_error_and_wrong_ones_tell_their_factor() -> None:
    true = figures_of(_checks(4, 1.0))["force vertical"]
    assert true["ece"] < 0.01
    assert true["people"] == 4
    assert true["pieces"] == 20
    wide = figures_of(_checks(4, 2.0))["force vertical"]
    assert wide["ece"] > 0.15
    assert wide["factor"] == pytest.approx(0.5, rel=0.05)
    assert wide["ece_left_out"] < 0.02
    assert wide["rms_sd"] == pytest.approx(2.0 * true["rms_sd"])


def test_a_long_trial_counts_no_more_than_a_short_one() -> None:
    short, long = _checks(1, 1.0, 200), _checks(1, 3.0, 20_000)
    long = [Check("other", c.quantity, c.error, c.sd, c.pieces) for c in long]
    together = mean_coverage([*short, *long])
    np.testing.assert_allclose(together, (mean_coverage(short) + mean_coverage(long)) / 2)
    assert 0.3 < fitted_factor([*short, *long]) < 1.0
    assert len(list(lines_of(figures_of([*short, *long])))) == 2


def test_chance_is_what_true_sd_show_when_a_person_is_one_draw() -> None:
    random = np.random.default_rng(4)
    found = []
    for _ in range(100):
        draws = random.normal(size=3)
        people = [Check(f"p{i}", "speed", np.full(50, z), np.ones(50), 5) for i, z in enumerate(draws)]
        found.append(np.abs(mean_coverage(people) - COVERAGES).mean())
    assert chance_error(3) == pytest.approx(float(np.mean(found)), rel=0.12)
    assert chance_error(15) < 0.6 * chance_error(3) < 0.6 * chance_error(1)
