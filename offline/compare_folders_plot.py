"""Two results folders as a picture: over time where they share one, else over the gait cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.offline.angle_errors import MAIN
from kincast.offline.compare_cycles import walked
from kincast.offline.compare_folders import FolderSides, at, walking_axes
from kincast.offline.compare_panels import Panel, Trace, draw
from kincast.offline.force_errors import our_feet
from kincast.offline.report.curves import PERCENT, Ensemble
from kincast.offline.report.motion import GROUPS
from kincast.offline.report.strides import SIDES
from kincast.streaming.results import columns
from kincast.streaming.results.reader import ResultsFolder
from kincast.streaming.results.storage import Storage

SHOWN_S = 8.0
"""Of a long session the first common seconds are shown."""


def plot_folders(sides: FolderSides, path: Path) -> None:
    """Write the picture.

    Raises:
        PictureError: an unknown format, nothing in common, or the file cannot be written.
        The readers' errors and ReportInputError.
    """
    names = sides.first.path.name or "first", sides.second.path.name or "second"
    if names[0] == names[1]:
        names = f"first: {names[0]}", f"second: {names[1]}"
    if sides.clock.by == "cycle":
        panels = list(_cycle_panels(sides.first.path, sides.second.path))
        note = "mean curves; band: 2 sd between strides"
        draw(panels, path, names=names, note=note, x_label="% of the gait cycle", x_range=(0.0, 100.0))
        return
    times = sides.first.kinematics.time_s
    common = np.flatnonzero(np.isfinite(at(sides.second.kinematics, times - sides.clock.offset_s, sides.second.kinematics.columns[:1])[:, 0]))  # fmt: skip
    begin, end = (times[common[0]], times[common[-1]]) if len(common) else (times[0], times[-1])
    draw(
        list(_time_panels(sides)),
        path,
        names=names,
        note="band: 2 sd; grey: not valid on one side; lines: foot strikes",
        x_label="session time of the first (s)",
        x_range=(float(begin), float(min(end, begin + SHOWN_S))),
    )


def _time_panels(sides: FolderSides) -> Iterator[Panel]:
    a, b, offset = sides.first, sides.second, sides.clock.offset_s
    times = a.kinematics.time_s
    for name in MAIN:
        yield Panel(
            f"{name} (deg)",
            _trace(a.kinematics, name, 0.0, a.kinematics_sd),
            _trace(b.kinematics, name, offset, b.kinematics_sd),
            times,
            ~sides.angles_count,
            _strikes(sides, name[-1]),
        )
    for name in MAIN:
        yield Panel(
            f"{name}_moment (N m)",
            _trace(a.torques, f"{name}_moment", 0.0, a.torques_sd),
            _trace(b.torques, f"{name}_moment", offset, b.torques_sd),
            times,
            ~sides.forces_count,
        )
    one, other = (_force(sides, r, shift) for r, shift in ((a, 0.0), (b, offset)))
    for foot, side in enumerate(("right", "left")):
        for axis, label in ((2, "vertical"), (0, "fore-aft"), (1, "mediolateral")):
            vertical = f"ground_force_{side[0]}_vy" if axis == 2 else ""
            yield Panel(
                f"{side} force, {label} (N)",
                None if one is None else Trace(one[0], one[1][:, foot, axis], _sd(a, vertical)),
                None if other is None else Trace(other[0], other[1][:, foot, axis], _sd(b, vertical)),
                times,
                ~sides.forces_count,
            )
    for side in "rl":
        for group in ("Soleus", "Vasti", "Gluteus maximus", "Tibialis anterior"):
            yield Panel(
                f"{group}, {'right' if side == 'r' else 'left'} (activation)",
                _group(a.activations, group, side, 0.0),
                _group(b.activations, group, side, offset),
                times,
                ~sides.forces_count,
            )


def _trace(series: Storage | None, name: str, shift_s: float, sd: Storage | None = None) -> Trace | None:
    if series is None or name not in series.columns:
        return None
    known = sd is not None and name in sd.columns and len(sd.time_s) == len(series.time_s)
    return Trace(
        series.time_s + shift_s, series.column(name), sd.column(name) if sd is not None and known else None
    )


def _group(series: Storage | None, group: str, side: str, shift_s: float) -> Trace | None:
    names = (
        [] if series is None else [f"{m}_{side}" for m in GROUPS[group] if f"{m}_{side}" in series.columns]
    )
    if series is None or not names:
        return None
    return Trace(series.time_s + shift_s, np.mean([series.column(n) for n in names], axis=0))


def _force(
    sides: FolderSides, results: ResultsFolder, shift_s: float
) -> tuple[Float64[np.ndarray, " row"], Float64[np.ndarray, "row 2 3"]] | None:
    grf = results.ground_forces
    if grf is None or set(columns.FOOT_COLUMNS) - set(grf.columns):
        return None
    times = grf.time_s + shift_s
    return times, walking_axes(sides, times)(our_feet(grf)[0])


def _sd(results: ResultsFolder, column: str) -> Float64[np.ndarray, " row"] | None:
    """Of a column of grf.mot whose axis is the walking axis too; None for the others."""
    grf, sd = results.ground_forces, results.ground_forces_sd
    if grf is None or sd is None or column not in sd.columns or len(sd.time_s) != len(grf.time_s):
        return None
    return sd.column(column)


def _strikes(sides: FolderSides, side: str) -> Sequence[tuple[float, str]]:
    word = "right" if side == "r" else "left"
    found: list[tuple[float, str]] = []
    for results, shift, which in (
        (sides.first, 0.0, "first"),
        (sides.second, sides.clock.offset_s, "second"),
    ):
        events = results.events
        if events is not None and {"time_s", "side", "event"} <= set(events.columns):
            rows = zip(events.numbers("time_s"), events.text("side"), events.text("event"), strict=True)
            found += [(float(t) + shift, which) for t, s, e in rows if (s, e) == (word, "foot_strike")]
    return found


def _cycle_panels(first: Path, second: Path) -> Iterator[Panel]:
    a, b = walked(first), walked(second)
    for key in (k for k in a.curves if k in b.curves):
        for side in SIDES:
            one, other = (_mean(curves.curves, key, side) for curves in (a, b))
            if one is not None and other is not None:
                kind = a.curves[key].kind
                yield Panel(f"{kind.label}, {side} ({kind.unit})", one, other)


def _mean(curves: Mapping[str, Ensemble], key: str, side: str) -> Trace | None:
    mean, sd = curves[key].mean(side), curves[key].sd(side)
    return None if mean is None else Trace(PERCENT, mean, sd)
