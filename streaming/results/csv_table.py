"""Small comma-separated tables with one header line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.streaming.results.errors import TableFormatError
from kincast.streaming.results.text import read_text


@dataclass(frozen=True)
class CsvTable:
    """Cells as text. ``skipped_rows`` counts rows with another number of cells than the header."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    skipped_rows: int = 0

    def text(self, column: str) -> tuple[str, ...]:
        """One column. Raises :class:`TableFormatError` if there is none of that name."""
        if column not in self.columns:
            raise TableFormatError(f"{self.name}: no column '{column}'; there are {', '.join(self.columns)}")
        index = self.columns.index(column)
        return tuple(row[index] for row in self.rows)

    def numbers(self, column: str) -> Float64[np.ndarray, " row"]:
        """One column as numbers, NaN where a cell is none."""
        return np.array([_number(cell) for cell in self.text(column)], dtype=np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def read_csv(path: Path) -> CsvTable:
    """Read a table.

    Raises:
        FileMissingError: it cannot be opened.
        TableFormatError: it is empty or names a column twice.
    """
    try:
        lines = [
            tuple(cell.strip() for cell in row)
            for row in csv.reader(io.StringIO(read_text(path).replace("\0", "")))
            if row
        ]
    except csv.Error as error:
        raise TableFormatError(f"{path}: not a readable table ({error})") from None
    if not lines or not any(lines[0]):
        raise TableFormatError(f"{path}: empty; the first line must name the columns")
    header = lines[0]
    if len(set(header)) != len(header):
        raise TableFormatError(f"{path}: a column is named twice ({', '.join(header)})")
    rows = tuple(row for row in lines[1:] if len(row) == len(header))
    return CsvTable(path.name, header, rows, len(lines) - 1 - len(rows))


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; cells are text already."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
