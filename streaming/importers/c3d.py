"""A C3D file of optical markers as a session. Needs the extra ``c3d`` (ezc3d)."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kincast.streaming.importers.c3d_process import NO_EZC3D
from kincast.streaming.importers.errors import C3dFormatError, ExtraMissingError, NothingReadableError
from kincast.streaming.importers.markers import Up, import_markers, with_subject
from kincast.streaming.importers.options import ImportOptions, plausible
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.results.errors import FileMissingError, UnitsError
from kincast.streaming.results.trc import METRES_PER_UNIT

READ_LIMIT_S = 25.0
READ_LIMIT_S_PER_BYTE = 1e-6
MAX_BYTES = 1 << 30


def import_c3d(path: Path, options: ImportOptions) -> ImportedRecording:
    """Read the labelled markers of one trial; mass and height from its parameters unless the user gave them.

    A negative residual means that the marker was not seen. Angles, forces and other model outputs that are
    stored as points are left out, as are unlabelled points.

    Raises:
        ExtraMissingError: ezc3d is not installed.
        C3dFormatError: the file cannot be read.
        UnitsError: unknown units.
        NothingReadableError: no labelled marker.
        What :func:`import_markers` raises.
    """
    arrays = _arrays(path)
    losses = Losses()
    unit = str(arrays["units"][0]).strip().lower() if arrays["units"].size else "mm"
    if unit not in METRES_PER_UNIT:
        raise UnitsError(f"{path.name}: POINT:UNITS is '{unit}'; known are mm, cm, m")
    rate = float(arrays["rate"][0])
    points = arrays["points"].transpose(2, 1, 0) * METRES_PER_UNIT[unit]
    if not (np.isfinite(rate) and 1.0 <= rate <= 10000.0) or points.shape[0] == 0:
        raise C3dFormatError(
            f"{path.name}: {points.shape[0]} frames at {rate:g} Hz; there is no motion in it"
        )
    residuals = arrays["residuals"].T
    missing = ~np.isfinite(points).all(axis=2) | (points == 0.0).all(axis=2)
    if residuals.shape == missing.shape:
        missing |= residuals < 0
    points = np.where(missing[..., None], np.nan, points)
    keep, names = _markers(arrays, points.shape[1], losses)
    if not keep:
        raise NothingReadableError(f"{path.name}: no labelled marker in it")
    options = with_subject(options, *_subject(arrays), losses)
    first = int(arrays["first"][0])
    t_ns = np.array([round((first + i) * 1e9 / rate) for i in range(points.shape[0])], dtype=np.int64)
    return import_markers(
        name=path.stem,
        kind="C3D",
        t_ns=t_ns,
        markers=names,
        points_m=points[:, keep],
        stated_up=_stated_up(arrays),
        options=options,
        losses=losses,
    )


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    if not path.is_file():
        raise FileMissingError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise C3dFormatError(f"{path.name}: larger than 1 GiB, which no marker trial is")
    command = [sys.executable, "-m", "kincast.streaming.importers.c3d_process", str(path)]
    limit_s = READ_LIMIT_S + READ_LIMIT_S_PER_BYTE * path.stat().st_size
    try:
        child = subprocess.run(command, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise C3dFormatError(
            f"{path.name}: reading it took more than {limit_s:.0f} s; it is damaged"
        ) from None
    if child.returncode == NO_EZC3D:
        raise ExtraMissingError(
            f"{path.name}: C3D files need the package ezc3d; install it with: pip install 'kincast[c3d]'"
        )
    if child.returncode != 0:
        said = child.stderr.decode("utf-8", errors="replace").strip().split("\n")[-1][:200]
        raise C3dFormatError(f"{path.name}: not a readable C3D file ({said or 'the parser crashed on it'})")
    try:
        with np.load(io.BytesIO(child.stdout), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise C3dFormatError(f"{path.name}: not a readable C3D file ({error})") from None


def _markers(arrays: Mapping[str, np.ndarray], n_points: int, losses: Losses) -> tuple[list[int], list[str]]:
    """Columns and names of the real markers, without the subject's prefix."""
    computed = {str(label).strip() for label in arrays["computed"]}
    prefixes = {str(p).strip() for p in arrays["prefixes"]} | {""}
    labels = [str(label).strip() for label in arrays["labels"]][:n_points]
    people = {label.split(":", 1)[0] for label in labels if ":" in label}
    first_person = next((label.split(":", 1)[0] for label in labels if ":" in label), "")
    if len(people) > 1:
        losses.note(f"several people are in the file ({', '.join(sorted(people))}); took {first_person}")
    keep: list[int] = []
    names: list[str] = []
    for column, label in enumerate(labels):
        person, _, bare = label.rpartition(":")
        if not bare or bare.startswith("*") or label in computed or bare in computed:
            continue
        if person and len(people) > 1 and person != first_person:
            continue
        for prefix in prefixes:
            bare = bare.removeprefix(prefix) if prefix and prefix != bare else bare
        if bare in names:
            losses.note(f"marker {bare} is in the file twice; the first kept")
            continue
        keep.append(column)
        names.append(bare)
    return keep, names


def _subject(arrays: Mapping[str, np.ndarray]) -> tuple[float | None, float | None]:
    """Mass (kg) and height (m) from the parameters Vicon and others write; height is often in mm or cm."""
    numbers = {
        key.split(".")[-1].lower(): float(v[0])
        for key, v in arrays.items()
        if key.startswith("number.") and v.size
    }
    mass = next((numbers[k] for k in ("bodymass", "mass", "weight") if k in numbers), None)
    height = numbers.get("height")
    if height is not None:
        height = height / 1000.0 if height > 300 else height / 100.0 if height > 3 else height
    return plausible("mass_kg", mass), plausible("height_m", height)


def _stated_up(arrays: Mapping[str, np.ndarray]) -> Up | None:
    text = str(arrays["y_screen"][0]).strip().upper() if arrays["y_screen"].size else ""
    if text.startswith("-"):
        return None
    axis = text.lstrip("+")
    return "x" if axis == "X" else "y" if axis == "Y" else "z" if axis == "Z" else None
