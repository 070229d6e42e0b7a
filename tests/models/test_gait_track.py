"""The track of recent motion: smoothing, replaced tails, forgetting."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.gait.track import GaitSample, GaitTrack, local_quadratic


def sample(t_s: float, x: float) -> GaitSample:
    feet = np.full((2, 3, 3), x)
    return GaitSample(round(t_s * 1e9), feet, np.full(3, x), np.array([1.0, 0.0]), 1.0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.004, 0.05), min_size=3, max_size=30),
    st.tuples(st.floats(-2, 2), st.floats(-3, 3), st.floats(-20, 20)),
    st.integers(1, 6),
)
def test_parabolas_are_kept_at_any_spacing(gaps, coefficients, half_width):
    t = np.cumsum(gaps)
    a, b, c = coefficients
    values = (a + b * t + c * t * t)[:, None]
    value, slope = local_quadratic(t, values, 0, half_width)
    np.testing.assert_allclose(value, values, atol=1e-6)
    np.testing.assert_allclose(slope[:, 0], b + 2 * c * t, atol=2e-4)


def test_tail_is_replaced_and_smoothing_follows():
    """Poses that were still changing leave no trace: the end is as if only the final ones had ever been there."""
    t = np.arange(40) / 60
    x = np.sin(5 * t)
    direct, live = GaitTrack(), GaitTrack()
    direct.update(tuple(sample(a, b) for a, b in zip(t, x, strict=True)), ())
    for i in range(len(t)):
        final = (sample(t[i], x[i]),)
        later = tuple(sample(t[j], x[j] + 0.3) for j in range(i + 1, min(i + 4, len(t))))
        live.update(final, later)
    np.testing.assert_allclose(live.feet, direct.feet, atol=1e-12)
    np.testing.assert_allclose(live.feet_velocity, direct.feet_velocity, atol=1e-9)


def test_long_sessions_forget_the_old():
    track = GaitTrack(capacity=1024)
    for i in range(5000):
        track.update((sample(i / 120, 0.0),), (sample((i + 1) / 120, 0.0),))
    assert track.n <= 1024
    assert track.t_s[-1] - track.t_s[0] >= 4.0
    assert track.last_settled_ns == round(4999 / 120 * 1e9)


def test_time_that_goes_back_is_ignored():
    track = GaitTrack()
    track.update((sample(0.0, 0.0), sample(0.1, 1.0), sample(0.05, 9.0)), ())
    assert track.n == 2
