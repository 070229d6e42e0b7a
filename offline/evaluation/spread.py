"""One figure of many errors: median, normalised interquartile range, mean absolute error, root mean square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

NIQR = 0.7413
"""Of an interquartile range: the standard deviation of normal errors with that range."""


@dataclass(frozen=True)
class Spread:
    """Of signed errors (of sizes where a figure is one). KinTwin's text speaks of median and ``niqr``, its tables of single
    numbers that may be either that or ``mae``: all are told, so that ours can be read both ways."""

    count: int
    median: float
    niqr: float
    mae: float
    rms: float


def spread(errors: Float[np.ndarray, "..."], scale: float = 1.0) -> Spread | None:
    """Of all finite errors times ``scale``; None if there is none."""
    values = np.asarray(errors, float).ravel() * scale
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, middle, high = np.percentile(values, (25, 50, 75))
    return Spread(
        len(values),
        float(middle),
        float(NIQR * (high - low)),
        float(np.mean(np.abs(values))),
        float(np.sqrt(np.mean(values**2))),
    )
