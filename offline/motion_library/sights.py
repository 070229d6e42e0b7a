"""Motion files of every kind as what they show: 3D points over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kincast.models.body.sites import sites_of
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.motion_library.bvh import bvh_keypoints, positions, read_bvh
from kincast.offline.motion_library.fitting import Sight, points_seen
from kincast.offline.motion_library.skeleton import CMU_RATE_HZ, keypoints, read_amc, read_asf
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.source import import_source
from kincast.streaming.messages import MarkerFrame

KEYPOINT_SET = "HALPE_26"
"""As which joint centres of skeletons are seen."""
FITTED_HZ = 60.0
"""Skeleton files are thinned to this rate; markers, which are measured and not computed, are not."""


class NoMarkersError(UserMistakeError):
    """A file that should hold markers holds pictures."""


def of_markers(path: Path, options: ImportOptions) -> Sight:
    """A TRC or C3D trial.

    Raises:
        NoMarkersError, and what :func:`~kincast.streaming.importers.source.import_source` raises.
    """
    imported = import_source(path, options)
    frames = [m for m in imported.messages if isinstance(m, MarkerFrame)]
    if not frames:
        raise NoMarkersError(f"{path}: no optical markers in it")
    names = tuple(sites_of(imported.header.keypoint_set))
    column = {name: k for k, name in enumerate(imported.header.marker_names)}
    order = [column.get(name, -1) for name in names]
    seen = np.stack([f.markers for f in frames])
    points = np.where((np.array(order) >= 0)[:, None], seen[:, order], 0.0)
    header = imported.header
    seen_points = points_seen(header.keypoint_set, np.array([f.t_ns for f in frames]), points)
    return Sight(path.stem, seen_points, header.mass_kg, header.height_m)


def of_acclaim(asf: Path, amc: Path, rate_hz: float | None = None) -> Sight:
    """An AMC clip of the skeleton ``asf``; AMC files do not say their frame rate.

    Raises:
        SkeletonFormatError
    """
    points = keypoints(read_amc(amc, read_asf(asf)), tuple(sites_of(KEYPOINT_SET)))
    return Sight(amc.stem, _thinned(points, 1.0 / (rate_hz or CMU_RATE_HZ)))


def of_bvh(path: Path, first_frame: int = 0, unit_m: float = 0.01) -> Sight:
    """A BVH clip from its frame ``first_frame`` on (the first is often a rest pose).

    Raises:
        BvhFormatError
    """
    bvh = read_bvh(path)
    points = bvh_keypoints(positions(bvh, unit_m), tuple(sites_of(KEYPOINT_SET)), str(path))[first_frame:]
    return Sight(path.name.removesuffix(".gz").removesuffix(".bvh"), _thinned(points, bvh.frame_s))


def _thinned(points: np.ndarray, frame_s: float) -> Observations:
    every = max(1, round(1.0 / (frame_s * FITTED_HZ)))
    t_ns = np.round(np.arange(len(points)) * (frame_s * 1e9)).astype(np.int64)
    return points_seen(KEYPOINT_SET, t_ns, points, every)
