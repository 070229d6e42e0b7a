"""What a session is measured against: optical joint angles, plates, inverse dynamics, events, keypoints.

Two layouts are read: a multi-view case (``truth/`` with ik.mot, grf.csv, id.sto, events.csv, keypoints_3d.trc,
subject.json) and OpenSim style folders (``IK/<trial>_ik.mot``, ``ID/<trial>_grf.mot``, also flat, or one .mot file).
All times are the truth's own clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.errors import UserMistakeError
from kincast.offline.heel_markers import heel_keypoints
from kincast.offline.plates import carried, contacts, feet_forces
from kincast.streaming.results.csv_table import CsvTable, read_csv
from kincast.streaming.results.reader import read_json_object
from kincast.streaming.results.storage import Storage, read_storage
from kincast.streaming.results.trc import Trc, read_trc

SIDES = ("right", "left")


class TruthMissingError(UserMistakeError):
    """There is nothing to compare with at the given place."""


@dataclass(frozen=True)
class TruthForces:
    """Measured force on each foot (right [0], left [1]), world frame; ``cop`` is NaN where the foot is unloaded.

    ``plates_see[:, foot]`` is false where the foot may be loaded off the plates (``sight_measured``: as the truth
    says, else guessed from the load that the plates carry); ``residual_pct_bw`` is the
    pelvis residual of the truth's own inverse dynamics (NaN where unknown).
    """

    time_s: Float64[np.ndarray, " row"]
    force: Float64[np.ndarray, "row 2 3"]
    cop: Float64[np.ndarray, "row 2 3"]
    plates_see: Bool[np.ndarray, "row 2"]
    residual_pct_bw: Float64[np.ndarray, " row"]
    sight_measured: bool = True


@dataclass(frozen=True)
class TruthEvent:
    """A foot strike or foot off by the plates."""

    time_s: float
    side: str
    event: str


@dataclass(frozen=True)
class Truth:
    """Everything known about a trial; None where it was not measured. ``motion`` is in degrees."""

    name: str
    motion: Storage
    knee_sign: int = 1
    mass_kg: float | None = None
    height_m: float | None = None
    belt_speed_m_s: float | None = None
    forces: TruthForces | None = None
    moments: Storage | None = None
    events: tuple[TruthEvent, ...] | None = None
    keypoints: Trc | None = None


def read_truth(place: Path, trial: str, mass_kg: float | None = None) -> Truth:
    """Find and read the truth at ``place`` for the session named ``trial``; ``mass_kg`` where the place does not say.

    Raises:
        TruthMissingError: nothing fits; the message says what was looked for.
        The errors of the file readers.
    """
    if not place.exists():
        raise TruthMissingError(f"{place}: no such file or folder, so there is nothing to compare with")
    if place.is_file():
        return Truth(place.stem, degrees(read_storage(place)))
    for folder in (place / "truth", place):
        if (folder / "ik.mot").is_file():
            return _read_case(folder, place.name)
    for pattern in (f"IK/{trial}_ik.mot", f"{trial}_ik.mot", f"IK/{trial}.mot", f"{trial}.mot"):
        if (place / pattern).is_file():
            return _read_opensim(place, place / pattern, trial, mass_kg)
    looked = f"ik.mot, truth/ik.mot, IK/{trial}_ik.mot, {trial}_ik.mot, {trial}.mot"
    raise TruthMissingError(
        f"{place}: no joint angles to compare with; looked for {looked}; or name a .mot file"
    )


def degrees(motion: Storage) -> Storage:
    """The motion with angles in degrees (translations untouched)."""
    if motion.in_degrees:
        return motion
    turning = np.array([not name.endswith(("_tx", "_ty", "_tz")) for name in motion.columns])
    values = np.where(turning, np.rad2deg(motion.values), motion.values)
    return Storage(motion.name, motion.time_s, motion.columns, values, True, motion.skipped_rows)


def _read_case(folder: Path, name: str) -> Truth:
    subject: Mapping[str, Any] = {}
    if (folder / "subject.json").is_file():
        subject = read_json_object(folder / "subject.json")
    grf, events = folder / "grf.csv", folder / "events.csv"
    moments, keypoints = folder / "id.sto", folder / "keypoints_3d.trc"
    return Truth(
        name=name,
        motion=degrees(read_storage(folder / "ik.mot")),
        knee_sign=-1 if subject.get("knee_sign") == -1 else 1,
        mass_kg=_positive(subject.get("mass_kg")),
        height_m=_positive(subject.get("height_m")) or _positive(subject.get("height_estimate_m")),
        belt_speed_m_s=_positive(subject.get("belt_speed_m_s")),
        forces=_case_forces(read_csv(grf)) if grf.is_file() else None,
        moments=read_storage(moments) if moments.is_file() else None,
        events=_case_events(read_csv(events)) if events.is_file() else None,
        keypoints=read_trc(keypoints) if keypoints.is_file() else None,
    )


def _positive(value: object) -> float | None:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
    return number if number > 0 else None


def _case_forces(table: CsvTable) -> TruthForces:
    def vectors(kind: str, axes: tuple[str, ...]) -> Float64[np.ndarray, "row 2 3"]:
        sides = [np.stack([table.numbers(f"{side}_{kind}{axis}") for axis in axes], axis=1) for side in SIDES]
        return np.stack(sides, axis=1)

    see = np.stack([table.numbers(f"{side}_plate_ok") > 0.5 for side in SIDES], axis=1)
    return TruthForces(
        time_s=table.numbers("time"),
        force=np.nan_to_num(vectors("f", ("x", "y", "z"))),
        cop=vectors("cop", ("x", "y", "z")),
        plates_see=see,
        residual_pct_bw=table.numbers("residual_pct_bw"),
    )


def _case_events(table: CsvTable) -> tuple[TruthEvent, ...]:
    rows = zip(table.numbers("time").tolist(), table.text("side"), table.text("event"), strict=True)
    return tuple(TruthEvent(t, side, event) for t, side, event in rows if np.isfinite(t))


def _read_opensim(place: Path, motion: Path, trial: str, mass_kg: float | None) -> Truth:
    forces = _first(
        place, f"ID/{trial}_grf.mot", f"{trial}_grf.mot", f"{trial}_forces.mot", f"ID/{trial}_forces.mot"
    )
    moments = _first(place, f"ID/{trial}_id.sto", f"{trial}_id.sto")
    marker_file = _first(place, f"MarkerData/{trial}.trc", f"{trial}.trc")
    markers = None if marker_file is None else read_trc(marker_file)
    feet = None if forces is None else _opensim_forces(read_storage(forces), markers, mass_kg)
    return Truth(
        name=trial,
        motion=degrees(read_storage(motion)),
        mass_kg=mass_kg,
        forces=feet,
        moments=None if moments is None else read_storage(moments),
        events=None if feet is None else _plate_events(feet),
        keypoints=None if markers is None else heel_keypoints(markers),
    )


def _plate_events(forces: TruthForces) -> tuple[TruthEvent, ...]:
    """Where a foot's load passes 20 N; a foot that comes down half beside the plates is a little late."""
    found: list[TruthEvent] = []
    for foot, side in enumerate(SIDES):
        for begin, end in contacts(forces.time_s, forces.force[:, foot, 2]):
            found += [] if begin is None else [TruthEvent(begin, side, "foot_strike")]
            found += [] if end is None else [TruthEvent(end, side, "foot_off")]
    return tuple(sorted(found, key=lambda e: e.time_s))


def _first(place: Path, *names: str) -> Path | None:
    return next((place / name for name in names if (place / name).is_file()), None)


def _opensim_forces(storage: Storage, markers: Trc | None, mass_kg: float | None) -> TruthForces | None:
    found = feet_forces(storage, markers)
    if found is None:
        return None
    force, cop = found
    seen = carried(force, mass_kg)
    return TruthForces(
        time_s=storage.time_s,
        force=force,
        cop=cop,
        plates_see=np.stack([seen, seen], axis=1),
        residual_pct_bw=np.full(len(seen), np.nan),
        sight_measured=False,
    )
