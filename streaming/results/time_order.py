"""Times that should rise, from files in which some may be damaged."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np

FAR_PERIODS = 1000
"""One or two rows further than this many periods from all others carry a wrong time."""


def rising(times: Sequence[float | int]) -> list[int]:
    """Indices of the longest strictly rising subsequence: one wrong time then costs one row, not the rest."""
    tails: list[float | int] = []
    tail_index: list[int] = []
    previous = [-1] * len(times)
    for i, t in enumerate(times):
        place = bisect.bisect_left(tails, t)
        if place == len(tails):
            tails.append(t)
            tail_index.append(i)
        else:
            tails[place] = t
            tail_index[place] = i
        previous[i] = tail_index[place - 1] if place else -1
    chain: list[int] = []
    i = tail_index[-1] if tail_index else -1
    while i >= 0:
        chain.append(i)
        i = previous[i]
    return chain[::-1]


def without_far(times: Sequence[float | int]) -> slice:
    """The rows but for one or two at either end whose time lies absurdly far from the rest."""
    count = len(times)
    if count < 8:
        return slice(0, count)
    gaps = np.diff(np.asarray(times))
    far = FAR_PERIODS * float(np.median(gaps))
    start = max((k for k in (1, 2) if gaps[k - 1] > far), default=0)
    stop = min((count - k for k in (1, 2) if gaps[count - 1 - k] > far), default=count)
    return slice(start, stop)
