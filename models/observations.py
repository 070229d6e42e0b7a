"""What cameras or marker systems saw of one person over a stretch of time, on one grid of instants."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64

from kincast.models.body.sites import SOFT_SITES, sites_of
from kincast.models.camera import Camera

MAX_GAP_NS = 60_000_000
"""Longest gap over which pixels are interpolated: a foot accelerating at 20 m/s^2 leaves the chord by 9 mm in 60 ms."""


@dataclass(frozen=True)
class Observations:
    """One person's keypoints or markers; T instants, C cameras, K keypoints, M markers.

    ``t_ns[t, c]`` is the instant of camera c's own picture in row t (cameras may run free), rising in
    every column where the camera delivered. ``keypoints`` are distorted pixels with confidence in [0, 1]; 0 = absent.
    ``markers`` are world metres with a weight in [0, 1]; 0 = absent, ``marker_t_ns`` their instants.
    Either part may be empty (no cameras, or no markers), not both.
    """

    keypoint_set: str
    cameras: tuple[Camera, ...]
    t_ns: Int64[np.ndarray, "time camera"]
    keypoints: Float[np.ndarray, "time camera keypoint 3"]
    markers: Float[np.ndarray, "time marker 4"] | None = None
    marker_t_ns: Int64[np.ndarray, " time"] | None = None

    @property
    def reference_t_ns(self) -> Int64[np.ndarray, " time"]:
        """One instant per row: the markers' own, else the median of the cameras that saw the person (else of all)."""
        if self.markers is not None and self.marker_t_ns is not None:
            return self.marker_t_ns
        seen = np.asarray(np.max(self.keypoints[..., 2], axis=-1, initial=0.0) > 0)
        seen |= ~np.any(seen, axis=-1, keepdims=True)
        medians = [np.median(self.t_ns[t][seen[t]]) for t in range(len(seen))]
        return np.array(medians, dtype=np.int64)

    def rows(self, index: np.ndarray) -> Observations:
        """The rows ``index`` alone."""
        return Observations(
            self.keypoint_set,
            self.cameras,
            self.t_ns[index],
            self.keypoints[index],
            None if self.markers is None else self.markers[index],
            None if self.marker_t_ns is None else self.marker_t_ns[index],
        )


def without_soft_sites(observations: Observations) -> Observations:
    """Keypoints that move against their segment (lips, fingers of COCO_133) count as absent."""
    soft = np.array([name in SOFT_SITES for name in sites_of(observations.keypoint_set)])
    if not soft.any() or observations.keypoints.size == 0:
        return observations
    keypoints = np.where(soft[:, None], 0.0, observations.keypoints).astype(observations.keypoints.dtype)
    return replace(observations, keypoints=keypoints)


def synchronised_keypoints(observations: Observations) -> Float[np.ndarray, "time camera keypoint 3"]:
    """Every camera's pixels moved to the rows' reference instants, linearly between its neighbouring pictures.

    Where a neighbour is absent the nearest picture is used if it is at most 2 ms away, else the keypoint
    counts as absent (confidence 0). Confidence is the lesser of the two pictures used.
    """
    t_ref = observations.reference_t_ns
    out = np.zeros(observations.keypoints.shape)
    for c in range(len(observations.cameras)):
        track = observations.keypoints[:, c].astype(np.float64)
        rows = np.flatnonzero((track[..., 2] > 0).any(axis=1))
        rows = rows[np.concatenate([[True], np.diff(observations.t_ns[rows, c]) > 0])] if len(rows) else rows
        if len(rows):
            out[:, c] = _interpolated(observations.t_ns[rows, c], track[rows], t_ref)
    return out


def _interpolated(
    t_ns: Int64[np.ndarray, " picture"],
    track: Float[np.ndarray, "picture keypoint 3"],
    t_ref: Int64[np.ndarray, " time"],
) -> Float[np.ndarray, "time keypoint 3"]:
    after = np.clip(np.searchsorted(t_ns, t_ref), 0, len(t_ns) - 1)
    before = np.maximum(after - 1, 0)
    before = np.where(t_ns[after] <= t_ref, after, before)
    span = (t_ns[after] - t_ns[before]).astype(np.float64)
    share = np.clip((t_ref - t_ns[before]) / np.maximum(span, 1.0), 0.0, 1.0)
    first, second = track[before], track[after]
    both = (first[..., 2] > 0) & (second[..., 2] > 0) & (span <= MAX_GAP_NS)[:, None]
    weight = share[:, None]
    pixels = (1 - weight[..., None]) * first[..., :2] + weight[..., None] * second[..., :2]
    confidence = np.minimum(first[..., 2], second[..., 2]) * both
    nearest_index = np.where(share < 0.5, before, after)
    nearest = track[nearest_index]
    near = (np.abs(t_ns[nearest_index] - t_ref) <= 2_000_000)[:, None]
    # An instant outside the track, or beside a dropout, has no second picture; a picture within 2 ms still counts.
    alone = ~both & near
    pixels = np.where(alone[..., None], nearest[..., :2], pixels)
    confidence = np.where(alone, nearest[..., 2], confidence)
    return np.concatenate([pixels, confidence[..., None]], axis=-1) * (confidence > 0)[..., None]
