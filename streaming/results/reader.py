"""Reading a results folder back, whoever wrote it: files that are absent are None, damaged ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kincast.models.body.parameters import BodyParameters
from kincast.models.camera import Camera
from kincast.streaming.results import columns
from kincast.streaming.results.cameras_toml import read_cameras
from kincast.streaming.results.csv_table import CsvTable, read_csv
from kincast.streaming.results.errors import FileMissingError, JsonFormatError
from kincast.streaming.results.storage import Storage, read_storage
from kincast.streaming.results.text import read_text
from kincast.streaming.results.trc import Trc, read_trc

T = TypeVar("T")


@dataclass(frozen=True)
class ResultsFolder:
    """The files of a results folder, units and axes as in the files (see DESIGN.md, or :mod:`columns`)."""

    path: Path
    kinematics: Storage
    kinematics_sd: Storage | None
    torques: Storage | None
    ground_forces: Storage | None
    residuals: Storage | None
    activations: Storage | None
    activations_sd: Storage | None
    torques_sd: Storage | None
    ground_forces_sd: Storage | None
    valid: CsvTable | None
    events: CsvTable | None
    gait: CsvTable | None
    markers: Trc | None
    body: BodyParameters | None
    cameras: tuple[Camera, ...]
    summary: Mapping[str, Any]


def read_results(folder: Path) -> ResultsFolder:
    """Read what is there.

    Raises:
        FileMissingError: no such folder, or no kinematics.mot in it.
        StorageFormatError, TrcFormatError, TableFormatError, JsonFormatError, CalibrationFormatError,
        BodyParametersError: a file that is there is damaged.
    """
    if not folder.is_dir():
        raise FileMissingError(
            f"{folder}: no such folder; results are what kincast replay or refit wrote with -o"
        )
    if not (folder / columns.KINEMATICS).is_file():
        raise FileMissingError(f"{folder}: no {columns.KINEMATICS} in it, so it is not a results folder")
    return ResultsFolder(
        path=folder,
        kinematics=read_storage(folder / columns.KINEMATICS),
        kinematics_sd=_if_there(folder / columns.KINEMATICS_SD, read_storage),
        torques=_if_there(folder / columns.TORQUES, read_storage),
        ground_forces=_if_there(folder / columns.GROUND_FORCES, read_storage),
        residuals=_if_there(folder / columns.RESIDUALS, read_storage),
        activations=_if_there(folder / columns.ACTIVATIONS, read_storage),
        activations_sd=_if_there(folder / columns.ACTIVATIONS_SD, read_storage),
        torques_sd=_if_there(folder / columns.TORQUES_SD, read_storage),
        ground_forces_sd=_if_there(folder / columns.GROUND_FORCES_SD, read_storage),
        valid=_if_there(folder / columns.VALID, read_csv),
        events=_if_there(folder / columns.EVENTS, read_csv),
        gait=_if_there(folder / columns.GAIT, read_csv),
        markers=_if_there(folder / columns.MARKERS, read_trc),
        body=_if_there(folder / columns.BODY, lambda p: BodyParameters.from_json(read_text(p))),
        cameras=_if_there(folder / columns.CAMERAS, lambda p: read_cameras(p, at_least=0)) or (),
        summary=_if_there(folder / columns.SUMMARY, read_json_object) or {},
    )


def _if_there(path: Path, read: Callable[[Path], T]) -> T | None:
    return read(path) if path.is_file() else None


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object.

    Raises:
        FileMissingError: it cannot be opened.
        JsonFormatError: it does not parse or holds something else.
    """
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise JsonFormatError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(document, dict):
        raise JsonFormatError(f"{path}: must hold one object of names and values")
    return document
