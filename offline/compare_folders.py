"""``kincast compare A B`` of two results folders: live and refit, two programs, two sessions of a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.contact_forces import GRAVITY
from kincast.models.coordinates import PELVIS_TRANSLATIONS
from kincast.offline.compare_clock import By, Clock, best_shift_s, common_clock
from kincast.offline.compare_cycles import CycleComparison, compare_cycles
from kincast.offline.compare_difference import Difference, difference
from kincast.offline.compare_gait import EventAgreement, agreed_events, stride_differences
from kincast.offline.export_rows import nearest_rows
from kincast.offline.force_errors import forward_axes, our_feet
from kincast.offline.truth import Truth, degrees
from kincast.streaming.results import columns
from kincast.streaming.results.reader import ResultsFolder, read_results
from kincast.streaming.results.storage import Storage

MAX_GAP_S = 0.1
"""The second's values are not interpolated across a longer hole."""
LOADED_N = 100.0
"""Centres of pressure are compared where both say a foot carries more than this."""
Table = Mapping[str, Difference]


@dataclass(frozen=True)
class Reprojection:
    """Share of detections within 5 px of the body, and their median distance; None where not stated."""

    gc5: float | None
    median_px: float | None


@dataclass(frozen=True)
class RowComparison:
    """Two folders on one time axis, at the rows of the first. First minus second; units in the names.

    ``rows``: of the first within the time of the second; ``rows_angles``, ``rows_forces``: those of them that count,
    because no file of either side says that they are not valid. ``shift_s``: by how much later the second shows the
    same (None where nothing moves). Forces per foot: vertical, along and across the direction the first faces.
    """

    shift_s: float | None
    rows: int
    rows_angles: int
    rows_forces: int
    angles_deg: Table
    pelvis_mm: Table
    moments_Nm: Table
    forces_N: Table
    cop_mm: Table
    residual_N: Table
    activations: Table
    markers_mm: Mapping[str, float]
    events: Mapping[str, EventAgreement]
    strides: Table


@dataclass(frozen=True)
class FolderComparison:
    """All of it. ``time`` or ``cycles`` is None according to the clock; ``absent``: what was not compared and why."""

    first: str
    second: str
    clock: Clock
    mass_kg: float | None
    height_m: float | None
    valid_share: Mapping[str, tuple[float | None, float | None]]
    reprojection: tuple[Reprojection, Reprojection]
    scales: Mapping[str, tuple[float, float]]
    time: RowComparison | None
    cycles: CycleComparison | None
    absent: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class FolderSides:
    """Both folders, angles in degrees, the second on the first's time axis; rows whose values count."""

    first: ResultsFolder
    second: ResultsFolder
    clock: Clock
    angles_count: Bool[np.ndarray, " row"]
    forces_count: Bool[np.ndarray, " row"]


def is_results(place: Path) -> bool:
    """A folder that holds a motion under the name of a results folder."""
    return (place / columns.KINEMATICS).is_file()


def load_folders(
    first: Path, second: Path, *, skip_s: float = 0.0, offset_s: float = 0.0, by: By | None = None
) -> FolderSides:
    """Read both. ``offset_s`` is added to the second's times; ``by``: instead of what :func:`common_clock` finds.

    Raises:
        FileMissingError and the readers' errors.
    """
    a, b = (_in_degrees(read_results(place)) for place in (first, second))
    clock = common_clock(a, b)
    if by is not None and by != clock.by:
        clock = Clock(by, _start_offset_s(a, b) if by == "time" else 0.0, "as asked for")
    clock = dataclasses.replace(clock, offset_s=clock.offset_s + offset_s)
    times = a.kinematics.time_s
    inside = _covered(b.kinematics, times - clock.offset_s) & (times >= times[0] + skip_s)
    counts = [
        inside & _valid(a, flag, times) & _valid(b, flag, times - clock.offset_s)
        for flag in ("kinematics", "kinetics")
    ]
    return FolderSides(a, b, clock, counts[0], counts[1])


def compare_folders(first: Path, second: Path, **options: Any) -> FolderComparison:
    """Compare two results folders; options as of :func:`load_folders`.

    Raises:
        FileMissingError, ReportInputError and the readers' errors.
    """
    sides = load_folders(first, second, **options)
    a, b = sides.first, sides.second
    by_time = sides.clock.by == "time"
    return FolderComparison(
        first=str(first),
        second=str(second),
        clock=sides.clock,
        mass_kg=_first_of(a, b, lambda r: None if r.body is None else float(r.body.mass_kg)),
        height_m=_first_of(a, b, lambda r: _number(r.summary.get("height_m"))),
        valid_share={f: (_share(a, f), _share(b, f)) for f in ("kinematics", "kinetics", "tracked")},
        reprojection=(_reprojection(a), _reprojection(b)),
        scales=_scales(a, b),
        time=_compare_rows(sides, options.get("skip_s", 0.0)) if by_time else None,
        cycles=None if by_time else compare_cycles(first, second),
        absent=tuple(_absent(sides)),
    )


