"""A ring of cameras looking at a standing person, for tests of the fit."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from kincast.models.camera import Camera

PINHOLE = (-0.12, 0.06, 1e-3, -5e-4, -0.01, 0.0, 0.0, 0.0)
FISHEYE = (0.02, -0.01, 0.003, -0.001, 0.0, 0.0, 0.0, 0.0)


def looking_at(
    name: str,
    place_m: np.ndarray,
    target_m: np.ndarray,
    distortions: Sequence[float],
    fy_px: float,
    fisheye: bool = False,
) -> Camera:
    """A 1920 x 1080 camera at ``place_m``, upright, with ``target_m`` on its optical axis."""
    forward = (target_m - place_m) / np.linalg.norm(target_m - place_m)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(
        name,
        (1920, 1080),
        np.array([[1200.0, 0.0, 960.0], [0.0, fy_px, 540.0], [0.0, 0.0, 1.0]]),
        np.array(distortions),
        cv2.Rodrigues(rotation)[0][:, 0],
        -rotation @ place_m,
        fisheye,
    )


def ring_of_cameras(count: int, radius_m: float = 4.0, height_m: float = 1.6) -> tuple[Camera, ...]:
    """All at one height, mildly distorted."""
    return tuple(
        looking_at(
            f"cam_{i}",
            np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), height_m]),
            np.array([0.0, 0.0, 0.95]),
            (-0.1, 0.05, 3e-4, -2e-4, 0.0, 0.0, 0.0, 0.0),
            1200.0,
        )
        for i, angle in enumerate(2 * np.pi * np.arange(count) / count + 0.3)
    )


def uneven_ring(
    count: int, *, fisheye: bool = False, radius_m: float = 4.5, arc_deg: float = 360.0, places: int = 0
) -> tuple[Camera, ...]:
    """At three heights over an arc, strongly distorted; ``places``: of how many the first ``count`` are taken."""
    return tuple(
        looking_at(
            f"cam{i}",
            np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), 1.2 + 0.3 * (i % 3)]),
            np.array([0.0, 0.0, 1.0]),
            FISHEYE if fisheye else PINHOLE,
            1195.0,
            fisheye,
        )
        for i, angle in enumerate(np.radians(arc_deg) * np.arange(count) / max(count, places) + 0.3)
    )


def standing_pose(rng: np.random.Generator | None) -> np.ndarray:
    """Upright at the origin, facing x, knees and elbows slightly bent; random angles with ``rng``."""
    q = np.zeros(41)
    q[2] = 0.95
    q[3:5] = np.sqrt(0.5)
    q[7:] = 0.0 if rng is None else rng.normal(size=34) * 0.15
    q[[10, 17]] = 0.3
    q[[30, 37]] = 0.5
    return q
