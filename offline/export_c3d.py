"""A session as C3D: markers, joint angles, moments, ground forces, activations and gait events. Needs ezc3d (extra ``c3d``).

World axes (Z up), markers in mm. Angles, moments and forces are points of the usual names (``LKneeAngles``,
``RGroundReactionForce``, ...), listed in POINT:ANGLES, MOMENTS, FORCES so that readers keep them apart from markers;
their components carry OpenSim's signs (see POINT:DESCRIPTIONS). Muscle activations, residual force and validity are
analog channels at the rate of the points. A frame is time 0 plus its number over the rate, as are the events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.body.scaling import stature
from kincast.models.errors import UserMistakeError
from kincast.offline.export_rows import even_steps, nearest_rows
from kincast.streaming.importers.errors import ExtraMissingError
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.reader import ResultsFolder
from kincast.streaming.results.storage import Storage

MAX_FRAMES = 65535
"""Of the file format: frames are counted in 16 bits."""
MAX_ENTRIES = 255
"""Of one list of the format; longer lists of events go on in LABELS2, TIMES2, ... as is usual for POINT:LABELS."""
MAX_GAP_S = 0.1
ANGLES: Mapping[str, tuple[str, ...]] = {
    "PelvisAngles": ("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
    "SpineAngles": ("lumbar_extension", "lumbar_bending", "lumbar_rotation"),
    "NeckAngles": ("neck_extension", "neck_bending", "neck_rotation"),
    **{
        f"{side.upper()}{joint}Angles": tuple(f"{name}_{side}" for name in names)
        for side in "lr"
        for joint, names in {
            "Hip": ("hip_flexion", "hip_adduction", "hip_rotation"),
            "Knee": ("knee_angle",),
            "Ankle": ("ankle_angle", "subtalar_angle", "mtp_angle"),
            "Shoulder": ("arm_flex", "arm_add", "arm_rot"),
            "Elbow": ("elbow_flex", "pro_sup"),
            "Wrist": ("wrist_flex", "wrist_dev"),
        }.items()
    },
}
_ICONS = {"Foot Strike": 1, "Foot Off": 2}
_EVENTS = {"foot_strike": "Foot Strike", "foot_off": "Foot Off"}


class C3dRefusedError(UserMistakeError):
    """The session does not fit into a C3D file."""


@dataclass(frozen=True)
class _Point:
    """``values`` (frame, 3) in the file's unit; NaN where there is none. ``group``: "" for a marker."""

    label: str
    values: Float64[np.ndarray, "frame 3"]
    group: str = ""
    description: str = ""


def write_c3d(path: Path, results: ResultsFolder, rate_hz: float | None = None) -> int:
    """Write the file; the number of frames. Rows are brought to even steps, of their own median rate by default.

    Raises:
        ExtraMissingError: ezc3d is not installed. C3dRefusedError: too long, or nothing in it.
    """
    try:
        import ezc3d
    except ImportError:
        raise ExtraMissingError(
            f"{path.name}: C3D files need the package ezc3d; install it with: pip install 'kincast[c3d]'"
        ) from None
    time_s = results.kinematics.time_s
    rate = rate_hz or usual_rate_hz(time_s)
    times = even_steps(time_s, rate, start_s=0.0)
    if not 1 <= len(times) <= MAX_FRAMES:
        raise C3dRefusedError(
            f"{results.path}: {len(times)} frames at {rate:g} Hz; a C3D file holds 1 to {MAX_FRAMES}."
            " Choose a lower --rate, or export csv"
        )
    known = _near_a_row(time_s, times)
    points = [p for p in (*_markers(results, times), *_model_points(results, times)) if p.label]
    if len(points) > MAX_ENTRIES:
        raise C3dRefusedError(
            f"{results.path}: {len(points)} points; a C3D file of kincast holds {MAX_ENTRIES}"
        )
    file = ezc3d.c3d()
    _put_points(file, rate, points, known & _valid(results, "tracked", times))
    _put_analogs(file, rate, results, times)
    _put_events(file, results)
    _put_subject(file, results)
    file.write(str(path))
    return len(times)


def usual_rate_hz(time_s: Float64[np.ndarray, " row"]) -> float:
    """Median rate of rows, a whole number where it is one to half a percent; 100 where there is none."""
    if len(time_s) < 2:
        return 100.0
    rate = 1.0 / float(np.median(np.diff(time_s)))
    return float(round(rate)) if round(rate) > 0 and abs(rate - round(rate)) < 0.005 * rate else rate


