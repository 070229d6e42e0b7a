"""The references of many clips in one set of arrays, and windows of them by clip and row; NumPy and JAX alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from kincast.models.rotations import Array
from kincast.models.twin.reference import Reference


class MotionBank(NamedTuple):
    """``rows``: the references one after the other; clip ``i`` begins at ``start[i]`` and has ``length[i]`` rows. A pytree."""

    rows: Reference
    start: Int[Array, " clip"]
    length: Int[Array, " clip"]


def bank_of(references: Sequence[Reference]) -> MotionBank:
    """All references, in order (NumPy)."""
    if not references:
        raise ValueError("a bank needs at least one reference")
    length = np.array([len(r.q) for r in references])
    rows = Reference(*(np.concatenate(parts) for parts in zip(*references, strict=True)))
    return MotionBank(rows, np.cumsum(length) - length, length)


def window(
    bank: MotionBank, clip: Int[Array, "*n"], row: Int[Array, "*n"], ahead: Sequence[int]
) -> Reference:
    """Rows ``row + ahead`` of every instance's clip, along a new time axis; the last row stays beyond the end."""
    xp = bank.start.__array_namespace__()
    asked = row[..., None] + xp.asarray(np.array(ahead), dtype=row.dtype)
    last = (bank.length[clip] - 1)[..., None]
    at = bank.start[clip][..., None] + xp.minimum(asked, last)
    return Reference(*(values[at] for values in bank.rows))


def row_of(
    windowed: Reference, k: int
) -> tuple[Float[Array, "*n 41"], Float[Array, "*n 40"], Float[Array, "*n 40"]]:
    """Pose, velocity and acceleration of one row of a window."""
    return windowed.q[..., k, :], windowed.v[..., k, :], windowed.a[..., k, :]
