"""Muscle activations of a run beside measured EMG or static optimisation.

The size of an EMG means nothing between muscles, so shape and time are compared: correlation, the lag at which it is highest, and
the difference after each signal is divided by its own largest value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.streaming.results.storage import Storage

LONGEST_LAG_S = 0.15
"""Muscles pull up to 0.1 s after their EMG begins; further lags are another burst."""
STEP_S = 0.01
LEAST = 30
_SUFFIX = "_activation"


@dataclass(frozen=True)
class MuscleAgreement:
    """``correlation`` as timed, ``best`` at ``lag_s`` (positive: ours is later); ``difference`` rms of the signals scaled to a maximum of one."""

    correlation: float
    best: float
    lag_s: float
    difference: float


def agreement(
    time_s: Float64[np.ndarray, " row"],
    activation: Float64[np.ndarray, "row muscle"],
    muscles: Sequence[str],
    other: Storage,
) -> Mapping[str, MuscleAgreement]:
    """Per muscle that both know, over their common time; a signal that never changes says nothing and is left out."""
    begin = max(time_s[0], other.time_s[0]) + LONGEST_LAG_S
    end = min(time_s[-1], other.time_s[-1]) - LONGEST_LAG_S
    clock = np.arange(begin, end, STEP_S)
    found: dict[str, MuscleAgreement] = {}
    if len(clock) < LEAST:
        return found
    theirs = {c.removesuffix(_SUFFIX): c for c in other.columns}
    for k, name in enumerate(muscles):
        if name not in theirs:
            continue
        reference = np.interp(clock, other.time_s, other.column(theirs[name]))
        mine = np.interp(clock, time_s, activation[:, k])
        if min(np.std(reference), np.std(mine)) < 1e-4:
            continue
        lags = np.arange(-LONGEST_LAG_S, LONGEST_LAG_S + 1e-9, STEP_S)
        shifted = [_correlation(np.interp(clock + lag, time_s, activation[:, k]), reference) for lag in lags]
        best = int(np.argmax(shifted))
        scaled = mine / np.abs(mine).max() - reference / np.abs(reference).max()
        found[name] = MuscleAgreement(
            _correlation(mine, reference),
            shifted[best],
            float(lags[best]),
            float(np.sqrt(np.mean(scaled**2))),
        )
    return found


def _correlation(a: Float64[np.ndarray, " t"], b: Float64[np.ndarray, " t"]) -> float:
    if min(np.std(a), np.std(b)) < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
