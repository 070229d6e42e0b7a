"""Pose2Sim's own triangulated points in the same pictures, as the yardstick for real detections without markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.sites import KEYPOINT_SETS
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.pose2sim import has_config, pose_folders
from kincast.streaming.importers.source import import_source
from kincast.streaming.messages import KeypointFrame
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.reader import ResultsFolder
from kincast.streaming.results.reprojection import (
    ReprojectionErrors,
    quantile,
    reprojection_errors,
    share_within,
)
from kincast.streaming.results.trc import Trc, read_trc

ALIASES = {"Neck": ("UpperNeck", "Neck"), "Head": ("HeadTop", "Head"), "CHip": ("MidHip", "Hip")}
"""Pose2Sim's names -> those of the keypoint sets, where they differ."""


@dataclass(frozen=True)
class CameraFit:
    """Share of detections (confidence >= 0.5) within 5 px, and median distance in px."""

    gc5: float
    median_px: float


def is_pose2sim(place: Path) -> bool:
    """A Pose2Sim trial with 2D poses and triangulated points."""
    return place.is_dir() and has_config(place) and bool(pose_folders(place)) and (place / "pose-3d").is_dir()


def baseline_points(ours: ResultsFolder, trial: Path) -> dict[str, Mapping[str, CameraFit]]:
    """Per method (ours and every .trc of ``pose-3d``) and camera: the fit on the keypoints that all of them have.

    Each with the calibration it worked with: theirs is the one given, ours is in ``cameras.toml``.

    Pose2Sim turns the world (Z up) into its files by the cyclic exchange (x, y, z) -> (y, z, x), and its row i is
    the i-th picture.
    """
    recording = import_source(trial, ImportOptions())
    pictures = [m for m in recording.messages if isinstance(m, KeypointFrame)]
    names = KEYPOINT_SETS[recording.header.keypoint_set]
    t_ns = np.array(sorted({p.t_ns for p in pictures}), dtype=np.int64)
    points: dict[str, tuple[Int64[np.ndarray, " row"], Float64[np.ndarray, "row keypoint 3"]]] = {}
    for path in sorted((trial / "pose-3d").glob("*.trc")):
        trc = read_trc(path)
        rows = min(len(trc.time_s), len(t_ns))
        points[path.stem] = (t_ns[:rows], _ordered(trc, names)[:rows][..., [2, 0, 1]])
    if ours.markers is not None:
        start = ours.summary.get("start_ns", 0)
        own = np.round(ours.markers.time_s * 1e9).astype(np.int64) + int(start)
        points["kincast"] = (own, from_opensim(_ordered(ours.markers, names)))
    common = np.all([np.isfinite(p).all(axis=2).any(axis=0) for _, p in points.values()], axis=0)
    given = recording.header.cameras
    found: dict[str, Mapping[str, CameraFit]] = {}
    for method, (times, sites) in points.items():
        masked = np.where(common[None, :, None], sites, np.nan)
        cameras = (ours.cameras or given) if method == "kincast" else given
        found[method] = _fits(reprojection_errors(times, masked, cameras, pictures))
    return found


def _ordered(trc: Trc, names: Sequence[str]) -> Float64[np.ndarray, "row keypoint 3"]:
    out = np.full((len(trc.time_s), len(names), 3), np.nan)
    for column, marker in enumerate(trc.markers):
        target = next((n for n in (marker, *ALIASES.get(marker, ())) if n in names), None)
        if target is not None:
            out[:, names.index(target)] = trc.points_m[:, column]
    return out


def _fits(errors: ReprojectionErrors) -> dict[str, CameraFit]:
    found: dict[str, CameraFit] = {}
    for name, px in {"all": errors.all_px, **errors.by_camera}.items():
        gc5, median = share_within(px, 5), quantile(px, 0.5)
        if gc5 is not None and median is not None:
            found[name] = CameraFit(gc5, median)
    return found
