"""How two series of the same instants differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

CONSTANT = 1e-9
"""Below this standard deviation (in the unit of the series) a correlation is not defined."""


@dataclass(frozen=True)
class Difference:
    """First minus second, in the unit of the series. ``sd`` is also the RMSE with the mean difference removed.

    ``correlation`` (Pearson's r) is None where either series does not vary.
    """

    rows: int
    mean: float
    sd: float
    rmse: float
    largest: float
    correlation: float | None


def difference(
    first: Float64[np.ndarray, " row"], second: Float64[np.ndarray, " row"], *, period: float | None = None
) -> Difference | None:
    """Compare where both are finite; None if that is nowhere. ``period``: 360 where 359 and -1 are the same angle."""
    known = np.isfinite(first) & np.isfinite(second)
    if not known.any():
        return None
    a, b = first[known], second[known]
    error = a - b
    if period is not None:
        error = (error + 0.5 * period) % period - 0.5 * period
    return Difference(
        rows=len(error),
        mean=float(error.mean()),
        sd=float(error.std()),
        rmse=float(np.sqrt(np.mean(error**2))),
        largest=float(np.abs(error).max()),
        correlation=_correlation(b + error, b),
    )


def _correlation(a: Float64[np.ndarray, " row"], b: Float64[np.ndarray, " row"]) -> float | None:
    if len(a) < 3 or a.std() < CONSTANT or b.std() < CONSTANT:
        return None
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1.0, 1.0))
