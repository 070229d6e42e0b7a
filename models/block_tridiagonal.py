"""Symmetric positive definite block-tridiagonal systems: solve, marginalise, covariance, by scan over the blocks.

    [D0  O0          ] [x0]   [r0]
    [O0' D1  O1      ] [x1] = [r1]
    [    O1' D2  ... ] [..]   [..]

Block Cholesky elimination forwards, substitution backwards (Golub and Van Loan 2013, section 4.5). The
covariance of block k is ``D'_k^-1 + G_k P_{k+1} G_k'``, the information form of the Rauch-Tung-Striebel
smoother (``D'`` the eliminated diagonal, ``G_k = D'_k^-1 O_k``).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float


class Elimination(NamedTuple):
    """Forward pass: Cholesky factors of the eliminated diagonal, ``L^-1 O`` (0 for the last block) and ``L^-1 r``."""

    factor: Float[Array, "block n n"]
    coupling: Float[Array, "block n n"]
    rhs: Float[Array, "block n"]


def eliminate(
    diagonal: Float[Array, "block n n"],
    upper: Float[Array, "block n n"],
    rhs: Float[Array, "block n"],
) -> Elimination:
    """Eliminate from the first block to the last. ``upper[k]`` couples block k to k + 1; the last is ignored."""

    def one(carry: tuple[Array, Array], block: tuple[Array, Array, Array]) -> tuple[tuple, tuple]:
        schur, schur_rhs = carry
        d, o, r = block
        factor = jnp.linalg.cholesky(d - schur, symmetrize_input=False)
        both = solve_triangular(factor, jnp.concatenate([o, (r - schur_rhs)[:, None]], axis=1), lower=True)
        coupling, reduced = both[:, :-1], both[:, -1]
        return (coupling.T @ coupling, coupling.T @ reduced), (factor, coupling, reduced)

    n = diagonal.shape[-1]
    upper = upper.at[-1].set(0.0)
    start = (jnp.zeros((n, n), diagonal.dtype), jnp.zeros(n, diagonal.dtype))
    _, (factor, coupling, reduced) = jax.lax.scan(one, start, (diagonal, upper, rhs))
    return Elimination(factor, coupling, reduced)


def substitute(elimination: Elimination) -> Float[Array, "block n"]:
    """Backward pass: the solution."""

    def one(later: Array, block: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        factor, coupling, reduced = block
        x = solve_triangular(factor, reduced - coupling @ later, lower=True, trans=1)
        return x, x

    start = jnp.zeros_like(elimination.rhs[0])
    blocks = (elimination.factor, elimination.coupling, elimination.rhs)
    _, x = jax.lax.scan(one, start, blocks, reverse=True)
    return x


def covariance_from(elimination: Elimination, first: int) -> Float[Array, "block n n"]:
    """Covariance of blocks ``first`` to the last (a static index), in that order."""

    def one(later: Array, block: tuple[Array, Array]) -> tuple[Array, Array]:
        factor, coupling = block
        n = factor.shape[-1]
        inverse = solve_triangular(factor, jnp.eye(n, dtype=factor.dtype), lower=True)
        # with K = L^-1 O: P = L^-T (I + K P_next K') L^-1
        inner = jnp.eye(n, dtype=factor.dtype) + coupling @ later @ coupling.T
        covariance = inverse.T @ inner @ inverse
        return covariance, covariance

    factor, coupling = elimination.factor[first:], elimination.coupling[first:]
    start = jnp.zeros_like(factor[0])
    _, covariance = jax.lax.scan(one, start, (factor, coupling), reverse=True)
    return covariance


def marginal(
    diagonal: Float[Array, "n n"], upper: Float[Array, "n m"], rhs: Float[Array, "n"]
) -> tuple[Float[Array, "m m"], Float[Array, "m"]]:
    """What eliminating one block exactly leaves on its neighbour: to add to its diagonal and right-hand side."""
    factor = jnp.linalg.cholesky(diagonal, symmetrize_input=False)
    both = solve_triangular(factor, jnp.concatenate([upper, rhs[:, None]], axis=1), lower=True)
    coupling, reduced = both[:, :-1], both[:, -1]
    return -(coupling.T @ coupling), -(coupling.T @ reduced)
