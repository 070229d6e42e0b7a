"""What bundle adjustment looks at: keypoints seen by several cameras at instants spread over the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.association import exchange_legs, leg_swapped
from kincast.models.body.landmarks import LANDMARKS
from kincast.models.camera import Camera, camera_arrays
from kincast.models.mirrored_sites import left_right_pairs, leg_pairs, site_landmarks
from kincast.models.observations import Observations, synchronised_keypoints, without_soft_sites
from kincast.models.triangulation import TriangulationConfig, triangulate

SECTORS = 8
"""Azimuths about the body, 45 degrees apart, between which a detector's bias is interpolated."""
_TRUNK_BODIES = ("pelvis", "torso", "head")
_TRUNK_LANDMARKS = ("hip", "shoulder", "trochanter")


@dataclass(frozen=True)
class ViewConfig:
    """Which pictures are used.

    Attributes:
        rows, spacing_s: instants, over all recordings, at most, and not nearer to each other.
        min_views, min_confidence: a point is used where so many cameras saw it so clearly.
        gate_px: a view further off than this takes no part in the first guess of a point.
        noise_correlation_s: persistence of the detector's errors: a picture brings the less the sooner it follows.
    """

    rows: int = 900
    spacing_s: float = 0.033
    min_views: int = 3
    min_confidence: float = 0.3
    gate_px: float = 60.0
    noise_correlation_s: float = 0.075


@dataclass(frozen=True)
class Views:
    """P points seen by C cameras, ordered by keypoint.

    Attributes:
        pixels, confidence: of the detections; ``seen`` says which there are.
        rate_px_s: how fast a detection moves in its picture.
        fresh: share of an independent look that the instant is worth.
        sector, share: between which two azimuths about the body a camera looks, and how much of each (0: heading unknown).
        keypoint, row: which keypoint of which instant (counted over all recordings) a point is.
    """

    pixels: Float64[np.ndarray, "point camera 2"]
    confidence: Float64[np.ndarray, "point camera"]
    rate_px_s: Float64[np.ndarray, "point camera 2"]
    seen: Bool[np.ndarray, "point camera"]
    fresh: Float64[np.ndarray, " point"]
    sector: Int64[np.ndarray, "point camera 2"]
    share: Float64[np.ndarray, "point camera 2"]
    keypoint: Int64[np.ndarray, " point"]
    row: Int64[np.ndarray, " point"]
    keypoints: int

    @property
    def by_keypoint(self) -> list[tuple[int, slice]]:
        """The stretch of points of every keypoint that has any."""
        edges = np.searchsorted(self.keypoint, np.arange(self.keypoints + 1))
        return [(k, slice(a, b)) for k, (a, b) in enumerate(pairwise(edges)) if b > a]


