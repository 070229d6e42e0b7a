"""One table of a whole session: a row per instant, a column per variable with its unit in the name."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import PELVIS_TRANSLATIONS
from kincast.offline.export_rows import even_steps, nearest_rows
from kincast.streaming.results.columns import VALID_COLUMNS
from kincast.streaming.results.reader import ResultsFolder
from kincast.streaming.results.storage import Storage

_FILE_SIDES = {"right": "r", "left": "l"}


def write_table(path: Path, results: ResultsFolder, rate_hz: float | None = None) -> int:
    """Write the table; the number of rows.

    Columns: ``time_s``; coordinates ``knee_angle_r_deg`` (OpenSim names, signs and ground axes, Y up) and their
    ``_sd``; moments ``_Nm`` and pelvis residual; ground forces (both with ``_sd`` where stated); ``activation_<muscle>`` and ``_sd``; markers
    ``marker_<name>_x_m``; ``gait_cycle_r_pct`` (0 at foot strike, empty outside strides); ``valid_kinematics``,
    ``valid_kinetics``, ``tracked`` (0 or 1). What was not measured is an empty cell.
    """
    time_s = results.kinematics.time_s
    times = time_s if rate_hz is None else even_steps(time_s, rate_hz)
    names: list[str] = ["time_s"]
    columns: list[np.ndarray] = [times]
    for found_names, values in _blocks(results, times):
        names += found_names
        columns += list(values.T)
    table = np.column_stack(columns) if len(times) else np.zeros((0, len(names)))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in table.tolist():
            writer.writerow([f"{row[0]:.9f}", *("" if v != v else f"{v:.9g}" for v in row[1:])])
    return len(times)


def _blocks(
    results: ResultsFolder, times: Float64[np.ndarray, " row"]
) -> Iterator[tuple[Sequence[str], Float64[np.ndarray, "row column"]]]:
    for series, name_of in (
        (results.kinematics, _coordinate),
        (results.kinematics_sd, _coordinate_sd),
        (results.torques, _generalised_force),
        (results.torques_sd, lambda c: _sd_of(_generalised_force(c))),
        (results.ground_forces, _ground),
        (results.ground_forces_sd, lambda c: _sd_of(_ground(c))),
        (results.residuals, lambda c: f"pelvis_residual_{c}_{'N' if c.startswith('F') else 'Nm'}"),
        (results.activations, lambda c: f"activation_{c}"),
        (results.activations_sd, lambda c: f"activation_{c}_sd"),
    ):
        if series is not None:
            yield [name_of(c) for c in series.columns], _at(series, times)
    markers = results.markers
    if markers is not None and len(markers.time_s):
        flat = markers.points_m.reshape(len(markers.time_s), -1)
        values = [np.interp(times, markers.time_s, c, left=np.nan, right=np.nan) for c in flat.T]
        yield (
            [f"marker_{name}_{axis}_m" for name in markers.markers for axis in "xyz"],
            np.column_stack(values).reshape(len(times), -1),
        )
    yield (
        [f"gait_cycle_{s}_pct" for s in _FILE_SIDES.values()],
        np.column_stack([_cycle(results, side, times) for side in _FILE_SIDES]),
    )
    yield from _flags(results, times)


def _at(series: Storage, times: Float64[np.ndarray, " row"]) -> Float64[np.ndarray, "row column"]:
    if len(series.time_s) == len(times) and np.array_equal(series.time_s, times):
        return series.values
    return series.at(times, series.columns)


def _coordinate(name: str) -> str:
    return f"{name}_m" if name in PELVIS_TRANSLATIONS else f"{name}_deg"


def _coordinate_sd(name: str) -> str:
    base = name.removesuffix("_within")
    return f"{base}_sd{'_within' if base != name else ''}_{_coordinate(base).rsplit('_', 1)[1]}"


def _generalised_force(name: str) -> str:
    return f"{name}_N" if name.endswith("_force") else f"{name}_Nm"


def _sd_of(name: str) -> str:
    """``x_Nm`` -> ``x_sd_Nm``."""
    base, unit = name.rsplit("_", 1)
    return f"{base}_sd_{unit}"


def _ground(name: str) -> str:
    if "torque" in name:
        return f"{name}_Nm"
    return f"{name}_N" if name[-2] == "v" else f"{name}_m"


def _cycle(results: ResultsFolder, side: str, times: Float64[np.ndarray, " row"]) -> np.ndarray:
    percent = np.full(len(times), np.nan)
    gait = results.gait
    if gait is None or {"side", "foot_strike_s", "next_foot_strike_s"} - set(gait.columns):
        return percent
    starts, ends = gait.numbers("foot_strike_s"), gait.numbers("next_foot_strike_s")
    for of, start, end in zip(gait.text("side"), starts.tolist(), ends.tolist(), strict=True):
        if of == side and end > start:
            inside = (times >= start) & (times < end)
            percent[inside] = 100.0 * (times[inside] - start) / (end - start)
    return percent


def _flags(
    results: ResultsFolder, times: Float64[np.ndarray, " row"]
) -> Iterator[tuple[Sequence[str], Float64[np.ndarray, "row column"]]]:
    table = results.valid
    if table is None or "time_s" not in table.columns or not table.rows:
        return
    rows = nearest_rows(table.numbers("time_s"), times)
    for name in VALID_COLUMNS[1:]:
        if name in table.columns:
            shown = name if name == "tracked" else f"valid_{name}"
            yield [shown], table.numbers(name)[rows][:, None]
