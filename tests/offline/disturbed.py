"""What goes wrong in recordings, done to order: exchanged legs, a camera that is off, gaps, somebody else in view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kincast.models.association import exchange_legs
from kincast.models.mirrored_sites import leg_pairs
from kincast.models.observations import Observations
from kincast.streaming.messages import EndOfStream, KeypointFrame, SessionHeader
from kincast.streaming.recorder import RecordingWriter

Rows = slice | np.ndarray


def with_legs_exchanged(observations: Observations, camera: int, rows: Rows) -> Observations:
    """One camera's detector takes the left leg for the right one over a stretch."""
    swapped = np.zeros(observations.keypoints.shape[:2], bool)
    swapped[rows, camera] = True
    pairs = leg_pairs(observations.keypoint_set)
    return replace(observations, keypoints=exchange_legs(observations.keypoints, swapped, pairs))


def with_camera_off(observations: Observations, camera: int, shift_px: tuple[float, float]) -> Observations:
    """One camera was moved after calibration: all it sees is shifted."""
    keypoints = observations.keypoints.copy()
    keypoints[:, camera, :, :2] += np.asarray(shift_px, np.float32)
    return replace(observations, keypoints=keypoints)


def with_gap(observations: Observations, rows: Rows) -> Observations:
    """No camera reports anything over a stretch."""
    keypoints = observations.keypoints.copy()
    keypoints[rows] = 0.0
    return replace(observations, keypoints=keypoints)


def with_someone_else(
    observations: Observations, other: Observations, cameras: tuple[int, ...], rows: Rows
) -> Observations:
    """Some cameras report another person instead over a stretch."""
    keypoints = observations.keypoints.copy()
    for camera in cameras:
        keypoints[rows, camera] = other.keypoints[rows, camera]
    return replace(observations, keypoints=keypoints)


def written(
    path: Path, observations: Observations, beside: Observations | None = None, mass_kg: float | None = None
) -> Path:
    """A recording of it. ``beside``: a second person who is reported too, first in every list of people."""
    header = SessionHeader(path.stem, "", observations.keypoint_set, observations.cameras, mass_kg=mass_kg)
    everyone = [observations] if beside is None else [beside, observations]
    order = np.dstack(np.unravel_index(np.argsort(observations.t_ns, axis=None), observations.t_ns.shape))[0]
    with RecordingWriter(path, sync=False) as writer:
        writer.input(header, 0)
        for seq, (row, camera) in enumerate(order.tolist()):
            t_ns = int(observations.t_ns[row, camera])
            seen = [o.keypoints[row, camera] for o in everyone if o.keypoints[row, camera, :, 2].any()]
            shape = (0, *observations.keypoints.shape[2:])
            people = np.stack(seen).astype(np.float32) if seen else np.zeros(shape, np.float32)
            name = observations.cameras[camera].name
            writer.input(KeypointFrame(name, seq, t_ns, t_ns, observations.keypoint_set, people), t_ns)
        writer.input(EndOfStream(t_ns), t_ns)
    return path
