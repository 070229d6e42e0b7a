"""Measured trials of ``data/multiview``: optical poses on our body, force plates and inverse dynamics beside them.

The body is scaled by segment lengths alone (hip to knee, knee to ankle, stature); its mass is the person's.
Nothing else is fitted, so what the kinetics makes of these poses is an independent check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS, pose_from_coordinates
from kincast.models.fit_result import CameraStatistics, FitCode, FitResult, SettledPose, WindowState
from kincast.models.rotations import quaternion_multiply
from kincast.streaming.results.storage import read_storage
from kincast.streaming.results.trc import read_trc

GENERIC_STATURE_M = 1.70
GENERIC_THIGH_M, GENERIC_SHANK_M = 0.4044, 0.4
SIDES = ("right", "left")


@dataclass(frozen=True)
class MeasuredWalk:
    """``force``, ``cop`` (row, foot, 3) in the world, ``plate_ok`` (row, foot), ``moments`` {coordinate: row} N m."""

    name: str
    body: Body
    mass_kg: float
    stature_m: float
    belt_speed_m_s: float | None
    forward: np.ndarray
    t_ns: np.ndarray
    poses: np.ndarray
    force: np.ndarray
    cop: np.ndarray
    plate_ok: np.ndarray
    moments: dict[str, np.ndarray]


def measured_walk(
    data: Path, case: str, frame_rate: float = 60.0, seconds: float = 1e9, variant: str = "torque"
) -> MeasuredWalk:
    truth = data / "multiview" / case / "truth"
    subject = json.loads((truth / "subject.json").read_text())
    motion = read_storage(truth / "ik.mot")
    coordinates = np.zeros((motion.time_s.size, len(COORDINATES)))
    for name, column in zip(motion.columns, motion.values.T, strict=True):
        if name in COORDINATES:
            rad = column if name in PELVIS_TRANSLATIONS else np.unwrap(np.deg2rad(column))
            sign = subject["knee_sign"] if name.startswith("knee_angle") else 1
            coordinates[:, COORDINATES.index(name)] = sign * rad
    end = min(motion.time_s[-1], motion.time_s[0] + seconds)
    time_s = np.arange(motion.time_s[0], end, 1.0 / frame_rate)
    in_opensim = CubicSpline(motion.time_s, coordinates)(time_s)
    rotation = np.array(subject["world_from_opensim"]["rotation"])
    # what the case adds to the plain (x, y, z) -> (x, -z, y) is a turn about the vertical
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    turn = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    poses = np.stack([np.asarray(pose_from_coordinates(c)) for c in in_opensim])
    poses[:, :3] = poses[:, :3] @ about_z.T + subject["world_from_opensim"]["translation"]
    poses[:, 3:7] = quaternion_multiply(np.broadcast_to(turn, (len(poses), 4)), poses[:, 3:7])

    stature = subject["height_m"] or subject["height_estimate_m"]
    parameters = BodyParameters(scales=_scales(truth, stature), mass_kg=subject["mass_kg"])
    force, cop, plate_ok = _plates(truth / "grf.csv", time_s)
    dynamics = read_storage(truth / "id.sto")
    moments = {}
    for name, column in zip(dynamics.columns, dynamics.values.T, strict=True):
        coordinate = name.removesuffix("_moment")
        if coordinate in COORDINATES and np.isfinite(column).any():
            sign = subject["knee_sign"] if coordinate.startswith("knee_angle") else 1
            moments[coordinate] = sign * np.interp(time_s, dynamics.time_s, column)
    return MeasuredWalk(
        case,
        build_body(parameters, variant),
        float(subject["mass_kg"]),
        float(stature),
        subject["belt_speed_m_s"],
        rotation[:, 0],
        np.round(time_s * 1e9).astype(np.int64),
        poses,
        force,
        cop,
        plate_ok,
        moments,
    )


def _scales(truth: Path, stature: float) -> dict[str, float]:
    keypoints = read_trc(truth / "keypoints_3d.trc")
    at = {name: keypoints.points_m[:, i] for i, name in enumerate(keypoints.markers)}

    def length(a: str, b: str) -> float:
        return float(np.nanmedian(np.linalg.norm(at[a] - at[b], axis=1)))

    overall = stature / GENERIC_STATURE_M
    scales = {"overall": overall}
    for side, letter in (("R", "r"), ("L", "l")):
        scales[f"thigh_{letter}"] = length(f"{side}Hip", f"{side}Knee") / (GENERIC_THIGH_M * overall)
        scales[f"shank_foot_{letter}"] = length(f"{side}Knee", f"{side}Ankle") / (GENERIC_SHANK_M * overall)
    return scales


def _plates(path: Path, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = path.read_text().split("\n", 1)[0].strip().split(",")
    table = np.genfromtxt(path, delimiter=",", skip_header=1)

    def column(name: str) -> np.ndarray:
        return np.interp(time_s, table[:, 0], table[:, names.index(name)])

    force = np.stack([np.stack([column(f"{s}_f{a}") for a in "xyz"], 1) for s in SIDES], 1)
    cop = np.stack([np.stack([column(f"{s}_cop{a}") for a in "xyz"], 1) for s in SIDES], 1)
    inside = (time_s >= table[0, 0]) & (time_s <= table[-1, 0])
    plate_ok = np.stack([column(f"{s}_plate_ok") > 0.99 for s in SIDES], 1) & inside[:, None]
    return force, cop, plate_ok


def fit_results(
    t_ns: np.ndarray, poses: np.ndarray, settle: int, sd: float = 1e-3, tracked: np.ndarray | None = None
) -> Iterator[FitResult]:
    """The poses as a fitter with a settling lag of ``settle`` snapshots would hand them out."""
    sds = np.full(40, sd)
    nobody = CameraStatistics(
        *(np.zeros(0, t) for t in ("?", "i8", "f4", "f4", "?", "f4", "?")), *_no_errors()
    )
    for i in range(len(t_ns)):
        k = i - settle
        ok = tracked is None or (k >= 0 and bool(tracked[k]))
        settled = (SettledPose(k, int(t_ns[k]), poses[k], np.zeros(40), sds, sds, ok),) if k >= 0 else ()
        window = slice(max(0, k - 4), i + 1)
        span = np.arange(len(t_ns))[window]
        state = WindowState(span, t_ns[window], poses[window], np.zeros((span.size, 40)))
        yield FitResult(i, int(t_ns[i]), FitCode.OK, poses[i], state, settled, nobody)


def _no_errors() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
