"""Covariance of control poses spread over instants, against the chain rule written out."""

from __future__ import annotations

import numpy as np

from kincast.offline.trajectory.spline import TURN, _Spread

ORDER, N = 4, 40


def test_covariance_and_its_diagonal_follow_the_chain_rule() -> None:
    random = np.random.default_rng(0)
    root = random.normal(size=(ORDER * N, ORDER * N))
    around, turns = root @ root.T, random.normal(size=(3, ORDER, 3, 3))
    weights = random.normal(size=(3, ORDER))
    slope = np.zeros((3, N, ORDER, N))
    for instant in range(3):
        for i in range(ORDER):
            own = np.eye(N)
            own[TURN, TURN] = turns[instant, i]
            slope[instant, :, i] = weights[instant, i] * own
    slope = slope.reshape(3, N, -1)
    expected = slope @ around @ np.swapaxes(slope, 1, 2)
    spread = _Spread(around, turns)
    np.testing.assert_allclose(spread.covariance(weights), expected, atol=1e-9)
    np.testing.assert_allclose(spread.variance(weights), np.einsum("tii->ti", expected), atol=1e-9)
