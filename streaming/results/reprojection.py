"""How far the model's keypoints lie from the detected ones, per camera and altogether."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.camera import Camera, CameraValues, camera_arrays, project
from kincast.streaming.marker_columns import MarkerColumns
from kincast.streaming.messages import KeypointFrame, MarkerFrame, Message

MIN_CONFIDENCE = 0.5
GC_LEVELS_PX = tuple(range(1, 51))
BATCH = 2048
"""Pictures of a camera that are compared at once; a long session is never in memory as a whole."""
NEAREST_NS = 50_000_000
"""A picture this close to the first or last row is compared with that row; further out there is no estimate."""


@dataclass(frozen=True)
class ReprojectionErrors:
    """Distances (px) of all detections with confidence >= 0.5, per camera; infinite where there was no estimate.

    ``markers_m``: the same for optical markers, metres.
    """

    by_camera: Mapping[str, Float64[np.ndarray, " detection"]]
    markers_m: Float64[np.ndarray, " marker"]

    @property
    def all_px(self) -> Float64[np.ndarray, " detection"]:
        """Of all cameras together."""
        return np.concatenate([*self.by_camera.values(), np.zeros(0)])


class ReprojectionAccount:
    """Compares what came in with where the model puts its sites, each picture at its own instant.

    Of several people in a picture the one nearest to the model (median distance) counts; sites that are NaN are
    left out. Pictures of cameras that are not among ``cameras`` are ignored. ``columns`` say which marker of a
    MarkerFrame is which site; None: they come in the order of the sites.
    """

    def __init__(
        self,
        t_ns: Int64[np.ndarray, " row"],
        sites: Float64[np.ndarray, "row keypoint 3"],
        cameras: Sequence[Camera],
        columns: MarkerColumns | None = None,
    ) -> None:
        self._t_ns, self._sites, self._columns = t_ns, sites, columns
        values = camera_arrays(cameras) if cameras else None
        self._cameras = {c.name: _single(values, i) for i, c in enumerate(cameras)} if values else {}
        self._pictures: dict[str, list[KeypointFrame]] = {name: [] for name in self._cameras}
        self._pixels: dict[str, list[Float64[np.ndarray, " detection"]]] = {
            name: [] for name in self._cameras
        }
        self._markers: list[Float64[np.ndarray, " marker"]] = []

    def add(self, message: Message) -> None:
        """Take one input message."""
        if isinstance(message, KeypointFrame) and message.camera in self._pictures:
            waiting = self._pictures[message.camera]
            waiting.append(message)
            if len(waiting) >= BATCH:
                self._compare(message.camera)
        elif isinstance(message, MarkerFrame) and len(message.markers) == self._markers_per_frame:
            markers = message.markers if self._columns is None else self._columns.to_sites(message.markers)
            place = sites_at(self._t_ns, self._sites, np.array([message.t_ns], dtype=np.int64))[0]
            seen = (markers[:, 3] > 0) & ~np.isnan(place).any(axis=1)
            self._markers.append(np.linalg.norm(markers[seen, :3] - place[seen], axis=1).astype(np.float64))

    @property
    def _markers_per_frame(self) -> int:
        return self._sites.shape[1] if self._columns is None else len(self._columns.names)

    def errors(self) -> ReprojectionErrors:
        """Everything so far."""
        for name in self._pictures:
            self._compare(name)
        return ReprojectionErrors(
            {name: np.concatenate([*parts, np.zeros(0)]) for name, parts in self._pixels.items()},
            np.concatenate([*self._markers, np.zeros(0)]),
        )

    def _compare(self, name: str) -> None:
        pictures = self._pictures[name]
        self._pixels[name] += _distances(self._t_ns, self._sites, self._cameras[name], pictures)
        pictures.clear()


def reprojection_errors(
    t_ns: Int64[np.ndarray, " row"],
    sites: Float64[np.ndarray, "row keypoint 3"],
    cameras: Sequence[Camera],
    inputs: Iterable[Message],
    columns: MarkerColumns | None = None,
) -> ReprojectionErrors:
    """:class:`ReprojectionAccount` over messages at hand."""
    account = ReprojectionAccount(t_ns, sites, cameras, columns)
    for message in inputs:
        account.add(message)
    return account.errors()


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
    if all(p.people.shape == (1, *sites.shape[1:]) for p in pictures):
        people = np.concatenate([p.people for p in pictures]).astype(np.float64)
        counted = (people[..., 2] >= MIN_CONFIDENCE) & ~np.isnan(pixels).any(axis=2)
        return [np.linalg.norm(people[counted, :2] - pixels[counted], axis=1)]
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
