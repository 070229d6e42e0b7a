"""Whether another person takes over within a recording: lengths that no pose changes, before and after."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Int

from kincast.models.body.skeleton import skeleton_of
from kincast.models.observations import Observations
from kincast.models.pose_fit import BatchKinematics
from kincast.models.triangulation import triangulate

ROWS = 240
"""Looked at, evenly over the recording."""
LEAST_ROWS = 8
SPLITS = 60
LEAST_LENGTH_M = 0.1
STABLE = 0.02
"""Spread over poses, of its mean, of a length that counts as fixed."""
CHANGED = 0.03
"""Median change of log lengths worth a closer look; the same person's change by 0.01 to 0.02 with pose and view."""
_RANGE_RAD = 1.0
_POSES = 40


def change_row(observations: Observations) -> int | None:
    """The row from which another person may be seen: lengths differ; None where they do not."""
    rows, lengths = _log_lengths(observations)
    known = np.isfinite(lengths).mean(axis=1) > 0.3 if lengths.shape[1] else np.zeros(len(rows), bool)
    rows, lengths = rows[known], lengths[known]
    if len(rows) < 2 * LEAST_ROWS:
        return None
    splits = np.unique(np.linspace(LEAST_ROWS, len(rows) - LEAST_ROWS, SPLITS).astype(int))
    changes = [_change(lengths, int(split)) for split in splits]
    best = int(np.argmax([clear for _, clear in changes]))
    if changes[best][0] < CHANGED:
        return None
    return int(rows[splits[best]])


def parts(observations: Observations, row: int) -> tuple[Observations, Observations]:
    """Before and from a row on."""
    return _rows(observations, slice(0, row)), _rows(observations, slice(row, None))


def _rows(observations: Observations, rows: slice) -> Observations:
    markers, marker_t_ns = observations.markers, observations.marker_t_ns
    return Observations(
        observations.keypoint_set,
        observations.cameras,
        observations.t_ns[rows],
        observations.keypoints[rows],
        None if markers is None else markers[rows],
        None if marker_t_ns is None else marker_t_ns[rows],
    )


def _change(lengths: Float[np.ndarray, "row pair"], split: int) -> tuple[float, float]:
    """Median change of the lengths, and how clear it is against their scatter, in sd."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pair that one side never shows
        before, after = np.nanmedian(lengths[:split], axis=0), np.nanmedian(lengths[split:], axis=0)
        scatter = np.nanstd(np.concatenate([lengths[:split] - before, lengths[split:] - after]), axis=0)
        change = after - before
        both = np.isfinite(change) & (scatter > 0)
    if not both.any():
        return 0.0, 0.0
    clear = np.sqrt(np.mean((change[both] / scatter[both]) ** 2))
    return float(np.median(np.abs(change[both]))), float(clear)


def _log_lengths(
    observations: Observations,
) -> tuple[Int[np.ndarray, " row"], Float[np.ndarray, "row pair"]]:
    count = len(observations.t_ns) if observations.markers is None else len(observations.markers)
    rows = np.unique(np.linspace(0, count - 1, min(ROWS, count)).astype(int))
    if observations.markers is None:
        seen = triangulate(observations.cameras, observations.keypoints[rows].astype(np.float64))
        points, valid = seen.points, seen.valid
    else:
        markers = observations.markers[rows]
        points, valid = markers[..., :3].astype(np.float64), markers[..., 3] > 0
    first, second = _stable_pairs(observations.keypoint_set)
    lengths = np.linalg.norm(points[:, first] - points[:, second], axis=-1)
    usable = valid[:, first] & valid[:, second] & (lengths > 0.25 * LEAST_LENGTH_M)
    return rows, np.where(usable, np.log(np.maximum(lengths, 1e-6)), np.nan)


def _stable_pairs(keypoint_set: str) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Pairs of sites whose distance hardly depends on the pose."""
    skeleton = skeleton_of(keypoint_set)
    random = np.random.default_rng(0)
    q = np.zeros((_POSES, 41))
    q[:, 3] = 1.0
    q[:, 7:] = random.uniform(-_RANGE_RAD, _RANGE_RAD, (_POSES, 34))
    sites = len(skeleton.site_names)
    points = BatchKinematics(skeleton).poses(np.zeros(8), np.zeros((sites, 3)), q)[0]
    distance = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    mean = distance.mean(axis=0)
    fixed = (distance.std(axis=0) < STABLE * mean) & (mean > LEAST_LENGTH_M)
    first, second = np.nonzero(np.triu(fixed, 1))
    return first, second
