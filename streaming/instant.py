"""What the pictures of one instant of the window give to the solver."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32


@dataclass(eq=False)
class Instant:
    """One place of the window; a late picture is filled in afterwards.

    ``seq`` is -1 for the imaginary instants before tracking began, ``interval_s`` the time since the instant before.
    All that the solver needs stands in one ``row``, of which the other arrays but ``confidence`` are views:
    ``information`` is 1/px^2, ``offset_s`` each camera's own instant against ``t_ns``; ``markers`` (x, y, z and
    confidence) is None where there are cameras.
    """

    seq: int
    t_ns: int
    interval_s: float
    cameras: int
    keypoints: int
    row: Float32[np.ndarray, " n"] = field(init=False)
    pixels: Float32[np.ndarray, "camera keypoint 2"] = field(init=False)
    information: Float32[np.ndarray, "camera keypoint"] = field(init=False)
    offset_s: Float32[np.ndarray, " camera"] = field(init=False)
    markers: Float32[np.ndarray, "keypoint 4"] | None = field(init=False)
    confidence: Float32[np.ndarray, "camera keypoint"] = field(init=False)

    def __post_init__(self) -> None:
        c, k = self.cameras, self.keypoints
        self.row = np.zeros(1 + 3 * c * k + c + (0 if c else 4 * k), np.float32)
        self.row[0] = self.interval_s
        pixels, information, offset_s, markers = _parts(self.row[1:], c, k)
        self.pixels, self.information, self.offset_s = pixels, information, offset_s
        self.markers = None if c else markers
        self.confidence = np.zeros((c, k), np.float32)


def unpacked(rows, cameras: int, keypoints: int):
    """Interval, pixels, information, offset, markers of instants; ``rows`` (window, n), a NumPy or JAX array."""
    pixels, information, offset_s, markers = _parts(rows[:, 1:], cameras, keypoints)
    return rows[:, 0], pixels, information, offset_s, None if cameras else markers


def _parts(rows, c: int, k: int):
    ends = np.cumsum([2 * c * k, c * k, c])
    shapes = (c, k, 2), (c, k), (c,), (-1 if c else k, 4)
    bounds = zip([0, *ends], [*ends, None], shapes, strict=True)
    return [rows[..., start:stop].reshape(*rows.shape[:-1], *shape) for start, stop, shape in bounds]
