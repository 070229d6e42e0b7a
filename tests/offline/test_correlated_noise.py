"""What persistent detector errors leave of a smoothed track, against the smoother's own answer to them written out."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.offline.correlated_noise import look_variance, persistent_variance
from kincast.offline.trajectory.block_band import BlockBand
from kincast.offline.trajectory.bspline import Knots
from kincast.offline.trajectory.spline import sampling_of

TIME_S, PERIOD_NS, LOOK_SD = 0.075, 16_666_667, 0.02


def _dense(knots: Knots, t_ns: np.ndarray, derivative: int) -> np.ndarray:
    sampling = sampling_of(knots, t_ns)
    out = np.zeros((len(t_ns), knots.count))
    for i in range(knots.degree + 1):
        out[np.arange(len(t_ns)), sampling.first + i] = sampling.weights[:, derivative, i]
    return out


@pytest.mark.parametrize("density", [0.3, 20.0, 5000.0], ids=["stiff", "middle", "loose"])
def test_variance_is_that_of_errors_that_persist(density: float) -> None:
    t_ns = np.arange(240) * PERIOD_NS
    knots = Knots.covering(0, int(t_ns[-1]), 0.05, 3)
    seen, fine_ns = _dense(knots, t_ns, 0), np.arange(0, int(t_ns[-1]), PERIOD_NS // 4)
    bend = _dense(knots, fine_ns, 2)
    counted = np.tanh(0.5 * PERIOD_NS * 1e-9 / TIME_S) / LOOK_SD**2
    data = counted * seen.T @ seen
    inverse = np.linalg.inv(data + bend.T @ bend * (PERIOD_NS // 4 * 1e-9) / density)
    white = seen @ inverse @ seen.T
    gain = counted * white
    apart_s = np.abs(t_ns[:, None] - t_ns) * 1e-9
    true = gain @ (LOOK_SD**2 * np.exp(-apart_s / TIME_S)) @ gain.T

    blocks = np.stack([np.pad(np.diagonal(data, -o), (0, o)) for o in range(4)])[..., None, None]
    around_ns, look = look_variance(BlockBand(blocks), knots, TIME_S)
    np.testing.assert_allclose(look, LOOK_SD**2, rtol=0.03)
    variance = persistent_variance(np.diagonal(white).copy(), np.interp(t_ns, around_ns, look[:, 0]))

    stated, actual = np.sqrt(variance), np.sqrt(np.diagonal(true))
    middle = slice(30, -30)
    assert np.median(stated[middle] / actual[middle]) == pytest.approx(1.05, abs=0.13)
    assert np.all(stated <= LOOK_SD * 1.05)
    assert stated[0] / actual[0] == pytest.approx(1.0, abs=0.25)  # half of the looks lie outside
    assert np.all(variance <= np.diagonal(white))
    if density > 1000:  # a third of the variance that white noise would leave
        assert np.median(actual[middle] ** 2 / np.diagonal(white)[middle]) < 0.5