def _compare_rows(sides: FolderSides, skip_s: float) -> RowComparison:
    a, b, offset = sides.first, sides.second, sides.clock.offset_s
    times = a.kinematics.time_s
    inside = _covered(b.kinematics, times - offset) & (times >= times[0] + skip_s)
    shared = [n for n in a.kinematics.columns if n in b.kinematics.columns]
    angles = [n for n in shared if n not in PELVIS_TRANSLATIONS]
    places = [n for n in shared if n in PELVIS_TRANSLATIONS]
    forces, cop = feet(sides)
    return RowComparison(
        shift_s=best_shift_s(a, b, offset),
        rows=int(inside.sum()),
        rows_angles=int(sides.angles_count.sum()),
        rows_forces=int(sides.forces_count.sum()),
        angles_deg=_table(sides, a.kinematics, b.kinematics, angles, sides.angles_count, period=360.0),
        pelvis_mm=_table(sides, a.kinematics, b.kinematics, places, sides.angles_count, scale=1e3),
        moments_Nm=_table(sides, a.torques, b.torques, _shared(a.torques, b.torques), sides.forces_count),
        forces_N=forces,
        cop_mm=cop,
        residual_N=_table(
            sides, a.residuals, b.residuals, _shared(a.residuals, b.residuals), sides.forces_count
        ),
        activations=_table(
            sides, a.activations, b.activations, _shared(a.activations, b.activations), sides.forces_count
        ),
        markers_mm=_markers_mm(sides),
        events={} if a.events is None or b.events is None else agreed_events(a.events, b.events, offset),
        strides={} if a.gait is None or b.gait is None else stride_differences(a.gait, b.gait, offset),
    )


def _table(
    sides: FolderSides,
    first: Storage | None,
    second: Storage | None,
    names: Sequence[str],
    rows: Bool[np.ndarray, " row"],
    *,
    period: float | None = None,
    scale: float = 1.0,
) -> Table:
    if first is None or second is None or not names or not rows.any():
        return {}
    times = sides.first.kinematics.time_s[rows]
    a = scale * at(first, times, names)
    b = scale * at(second, times - sides.clock.offset_s, names)
    found = {n: difference(a[:, i], b[:, i], period=period) for i, n in enumerate(names)}
    return {n: d for n, d in found.items() if d is not None}


def at(
    series: Storage, times: Float64[np.ndarray, " query"], names: Sequence[str]
) -> Float64[np.ndarray, "query column"]:
    """Values at some times; NaN outside the record and within its holes."""
    values = series.at(times, names)
    values[~_covered(series, times)] = np.nan
    return values


def _covered(series: Storage, times: Float64[np.ndarray, " query"]) -> Bool[np.ndarray, " query"]:
    known = series.time_s
    if len(known) == 0:
        return np.zeros(len(times), bool)
    after = np.clip(np.searchsorted(known, times - 1e-6), 0, len(known) - 1)
    before = np.clip(after - 1, 0, None)
    exact = np.abs(known[after] - times) <= 1e-6
    between = (times >= known[0]) & (times <= known[-1]) & (known[after] - known[before] <= MAX_GAP_S)
    return exact | between


def feet(sides: FolderSides) -> tuple[Table, Table]:
    """Force on each foot (N) and centre of pressure (mm) in walking axes."""
    a, b = sides.first.ground_forces, sides.second.ground_forces
    rows = sides.forces_count
    if a is None or b is None or not rows.any() or {*columns.FOOT_COLUMNS} - ({*a.columns} & {*b.columns}):
        return {}, {}
    times = sides.first.kinematics.time_s[rows]
    walking = walking_axes(sides, times)
    (force_a, cop_a), (force_b, cop_b) = (
        tuple(walking(v) for v in our_feet(_sampled(grf, t)))
        for grf, t in ((a, times), (b, times - sides.clock.offset_s))
    )
    forces: dict[str, Difference | None] = {}
    places: dict[str, Difference | None] = {}
    for foot, side in enumerate(("right", "left")):
        loaded = (force_a[:, foot, 2] > LOADED_N) & (force_b[:, foot, 2] > LOADED_N)
        for axis, name in ((2, "vertical"), (0, "fore-aft"), (1, "mediolateral")):
            forces[f"{side} {name}"] = difference(force_a[:, foot, axis], force_b[:, foot, axis])
            if axis < 2 and loaded.any():
                places[f"{side} {name}"] = difference(
                    1e3 * cop_a[loaded, foot, axis], 1e3 * cop_b[loaded, foot, axis]
                )
    return tuple({n: d for n, d in t.items() if d is not None} for t in (forces, places))  # type: ignore[return-value]


