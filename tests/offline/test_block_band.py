"""Block-banded solver against dense linear algebra."""

import numpy as np
import pytest

from kincast.offline.trajectory.block_band import BandFactor, BlockBand, NotPositiveDefinite


def _random(count: int, width: int, n: int, seed: int = 0) -> tuple[BlockBand, np.ndarray]:
    random = np.random.default_rng(seed)
    dense = np.zeros((count * n, count * n))
    for j in range(count - width):
        rows = random.normal(size=(n + 3, (width + 1) * n))
        place = slice(j * n, (j + width + 1) * n)
        dense[place, place] += rows.T @ rows
    dense += 0.5 * np.eye(len(dense))
    blocks = np.zeros((width + 1, count, n, n))
    for o in range(width + 1):
        for j in range(count - o):
            blocks[o, j] = dense[(j + o) * n : (j + o + 1) * n, j * n : (j + 1) * n]
    return BlockBand(blocks), dense


@pytest.mark.parametrize(("count", "width"), [(7, 3), (9, 3), (4, 3), (12, 5), (5, 1)])
def test_solution_and_inverse_are_those_of_the_dense_matrix(count: int, width: int) -> None:
    n = 4
    band, dense = _random(count, width, n)
    rhs = np.random.default_rng(1).normal(size=(count, n))
    factor = BandFactor.of(band)
    assert np.allclose(factor.solve(rhs).ravel(), np.linalg.solve(dense, rhs.ravel()))
    inverse, expected = factor.inverse_band(), np.linalg.inv(dense)
    for first in range(count - width):
        place = slice(first * n, (first + width + 1) * n)
        assert np.allclose(inverse.around(first, width + 1), expected[place, place])


def test_several_right_hand_sides() -> None:
    band, dense = _random(8, 2, 3)
    rhs = np.random.default_rng(2).normal(size=(8, 3, 5))
    solution = BandFactor.of(band).solve(rhs)
    assert np.allclose(solution.reshape(24, 5), np.linalg.solve(dense, rhs.reshape(24, 5)))


def test_damping_multiplies_the_diagonal() -> None:
    band, dense = _random(6, 2, 3)
    damped = dense + 0.3 * np.diag(np.diag(dense))
    rhs = np.ones((6, 3))
    assert np.allclose(BandFactor.of(band, 0.3).solve(rhs).ravel(), np.linalg.solve(damped, rhs.ravel()))


def test_an_indefinite_matrix_is_refused() -> None:
    band, _ = _random(5, 2, 3)
    band.blocks[0, 2] -= 1e3 * np.eye(3)
    with pytest.raises(NotPositiveDefinite):
        BandFactor.of(band)
