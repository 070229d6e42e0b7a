"""The ten numbers by which a camera may differ from its calibration."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float64

from kincast.models.camera import Camera, rotation_matrix

PARAMETERS = 10
ROTATION, TRANSLATION, FOCAL, CENTRE, CLOCK = slice(0, 3), slice(3, 6), 6, slice(7, 9), 9
"""Turn (rad) and shift (m) in the camera's axes, logarithm of the focal length, principal point (px), clock (s)."""


def changed(camera: Camera, change: Float64[np.ndarray, "10"]) -> Camera:
    """The camera with its calibrated numbers changed (the clock's is not the camera's own): turned about its own centre, then shifted."""
    turn = np.asarray(rotation_matrix(np.asarray(change[ROTATION], np.float64)))
    rotation = turn @ np.asarray(cv2.Rodrigues(np.asarray(camera.rotation, np.float64))[0])
    matrix = np.array(camera.matrix, np.float64)
    matrix[[0, 1], [0, 1]] *= np.exp(change[FOCAL])
    matrix[:2, 2] += change[CENTRE]
    return replace(
        camera,
        rotation=np.asarray(cv2.Rodrigues(rotation)[0], np.float64)[:, 0],
        translation=turn @ np.asarray(camera.translation) + change[TRANSLATION],
        matrix=matrix,
    )


def change_between(before: Camera, after: Camera) -> Float64[np.ndarray, "10"]:
    """The change that makes one of the other (clock 0)."""
    first, second = (
        np.asarray(cv2.Rodrigues(np.asarray(c.rotation, np.float64))[0]) for c in (before, after)
    )
    turn = second @ first.T
    change = np.zeros(PARAMETERS)
    change[ROTATION] = cv2.Rodrigues(turn)[0][:, 0]
    change[TRANSLATION] = np.asarray(after.translation) - turn @ np.asarray(before.translation)
    change[FOCAL] = np.log(after.matrix[0, 0] / before.matrix[0, 0])
    change[CENTRE] = after.matrix[:2, 2] - before.matrix[:2, 2]
    return change


def moved_with_world(
    camera: Camera,
    turn_rad: Float64[np.ndarray, "3"],
    shift_m: Float64[np.ndarray, "3"],
    log_size: float,
    centre: Float64[np.ndarray, "3"],
) -> Camera:
    """The camera that sees x' = size turn (x - centre) + centre + shift where this one sees x: the same pictures."""
    turn = np.asarray(rotation_matrix(np.asarray(turn_rad, np.float64)))
    rotation = np.asarray(cv2.Rodrigues(np.asarray(camera.rotation, np.float64))[0])
    new = rotation @ turn.T
    place = np.exp(log_size) * (rotation @ centre + camera.translation) - new @ (centre + shift_m)
    return replace(camera, rotation=np.asarray(cv2.Rodrigues(new)[0], np.float64)[:, 0], translation=place)
