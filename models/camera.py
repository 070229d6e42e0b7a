"""A calibrated camera: OpenCV's pinhole model with up to k1..k6, p1, p2, or OpenCV's fisheye model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class Camera:
    """``x_cam = R(rotation) x_world + translation`` (Rodrigues, metres); ``distortions`` in OpenCV order.

    Pinhole: k1, k2, p1, p2, k3, k4, k5, k6 (padded with zeros); fisheye: k1..k4 in the first four.
    """

    name: str
    size_px: tuple[int, int]
    matrix: Float64[np.ndarray, "3 3"]
    distortions: Float64[np.ndarray, "8"]
    rotation: Float64[np.ndarray, "3"]
    translation: Float64[np.ndarray, "3"]
    fisheye: bool = False