def _near_a_row(
    time_s: Float64[np.ndarray, " row"], times: Float64[np.ndarray, " frame"]
) -> Bool[np.ndarray, " frame"]:
    return np.abs(time_s[nearest_rows(time_s, times)] - times) <= MAX_GAP_S


def _valid(
    results: ResultsFolder, flag: str, times: Float64[np.ndarray, " frame"]
) -> Bool[np.ndarray, " frame"]:
    table = results.valid
    if table is None or not {"time_s", flag} <= set(table.columns) or not table.rows:
        return np.ones(len(times), bool)
    return table.numbers(flag)[nearest_rows(table.numbers("time_s"), times)] == 1.0


def _markers(results: ResultsFolder, times: Float64[np.ndarray, " frame"]) -> list[_Point]:
    trc = results.markers
    if trc is None or len(trc.time_s) == 0:
        return []
    world = 1e3 * from_opensim(trc.points_m)
    return [
        _Point(_label(name), _at(trc.time_s, world[:, i], times), description="keypoint on the fitted body")
        for i, name in enumerate(trc.markers)
    ]


def _model_points(results: ResultsFolder, times: Float64[np.ndarray, " frame"]) -> list[_Point]:
    found = []
    motion, torques, grf = results.kinematics, results.torques, results.ground_forces
    for label, names in ANGLES.items():
        if all(n in motion.columns for n in names):
            what = ", ".join(names)
            found.append(_Point(label, _components(motion, names, times), "ANGLES", f"{what} (OpenSim), deg"))
        columns = tuple(f"{n}_moment" for n in names)
        if (
            torques is not None
            and not label.startswith("Pelvis")
            and all(c in torques.columns for c in columns)
        ):
            what = ", ".join(columns)
            found.append(
                _Point(
                    label.replace("Angles", "Moment"),
                    _components(torques, columns, times),
                    "MOMENTS",
                    f"{what} (OpenSim), N m",
                )
            )
    if grf is not None:
        for side in "lr":
            force = tuple(f"ground_force_{side}_v{a}" for a in "xyz")
            place = tuple(f"ground_force_{side}_p{a}" for a in "xyz")
            if {*force, *place} <= set(grf.columns):
                newtons = from_opensim(_components(grf, force, times))
                cop = 1e3 * from_opensim(_components(grf, place, times))
                cop[np.linalg.norm(newtons, axis=1) < 1e-9] = np.nan  # an unloaded foot has none
                name = side.upper()
                found.append(
                    _Point(f"{name}GroundReactionForce", newtons, "FORCES", "on the foot, world axes, N")
                )
                found.append(_Point(f"{name}CenterOfPressure", cop, "MODELED_MARKERS", "mm"))
    return found


def _components(
    series: Storage, names: Sequence[str], times: Float64[np.ndarray, " frame"]
) -> Float64[np.ndarray, "frame 3"]:
    values = np.zeros((len(times), 3))
    for i, name in enumerate(names):
        values[:, i] = np.interp(times, series.time_s, series.column(name))
    return values


def _at(
    time_s: Float64[np.ndarray, " row"],
    values: Float64[np.ndarray, "row 3"],
    times: Float64[np.ndarray, " frame"],
) -> Float64[np.ndarray, "frame 3"]:
    return np.stack([np.interp(times, time_s, values[:, k]) for k in range(3)], axis=1)


def _label(name: str) -> str:
    """What every reader takes: printable ASCII, at most 32 characters."""
    return "".join(c if c.isascii() and c.isprintable() else "_" for c in name).strip()[:32]


