"""OpenSim's pelvis coordinates of a pose, continuous over time."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.rotations import matrix_from_quaternion, zxy_from_matrix
from kincast.streaming.results.ground_frame import to_opensim


def file_coordinates(qpos: Float64[np.ndarray, "row 41"]) -> Float64[np.ndarray, "row 40"]:
    """The 40 coordinates of the files, degrees and metres in OpenSim's ground frame, angles continuous in time."""
    out = np.empty((len(qpos), 6 + len(JOINT_COORDINATES)))
    out[:, :3] = np.rad2deg(continuous(pelvis_zxy(qpos[:, 3:7])))
    out[:, 3:6] = to_opensim(qpos[:, :3])
    out[:, 6:] = np.rad2deg(qpos[:, 7:])
    return out


def pelvis_zxy(quaternions: Float64[np.ndarray, "row 4"]) -> Float64[np.ndarray, "row 3"]:
    """Tilt, list, rotation (rad): Rz Rx Ry in OpenSim's ground frame, list within +-90 deg."""
    axes = matrix_from_quaternion(quaternions)
    # to_opensim turns the world components of each pelvis axis (the columns) into ground components
    in_ground = np.swapaxes(to_opensim(np.swapaxes(np.asarray(axes), -1, -2)), -1, -2)
    return np.asarray(zxy_from_matrix(in_ground))


def continuous(zxy: Float64[np.ndarray, "row 3"]) -> Float64[np.ndarray, "row 3"]:
    """Of the equal triples (a, b, c), (a + 180, 180 - b, c + 180 deg) and whole turns, the one nearest the row before."""
    out = zxy.copy()
    turn = 2 * np.pi
    for i in range(1, len(out)):
        first = zxy[i]
        second = np.array([first[0] + np.pi, np.pi - first[1], first[2] + np.pi])
        near = [t + turn * np.round((out[i - 1] - t) / turn) for t in (first, second)]
        out[i] = min(near, key=lambda t: float(np.abs(t - out[i - 1]).sum()))
    return out
