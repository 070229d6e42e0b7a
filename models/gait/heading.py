"""Direction and speed of progression over the ground, also where the person turns, backs up or walks on a belt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

MIN_PATH_M = 0.10
"""Shorter pelvis paths do not define a direction; the facing direction stands in."""
LEAST_S = 0.1
"""Over less, a mean velocity says nothing."""


@dataclass(frozen=True)
class Progression:
    """``direction`` (2,) unit vector of travel over the ground; ``forward`` (2,) the way the person faces.

    ``distance_m`` travelled along it; ``backwards`` when travel is against the facing direction.
    """

    direction: Float64[np.ndarray, "2"]
    forward: Float64[np.ndarray, "2"]
    distance_m: float

    @property
    def backwards(self) -> bool:
        return float(self.direction @ self.forward) < -0.5

    @property
    def left(self) -> Float64[np.ndarray, "2"]:
        """Unit vector across the path, to the person's left whichever way the path goes."""
        across = np.array([-self.direction[1], self.direction[0]])
        return -across if self.backwards else across


def progression(
    travel: Float64[np.ndarray, "2"], forward: Float64[np.ndarray, "2"], min_path_m: float = MIN_PATH_M
) -> Progression:
    """From the pelvis' horizontal displacement relative to the ground and the mean facing direction."""
    length = float(np.hypot(*travel))
    norm = float(np.hypot(*forward))
    facing = forward / norm if norm > 1e-6 else np.array([1.0, 0.0])
    if length < min_path_m:
        along = float(travel @ facing)
        return Progression(facing, facing, abs(along))
    return Progression(travel / length, facing, length)


def interpolate(
    times_s: Float64[np.ndarray, " n"], values: Float64[np.ndarray, "n d"], at_s: float
) -> Float64[np.ndarray, " d"]:
    """Linear interpolation of a vector; the nearest sample outside the record."""
    i = int(np.clip(np.searchsorted(times_s, at_s), 1, len(times_s) - 1)) if len(times_s) > 1 else 0
    if i == 0:
        return values[0]
    a, b = times_s[i - 1], times_s[i]
    w = float(np.clip((at_s - a) / (b - a), 0.0, 1.0))
    return (1 - w) * values[i - 1] + w * values[i]


def mean_velocity(
    times_s: Float64[np.ndarray, " n"],
    positions: Float64[np.ndarray, "n 2"],
    at_s: Float64[np.ndarray, " m"],
    over_s: float,
) -> Float64[np.ndarray, "m 2"]:
    """Mean velocity over the ``over_s`` before each instant.

    At the start of the record over at least its first ``LEAST_S``, the same for all instants in it; 0 while it is shorter.
    """
    begin = np.maximum(at_s - over_s, times_s[0])
    end = np.minimum(np.maximum(at_s, times_s[0] + LEAST_S), times_s[-1])
    if times_s[-1] - times_s[0] < 0.99 * LEAST_S:
        return np.zeros((len(at_s), 2))
    x, y = positions[:, 0], positions[:, 1]
    moved = np.empty((len(at_s), 2))
    moved[:, 0] = np.interp(end, times_s, x) - np.interp(begin, times_s, x)
    moved[:, 1] = np.interp(end, times_s, y) - np.interp(begin, times_s, y)
    return moved / (end - begin)[:, None]
