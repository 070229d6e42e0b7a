"""``kincast compare OUT TRUTH``: a results folder beside what was measured by other means."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from kincast.offline.angle_errors import AngleErrors, angle_errors
from kincast.offline.event_errors import EventErrors, event_errors
from kincast.offline.force_errors import ForceErrors, MomentErrors, force_errors, moment_errors
from kincast.offline.pose2sim_baseline import CameraFit, baseline_points, is_pose2sim
from kincast.offline.stride_errors import StrideErrors, stride_errors
from kincast.offline.truth import Truth, TruthMissingError, read_truth
from kincast.streaming.results.reader import ResultsFolder, read_results
from kincast.streaming.results.storage import Storage


@dataclass(frozen=True)
class Comparison:
    """All figures; None where either side has nothing to compare. Units in the names."""

    trial: str
    rows: int
    valid_share: Mapping[str, float]
    angles: AngleErrors | None
    angles_where_valid: AngleErrors | None
    forces: ForceErrors | None
    forces_where_valid: ForceErrors | None
    moments: MomentErrors | None
    events: Mapping[str, EventErrors] | None
    strides: StrideErrors | None
    reprojection: Mapping[str, CameraFit]
    markers_mm: float | None
    baselines: Mapping[str, Mapping[str, CameraFit]]

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Sides:
    """Both sides of a comparison on one clock: ``clock_s`` are our rows' times on the truth's."""

    ours: ResultsFolder
    truth: Truth
    clock_s: Float64[np.ndarray, " row"]
    start_s: float


def load_sides(out: Path, truth: Path, skip_s: float = 0.0, offset_s: float = 0.0) -> Sides:
    """Read both; the first ``skip_s`` seconds of the session are left out (a cold start is judged apart).

    ``offset_s`` is added to the truth's times, where the two clocks are known to differ.

    Raises:
        FileMissingError, TruthMissingError and the readers' errors.
    """
    results = read_results(out)
    trial = str(results.summary.get("session_id", out.name))
    mass_kg = float(results.body.mass_kg) if results.body is not None else None
    measured = read_truth(truth, trial, mass_kg)
    start = results.summary.get("start_ns")
    if not isinstance(start, int) or isinstance(start, bool):
        raise TruthMissingError(f"{out}/summary.json says no start_ns, so the two clocks cannot be aligned")
    start_s = start * 1e-9 - offset_s
    if skip_s > 0:
        results = _without_start(results, skip_s)
    return Sides(results, measured, results.kinematics.time_s + start_s, start_s)


def _without_start(results: ResultsFolder, skip_s: float) -> ResultsFolder:
    valid = results.valid
    if valid is not None and "time_s" in valid.columns:
        keep = valid.numbers("time_s") >= skip_s
        valid = dataclasses.replace(
            valid, rows=tuple(row for row, k in zip(valid.rows, keep, strict=True) if k)
        )
    return dataclasses.replace(_rows(results, results.kinematics.time_s >= skip_s), valid=valid)


def _rows(results: ResultsFolder, keep: Bool[np.ndarray, " row"]) -> ResultsFolder:
    """The time series reduced to some rows; series of another length become None."""

    def cut(storage: Storage | None) -> Storage | None:
        if storage is None or len(storage.time_s) != len(keep):
            return None
        return dataclasses.replace(storage, time_s=storage.time_s[keep], values=storage.values[keep])

    kinematics = cut(results.kinematics)
    assert kinematics is not None
    return dataclasses.replace(
        results,
        kinematics=kinematics,
        kinematics_sd=cut(results.kinematics_sd),
        torques=cut(results.torques),
        torques_sd=cut(results.torques_sd),
        ground_forces=cut(results.ground_forces),
        ground_forces_sd=cut(results.ground_forces_sd),
        residuals=cut(results.residuals),
    )


def _flags(ours: ResultsFolder, name: str) -> Bool[np.ndarray, " row"] | None:
    if ours.valid is None or name not in ours.valid.columns:
        return None
    flags = ours.valid.numbers(name) > 0.5
    return flags if len(flags) == len(ours.kinematics.time_s) else None


def _angles_where_valid(sides: Sides) -> AngleErrors | None:
    keep = _flags(sides.ours, "kinematics")
    if keep is None:
        return None
    ours = _rows(sides.ours, keep)
    return angle_errors(ours.kinematics, ours.kinematics_sd, sides.clock_s[keep], sides.truth)


def _forces_where_valid(sides: Sides, mass_kg: float) -> ForceErrors | None:
    keep = _flags(sides.ours, "kinetics")
    grf = sides.ours.ground_forces
    if keep is None or grf is None or not keep.any():
        return None
    ours = dataclasses.replace(grf, time_s=grf.time_s[keep], values=grf.values[keep])
    return force_errors(ours, sides.clock_s[keep], sides.truth, mass_kg)


def compare(out: Path, truth: Path, skip_s: float = 0.0, offset_s: float = 0.0) -> Comparison:
    """Compare a results folder with a multi-view case, an OpenSim style folder, a .mot file or a Pose2Sim trial.

    Raises:
        FileMissingError, TruthMissingError and the readers' errors.
    """
    if is_pose2sim(truth):
        return _compare_points(read_results(out), truth)
    sides = load_sides(out, truth, skip_s, offset_s)
    ours, measured, clock_s = sides.ours, sides.truth, sides.clock_s
    mass_kg = measured.mass_kg or (float(ours.body.mass_kg) if ours.body is not None else 0.0)
    height_m = measured.height_m or _height_m(ours)
    grf, torques = ours.ground_forces, ours.torques
    with_forces = grf is not None and len(grf.time_s) == len(clock_s) and mass_kg > 0
    with_moments = torques is not None and len(torques.time_s) == len(clock_s) and mass_kg * height_m > 0
    return Comparison(
        trial=measured.name,
        rows=len(clock_s),
        valid_share=_valid_shares(ours),
        angles=angle_errors(ours.kinematics, ours.kinematics_sd, clock_s, measured),
        angles_where_valid=_angles_where_valid(sides),
        forces=force_errors(grf, clock_s, measured, mass_kg) if grf is not None and with_forces else None,
        forces_where_valid=_forces_where_valid(sides, mass_kg) if with_forces else None,
        moments=moment_errors(torques, clock_s, measured, mass_kg, height_m)
        if torques is not None and with_moments
        else None,
        events=event_errors(ours.events, sides.start_s, clock_s, measured) if ours.events else None,
        strides=stride_errors(ours.gait, sides.start_s, measured) if ours.gait else None,
        reprojection=_own_reprojection(ours),
        markers_mm=_own_markers(ours),
        baselines={},
    )


def _height_m(ours: ResultsFolder) -> float:
    """The session's stature where the truth does not say; 0 if unknown."""
    height = ours.summary.get("height_m")
    return float(height) if isinstance(height, (int, float)) and not isinstance(height, bool) else 0.0


