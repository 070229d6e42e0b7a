"""What the pictures of one instant of the window give to the solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass
class Instant:
    """One place of the window; a late picture is filled in afterwards.

    ``seq`` is -1 for the imaginary instants before tracking began. ``information`` is 1/px^2, ``offset_s`` each
    camera's own instant against ``t_ns``. ``markers`` is None where there are cameras.
    """

    seq: int
    t_ns: int
    pixels: Float32[np.ndarray, "camera keypoint 2"]
    confidence: Float32[np.ndarray, "camera keypoint"]
    information: Float32[np.ndarray, "camera keypoint"]
    offset_s: Float32[np.ndarray, " camera"]
    markers: Float32[np.ndarray, "keypoint 4"] | None

    @staticmethod
    def empty(seq: int, t_ns: int, cameras: int, keypoints: int) -> Instant:
        """Nothing seen."""
        return Instant(
            seq,
            t_ns,
            np.zeros((cameras, keypoints, 2), np.float32),
            np.zeros((cameras, keypoints), np.float32),
            np.zeros((cameras, keypoints), np.float32),
            np.zeros(cameras, np.float32),
            None if cameras else np.zeros((keypoints, 4), np.float32),
        )
