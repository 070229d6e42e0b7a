"""Symmetric positive definite block-banded systems: solve, and the inverse near its diagonal.

Neighbouring blocks are joined into superblocks as wide as the band, which makes the matrix block-tridiagonal; then
block Cholesky elimination (Golub and Van Loan 2013, section 4.5) and, for the inverse, the backward recursion
``S_k = (L_k L_k')^-1 + G_k S_{k+1} G_k'`` (Takahashi, Fagan and Chen 1973). Time is linear in the number of blocks.
The factors, larger than the matrix, are kept for one stretch of ``STRETCH`` superblocks at a time; those of the others
are made once more on the way back from the one coupling kept of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from scipy.linalg.blas import dsyrk  # pyright: ignore[reportAttributeAccessIssue]
from scipy.linalg.lapack import dpotrf, dpotri, dtrtrs  # pyright: ignore[reportAttributeAccessIssue]

STRETCH = 1024
"""Superblocks: at 40 numbers a block and a band of three, 230 MB of factors for two and a half minutes of splines."""


class NotPositiveDefinite(ArithmeticError):
    """The matrix has no Cholesky factor: more damping is needed."""


@dataclass(frozen=True)
class BlockBand:
    """``blocks[o, j]`` is the block in row j + o and column j (o = 0: the full symmetric diagonal block).

    ``diagonals``, where given, are added to the diagonals of the blocks.
    """

    blocks: Float[np.ndarray, "offset count n n"]
    diagonals: Float64[np.ndarray, "offset count n"] | None = None

    @property
    def count(self) -> int:
        return self.blocks.shape[1]

    @property
    def block(self) -> int:
        """Numbers per block."""
        return self.blocks.shape[2]

    @property
    def width(self) -> int:
        """Blocks per superblock."""
        return self.blocks.shape[0] - 1

    @property
    def superblocks(self) -> int:
        return -(-self.count // self.width)

    def superblock(
        self, k: int, damping: float = 0.0
    ) -> tuple[Float64[np.ndarray, "m m"], Float64[np.ndarray, "m m"]]:
        """Lower triangle of diagonal superblock k (diagonal times 1 + ``damping``), and the superblock below it.

        The end is padded with the identity.
        """
        width, n, count = self.width, self.block, self.count
        m = width * n
        diagonal, below = np.zeros((m, m)), np.zeros((m, m))
        for c in range(width):
            column = k * width + c
            place = slice(c * n, (c + 1) * n)
            if column >= count:
                diagonal[place, place] = np.eye(n)
                continue
            for o in range(min(width + 1, count - column)):
                target, r = (diagonal, c + o) if c + o < width else (below, c + o - width)
                target[r * n : (r + 1) * n, place] = self.blocks[o, column]
                if self.diagonals is not None:
                    at = np.arange(n)
                    target[r * n + at, c * n + at] += self.diagonals[o, column]
        if damping:
            diagonal.reshape(-1)[:: m + 1] *= 1.0 + damping
        return diagonal, below


class _Factors(NamedTuple):
    """Of one superblock, in Fortran order: ``upper`` = L_k', ``coupling`` = W_k' with W_k = below_k L_k^-T."""

    upper: Float64[np.ndarray, "m m"]
    coupling: Float64[np.ndarray, "m m"]


def _factors(
    band: BlockBand, damping: float, start: int, stop: int, before: np.ndarray | None
) -> Iterator[_Factors]:
    """Of superblocks ``start`` to ``stop``; ``before``: the coupling of the one before them."""
    for k in range(start, stop):
        lower, below = band.superblock(k, damping)
        here = lower.T  # the lower triangle in C order is the upper one in Fortran's
        if before is not None:
            here = dsyrk(-1.0, before, beta=1.0, c=here, trans=1, lower=0, overwrite_c=1)
        upper, info = dpotrf(here, lower=0, clean=0, overwrite_a=1)
        if info != 0:
            raise NotPositiveDefinite(f"superblock {k}")
        coupling = dtrtrs(upper, below.T, lower=0, trans=1, overwrite_b=1)[0]
        yield _Factors(upper, coupling)
        before = coupling


class _Elimination:
    """Once forwards on creation, then backwards; ``rhs`` (superblock, m, column) is solved in place on both ways."""

    def __init__(self, band: BlockBand, damping: float, rhs: np.ndarray | None) -> None:
        self._band, self._damping = band, damping
        self._starts = range(0, band.superblocks, STRETCH)
        self._before: list[np.ndarray | None] = []
        self._kept: list[_Factors] = []
        before: np.ndarray | None = None
        for start in self._starts:
            self._before.append(before)
            self._kept.clear()
            for k, factors in enumerate(self._stretch(start, before), start):
                if rhs is not None:
                    if k:
                        assert before is not None
                        rhs[k] -= before.T @ rhs[k - 1]
                    rhs[k] = dtrtrs(factors.upper, rhs[k], lower=0, trans=1)[0]
                before = factors.coupling
                self._kept.append(factors)

    def backwards(self) -> Iterator[tuple[int, _Factors]]:
        """Every superblock's factors from the last to the first."""
        for start, before in zip(reversed(self._starts), reversed(self._before), strict=True):
            if not self._kept:
                self._kept.extend(self._stretch(start, before))
            while self._kept:
                yield start + len(self._kept) - 1, self._kept.pop()

    def _stretch(self, start: int, before: np.ndarray | None) -> Iterator[_Factors]:
        stop = min(start + STRETCH, self._band.superblocks)
        return _factors(self._band, self._damping, start, stop, before)


