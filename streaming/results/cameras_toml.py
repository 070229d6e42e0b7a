"""Calibration files in Pose2Sim's dialect of the aniposelib TOML: one table per camera.

``name``, ``size`` [w, h] px, ``matrix`` 3x3, ``distortions`` (4, 5 or 8 numbers, OpenCV order; fisheye 4),
``rotation`` (Rodrigues, world to camera), ``translation`` (metres), ``fisheye``; plus ``[metadata]``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.models.camera import Camera
from kincast.streaming.results.errors import CalibrationFormatError, DuplicateCameraError, UnitsError
from kincast.streaming.results.text import read_text

MAX_DISTANCE_M = 100.0
"""No camera of a gait laboratory stands further from the origin; a larger translation is in mm or cm."""
_RESERVED = ("metadata", "capture_volume")


def read_cameras(path: Path, *, at_least: int = 1) -> tuple[Camera, ...]:
    """Cameras of a calibration file, in file order; fewer than ``at_least`` are refused.

    Raises:
        FileMissingError: it cannot be opened.
        CalibrationFormatError: not TOML, too few cameras, a field missing, of the wrong shape or impossible.
        DuplicateCameraError: two cameras with one name.
        UnitsError: translations that cannot be metres.
    """
    try:
        document = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        message = str(error)
        if "twice" in message or "overwrite" in message.lower() or "already" in message.lower():
            raise DuplicateCameraError(
                f"{path}: two tables of one name ({message}); give every camera its own name"
            ) from None
        raise CalibrationFormatError(f"{path}: not a readable TOML file ({message})") from None
    tables = {
        k: v for k, v in document.items() if k not in _RESERVED and isinstance(v, dict) and "matrix" in v
    }
    if len(tables) < at_least:
        raise CalibrationFormatError(
            f"{path}: no camera; a camera is a table with name, size, matrix, distortions, rotation, translation"
        )
    cameras = tuple(_camera(path, key, table) for key, table in tables.items())
    names = [camera.name for camera in cameras]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DuplicateCameraError(
            f"{path}: two cameras are named {', '.join(twice)}; give every camera its own name"
        )
    return cameras


def _camera(path: Path, key: str, table: Mapping[str, object]) -> Camera:
    where = f"{path}, camera '{key}'"
    name = table.get("name", key)
    if not isinstance(name, str) or not name.strip():
        raise CalibrationFormatError(f"{where}: 'name' must be a text, not {name!r}")
    size = _numbers(where, table, "size", (2,))
    matrix = _numbers(where, table, "matrix", (3, 3))
    rotation = _numbers(where, table, "rotation", (3,))
    translation = _numbers(where, table, "translation", (3,))
    fisheye = table.get("fisheye", False)
    if not isinstance(fisheye, bool):
        raise CalibrationFormatError(f"{where}: 'fisheye' must be true or false, not {fisheye!r}")
    given = np.atleast_1d(_numbers(where, table, "distortions", None))
    allowed = (4,) if fisheye else (0, 4, 5, 8)
    padded = len(given) > max(allowed) and not np.any(given[max(allowed) :])
    if len(given) not in allowed and not padded:
        raise CalibrationFormatError(
            f"{where}: 'distortions' has {given.size} numbers; OpenCV's model has "
            + ("4 (fisheye k1..k4)" if fisheye else "4 (k1 k2 p1 p2), 5 (+ k3) or 8 (+ k4 k5 k6)")
        )
    distortions = np.zeros(8)
    distortions[: min(len(given), 8)] = given[:8]
    if not (1 <= size[0] <= 65536 and 1 <= size[1] <= 65536):
        raise CalibrationFormatError(
            f"{where}: 'size' must be width and height in pixels, not {size.tolist()}"
        )
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.array_equal(matrix[2], [0.0, 0.0, 1.0]):
        raise CalibrationFormatError(
            f"{where}: 'matrix' must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0"
        )
    if matrix[1, 0] != 0 or abs(matrix[0, 1]) > 1e-6 * matrix[0, 0]:
        raise CalibrationFormatError(f"{where}: 'matrix' has skew, which OpenCV's camera model does not know")
    distance = float(np.linalg.norm(translation))
    if distance > MAX_DISTANCE_M:
        raise UnitsError(
            f"{where}: the translation is {distance:.0f} long; it must be in metres (this looks like millimetres)"
        )
    return Camera(
        name=name.strip(),
        size_px=(round(float(size[0])), round(float(size[1]))),
        matrix=matrix,
        distortions=distortions,
        rotation=rotation,
        translation=translation,
        fisheye=fisheye,
    )


def _numbers(
    where: str, table: Mapping[str, object], key: str, shape: tuple[int, ...] | None
) -> Float64[np.ndarray, "..."]:
    if key not in table:
        raise CalibrationFormatError(f"{where}: '{key}' is missing")
    try:
        values = np.array(table[key], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise CalibrationFormatError(f"{where}: '{key}' must hold numbers, not {table[key]!r}") from None
    if key in ("rotation", "translation", "distortions"):
        values = values.reshape(-1)  # some writers nest them as column vectors
    if shape is not None and values.shape != shape:
        raise CalibrationFormatError(
            f"{where}: '{key}' must have shape {list(shape)}, not {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise CalibrationFormatError(f"{where}: '{key}' holds a number that is not finite")
    return values


def write_cameras(
    path: Path, cameras: Sequence[Camera], *, adjusted: bool = False, error_px: float = 0.0
) -> None:
    """Write a calibration file (Z-up world, metres). ``adjusted``: the calibration was refined by a fit."""
    blocks = []
    for camera in cameras:
        count = 4 if camera.fisheye else (8 if np.any(camera.distortions[5:]) else 5)
        rows = ", ".join(_array(row) for row in camera.matrix)
        blocks.append(
            f"[{_key(camera.name)}]\n"
            f"name = {_quoted(camera.name)}\n"
            f"size = [ {camera.size_px[0]}, {camera.size_px[1]} ]\n"
            f"matrix = [ {rows} ]\n"
            f"distortions = {_array(camera.distortions[:count])}\n"
            f"rotation = {_array(camera.rotation)}\n"
            f"translation = {_array(camera.translation)}\n"
            f"fisheye = {'true' if camera.fisheye else 'false'}\n"
        )
    blocks.append(f"[metadata]\nadjusted = {'true' if adjusted else 'false'}\nerror = {error_px!r}\n")
    path.write_text("\n".join(blocks), encoding="utf-8")


def _array(values: Sequence[float] | np.ndarray) -> str:
    return "[ " + ", ".join(repr(float(v)) for v in values) + " ]"


def _quoted(text: str) -> str:
    return json.dumps(text)  # JSON's escapes are TOML's basic string escapes


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _quoted(name)
