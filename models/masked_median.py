"""Median of every row's marked entries, all rows at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def masked_median(
    values: Float[np.ndarray, "row column"], used: Bool[np.ndarray, "row column"]
) -> Float[np.ndarray, " row"]:
    """As ``np.median`` of ``values[i][used[i]]``; NaN where a row has none."""
    count = used.sum(axis=1)
    if not used.size:
        return np.full(len(values), np.nan, values.dtype)
    ordered = np.sort(np.where(used, values, np.array(np.inf, values.dtype)), axis=1)
    row = np.arange(len(values))
    middle = 0.5 * (
        ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, used.shape[1] - 1)]
    )
    return np.where(count > 0, middle, np.array(np.nan, values.dtype))
