"""Rigs put wrong, and how far a rig is from the true one: as it stands, and once both are laid onto each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from kincast.models.camera import Camera


def put_wrong(
    cameras: Sequence[Camera], seed: int, turn_deg: float = 1.0, shift_m: float = 0.02
) -> tuple[Camera, ...]:
    """Every camera turned about its centre and moved by this much, in directions of its own."""
    random = np.random.default_rng(seed)
    out = []
    for camera in cameras:
        turn, shift = random.normal(size=3), random.normal(size=3)
        turn *= np.radians(turn_deg) / np.linalg.norm(turn)
        rotation = np.asarray(cv2.Rodrigues(np.asarray(camera.rotation))[0])
        centre = -rotation.T @ camera.translation + shift_m * shift / np.linalg.norm(shift)
        rotation = np.asarray(cv2.Rodrigues(turn)[0]) @ rotation
        vector = np.asarray(cv2.Rodrigues(rotation)[0], np.float64)[:, 0]
        out.append(replace(camera, rotation=vector, translation=-rotation @ centre))
    return tuple(out)


def errors(found: Sequence[Camera], true: Sequence[Camera]) -> tuple[np.ndarray, np.ndarray]:
    """Turn (deg) and distance of the centres (m) of every camera."""
    (turns, centres), (true_turns, true_centres) = _poses(found), _poses(true)
    return _degrees(turns, true_turns), np.linalg.norm(centres - true_centres, axis=1)


def relative_errors(
    found: Sequence[Camera], true: Sequence[Camera], turn_deg: float = 1.0, shift_m: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`errors`, after the similarity that lays the rig best onto the true one: no picture tells it.

    Turns and shifts count by the sizes given.
    """
    (turns, centres), (true_turns, true_centres) = _poses(found), _poses(true)
    about, true_about = centres - centres.mean(axis=0), true_centres - true_centres.mean(axis=0)
    both = np.einsum("cji,cjk->ik", true_turns, turns) / np.radians(turn_deg) ** 2
    both = both + true_about.T @ about / shift_m**2
    u, _, v = np.linalg.svd(both)
    common = u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v
    turned = about @ common.T
    placed = turned * (np.sum(turned * true_about) / np.sum(turned**2)) + true_centres.mean(axis=0)
    return _degrees(turns @ common.T, true_turns), np.linalg.norm(placed - true_centres, axis=1)


def size_ratio(found: Sequence[Camera], true: Sequence[Camera]) -> float:
    """Distances of the cameras from their middle, found over true (root mean square)."""
    places = [_poses(cameras)[1] for cameras in (found, true)]
    about = [np.linalg.norm(p - p.mean(axis=0)) for p in places]
    return float(about[0] / about[1])


def _poses(cameras: Sequence[Camera]) -> tuple[np.ndarray, np.ndarray]:
    turns = np.array([cv2.Rodrigues(np.asarray(c.rotation))[0] for c in cameras])
    return turns, -np.einsum("cji,cj->ci", turns, np.array([c.translation for c in cameras]))


def _degrees(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.array(
        [np.degrees(np.linalg.norm(cv2.Rodrigues(f @ t.T)[0])) for f, t in zip(found, true, strict=True)]
    )
