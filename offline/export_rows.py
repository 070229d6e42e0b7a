"""Instants of an export: even steps, and which row of a table is nearest to each."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.errors import UserMistakeError

MAX_ROWS = 20_000_000


class TooManyRowsError(UserMistakeError):
    """A rate so high that the file would be useless."""


def even_steps(
    time_s: Float64[np.ndarray, " row"], rate_hz: float, start_s: float | None = None
) -> Float64[np.ndarray, " out"]:
    """Instants at a rate, from ``start_s`` (default: the first) to the last.

    Raises:
        TooManyRowsError: more than 20 million.
    """
    if len(time_s) == 0:
        return time_s
    start = float(time_s[0]) if start_s is None else start_s
    count = math.floor((float(time_s[-1]) - start) * rate_hz + 1e-6) + 1
    if count > MAX_ROWS:
        raise TooManyRowsError(
            f"{count} rows at {rate_hz:g} Hz are more than {MAX_ROWS}; choose a lower --rate"
        )
    return np.minimum(start + np.arange(max(count, 0)) / rate_hz, time_s[-1])


def nearest_rows(
    time_s: Float64[np.ndarray, " row"], query_s: Float64[np.ndarray, " out"]
) -> Int64[np.ndarray, " out"]:
    """Index of the nearest of some rising instants (at least one) for each query."""
    after = np.clip(np.searchsorted(time_s, query_s), 1, max(len(time_s) - 1, 1))
    after = np.minimum(after, len(time_s) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(query_s - time_s[before]) <= np.abs(time_s[after] - query_s), before, after)
