"""Writing the results folder: the same files for live, replay and refit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import COORDINATES
from kincast.streaming.marker_columns import MarkerColumns
from kincast.streaming.messages import GaitEvent, Message, Stride
from kincast.streaming.results import columns
from kincast.streaming.results.cameras_toml import write_cameras
from kincast.streaming.results.csv_table import write_csv
from kincast.streaming.results.errors import FileMissingError
from kincast.streaming.results.ground_frame import to_opensim
from kincast.streaming.results.lost import LossAccount
from kincast.streaming.results.reprojection import reprojection_errors
from kincast.streaming.results.session import RunFacts, SessionResults
from kincast.streaming.results.storage import write_storage
from kincast.streaming.results.summary import summarise
from kincast.streaming.results.trc import write_trc

SIDE_OF = {"r": "right", "l": "left"}


def write_results(
    folder: Path,
    results: SessionResults,
    facts: RunFacts,
    inputs: Iterable[Message] = (),
    twin_coordinates: Float64[np.ndarray, "row 40"] | None = None,
) -> None:
    """Write all files; an existing folder is written into, file by file.

    Args:
        results: the rows; may be none at all.
        facts: what else summary.json, body.json and cameras.toml hold.
        inputs: what the engine heard, for the reprojection figures and the account of what was lost.
        twin_coordinates: the simulated body's coordinates on the same rows.

    Raises:
        FileMissingError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, results, facts, inputs, twin_coordinates)
    except OSError as error:
        raise FileMissingError(f"cannot write results to {folder}: {error.strerror or error}") from None


def _write(
    folder: Path,
    results: SessionResults,
    facts: RunFacts,
    inputs: Iterable[Message],
    twin_coordinates: Float64[np.ndarray, "row 40"] | None,
) -> None:
    for name in columns.OPTIONAL:  # an earlier run may have left one that this run does not write
        (folder / name).unlink(missing_ok=True)
    time_s = session_time(results, facts)
    _motion(folder / columns.KINEMATICS, "kinematics", time_s, results.coordinates)
    if twin_coordinates is not None:
        _motion(folder / columns.TWIN_KINEMATICS, "twin_kinematics", time_s, twin_coordinates)
    sd = np.stack([results.coordinates_sd, results.coordinates_sd_within], axis=2)
    tables: list[tuple[str, Sequence[str], np.ndarray]] = [
        (columns.KINEMATICS_SD, columns.SD_COLUMNS, sd.reshape(len(sd), len(columns.SD_COLUMNS))),
        (columns.TORQUES, columns.TORQUE_COLUMNS, results.torques),
        (
            columns.GROUND_FORCES,
            columns.FOOT_COLUMNS,
            _foot_table(results.force, results.cop, results.free_torque),
        ),
        (columns.RESIDUALS, columns.RESIDUAL_COLUMNS, _residual_table(results)),
    ]
    if results.kinetics_sd is not None:
        spread = results.kinetics_sd
        tables.append((columns.TORQUES_SD, columns.TORQUE_COLUMNS, spread.torques))
        tables.append(
            (
                columns.GROUND_FORCES_SD,
                columns.FOOT_COLUMNS,
                np.abs(_foot_table(spread.force, spread.cop, spread.free_torque)),
            )
        )
    if results.muscles:
        tables.append((columns.ACTIVATIONS, results.muscles, results.activations))
        tables.append((columns.ACTIVATIONS_SD, results.muscles, results.activations_sd))
    for name, names, values in tables:
        in_degrees = name == columns.KINEMATICS_SD
        write_storage(folder / name, name.split(".")[0], time_s, names, values, in_degrees=in_degrees)
    write_csv(folder / columns.VALID, columns.VALID_COLUMNS, _valid_rows(time_s, results))
    write_csv(
        folder / columns.EVENTS,
        columns.EVENT_COLUMNS,
        [_event_row(event, facts.header.start_ns) for event in results.events],
    )
    write_csv(folder / columns.GAIT, columns.GAIT_COLUMNS, [_stride_row(s) for s in results.strides])
    write_trc(folder / columns.MARKERS, time_s, results.site_names, to_opensim(results.sites))
    (folder / columns.BODY).write_text(facts.body.to_json() + "\n", encoding="utf-8")
    write_cameras(folder / columns.CAMERAS, facts.cameras, adjusted=facts.cameras_adjusted)
    lost = LossAccount()
    columns_of_markers = MarkerColumns.between(facts.header.marker_names, results.site_names)
    reprojection = reprojection_errors(
        results.t_ns, results.sites, facts.cameras, lost.watch(inputs), columns_of_markers
    )
    summary = summarise(results, facts, reprojection, lost)
    (folder / columns.SUMMARY).write_text(
        json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )


def session_time(results: SessionResults, facts: RunFacts) -> Float64[np.ndarray, " row"]:
    """Seconds since the earliest picture."""
    return (results.t_ns - facts.header.start_ns).astype(np.float64) * 1e-9


def _motion(
    path: Path, name: str, time_s: Float64[np.ndarray, " row"], coordinates: Float64[np.ndarray, "row 40"]
) -> None:
    write_storage(path, name, time_s, COORDINATES, coordinates, in_degrees=True)


def _foot_table(
    force: Float64[np.ndarray, "row 2 3"],
    cop: Float64[np.ndarray, "row 2 3"],
    free_torque: Float64[np.ndarray, "row 2 3"],
) -> Float64[np.ndarray, "row 18"]:
    stacked = np.stack([force, cop, free_torque], axis=2)  # row, foot, kind, xyz
    return to_opensim(stacked).reshape(len(force), 18)


def _residual_table(results: SessionResults) -> Float64[np.ndarray, "row 6"]:
    rows = len(results.t_ns)
    return to_opensim(results.residual.reshape(rows, 2, 3)).reshape(rows, 6)


def _valid_rows(time_s: Float64[np.ndarray, " row"], results: SessionResults) -> list[list[str]]:
    flags = np.stack([results.kinematics_valid, results.kinetics_valid, results.tracked], axis=1).astype(int)
    return [
        [f"{t:.9f}", *(str(f) for f in row)] for t, row in zip(time_s.tolist(), flags.tolist(), strict=True)
    ]


def _event_row(event: GaitEvent, start_ns: int) -> list[str]:
    return [
        f"{(event.t_ns - start_ns) * 1e-9:.6f}",
        SIDE_OF.get(event.side, event.side),
        event.event,
        _cell(event.sd_s),
        f"{(event.emitted_ns - start_ns) * 1e-9:.6f}",
    ]


def _stride_row(stride: Stride) -> list[str]:
    measures = [_cell(stride.values.get(name), name) for name in columns.STRIDE_MEASURES]
    spread = [_cell(stride.sd.get(name)) for name in columns.STRIDE_MEASURES]
    return [SIDE_OF.get(stride.side, stride.side), *measures, *spread]


def _cell(value: float | None, name: str = "") -> str:
    """A number, or an empty cell where it was not measured; instants to the microsecond."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.6f}" if name.endswith("_s") and not name.endswith("_m_s") else f"{value:.6g}"
