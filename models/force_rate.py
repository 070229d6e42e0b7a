"""How fast the forces on the feet have been changing: where a load comes or goes, an error of time is one of force."""

from __future__ import annotations

from collections import deque

import numpy as np
from jaxtyping import Float64

WINDOW_S = 0.08
GAP_S = 0.2
"""After a longer pause nothing is known of the rate."""


class ForceRate:
    """Largest absolute rate of every component over the last ``WINDOW_S``; causal, instants in order of time."""

    def __init__(self) -> None:
        self._rates: deque[tuple[int, Float64[np.ndarray, "2 3"]]] = deque()
        self._last: tuple[int, Float64[np.ndarray, "2 3"]] | None = None

    def update(self, t_ns: int, force: Float64[np.ndarray, "2 3"]) -> Float64[np.ndarray, "2 3"]:
        """Take in the force at ``t_ns``; returns the rate in its unit per second."""
        if self._last is None or not 0 < t_ns - self._last[0] < GAP_S * 1e9:
            self._rates.clear()
        else:
            elapsed_s = (t_ns - self._last[0]) * 1e-9
            self._rates.append((t_ns, np.abs(force - self._last[1]) / elapsed_s))
        self._last = (t_ns, force.copy())
        while self._rates and t_ns - self._rates[0][0] > WINDOW_S * 1e9:
            self._rates.popleft()
        return np.max([r for _, r in self._rates], axis=0) if self._rates else np.zeros((2, 3))
