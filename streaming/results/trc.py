"""TRC files: 3D points over time, tab separated (Motion Analysis; also OpenSim, Pose2Sim, AddBiomechanics).

Line 1 ``PathFileType``, line 2 field names, line 3 their values (``DataRate``, ``Units``, ...), line 4
``Frame# Time`` and one name per three columns, line 5 ``X1 Y1 Z1 ...``, maybe an empty line, then one row per frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.streaming.results.errors import TrcFormatError, UnitsError
from kincast.streaming.results.text import read_text
from kincast.streaming.results.time_order import rising

MAX_MARKERS = 4096
METRES_PER_UNIT = {
    "mm": 1e-3, "millimeters": 1e-3, "millimetres": 1e-3,
    "cm": 1e-2, "centimeters": 1e-2, "centimetres": 1e-2,
    "m": 1.0, "meters": 1.0, "metres": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Trc:
    """Points of a TRC file in metres, axes as in the file; NaN where a marker is missing.

    ``skipped_rows`` counts unreadable rows and rows that go back in time, ``missing_rows`` those that the header
    promises (NumFrames) and the file does not hold: it was cut short. ``duplicate_names`` are markers whose name was
    given again (only the first of each is kept).
    """

    name: str
    data_rate_hz: float | None
    time_s: Float64[np.ndarray, " row"]
    markers: tuple[str, ...]
    points_m: Float64[np.ndarray, "row marker 3"]
    skipped_rows: int = 0
    duplicate_names: tuple[str, ...] = ()
    missing_rows: int = 0


def read_trc(path: Path) -> Trc:
    """Read a TRC file; missing markers are empty cells, ``NaN`` or 0 0 0.

    Raises:
        FileMissingError: it cannot be opened.
        TrcFormatError: no TRC header, no marker, or no readable row.
        UnitsError: units other than mm, cm, m.
    """
    lines = read_text(path).split("\n")
    top = next((i for i, line in enumerate(lines[:20]) if line.lstrip().startswith("Frame#")), None)
    if top is None:
        raise TrcFormatError(f"{path}: no line 'Frame# Time <markers>' near the top; this is not a TRC file")
    fields = _header_fields(lines[:top])
    units = fields.get("units", "").lower()
    if units not in METRES_PER_UNIT:
        raise UnitsError(f"{path}: Units '{units}' are unknown; a TRC file is in mm, cm or m")
    names, columns, duplicates = _marker_columns(lines[top])
    if not 1 <= len(names) <= MAX_MARKERS:
        raise TrcFormatError(
            f"{path}: the line 'Frame# Time' names {len(names)} markers, not 1 to {MAX_MARKERS}"
        )
    time_s, points, skipped = _parse_rows(lines[top + 1 :], columns)
    if len(time_s) == 0:
        raise TrcFormatError(f"{path}: no readable row ({skipped} unreadable)")
    points *= METRES_PER_UNIT[units]
    points[(points == 0.0).all(axis=2)] = np.nan
    missing = max(0, _frames(fields) - len(time_s) - skipped)
    return Trc(path.name, _rate(fields), time_s, names, points, skipped, duplicates, missing)


def _header_fields(lines: Sequence[str]) -> dict[str, str]:
    for keys, values in itertools.pairwise(lines):
        split = keys.split()
        if "Units" in split:
            return {k.lower(): v for k, v in zip(split, values.split(), strict=False)}
    return {}


def _rate(fields: dict[str, str]) -> float | None:
    try:
        rate = float(fields.get("datarate", ""))
    except ValueError:
        return None
    return rate if np.isfinite(rate) and rate > 0 else None


def _frames(fields: dict[str, str]) -> int:
    """Rows that the header promises; 0 where it does not say."""
    count = fields.get("numframes", "")
    return int(count) if count.isdecimal() and len(count) < 10 else 0


def _marker_columns(line: str) -> tuple[tuple[str, ...], list[int], tuple[str, ...]]:
    """Names, the column of each name's x, and names that came again."""
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) < 3:  # some writers separate by spaces
        words = line.split()
        cells = words[:2] + [c for word in words[2:] for c in (word, "", "")]
    names: list[str] = []
    columns: list[int] = []
    duplicates: list[str] = []
    for column, cell in enumerate(cells):
        if column < 2 or not cell:
            continue
        if cell in names:
            duplicates.append(cell)
        else:
            names.append(cell)
            columns.append(column)
    return tuple(names), columns, tuple(duplicates)


def _parse_rows(
    lines: Sequence[str], columns: Sequence[int]
) -> tuple[Float64[np.ndarray, " row"], Float64[np.ndarray, "row marker 3"], int]:
    times: list[float] = []
    rows: list[list[float]] = []
    content = [line for line in lines if line.strip() and not line.lstrip().startswith("X1")]
    for line in content:
        cells = line.split("\t") if "\t" in line else line.split()
        time = _number(cells[1]) if len(cells) > 1 else np.nan
        if np.isfinite(time):
            times.append(time)
            rows.append(
                [_number(cells[c + k]) if c + k < len(cells) else np.nan for c in columns for k in range(3)]
            )
    kept = rising(times)
    times, rows = [times[i] for i in kept], [rows[i] for i in kept]
    skipped = len(content) - len(rows)
    points = np.array(rows, dtype=np.float64).reshape(len(rows), len(columns), 3)
    points[~np.isfinite(points).all(axis=2)] = np.nan
    return np.array(times, dtype=np.float64), points, skipped


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def write_trc(
    path: Path,
    time_s: Float64[np.ndarray, " row"],
    markers: Sequence[str],
    points_m: Float64[np.ndarray, "row marker 3"],
) -> None:
    """Write a TRC file in metres that OpenSim 4 opens; a missing marker (NaN) becomes empty cells.

    ``DataRate`` is the mean rate of ``time_s``; the times themselves are written to 1 ns.
    """
    n = len(time_s)
    rate = (n - 1) / float(time_s[-1] - time_s[0]) if n > 1 else 1.0
    names = "\t\t\t".join(markers)
    axes = "\t".join(f"{a}{i + 1}" for i in range(len(markers)) for a in "XYZ")
    header = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate:.6g}\t{rate:.6g}\t{n}\t{len(markers)}\tm\t{rate:.6g}\t1\t{n}",
        f"Frame#\tTime\t{names}\t\t",
        f"\t\t{axes}",
        "",
    ]
    with path.open("w", encoding="utf-8") as file:
        file.write("\n".join(header) + "\n")
        for i, (t, frame) in enumerate(zip(time_s.tolist(), points_m, strict=True)):
            cells = ["" if x != x else f"{x:.7g}" for x in frame.reshape(3 * len(markers)).tolist()]
            file.write(f"{i + 1}\t{t:.9f}\t" + "\t".join(cells) + "\n")
