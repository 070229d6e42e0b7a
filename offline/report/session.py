"""A results folder as the report needs it: rows on one time axis with their validity, poses, feet, who and what.

Nothing is taken for valid that the files do not say is valid, and numbers that are not finite count as invalid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParametersError, harness_force
from kincast.models.body.scaling import stature
from kincast.models.contact_forces import GRAVITY
from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS, pose_from_coordinates
from kincast.models.errors import UserMistakeError
from kincast.streaming.results.reader import ResultsFolder, read_results
from kincast.streaming.results.storage import Storage

FIRST_DATED_NS = 946_684_800_000_000_000
"""Stamps before the year 2000 are a clock that was never set, not a date."""
LAST_DATED_NS = 4_102_444_800_000_000_000
ANGLES = tuple(i for i, name in enumerate(COORDINATES) if name not in PELVIS_TRANSLATIONS)
PLAUSIBLE = 1e6
"""No angle, force or place of a person is larger in the units of the files; such a number counts as not measured."""


class ReportInputError(UserMistakeError):
    """A results folder that no report can be made of, or folders that do not belong together."""


@dataclass(frozen=True)
class Validity:
    """Per row of the motion. ``stated`` is false where the folder says nothing about validity (then all is false)."""

    kinematics: Bool[np.ndarray, " row"]
    kinetics: Bool[np.ndarray, " row"]
    tracked: Bool[np.ndarray, " row"]
    stated: bool


@dataclass(frozen=True)
class ReportSession:
    """One session.

    ``coordinates`` are the file's 40 (degrees and metres, OpenSim), ``poses`` the same as ``q``; both hold zeros in
    rows that are not ``finite``. ``body`` is None where body.json is absent: then there are no feet and no drawings.
    """

    results: ResultsFolder
    time_s: Float64[np.ndarray, " row"]
    coordinates: Float64[np.ndarray, "row 40"]
    poses: Float64[np.ndarray, "row 41"]
    finite: Bool[np.ndarray, " row"]
    valid: Validity
    body: Body | None

    @property
    def summary(self) -> Mapping[str, Any]:
        """summary.json; empty where there is none."""
        return self.results.summary

    @property
    def session_id(self) -> str:
        """As the recording named it, else the folder's name."""
        return str(self.summary.get("session_id") or self.results.path.name)

    @property
    def subject_id(self) -> str:
        """Identifier of the person; empty where unknown."""
        return str(self.summary.get("subject_id") or "")

    @property
    def mass_kg(self) -> float | None:
        """Body mass in use."""
        return None if self.results.body is None else float(self.results.body.mass_kg)

    @property
    def height_m(self) -> tuple[float, bool] | None:
        """Standing height and whether it was measured (else it is that of the fitted body)."""
        stated = number(self.summary.get("height_m"))
        if stated is not None:
            return stated, True
        return None if self.results.body is None else (stature(self.results.body.scales), False)

    @property
    def started(self) -> datetime | None:
        """When the recording began (UTC); None where the rig's clock was no date."""
        start = self.summary.get("start_ns")
        if not isinstance(start, int) or not FIRST_DATED_NS <= start <= LAST_DATED_NS:
            return None
        return datetime.fromtimestamp(start * 1e-9, UTC)

    @property
    def duration_s(self) -> float:
        """From the first row to the last."""
        return float(self.time_s[-1] - self.time_s[0]) if len(self.time_s) > 1 else 0.0

    @property
    def external_support(self) -> str:
        """none, cane, rail, harness or harness(<N>)."""
        stated = self.summary.get("external_support")
        if isinstance(stated, str) and stated:
            return stated
        return "none" if self.results.body is None else self.results.body.external_support

    @property
    def external_force_unknown(self) -> bool:
        """A support that carries an unmeasured force: torques must not be shown."""
        try:
            return self.external_support != "none" and harness_force(self.external_support) == 0.0
        except BodyParametersError:
            return True

    def coordinate(self, name: str) -> Float64[np.ndarray, " row"]:
        """One coordinate in the file's unit."""
        return self.coordinates[:, COORDINATES.index(name)]

    def rows_of(self, storage: Storage | None) -> Storage | None:
        """A time series of the folder if it has the motion's rows, else None."""
        if storage is None or len(storage.time_s) != len(self.time_s):
            return None
        return storage if np.allclose(storage.time_s, self.time_s, atol=1e-6) else None


def number(value: object) -> float | None:
    """A finite number of a JSON document, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None


def load_session(folder: Path) -> ReportSession:
    """Read a results folder.

    Raises:
        FileMissingError and the readers' errors; ReportInputError: the motion lacks coordinates.
    """
    results = read_results(folder)
    motion = results.kinematics
    missing = [name for name in COORDINATES if name not in motion.columns]
    if missing:
        raise ReportInputError(
            f"{folder}/{motion.name}: lacks {', '.join(missing[:6])}{', ...' if len(missing) > 6 else ''};"
            " a report needs all 40 coordinates that kincast replay and refit write"
        )
    raw = np.column_stack([motion.column(name) for name in COORDINATES])
    if not motion.in_degrees:
        raw[:, ANGLES] = np.rad2deg(raw[:, ANGLES])
    finite = np.asarray(np.all(np.isfinite(raw) & (np.abs(raw) < PLAUSIBLE), axis=1))
    coordinates = np.where(finite[:, None], raw, 0.0)
    return ReportSession(
        results=results,
        time_s=motion.time_s,
        coordinates=coordinates,
        poses=_poses(coordinates),
        finite=finite,
        valid=_validity(results, finite),
        body=_body(results),
    )


def _poses(coordinates: Float64[np.ndarray, "row 40"]) -> Float64[np.ndarray, "row 41"]:
    radians = coordinates.copy()
    radians[:, ANGLES] = np.deg2rad(radians[:, ANGLES])
    return np.zeros((0, 41)) if len(radians) == 0 else np.asarray(pose_from_coordinates(radians))


def _body(results: ResultsFolder) -> Body | None:
    if results.body is None:
        return None
    keypoint_set = results.summary.get("keypoint_set")
    return build_body(
        results.body, "torque", keypoint_set if isinstance(keypoint_set, str) and keypoint_set else "HALPE_26"
    )


def _validity(results: ResultsFolder, finite: Bool[np.ndarray, " row"]) -> Validity:
    table, time_s = results.valid, results.kinematics.time_s
    nothing = np.zeros(len(time_s), bool)
    if table is None or "time_s" not in table.columns or not table.rows:
        return Validity(nothing, nothing, nothing, stated=False)
    stamps = table.numbers("time_s")
    known = np.isfinite(stamps)
    order = np.argsort(stamps[known], kind="stable")
    stamps = stamps[known][order]

    def flags(name: str) -> Bool[np.ndarray, " row"]:
        if name not in table.columns or not len(stamps):
            return nothing
        values = (table.numbers(name) == 1.0)[known][order]
        at = np.clip(np.searchsorted(stamps, time_s), 1, max(len(stamps) - 1, 1))
        at = np.minimum(at, len(stamps) - 1)
        before = np.maximum(at - 1, 0)
        near = np.where(np.abs(stamps[before] - time_s) <= np.abs(stamps[at] - time_s), before, at)
        return values[near] & (np.abs(stamps[near] - time_s) < 1e-3)

    return Validity(
        flags("kinematics") & finite, flags("kinetics") & finite, flags("tracked") & finite, stated=True
    )


def body_weight_N(mass_kg: float) -> float:
    """Weight of a body mass."""
    return mass_kg * GRAVITY
