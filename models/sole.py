"""Where the floor is under each sole point, learned from stance of the trial itself.

The fitted foot is not the real sole: shoes, arches and keypoint attachment put model points up to 5 cm off the
floor they press on, and a rig's floor is seldom exactly at z = 0. Each point's own floor is a low percentile of
its heights while it moved with the floor; it may differ from the common floor by a few centimetres only, so that
a heel that never touches (equinus) is not taken for one that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64


@dataclass(frozen=True)
class SoleConfig:
    """Heights in metres; ``memory`` samples of at least ``spacing_s`` distance are kept per point."""

    percentile: float = 20.0
    floor_percentile: float = 10.0
    memory: int = 160
    spacing_s: float = 0.045
    least_samples: int = 4
    below: float = 0.02
    above: float = 0.04
    near: float = 0.09


class SoleFloor:
    """Causal estimate of the floor height (m, world z) under every sole point."""

    def __init__(self, points_per_foot: int, config: SoleConfig | None = None) -> None:
        self._config = config or SoleConfig()
        shape = (2 * points_per_foot, self._config.memory)
        self._points = points_per_foot
        self._heights = np.full(shape, np.inf)
        self._count = np.zeros(2 * points_per_foot, dtype=np.int64)
        self._lowest = np.full(self._config.memory, np.inf)
        self._n_lowest = 0
        self._last_ns: int | None = None
        self._common = 0.0
        self._floor = np.zeros(2 * points_per_foot)

    @property
    def common(self) -> float:
        """The floor's height without regard to the single point."""
        return self._common

    def rewind(self) -> None:
        """What comes next is earlier in time; the heights seen so far are kept."""
        self._last_ns = None

    def update(
        self, t_ns: int, heights: Float64[np.ndarray, "2 point"], with_floor: Bool[np.ndarray, "2 point"]
    ) -> Float64[np.ndarray, "2 point"]:
        """Take in the points' heights at ``t_ns`` (``with_floor``: moving with it); returns their floor heights."""
        c = self._config
        if self._last_ns is None or t_ns - self._last_ns >= c.spacing_s * 1e9:
            self._last_ns = t_ns
            self._lowest[self._n_lowest % c.memory] = heights.min()
            self._n_lowest += 1
            seen = self._lowest[: min(self._n_lowest, c.memory)]
            self._common = float(np.percentile(seen, c.floor_percentile))
            flat = heights.reshape(-1)
            rows = np.flatnonzero(with_floor.reshape(-1) & (flat < self._common + c.near))
            self._heights[rows, self._count[rows] % c.memory] = flat[rows]
            self._count[rows] += 1
            self._floor[:] = self._common
            known = np.flatnonzero(self._count >= c.least_samples)
            if known.size:
                ordered = np.sort(self._heights[known], axis=1)
                rank = (np.minimum(self._count[known], c.memory) - 1) * c.percentile / 100.0
                self._floor[known] = ordered[np.arange(known.size), rank.astype(np.int64)]
            np.clip(self._floor, self._common - c.below, self._common + c.above, out=self._floor)
        return self._floor.reshape(2, self._points)