def gathered(
    recordings: Sequence[Observations], cameras: tuple[Camera, ...], config: ViewConfig = ViewConfig()
) -> tuple[Views, Float64[np.ndarray, "point 3"]]:
    """The views of all recordings of one rig, and where ``cameras`` put the points."""
    parts, guesses, rows = [], [], 0
    for recording in recordings:
        part, points = _of_one(recording, cameras, config, config.rows // len(recordings))
        part["row"] += rows
        rows = int(part["row"].max(initial=rows - 1)) + 1
        parts.append(part)
        guesses.append(points)
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    order = np.argsort(joined["keypoint"], kind="stable")
    views = Views(
        **{name: column[order] for name, column in joined.items()},
        keypoints=recordings[0].keypoints.shape[2],
    )
    return views, np.concatenate(guesses)[order]


def _of_one(
    recording: Observations, cameras: tuple[Camera, ...], config: ViewConfig, rows: int
) -> tuple[dict[str, np.ndarray], Float64[np.ndarray, "point 3"]]:
    keypoints, rate, t_s = _synchronised(without_soft_sites(recording), rows, config.spacing_s)
    gate = TriangulationConfig(gate_px=config.gate_px)
    found = triangulate(cameras, keypoints, gate)
    pairs = leg_pairs(recording.keypoint_set)
    swapped = leg_swapped(cameras, keypoints, found.points, found.valid, pairs)
    if swapped.any():
        rate = np.where(swapped[..., None, None], 0.0, rate)
        keypoints = exchange_legs(keypoints, swapped, pairs)
        found = triangulate(cameras, keypoints, gate)
    sector, share = _directions(recording.keypoint_set, cameras, found.points, found.valid)
    step_s = np.gradient(t_s) if len(t_s) > 1 else np.full(len(t_s), 1.0)
    fresh = np.tanh(0.5 * step_s / config.noise_correlation_s)
    # (row, camera, keypoint) -> (row, keypoint, camera)
    pixels, rates = np.moveaxis(keypoints, 1, 2), np.moveaxis(rate, 1, 2)
    seen = pixels[..., 2] >= config.min_confidence
    use = found.valid & (seen.sum(axis=2) >= config.min_views)
    row, keypoint = np.nonzero(use)
    columns = {
        "pixels": pixels[use][..., :2],
        "confidence": np.where(seen, pixels[..., 2], 0.0)[use],
        "rate_px_s": rates[use],
        "seen": seen[use],
        "fresh": fresh[row],
        "sector": sector[row],
        "share": share[row],
        "keypoint": keypoint.astype(np.int64),
        "row": row.astype(np.int64),
    }
    return columns, found.points[use]


def _synchronised(
    recording: Observations, most: int, spacing_s: float
) -> tuple[
    Float64[np.ndarray, "row camera keypoint 3"],
    Float64[np.ndarray, "row camera keypoint 2"],
    Float64[np.ndarray, " row"],
]:
    """Pixels at common instants, their speed, and the instants (s)."""
    t_s = recording.reference_t_ns * 1e-9
    keypoints = synchronised_keypoints(recording)
    rate = np.zeros((*keypoints.shape[:-1], 2))
    both = (keypoints[2:, ..., 2] > 0) & (keypoints[:-2, ..., 2] > 0)
    span = np.maximum(t_s[2:] - t_s[:-2], 1e-3)[:, None, None, None]
    rate[1:-1] = np.where(both[..., None], (keypoints[2:, ..., :2] - keypoints[:-2, ..., :2]) / span, 0.0)
    usable = np.flatnonzero(((keypoints[..., 2] > 0).any(axis=2)).sum(axis=1) >= 2)
    if len(usable):
        rows = min(most, 1 + int((t_s[usable[-1]] - t_s[usable[0]]) / spacing_s + 0.5))
        usable = usable[np.unique(np.linspace(0, len(usable) - 1, max(rows, 8)).astype(int))]
    return keypoints[usable], rate[usable], t_s[usable]


def _directions(
    keypoint_set: str,
    cameras: tuple[Camera, ...],
    points: Float64[np.ndarray, "row keypoint 3"],
    valid: Bool[np.ndarray, "row keypoint"],
) -> tuple[Int64[np.ndarray, "row camera 2"], Float64[np.ndarray, "row camera 2"]]:
    """The two azimuths about the body between which each camera looks, and their shares."""
    pairs = _trunk_pairs(keypoint_set)
    both = (valid[:, pairs[:, 0]] & valid[:, pairs[:, 1]])[..., None]
    to_right = np.sum((points[:, pairs[:, 1]] - points[:, pairs[:, 0]]) * both, axis=1)[:, :2]
    heading = np.arctan2(to_right[:, 0], -to_right[:, 1])
    count = np.maximum(valid.sum(axis=1), 1)[:, None]
    place = np.sum(points * valid[..., None], axis=1)[:, :2] / count
    rig = camera_arrays(cameras)
    centre = -np.einsum("cji,cj->ci", rig.rotation, rig.translation)[:, :2]
    towards = centre[None] - place[:, None]
    azimuth = np.arctan2(towards[..., 1], towards[..., 0]) - heading[:, None]
    at = np.mod(azimuth / (2.0 * np.pi), 1.0) * SECTORS
    lower = np.floor(at).astype(np.int64) % SECTORS
    upper_share = at - np.floor(at)
    known = (np.linalg.norm(to_right, axis=1) > 0)[:, None, None]
    share = np.stack([1.0 - upper_share, upper_share], axis=-1) * known
    return np.stack([lower, (lower + 1) % SECTORS], axis=-1), share


def _trunk_pairs(keypoint_set: str) -> Int64[np.ndarray, "pair 2"]:
    """Left and right keypoints that do not swing against each other; all pairs where a set has none."""
    landmarks = site_landmarks(keypoint_set)
    pairs = left_right_pairs(keypoint_set)
    trunk = [
        pair
        for pair in pairs
        if LANDMARKS[landmarks[pair[0]]][0] in _TRUNK_BODIES or landmarks[pair[0]][:-2] in _TRUNK_LANDMARKS
    ]
    return np.array(trunk or pairs, np.int64).reshape(-1, 2)
