"""Block-banded solver against dense linear algebra."""

import numpy as np
import pytest

from kincast.offline.trajectory import block_band
from kincast.offline.trajectory.block_band import (
    BlockBand,
    NotPositiveDefinite,
    inverse_near_diagonal,
    solved,
)


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


@pytest.mark.parametrize("stretch", [1, 2, 1024])
@pytest.mark.parametrize(("count", "width"), [(7, 3), (9, 3), (4, 3), (12, 5), (5, 1)])
def test_solution_and_inverse_are_those_of_the_dense_matrix(
    count: int, width: int, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_band, "STRETCH", stretch)
    n = 4
    band, dense = _random(count, width, n)
    rhs = np.random.default_rng(1).normal(size=(count, n))
    assert np.allclose(solved(band, rhs).ravel(), np.linalg.solve(dense, rhs.ravel()))
    expected, found = np.linalg.inv(dense), 0
    for near in inverse_near_diagonal(band):
        for first in range(near.first, min(near.first + width, count - width)):
            place = slice(first * n, (first + width + 1) * n)
            assert np.allclose(near.over(first, width + 1, n), expected[place, place])
            found += 1
    assert found == count - width


def test_several_right_hand_sides() -> None:
    band, dense = _random(8, 2, 3)
    rhs = np.random.default_rng(2).normal(size=(8, 3, 5))
    assert np.allclose(solved(band, rhs).reshape(24, 5), np.linalg.solve(dense, rhs.reshape(24, 5)))


def test_damping_multiplies_the_diagonal() -> None:
    band, dense = _random(6, 2, 3)
    damped = dense + 0.3 * np.diag(np.diag(dense))
    rhs = np.ones((6, 3))
    assert np.allclose(solved(band, rhs, 0.3).ravel(), np.linalg.solve(damped, rhs.ravel()))


def test_diagonals_add_to_single_precision_blocks() -> None:
    band, dense = _random(6, 2, 3)
    added = np.random.default_rng(3).uniform(1.0, 2.0, (3, 6, 3)) * 1e6
    for o in range(3):
        for j in range(6 - o):
            place = np.arange(3) + 3 * (j + o), np.arange(3) + 3 * j
            dense[place] += added[o, j] * (1.0 if o == 0 else 1e-3)
            if o:
                dense[place[::-1]] = dense[place]
    added[1:] *= 1e-3
    rhs = np.ones((6, 3))
    found = solved(BlockBand(band.blocks.astype(np.float32), added), rhs)
    assert np.allclose(found.ravel(), np.linalg.solve(dense, rhs.ravel()), rtol=1e-6)


def test_an_indefinite_matrix_is_refused() -> None:
    band, _ = _random(5, 2, 3)
    band.blocks[0, 2] -= 1e3 * np.eye(3)
    with pytest.raises(NotPositiveDefinite):
        solved(band, np.ones((5, 3)))
