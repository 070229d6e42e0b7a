"""Which way the person is going, from the fitted pelvis alone: the direction clinical pelvis angles refer to."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from jaxtyping import Float64

from kincast.models.rotations import matrix_from_quaternion

TRAVEL_OVER_S = 1.2
"""About one stride: the sway to both sides cancels."""
MIN_TRAVEL_M = 0.35
MIN_ALIGNMENT = 0.7
"""Travel more than 45 degrees off the facing direction is a side step or a turn, not progression."""
SMOOTHING_S = 1.0


class Heading:
    """Causal direction of progression (rad from the world's x axis about the vertical).

    Where the person travels, the direction of travel (reversed when walking backwards), so that a pelvis held
    turned to one side shows as such; on a treadmill, standing or turning, the mean facing direction.
    """

    def __init__(self) -> None:
        self._path: deque[tuple[int, float, float]] = deque()
        self._mean: tuple[float, float] | None = None
        self._last_ns = 0

    def update(self, t_ns: int, qpos: Float64[np.ndarray, "41"]) -> float:
        """Heading at ``t_ns``; instants must not go backwards."""
        facing_x, facing_y = matrix_from_quaternion(qpos[3:7])[:2, 0]
        norm = math.hypot(facing_x, facing_y)
        if norm < 0.1:  # lying: there is no heading, keep the last
            return self._angle()
        target = (facing_x / norm, facing_y / norm)
        travel = self._travel(t_ns, float(qpos[0]), float(qpos[1]))
        if travel is not None:
            along = travel[0] * target[0] + travel[1] * target[1]
            if abs(along) > MIN_ALIGNMENT:
                target = travel if along > 0 else (-travel[0], -travel[1])
        self._approach(t_ns, target)
        return self._angle()

    def _travel(self, t_ns: int, x: float, y: float) -> tuple[float, float] | None:
        """Unit vector of the displacement over about a stride, None if that is too short."""
        self._path.append((t_ns, x, y))
        while t_ns - self._path[0][0] > TRAVEL_OVER_S * 1e9:
            self._path.popleft()
        start_ns, x0, y0 = self._path[0]
        distance = math.hypot(x - x0, y - y0)
        if distance < MIN_TRAVEL_M or t_ns - start_ns < 0.8 * TRAVEL_OVER_S * 1e9:
            return None
        return (x - x0) / distance, (y - y0) / distance

    def _approach(self, t_ns: int, target: tuple[float, float]) -> None:
        if self._mean is None:
            self._mean = target
        else:
            gain = 1.0 - math.exp(-max(0, t_ns - self._last_ns) * 1e-9 / SMOOTHING_S)
            x, y = (m + gain * (t - m) for m, t in zip(self._mean, target, strict=True))
            self._mean = (x, y) if math.hypot(x, y) > 1e-3 else target
        self._last_ns = t_ns

    def _angle(self) -> float:
        return 0.0 if self._mean is None else math.atan2(self._mean[1], self._mean[0])
