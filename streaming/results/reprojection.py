"""How far the model's keypoints lie from the detected ones, per camera and altogether."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.camera import Camera, CameraValues, camera_arrays, project
from kincast.streaming.messages import KeypointFrame

MIN_CONFIDENCE = 0.5
GC_LEVELS_PX = tuple(range(1, 51))
BATCH = 2048
"""Pictures of a camera that are compared at once; a long session is never in memory as a whole."""
NEAREST_NS = 50_000_000
"""A picture this close to the first or last row is compared with that row; further out there is no estimate."""


@dataclass(frozen=True)
class ReprojectionErrors:
    """Distances (px) of all detections with confidence >= 0.5, per camera; infinite where there was no estimate."""

    by_camera: Mapping[str, Float64[np.ndarray, " detection"]]

    @property
    def all_px(self) -> Float64[np.ndarray, " detection"]:
        """Of all cameras together."""
        return np.concatenate([*self.by_camera.values(), np.zeros(0)])


def reprojection_errors(
    t_ns: Int64[np.ndarray, " row"],
    sites: Float64[np.ndarray, "row keypoint 3"],
    cameras: Sequence[Camera],
    pictures: Iterable[KeypointFrame],
) -> ReprojectionErrors:
    """Distances between detections and the model, each picture at its own instant (sites linear in time).

    Of several people in a picture the one nearest to the model (median distance) is compared; sites that are
    NaN are left out. Pictures of cameras that are not among ``cameras`` are ignored.
    """
    waiting: dict[str, list[KeypointFrame]] = {camera.name: [] for camera in cameras}
    found: dict[str, list[Float64[np.ndarray, " detection"]]] = {camera.name: [] for camera in cameras}
    values = camera_arrays(cameras) if cameras else None
    one = {c.name: _single(values, i) for i, c in enumerate(cameras)} if values is not None else {}

    def compare(name: str) -> None:
        found[name].extend(_distances(t_ns, sites, one[name], waiting[name]))
        waiting[name].clear()

    for picture in pictures:
        if picture.camera in waiting:
            waiting[picture.camera].append(picture)
            if len(waiting[picture.camera]) >= BATCH:
                compare(picture.camera)
    for name in waiting:
        compare(name)
    return ReprojectionErrors({name: np.concatenate([*parts, np.zeros(0)]) for name, parts in found.items()})


def _single(values: CameraValues, index: int) -> CameraValues:
    return CameraValues(*(None if v is None else v[index] for v in values))


def _distances(
    t_ns: Int64[np.ndarray, " row"],
    sites: Float64[np.ndarray, "row keypoint 3"],
    camera: CameraValues,
    pictures: Sequence[KeypointFrame],
) -> list[Float64[np.ndarray, " detection"]]:
    if not pictures:
        return []
    points = sites_at(t_ns, sites, np.array([p.t_ns for p in pictures], dtype=np.int64))
    known = np.isfinite(points)
    pixels = project(camera, np.where(known, points, 0.0))
    pixels = np.where(np.all(known, axis=2, keepdims=True), pixels, np.nan)
    pixels[np.isinf(points).any(axis=2)] = np.inf
    return [_nearest_person(p.people, pixel) for p, pixel in zip(pictures, pixels, strict=True)]


def sites_at(
    t_ns: Int64[np.ndarray, " row"],
    sites: Float64[np.ndarray, "row keypoint 3"],
    query_ns: Int64[np.ndarray, " picture"],
) -> Float64[np.ndarray, "picture keypoint 3"]:
    """Sites interpolated linearly; clamped up to 50 ms outside the rows, infinite beyond."""
    if len(t_ns) == 0:
        return np.full((len(query_ns), *sites.shape[1:]), np.inf)
    after = np.clip(np.searchsorted(t_ns, query_ns), 0, len(t_ns) - 1)
    before = np.clip(after - 1, 0, None)
    span = np.maximum(t_ns[after] - t_ns[before], 1).astype(np.float64)
    weight = np.clip((query_ns - t_ns[before]) / span, 0.0, 1.0)[:, None, None]
    moved = (1 - weight) * sites[before] + weight * sites[after]
    outside = np.maximum(t_ns[0] - query_ns, query_ns - t_ns[-1]) > NEAREST_NS
    moved[outside] = np.inf
    return moved


def _nearest_person(
    people: np.ndarray, pixels: Float64[np.ndarray, "keypoint 2"]
) -> Float64[np.ndarray, " detection"]:
    best = np.zeros(0)
    best_median = math.inf
    for person in people.astype(np.float64):
        counted = (person[:, 2] >= MIN_CONFIDENCE) & ~np.isnan(pixels).any(axis=1)
        distance = np.linalg.norm(person[counted, :2] - pixels[counted], axis=1)
        median = float(np.median(distance)) if len(distance) else math.inf
        if len(distance) and (len(best) == 0 or median < best_median):
            best, best_median = distance, median
    return best


def share_within(errors_px: Float64[np.ndarray, " detection"], level_px: float | int) -> float | None:
    """Share of detections within ``level_px`` (GC_x); None if there is none."""
    return float((errors_px <= level_px).mean()) if len(errors_px) else None


def quantile(errors_px: Float64[np.ndarray, " detection"], q: float | int) -> float | None:
    """Quantile, or None where there is none or it is infinite."""
    if not len(errors_px):
        return None
    value = float(np.quantile(errors_px, q, method="lower" if np.isinf(errors_px).any() else "linear"))
    return value if math.isfinite(value) else None
