"""At which rows the person was followed: enough cameras whose detections the model explains."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int64

from kincast.offline.trajectory.problem import Pictures, ViewErrors

REACH_NS = 150_000_000
"""How far from a well seen instant the motion prior is still believed."""
LEAST_KEYPOINTS = 4
EXPLAINED = 0.04
"""Of the person's apparent size; as in the live fit."""
LEAST_MARKERS = 6


def tracked_rows(
    pictures: Pictures,
    errors: ViewErrors,
    information: Float32[np.ndarray, "instant slot site"],
    t_ns: Int64[np.ndarray, " row"],
) -> Bool[np.ndarray, " row"]:
    """Rows with two cameras that explain the person within ``REACH_NS`` on both sides (one at the ends)."""
    good = _well_seen(pictures, errors, information)
    seen_ns = pictures.t_ns[good]
    if not len(seen_ns):
        return np.zeros(len(t_ns), bool)
    after = np.clip(np.searchsorted(seen_ns, t_ns), 0, len(seen_ns) - 1)
    before = np.clip(np.searchsorted(seen_ns, t_ns, side="right") - 1, 0, None)
    near_after = np.abs(seen_ns[after] - t_ns) <= REACH_NS
    near_before = np.abs(t_ns - seen_ns[before]) <= REACH_NS
    return near_after & near_before


def _well_seen(
    pictures: Pictures, errors: ViewErrors, information: Float32[np.ndarray, "instant slot site"]
) -> Bool[np.ndarray, " instant"]:
    if pictures.markers is not None:
        return (pictures.markers[..., 3] > 0).sum(axis=1) >= LEAST_MARKERS
    used = information > 0
    low = np.where(used[..., None], pictures.pixels, np.inf).min(axis=2)
    high = np.where(used[..., None], pictures.pixels, -np.inf).max(axis=2)
    size = np.where(used.any(axis=2), np.linalg.norm(np.maximum(high - low, 0.0), axis=-1), 1.0)
    explained = used & (errors.error_px < EXPLAINED * np.maximum(size, 100.0)[..., None])
    enough = (explained.sum(axis=2) >= LEAST_KEYPOINTS) & (explained.sum(axis=2) >= 0.4 * used.sum(axis=2))
    # free-running cameras look one after the other: what a camera saw within one period counts
    return _within_a_period(pictures, enough)


def _within_a_period(
    pictures: Pictures, enough: Bool[np.ndarray, "instant slot"]
) -> Bool[np.ndarray, " instant"]:
    n, cameras = len(pictures.t_ns), int(pictures.camera.max(initial=0)) + 1
    period_ns = int(1.2e9 * float(np.median(pictures.since_s))) if n else 0
    count = np.zeros(n, np.int64)
    for c in range(cameras):
        mine = (enough & (pictures.camera == c)).any(axis=1)
        times = pictures.t_ns[mine]
        if not len(times):
            continue
        place = np.clip(np.searchsorted(times, pictures.t_ns), 0, len(times) - 1)
        gap = np.minimum(
            np.abs(times[place] - pictures.t_ns), np.abs(times[np.maximum(place - 1, 0)] - pictures.t_ns)
        )
        count += gap <= period_ns
    return count >= 2
