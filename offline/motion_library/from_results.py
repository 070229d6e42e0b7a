"""Motions out of results folders: what refit or replay found, with the plates beside it where there were any."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.errors import UserMistakeError
from kincast.offline.motion_library.build import RawMotion, tracked_parts
from kincast.offline.motion_library.clip import ClipForces, Origin
from kincast.offline.motion_library.gates import GateConfig
from kincast.offline.motion_library.measured_forces import with_plates
from kincast.offline.truth import TruthForces
from kincast.streaming.results import columns
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.reader import ResultsFolder, read_results
from kincast.streaming.results.storage import Storage

SIDES = ("r", "l")


class NoBodyError(UserMistakeError):
    """A results folder does not say whose body moved."""


def motions_of_results(
    folder: Path,
    person: str,
    name: str | None = None,
    licence: str = "",
    plates: TruthForces | None = None,
    config: GateConfig | None = None,
) -> Iterable[RawMotion]:
    """The tracked stretches of a results folder as motions.

    ``plates``: measured forces in the results' world, on the clock of ``start_ns`` (as :class:`TruthForces`); the
    optimiser's forces fill in where a foot was not seen by a plate.

    Raises:
        NoBodyError: no body.json in the folder.
        The errors of :func:`~kincast.streaming.results.reader.read_results`.
    """
    results = read_results(folder)
    if results.body is None:
        raise NoBodyError(f"{folder}: no {columns.BODY} in it; a motion needs its body")
    start_ns = int(results.summary.get("start_ns", 0))
    t_ns = start_ns + np.round(results.kinematics.time_s * 1e9).astype(np.int64)
    motion = RawMotion(
        name=name or str(results.summary.get("session_id") or folder.name),
        person=person,
        body=results.body,
        t_ns=t_ns,
        q=poses_of(results.kinematics),
        origin=Origin(
            source=str(results.summary.get("source", folder.name)),
            source_sha256=str(results.summary.get("input_sha256", "")),
            method=_method(results),
            licence=licence,
        ),
        belt_speed_m_s=results.summary.get("belt_speed_m_s"),
        forces=_forces(results, plates, t_ns),
    )
    return tuple(tracked_parts(motion, _tracked(results), (config or GateConfig()).gap_s))


def poses_of(kinematics: Storage) -> Float64[np.ndarray, "time 41"]:
    """Poses of a kinematics.mot."""
    coordinates = np.stack([kinematics.column(name) for name in COORDINATES], axis=1)
    if kinematics.in_degrees:
        turning = [not name.endswith(("_tx", "_ty", "_tz")) for name in COORDINATES]
        coordinates[:, turning] = np.deg2rad(coordinates[:, turning])
    return np.stack([np.asarray(pose_from_coordinates(c)) for c in coordinates])


def _method(results: ResultsFolder) -> str:
    if not results.cameras:
        return "markers"
    return "refit" if "trajectory" in results.summary.get("config", {}) else "replay"


def _tracked(results: ResultsFolder) -> Bool[np.ndarray, " time"]:
    if results.valid is None:
        return np.ones(len(results.kinematics.time_s), bool)
    return results.valid.numbers("tracked") > 0.5


def _forces(results: ResultsFolder, plates: TruthForces | None, t_ns: np.ndarray) -> ClipForces | None:
    if results.ground_forces is None and plates is None:
        return None
    force = np.zeros((len(t_ns), 2, 3))
    cop = np.zeros((len(t_ns), 2, 3))
    measured = np.zeros((len(t_ns), 2), bool)
    known = np.full((len(t_ns), 2), results.ground_forces is not None)
    if results.ground_forces is not None:
        for foot, side in enumerate(SIDES):
            for values, kind in ((force, "v"), (cop, "p")):
                found = [results.ground_forces.column(f"ground_force_{side}_{kind}{a}") for a in "xyz"]
                values[:, foot] = from_opensim(np.stack(found, axis=1))
    estimated = ClipForces(force.astype(np.float32), cop.astype(np.float32), measured, known)
    return estimated if plates is None else with_plates(estimated, plates, t_ns)
