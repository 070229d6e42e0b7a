"""Symmetric positive definite block-tridiagonal systems: solve, marginalise, covariance of one block.

    [D0  O0          ] [x0]   [r0]
    [O0' D1  O1      ] [x1] = [r1]
    [    O1' D2  ... ] [..]   [..]

Block Cholesky elimination (Golub and Van Loan 2013, section 4.5) from both ends towards a *root* block, which
costs the same wherever the root is. What is left there is the root's marginal information, so its covariance
is one inverse away; substitution runs back outwards. The root may be a traced number: another root is no
other program.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int


class Elimination(NamedTuple):
    """Cholesky factors of the eliminated diagonal, ``L^-1 O`` towards the root (0 for the root) and ``L^-1 r``."""

    factor: Float[Array, "block n n"]
    coupling: Float[Array, "block n n"]
    rhs: Float[Array, "block n"]
    root: Int[Array, ""]


def eliminate(
    diagonal: Float[Array, "block n n"],
    upper: Float[Array, "block n n"],
    rhs: Float[Array, "block n"],
    root: Int[Array, ""] | int,
) -> Elimination:
    """Eliminate towards ``root``. ``upper[k]`` couples block k to k + 1; the last is ignored."""
    last = len(diagonal) - 1
    root = jnp.asarray(root, jnp.int32)

    def one(state: tuple[Array, ...], k: Array, towards: Array, target: Array) -> tuple[Array, ...]:
        diagonal, rhs, factors, couplings, reduced = state
        factor, both = _reduced(diagonal[k], towards, rhs[k])
        coupling, right = both[:, :-1], both[:, -1]
        return (
            diagonal.at[target].add(-(coupling.T @ coupling)),
            rhs.at[target].add(-(coupling.T @ right)),
            factors.at[k].set(factor),
            couplings.at[k].set(coupling),
            reduced.at[k].set(right),
        )

    def forward(k: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        return one(state, k, upper[k], k + 1)

    def backward(i: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        k = last - i
        return one(state, k, upper[k - 1].T, k - 1)

    state = diagonal, rhs, jnp.zeros_like(diagonal), jnp.zeros_like(diagonal), jnp.zeros_like(rhs)
    state = jax.lax.fori_loop(jnp.int32(0), root, forward, state)
    state = jax.lax.fori_loop(jnp.int32(0), last - root, backward, state)
    diagonal, rhs, factors, couplings, reduced = state
    factor = jnp.linalg.cholesky(diagonal[root], symmetrize_input=False)
    right = solve_triangular(factor, rhs[root], lower=True)
    return Elimination(factors.at[root].set(factor), couplings, reduced.at[root].set(right), root)


def substitute(elimination: Elimination) -> Float[Array, "block n"]:
    """The solution, from the root outwards."""
    factor, coupling, rhs, root = elimination
    last = len(factor) - 1

    def solved(k: Array, right: Array) -> Array:
        return solve_triangular(factor[k], right, lower=True, trans=1)

    def below(i: Array, x: Array) -> Array:
        k = root - 1 - i
        return x.at[k].set(solved(k, rhs[k] - coupling[k] @ x[k + 1]))

    def above(i: Array, x: Array) -> Array:
        k = root + 1 + i
        return x.at[k].set(solved(k, rhs[k] - coupling[k] @ x[k - 1]))

    x = jnp.zeros_like(rhs).at[root].set(solved(root, rhs[root]))
    x = jax.lax.fori_loop(jnp.int32(0), root, below, x)
    return jax.lax.fori_loop(jnp.int32(0), last - root, above, x)


def root_covariance(elimination: Elimination, size: int) -> Float[Array, "size size"]:
    """Covariance of the root's first ``size`` unknowns."""
    factor = elimination.factor[elimination.root]
    inverse = solve_triangular(factor, jnp.eye(len(factor), size, dtype=factor.dtype), lower=True)
    return inverse.T @ inverse


def marginal(
    diagonal: Float[Array, "n n"], upper: Float[Array, "n m"], rhs: Float[Array, "n"]
) -> tuple[Float[Array, "m m"], Float[Array, "m"]]:
    """What eliminating one block exactly leaves on its neighbour: to add to its diagonal and right-hand side."""
    _, both = _reduced(diagonal, upper, rhs)
    coupling, right = both[:, :-1], both[:, -1]
    return -(coupling.T @ coupling), -(coupling.T @ right)


def _reduced(
    diagonal: Float[Array, "n n"], towards: Float[Array, "n m"], rhs: Float[Array, "n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n m+1"]]:
    """Cholesky factor L of one block, and ``L^-1 [towards, rhs]``."""
    factor = jnp.linalg.cholesky(diagonal, symmetrize_input=False)
    return factor, solve_triangular(factor, jnp.concatenate([towards, rhs[:, None]], axis=1), lower=True)
