"""Static optimisation against a generic bounded least-squares solver; spread against sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from kincast.models.muscles import LegMuscles, MuscleConfig


def _leg(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Six coordinates crossed by 40 muscles of 5-60 N m, and a moment that some activation produces."""
    rng = np.random.default_rng(seed)
    gain = rng.normal(size=(6, 40)) * rng.uniform(5, 60, 40) * (rng.random((6, 40)) < 0.4)
    return gain, gain @ (rng.random(40) ** 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.2, 6.0))
def test_is_the_bounded_least_squares_solution(seed: int, demand: float) -> None:
    gain, moment = _leg(seed)
    moment = moment * demand  # beyond 1 some muscles saturate and reserves take over
    found = LegMuscles(40, 6, MuscleConfig(reserve_Nm=1.0)).solve(gain, moment, np.zeros(6))
    generic = lsq_linear(
        np.concatenate([gain, np.eye(40)]), np.concatenate([moment, np.zeros(40)]), (0, 1), method="bvls"
    )
    np.testing.assert_allclose(found.activations, generic.x, atol=2e-5)
    np.testing.assert_allclose(gain @ found.activations + found.reserve, moment, atol=1e-9)
    assert found.solved


def test_feasible_moments_need_almost_no_reserve() -> None:
    gain, moment = _leg(1)
    assert np.abs(LegMuscles(40, 6).solve(gain, moment, np.zeros(6)).reserve).max() < 0.1


def test_spread_of_the_moments_part_matches_sampling() -> None:
    gain, moment = _leg(2)
    leg = LegMuscles(40, 6, MuscleConfig(near_optimal=0.0))
    sd = np.full(6, 0.5)
    rng = np.random.default_rng(0)
    draws = np.array([leg.solve(gain, moment + sd * rng.normal(size=6), sd).activations for _ in range(400)])
    found = leg.solve(gain, moment, sd)
    clearly_inside = (found.activations > 0.01 + 4 * found.spread) & (
        found.activations < 1 - 4 * found.spread
    )
    assert clearly_inside.sum() > 5
    np.testing.assert_allclose(found.spread[clearly_inside], draws.std(axis=0)[clearly_inside], rtol=0.3)


def test_near_optimal_patterns_lie_within_the_spread() -> None:
    """Patterns drawn from the null-space ball give the same moment, cost at most 20 % more, and have that sd."""
    gain, moment = _leg(3)
    found = LegMuscles(40, 6).solve(gain, moment, np.zeros(6))
    null = np.linalg.svd(gain)[2][6:].T
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(34, 5000))
    direction *= rng.random(5000) ** (1 / 34) / np.linalg.norm(direction, axis=0)
    patterns = null @ direction * np.sqrt(0.2 * found.activations @ found.activations)
    np.testing.assert_allclose(gain @ patterns, 0, atol=1e-9)
    np.testing.assert_allclose(found.spread, patterns.std(axis=1), rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_demand_is_reported_not_raised(bad: float) -> None:
    gain, moment = _leg(4)
    moment[0] = bad
    found = LegMuscles(40, 6).solve(gain, moment, np.zeros(6))
    assert not found.solved
    assert np.all(np.isfinite(found.activations))