def _compare_points(ours: ResultsFolder, trial: Path) -> Comparison:
    fits = baseline_points(ours, trial)
    return Comparison(
        trial=trial.name,
        rows=len(ours.kinematics.time_s),
        valid_share=_valid_shares(ours),
        angles=None,
        angles_where_valid=None,
        forces=None,
        forces_where_valid=None,
        moments=None,
        events=None,
        strides=None,
        reprojection=_own_reprojection(ours),
        markers_mm=_own_markers(ours),
        baselines=fits,
    )


def _valid_shares(ours: ResultsFolder) -> dict[str, float]:
    if ours.valid is None or not ours.valid.rows:
        return {}
    flags = ("kinematics", "kinetics", "tracked")
    return {
        name: float(np.mean(ours.valid.numbers(name) > 0.5)) for name in flags if name in ours.valid.columns
    }


def _own_reprojection(ours: ResultsFolder) -> dict[str, CameraFit]:
    def fit(entry: object) -> CameraFit | None:
        if not isinstance(entry, dict):
            return None
        gc5, median = entry.get("gc5"), entry.get("median_px", entry.get("median"))
        return CameraFit(gc5, median) if isinstance(gc5, float) and isinstance(median, float) else None

    summary = ours.summary
    gc, px = summary.get("gc"), summary.get("reprojection_px")
    total = fit({"gc5": gc.get("5"), **px}) if isinstance(gc, dict) and isinstance(px, dict) else None
    cameras = summary.get("cameras")
    found = {name: fit(e) for name, e in cameras.items()} if isinstance(cameras, dict) else {}
    return {name: f for name, f in {"all": total, **found}.items() if f is not None}


def _own_markers(ours: ResultsFolder) -> float | None:
    entry = ours.summary.get("markers_mm")
    median = entry.get("median") if isinstance(entry, dict) else None
    return float(median) if isinstance(median, (int, float)) else None