def _put_points(file: Any, rate: float, points: Sequence[_Point], seen: Bool[np.ndarray, " frame"]) -> None:
    frames = len(seen)
    data = np.zeros((4, len(points), frames))
    data[3] = 1.0
    residuals = np.zeros((1, len(points), frames))
    for i, point in enumerate(points):
        there = seen & np.isfinite(point.values).all(axis=1)
        data[:3, i] = np.where(there[:, None], point.values, 0.0).T
        residuals[0, i, ~there] = -1.0
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [rate]
    parameters["POINT"]["LABELS"]["value"] = tuple(p.label for p in points)
    parameters["POINT"]["DESCRIPTIONS"]["value"] = tuple(p.description[:120] for p in points)
    parameters["POINT"]["UNITS"]["value"] = ("mm",)
    for group in ("ANGLES", "MOMENTS", "FORCES", "MODELED_MARKERS"):
        labels = [p.label for p in points if p.group == group]
        if labels:
            file.add_parameter("POINT", group, labels)
    file.add_parameter("POINT", "ANGLE_UNITS", ["deg"])
    file.add_parameter("POINT", "MOMENT_UNITS", ["Nm"])
    file.add_parameter("POINT", "FORCE_UNITS", ["N"])
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Z"])
    file["data"]["points"] = data
    file["data"]["meta_points"]["residuals"] = residuals
    file["data"]["meta_points"]["camera_masks"] = np.zeros((7, len(points), frames), dtype=bool)


def _put_analogs(
    file: Any, rate: float, results: ResultsFolder, times: Float64[np.ndarray, " frame"]
) -> None:
    channels: list[tuple[str, str, np.ndarray]] = [
        (f"valid {flag}", "", _valid(results, flag, times).astype(np.float64))
        for flag in ("kinematics", "kinetics")
        if results.valid is not None
    ]
    residuals, activations = results.residuals, results.activations
    if residuals is not None and {"FX", "FY", "FZ"} <= set(residuals.columns):
        force = _components(residuals, ("FX", "FY", "FZ"), times)
        channels.append(("pelvis residual", "N", np.linalg.norm(force, axis=1)))
    if activations is not None:
        channels += [
            (_label(m), "", np.interp(times, activations.time_s, activations.column(m)))
            for m in activations.columns
        ]
    if not channels:
        return
    parameters = file["parameters"]["ANALOG"]
    parameters["RATE"]["value"] = [rate]
    parameters["LABELS"]["value"] = tuple(name for name, _, _ in channels)
    parameters["UNITS"]["value"] = tuple(unit for _, unit, _ in channels)
    values = np.stack([v for _, _, v in channels])
    file["data"]["analogs"] = np.where(np.isfinite(values), values, 0.0)[None]


def _put_events(file: Any, results: ResultsFolder) -> None:
    events = results.events
    rows: list[tuple[float, str, str]] = []
    if events is not None and {"time_s", "side", "event"} <= set(events.columns):
        rows = [
            (float(t), side.capitalize(), _EVENTS[event])
            for t, side, event in zip(
                events.numbers("time_s"), events.text("side"), events.text("event"), strict=True
            )
            if np.isfinite(t) and t >= 0 and side in ("left", "right") and event in _EVENTS
        ]
    rows.sort()
    subject = _subject(results)
    file.add_parameter("EVENT", "USED", min(len(rows), MAX_ENTRIES))
    for number, first in enumerate(range(0, len(rows), MAX_ENTRIES), start=1):
        some = rows[first : first + MAX_ENTRIES]
        suffix = "" if number == 1 else str(number)
        entries: dict[str, Any] = {
            "CONTEXTS": [context for _, context, _ in some],
            "LABELS": [label for _, _, label in some],
            "DESCRIPTIONS": ["said by kincast"] * len(some),
            "SUBJECTS": [subject] * len(some),
            "ICON_IDS": [_ICONS[label] for _, _, label in some],
            "GENERIC_FLAGS": [0] * len(some),
            # minutes, and the seconds beyond them
            "TIMES": np.array([[t // 60.0 for t, _, _ in some], [t % 60.0 for t, _, _ in some]]),
        }
        for name, values in entries.items():
            file.add_parameter("EVENT", name + suffix, values)


def _subject(results: ResultsFolder) -> str:
    return _label(str(results.summary.get("subject_id") or "")) or "subject"


def _put_subject(file: Any, results: ResultsFolder) -> None:
    file.add_parameter("SUBJECTS", "NAMES", [_subject(results)])
    file.add_parameter("SUBJECTS", "USED", 1)
    file.add_parameter("SUBJECTS", "IS_STATIC", 0)
    file.add_parameter("MANUFACTURER", "SOFTWARE", ["kincast"])
    if results.body is not None:
        file.add_parameter("PROCESSING", "Bodymass", [float(results.body.mass_kg)])
        height = results.summary.get("height_m")
        metres = float(height) if isinstance(height, float) else stature(results.body.scales)
        file.add_parameter("PROCESSING", "Height", [1e3 * metres])