def walking_axes(sides: FolderSides, times: Float64[np.ndarray, " query"]) -> Any:
    """Function of vectors (query, foot, xyz): their parts along and across the first's facing direction, and up."""
    forward = forward_axes(Truth("", sides.first.kinematics), times)[:, None, :]

    def turned(v: Float64[np.ndarray, "query 2 3"]) -> Float64[np.ndarray, "query 2 3"]:
        along = (v[..., :2] * forward).sum(axis=2)
        left = v[..., 1] * forward[..., 0] - v[..., 0] * forward[..., 1]
        return np.stack([along, left, v[..., 2]], axis=2)

    return turned


def _sampled(grf: Storage, times: Float64[np.ndarray, " query"]) -> Storage:
    values = at(grf, times, columns.FOOT_COLUMNS)
    return Storage(grf.name, times, columns.FOOT_COLUMNS, values, False)


def _markers_mm(sides: FolderSides) -> dict[str, float]:
    """Median distance of the markers that both have."""
    a, b = sides.first.markers, sides.second.markers
    if a is None or b is None or not len(a.time_s) or not len(b.time_s):
        return {}
    times = sides.first.kinematics.time_s[sides.angles_count]
    found = {}
    for name in (n for n in a.markers if n in b.markers):
        i, j = a.markers.index(name), b.markers.index(name)
        ours, theirs = (
            np.stack([np.interp(t, m.time_s, m.points_m[:, k, x]) for x in range(3)], axis=1)
            for m, k, t in ((a, i, times), (b, j, times - sides.clock.offset_s))
        )
        distance = np.linalg.norm(ours - theirs, axis=1)
        if np.isfinite(distance).any():
            found[name] = 1e3 * float(np.nanmedian(distance))
    return found


def _shared(a: Storage | None, b: Storage | None) -> list[str]:
    return [] if a is None or b is None else [n for n in a.columns if n in b.columns]


def _in_degrees(results: ResultsFolder) -> ResultsFolder:
    return dataclasses.replace(results, kinematics=degrees(results.kinematics))


def _start_offset_s(a: ResultsFolder, b: ResultsFolder) -> float:
    starts = [r.summary.get("start_ns") for r in (a, b)]
    return (starts[1] - starts[0]) * 1e-9 if all(isinstance(s, int) for s in starts) else 0.0  # type: ignore[operator]


def _valid(
    results: ResultsFolder, flag: str, times: Float64[np.ndarray, " query"]
) -> Bool[np.ndarray, " query"]:
    """False where the folder says the row nearest in time is not valid."""
    table = results.valid
    if table is None or not {"time_s", flag} <= set(table.columns) or not table.rows:
        return np.ones(len(times), bool)
    return table.numbers(flag)[nearest_rows(table.numbers("time_s"), times)] == 1.0


def _share(results: ResultsFolder, flag: str) -> float | None:
    table = results.valid
    return (
        float(np.mean(table.numbers(flag) == 1.0))
        if table is not None and flag in table.columns and table.rows
        else None
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _first_of(a: ResultsFolder, b: ResultsFolder, of: Any) -> float | None:
    value = of(a)
    return of(b) if value is None else value


def _reprojection(results: ResultsFolder) -> Reprojection:
    gc, px = results.summary.get("gc"), results.summary.get("reprojection_px")
    return Reprojection(
        _number(gc.get("5")) if isinstance(gc, Mapping) else None,
        _number(px.get("median")) if isinstance(px, Mapping) else None,
    )


def _scales(a: ResultsFolder, b: ResultsFolder) -> dict[str, tuple[float, float]]:
    if a.body is None or b.body is None:
        return {}
    return {n: (float(s), float(b.body.scales[n])) for n, s in a.body.scales.items() if n in b.body.scales}


SHOWN_NAMES = 8
SERIES = (
    ("torques", "torques"),
    ("ground_forces", "ground forces"),
    ("residuals", "pelvis residual"),
    ("activations", "activations"),
    ("markers", "markers"),
    ("events", "events"),
    ("gait", "strides"),
    ("valid", "validity"),
)


def _absent(sides: FolderSides) -> Iterator[str]:
    a, b = sides.first, sides.second
    for name, label in SERIES:
        there = [getattr(r, name) is not None for r in (a, b)]
        if not all(there):
            yield f"{label}: " + (
                "in neither folder" if not any(there) else f"only in the {'first' if there[0] else 'second'}"
            )
    for name, label in (
        ("kinematics", "coordinates"),
        ("torques", "moments"),
        ("activations", "activations"),
        ("markers", "markers"),
    ):
        one, other = (_names(getattr(r, name)) for r in (a, b))
        for which, only in (("first", one - other), ("second", other - one)):
            if only and one and other:
                named = ", ".join(sorted(only)[:SHOWN_NAMES]) + (", ..." if len(only) > SHOWN_NAMES else "")
                yield f"{label} only in the {which} ({len(only)}): {named}"


def _names(series: Any) -> set[str]:
    if series is None:
        return set()
    return set(series.markers if hasattr(series, "markers") else series.columns)


def body_weight_N(comparison: FolderComparison) -> float | None:
    """Body weight by the first's mass, else the second's."""
    return None if comparison.mass_kg is None else comparison.mass_kg * GRAVITY