def solved(
    band: BlockBand, rhs: Float64[np.ndarray, "count n *columns"], damping: float = 0.0
) -> Float64[np.ndarray, "count n *columns"]:
    """Solution for one or several right-hand sides, the matrix' diagonal multiplied by 1 + ``damping``.

    Raises:
        NotPositiveDefinite
    """
    supers, m = band.superblocks, band.width * band.block
    size = band.count * band.block
    columns = int(np.prod(rhs.shape[2:]))
    x = np.zeros((supers * m, columns))
    x[:size] = rhs.reshape(size, columns)
    x = x.reshape(supers, m, columns)
    for k, factors in _Elimination(band, damping, x).backwards():
        if k + 1 < supers:
            x[k] -= factors.coupling @ x[k + 1]
        x[k] = dtrtrs(factors.upper, x[k], lower=0)[0]
    return x.reshape(supers * m, columns)[:size].reshape(rhs.shape)


class InverseNear(NamedTuple):
    """The inverse over superblocks k and k + 1, which hold blocks ``first`` and on."""

    first: int
    matrix: Float64[np.ndarray, "m2 m2"]

    def over(self, block: int, blocks: int, n: int) -> Float64[np.ndarray, "k k"]:
        """Over ``blocks`` blocks of ``n`` numbers from ``block`` on, which is one of superblock k."""
        start = (block - self.first) * n
        return self.matrix[start : start + blocks * n, start : start + blocks * n]


def inverse_near_diagonal(band: BlockBand) -> Iterator[InverseNear]:
    """The inverse along its diagonal, from the end to the beginning.

    Raises:
        NotPositiveDefinite
    """
    supers, m = band.superblocks, band.width * band.block
    after = np.zeros((m, m))
    for k, factors in _Elimination(band, 0.0, None).backwards():
        own = dpotri(factors.upper, lower=0)[0].T  # its lower triangle
        own = np.tril(own) + np.tril(own, -1).T
        joined = np.zeros((2 * m, 2 * m))
        if k + 1 < supers:
            gain = dtrtrs(factors.upper, factors.coupling, lower=0)[0]
            between = -after @ gain.T
            own -= gain @ between
            joined[m:, m:], joined[m:, :m], joined[:m, m:] = after, between, between.T
        joined[:m, :m] = after = own
        yield InverseNear(k * band.width, joined)
