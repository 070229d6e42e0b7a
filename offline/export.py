"""``kincast export``: a results folder as one file that other programs open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from kincast.models.errors import UserMistakeError
from kincast.offline.export_c3d import write_c3d
from kincast.offline.export_csv import write_table
from kincast.offline.export_rows import even_steps
from kincast.streaming.results.errors import FileMissingError
from kincast.streaming.results.reader import ResultsFolder, read_results
from kincast.streaming.results.storage import Storage, write_storage
from kincast.streaming.results.trc import write_trc

Kind = Literal["c3d", "csv", "trc", "mot", "sto"]
Content = Literal[
    "kinematics", "kinematics_sd", "grf", "grf_sd", "torques", "torques_sd", "residuals", "activations", "activations_sd",
]  # fmt: skip
RATE_HZ = (1.0, 2000.0)


class ExportError(UserMistakeError):
    """What was asked for cannot be exported from this folder."""


@dataclass(frozen=True)
class ExportOptions:
    """``content``: which series a .mot or .sto holds. ``rate_hz``: rows at even steps of this rate (c3d: always even)."""

    kind: Kind
    content: Content = "kinematics"
    rate_hz: float | None = None


def export(folder: Path, output: Path, options: ExportOptions) -> int:
    """Write one file; the number of rows in it.

    Raises:
        FileMissingError: the folder cannot be read or the file cannot be written.
        ExportError, TooManyRowsError: the folder lacks what was asked for, or the rate is impossible.
        ExtraMissingError: ezc3d is not installed. The readers' errors.
    """
    if options.kind not in get_args(Kind):
        raise ExportError(f"--to {options.kind}: unknown; valid: {', '.join(get_args(Kind))}")
    if options.rate_hz is not None and not RATE_HZ[0] <= options.rate_hz <= RATE_HZ[1]:
        raise ExportError(f"--rate {options.rate_hz:g}: valid are {RATE_HZ[0]:g} to {RATE_HZ[1]:g} Hz")
    results = read_results(folder)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return _write(results, output, options)
    except OSError as error:
        raise FileMissingError(f"{output}: cannot be written ({error.strerror or error})") from None


def _write(results: ResultsFolder, output: Path, options: ExportOptions) -> int:
    if options.kind == "csv":
        return write_table(output, results, options.rate_hz)
    if options.kind == "c3d":
        return write_c3d(output, results, options.rate_hz)
    if options.kind == "trc":
        return _trc(output, results, options.rate_hz)
    series = _series(results, options.content)
    times, values = series.time_s, series.values
    if options.rate_hz is not None:
        times = even_steps(series.time_s, options.rate_hz)
        values = series.at(times, series.columns)
    if not np.isfinite(values).all():
        raise ExportError(f"{results.path}: {series.name} holds numbers that are not finite")
    write_storage(output, output.stem, times, series.columns, values, in_degrees=series.in_degrees)
    return len(times)


def _series(results: ResultsFolder, content: str) -> Storage:
    there = {
        "kinematics": results.kinematics,
        "kinematics_sd": results.kinematics_sd,
        "grf": results.ground_forces,
        "grf_sd": results.ground_forces_sd,
        "torques": results.torques,
        "torques_sd": results.torques_sd,
        "residuals": results.residuals,
        "activations": results.activations,
        "activations_sd": results.activations_sd,
    }
    series = there.get(content)
    if series is None:
        having = ", ".join(name for name, s in there.items() if s is not None)
        raise ExportError(f"{results.path}: no {content} in this folder; there are {having}")
    return series


def _trc(output: Path, results: ResultsFolder, rate_hz: float | None) -> int:
    markers = results.markers
    if markers is None:
        raise ExportError(
            f"{results.path}: no markers.trc in this folder, so there is nothing to write as TRC"
        )
    times, points = markers.time_s, markers.points_m
    if rate_hz is not None:
        times = even_steps(markers.time_s, rate_hz)
        flat = points.reshape(len(points), -1)
        columns = [np.interp(times, markers.time_s, c) for c in flat.T]  # a missing neighbour leaves a gap
        points = np.column_stack(columns).reshape(len(times), -1, 3)
    write_trc(output, times, markers.markers, points)
    return len(times)
