"""OpenSim storage files: motions (.mot) and generic tables (.sto).

Format: free header lines, of which ``nRows=``, ``nColumns=`` and ``inDegrees=`` (or SIMM's ``datarows``,
``datacolumns``) are read, a line ``endheader``, one line of column names, then one row per instant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.streaming.results.errors import StorageFormatError
from kincast.streaming.results.text import read_text
from kincast.streaming.results.time_order import rising

_IN_DEGREES = re.compile(r"^\s*indegrees\s*=\s*(\w+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Storage:
    """A time series. ``time_s`` rises; ``values`` has one column per name (time is not among them).

    ``skipped_rows`` counts rows of the file that were unreadable, incomplete or went back in time.
    """

    name: str
    time_s: Float64[np.ndarray, " row"]
    columns: tuple[str, ...]
    values: Float64[np.ndarray, "row column"]
    in_degrees: bool
    skipped_rows: int = 0

    def column(self, name: str) -> Float64[np.ndarray, " row"]:
        """One column. Raises :class:`StorageFormatError` listing the columns if there is none of that name."""
        if name not in self.columns:
            raise StorageFormatError(f"{self.name}: no column '{name}'; there are {', '.join(self.columns)}")
        return self.values[:, self.columns.index(name)]

    def at(self, time_s: np.ndarray, names: Sequence[str]) -> Float64[np.ndarray, "query column"]:
        """The named columns interpolated linearly at ``time_s``; NaN outside the record."""
        if len(self.time_s) == 0:
            return np.full((len(time_s), len(names)), np.nan)
        return np.column_stack(
            [np.interp(time_s, self.time_s, self.column(n), left=np.nan, right=np.nan) for n in names]
        ).reshape(len(time_s), len(names))


def read_storage(path: Path) -> Storage:
    """Read a .mot or .sto file.

    Raises:
        FileMissingError: it cannot be opened.
        StorageFormatError: no header, no column of times, or no readable row at all.
    """
    lines = read_text(path).split("\n")
    end = next((i for i, line in enumerate(lines) if line.strip().lower() == "endheader"), None)
    if end is None:
        raise StorageFormatError(f"{path}: no line 'endheader'; this is not an OpenSim .mot or .sto file")
    header = "\n".join(lines[:end])
    match = _IN_DEGREES.search(header)
    in_degrees = match is not None and match.group(1).lower() in ("yes", "true", "1")
    if match is None:  # SIMM motions and old OpenSim files say so in words
        in_degrees = "degrees" in header.lower()
    body = [line for line in lines[end + 1 :] if line.strip()]
    if not body:
        raise StorageFormatError(f"{path}: nothing after 'endheader'")
    names = [name.strip() for name in body[0].split("\t")]
    if len([n for n in names if n]) < 2:
        names = body[0].split()
    names = [name for name in names if name]
    if not names or names[0].lower() != "time":
        raise StorageFormatError(f"{path}: the first column must be 'time', not {names[:1]}")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise StorageFormatError(f"{path}: columns given twice: {', '.join(twice)}")
    rows, skipped = _parse_rows(body[1:], len(names))
    if len(rows) == 0:
        raise StorageFormatError(f"{path}: no readable row of {len(names)} numbers ({skipped} unreadable)")
    return Storage(path.name, rows[:, 0], tuple(names[1:]), rows[:, 1:], in_degrees, skipped)


def _parse_rows(lines: Sequence[str], width: int) -> tuple[Float64[np.ndarray, "row column"], int]:
    """Rows of exactly ``width`` numbers whose time is finite and rises; how many others there were."""
    whole = _parse_whole(lines, width)
    if whole is not None:
        return whole, 0
    rows: list[list[float]] = []
    for line in lines:
        try:
            row = [float(cell) for cell in line.split()]
        except ValueError:
            continue
        if len(row) == width and np.isfinite(row[0]):
            rows.append(row)
    rows = [rows[i] for i in rising([row[0] for row in rows])]
    return np.array(rows, dtype=np.float64).reshape(len(rows), width), len(lines) - len(rows)


def _parse_whole(lines: Sequence[str], width: int) -> Float64[np.ndarray, "row column"] | None:
    """All rows at once where nothing is wrong with any of them, which is ten times faster; else None."""
    if not lines:
        return None
    try:
        rows = np.loadtxt(lines, dtype=np.float64, ndmin=2, comments=None)
    except (ValueError, OverflowError):
        return None
    times = rows[:, 0]
    sound = (
        rows.shape == (len(lines), width) and np.isfinite(times).all() and bool((np.diff(times) > 0).all())
    )
    return rows if sound else None


def write_storage(
    path: Path,
    name: str,
    time_s: Float64[np.ndarray, " row"],
    columns: Sequence[str],
    values: Float64[np.ndarray, "row column"],
    *,
    in_degrees: bool,
) -> None:
    """Write a .mot or .sto file that OpenSim 4 opens. All numbers must be finite (ValueError otherwise: our bug)."""
    if not (np.isfinite(values).all() and np.isfinite(time_s).all()):
        raise ValueError(f"{path.name}: a results file holds finite numbers only")
    header = [
        name,
        "version=1",
        f"nRows={len(time_s)}",
        f"nColumns={len(columns) + 1}",
        f"inDegrees={'yes' if in_degrees else 'no'}",
        "endheader",
        "\t".join(["time", *columns]),
    ]
    with path.open("w", encoding="utf-8") as file:
        file.write("\n".join(header) + "\n")
        for t, row in zip(time_s.tolist(), values, strict=True):
            file.write(f"{t:.9f}\t" + "\t".join(map("{:.9g}".format, (row + 0.0).tolist())) + "\n")  # no "-0"
