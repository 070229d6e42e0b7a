"""Symmetric positive definite block-banded systems: solve, and the band of the inverse.

Neighbouring blocks are joined into superblocks as wide as the band, which makes the matrix block-tridiagonal;
then block Cholesky elimination (Golub and Van Loan 2013, section 4.5) and, for the covariance, the backward recursion
``S_k = (L_k L_k')^-1 + G_k S_{k+1} G_k'`` (Takahashi, Fagan and Chen 1973). Cost is linear in the number of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg.lapack import dpotrf, dtrtrs  # pyright: ignore[reportAttributeAccessIssue]


class NotPositiveDefinite(ArithmeticError):
    """The matrix has no Cholesky factor: more damping is needed."""


@dataclass(frozen=True)
class BlockBand:
    """``blocks[o, j]`` is the block in row j + o and column j (o = 0: the full symmetric diagonal block)."""

    blocks: Float64[np.ndarray, "offset count n n"]

    @property
    def diagonal(self) -> Float64[np.ndarray, "count n"]:
        return np.einsum("jii->ji", self.blocks[0])

    def superblocks(self) -> tuple[Float64[np.ndarray, "super m m"], Float64[np.ndarray, "super m m"]]:
        """Diagonal superblocks and those below them (the last one is zero); identity where the end is padded."""
        offsets, count, n, _ = self.blocks.shape
        width = offsets - 1
        supers = -(-count // width)
        diagonal = np.zeros((supers, width, n, width, n))
        below = np.zeros((supers, width, n, width, n))
        for o in range(offsets):
            for c in range(width):  # column within its superblock
                column = np.arange(c, count - o, width)
                if not len(column):
                    continue
                s, r = column // width, c + o
                block = self.blocks[o, column]
                if r < width:
                    diagonal[s, r, :, c, :] = block
                    diagonal[s, c, :, r, :] = np.swapaxes(block, 1, 2)
                else:
                    below[s, r - width, :, c, :] = block
        for j in range(count, supers * width):
            diagonal[j // width, j % width, :, j % width, :] = np.eye(n)
        shape = (supers, width * n, width * n)
        return diagonal.reshape(shape), below.reshape(shape)


@dataclass(frozen=True)
class BandFactor:
    """Cholesky factors ``L_k`` and ``W_k = below_k L_k^-T`` (couples superblock k + 1 to k)."""

    factor: Float64[np.ndarray, "super m m"]
    coupling: Float64[np.ndarray, "super m m"]
    count: int
    block: int

    @staticmethod
    def of(band: BlockBand, damping: float = 0.0) -> BandFactor:
        """Factor of the matrix with its diagonal multiplied by 1 + ``damping``.

        Raises:
            NotPositiveDefinite
        """
        diagonal, below = band.superblocks()
        m = diagonal.shape[1]
        factor, coupling = np.empty_like(diagonal), np.zeros_like(below)
        for k in range(len(diagonal)):
            here = diagonal[k]
            here.reshape(-1)[:: m + 1] *= 1.0 + damping
            if k:
                here = here - coupling[k - 1] @ coupling[k - 1].T
            lower, info = dpotrf(here, lower=1, clean=1)
            if info != 0:
                raise NotPositiveDefinite(f"superblock {k}")
            factor[k] = lower
            if k + 1 < len(diagonal):
                coupling[k] = dtrtrs(lower, below[k].T, lower=1)[0].T
        return BandFactor(factor, coupling, band.blocks.shape[1], band.blocks.shape[2])

    def solve(self, rhs: Float64[np.ndarray, "count n *columns"]) -> Float64[np.ndarray, "count n *columns"]:
        """Solution for one or several right-hand sides."""
        supers, m, _ = self.factor.shape
        columns = rhs.shape[2:]
        x = np.zeros((supers * m, *columns)) if columns else np.zeros((supers * m, 1))
        x[: self.count * self.block] = rhs.reshape(self.count * self.block, *(columns or (1,)))
        x = x.reshape(supers, m, -1)
        for k in range(supers):
            if k:
                x[k] -= self.coupling[k - 1] @ x[k - 1]
            x[k] = dtrtrs(self.factor[k], x[k], lower=1)[0]
        for k in reversed(range(supers)):
            if k + 1 < supers:
                x[k] -= self.coupling[k].T @ x[k + 1]
            x[k] = dtrtrs(self.factor[k], x[k], lower=1, trans=1)[0]
        return x.reshape(supers * m, -1)[: self.count * self.block].reshape(rhs.shape)

    def inverse_band(self) -> BandInverse:
        """Diagonal superblocks of the inverse and those below them."""
        supers, m, _ = self.factor.shape
        diagonal, below = np.empty_like(self.factor), np.zeros_like(self.factor)
        for k in reversed(range(supers)):
            inverse = dtrtrs(self.factor[k], np.eye(m), lower=1)[0]
            diagonal[k] = inverse.T @ inverse
            if k + 1 < supers:
                gain = inverse.T @ self.coupling[k].T
                below[k] = -diagonal[k + 1] @ gain.T
                diagonal[k] -= gain @ below[k]
        return BandInverse(diagonal, below, self.block)


@dataclass(frozen=True)
class BandInverse:
    """The inverse near its diagonal."""

    diagonal: Float64[np.ndarray, "super m m"]
    below: Float64[np.ndarray, "super m m"]
    block: int

    def around(self, first: int, blocks: int) -> Float64[np.ndarray, "k k"]:
        """The inverse over ``blocks`` neighbouring blocks (at most one more than the band is wide)."""
        m, n = self.diagonal.shape[1], self.block
        width = m // n
        s = first // width
        last = (first + blocks - 1) // width
        start = (first - s * width) * n
        if last == s:
            return self.diagonal[s][start : start + blocks * n, start : start + blocks * n]
        joined = np.block([[self.diagonal[s], self.below[s].T], [self.below[s], self.diagonal[s + 1]]])
        return joined[start : start + blocks * n, start : start + blocks * n]
