"""A ring of cameras looking at a standing person, for tests of the fit."""

from __future__ import annotations

import cv2
import numpy as np

from kincast.models.camera import Camera


def ring_of_cameras(count: int, radius_m: float = 4.0, height_m: float = 1.6) -> tuple[Camera, ...]:
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * i / count + 0.3
        place = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), height_m])
        forward = np.array([0.0, 0.0, 0.95]) - place
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        cameras.append(
            Camera(
                f"cam_{i}",
                (1920, 1080),
                np.array([[1200.0, 0.0, 960.0], [0.0, 1200.0, 540.0], [0.0, 0.0, 1.0]]),
                np.array([-0.1, 0.05, 3e-4, -2e-4, 0.0, 0.0, 0.0, 0.0]),
                cv2.Rodrigues(rotation)[0][:, 0],
                -rotation @ place,
            )
        )
    return tuple(cameras)


def standing_pose(rng: np.random.Generator | None) -> np.ndarray:
    """Upright at the origin, facing x, knees and elbows slightly bent; random angles with ``rng``."""
    q = np.zeros(41)
    q[2] = 0.95
    q[3:5] = np.sqrt(0.5)
    q[7:] = 0.0 if rng is None else rng.normal(size=34) * 0.15
    q[[10, 17]] = 0.3
    q[[30, 37]] = 0.5
    return q
