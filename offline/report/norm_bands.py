"""Normative bands: mean and standard deviation of healthy people, from a file that must say whose they are.

JSON::

    {"citation": "Authors, year, journal", "population": "who and how many", "licence": "...",
     "curves": {"knee_flexion": {"percent": [0, 2, ...], "mean": [...], "sd": [...]}},
     "measures": {"stride_length_m": {"mean": 1.4, "sd": 0.1}}}

CSV: lines ``# citation: ...`` and ``# population: ...``, then ``variable,percent,mean,sd``; a measure has an empty
``percent``. Variables are the report's own (:data:`~kincast.offline.report.curves.CURVE_KEYS` and the keys of the gait
table), with its units and signs. Optional: ``licence``, ``speed_m_s`` (how fast those people walked), ``note`` (what differs
in definition). The sets that kincast ships lie in ``norms/``, whose README says where each number was read.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from kincast.models.errors import UserMistakeError
from kincast.offline.report.curves import CURVE_KEYS, PERCENT
from kincast.offline.report.measure_kinds import MEASURE_KEYS
from kincast.streaming.results.reader import read_json_object
from kincast.streaming.results.text import read_text

FOLDER = "norms"
NO_NORMS = "none"
ABOUT = ("citation", "population", "licence", "speed_m_s", "note")


class NormFileError(UserMistakeError):
    """A file of normative bands that cannot be used: no citation, unknown variable, impossible numbers."""


@dataclass(frozen=True)
class Band:
    """Mean and sd on the report's 101 points; NaN where the file's percentages do not reach."""

    mean: Float64[np.ndarray, "101"]
    sd: Float64[np.ndarray, "101"]


@dataclass(frozen=True)
class Norms:
    """Bands by curve key; mean and sd by measure key, in the units of the gait table."""

    citation: str
    population: str = ""
    licence: str = ""
    speed_m_s: float | None = None
    note: str = ""
    curves: Mapping[str, Band] = field(default_factory=dict)
    measures: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def choose_norms(choice: str) -> Norms | None:
    """A shipped set by its name, a file by its path, or None for ``none``.

    Raises:
        NormFileError: neither; the message lists the shipped ones. What read_norms raises.
    """
    if choice == NO_NORMS:
        return None
    if choice in shipped_norms():
        with resources.as_file(resources.files("kincast.offline.report") / FOLDER / f"{choice}.csv") as path:
            return read_norms(path)
    path = Path(choice)
    if not path.suffix and not path.exists():
        raise NormFileError(
            f"--norms {choice}: no such set; valid are {', '.join((*shipped_norms(), NO_NORMS))} or a .json or .csv file"
        )
    return read_norms(path)


def shipped_norms() -> tuple[str, ...]:
    """Names of the sets that come with kincast."""
    files = (resources.files("kincast.offline.report") / FOLDER).iterdir()
    return tuple(sorted(f.name.removesuffix(".csv") for f in files if f.name.endswith(".csv")))


def read_norms(path: Path) -> Norms:
    """Read a band file by its suffix (.json or .csv).

    Raises:
        FileMissingError: it cannot be opened. JsonFormatError: not JSON. NormFileError: unusable content.
    """
    document = read_json_object(path) if path.suffix.lower() == ".json" else _csv_document(path)
    citation = document.get("citation")
    if not isinstance(citation, str) or not citation.strip():
        raise NormFileError(
            f'{path.name}: a band without a source is no norm; state "citation" (authors, year, journal)'
        )
    curves, measures = (document.get(name, {}) for name in ("curves", "measures"))
    if not isinstance(curves, dict) or not isinstance(measures, dict):
        raise NormFileError(f"{path.name}: curves and measures must be objects of names and values")
    norms = Norms(
        citation=citation.strip(),
        population=str(document.get("population", "")),
        licence=str(document.get("licence", "")),
        speed_m_s=_speed(path, document.get("speed_m_s")),
        note=str(document.get("note", "")),
        curves={name: _band(path, name, entry) for name, entry in curves.items()},
        measures={name: _measure(path, name, entry) for name, entry in measures.items()},
    )
    if not norms.curves and not norms.measures:
        raise NormFileError(f"{path.name}: no band in it; expected curves or measures")
    return norms


def _speed(path: Path, value: object) -> float | None:
    if value is None:
        return None
    try:
        speed = float(str(value))
    except ValueError:
        speed = math.nan
    if not 0.0 < speed < 10.0:
        raise NormFileError(f"{path.name}: speed_m_s '{value}' is no walking speed in m/s")
    return speed


def _band(path: Path, name: str, entry: Any) -> Band:
    if name not in CURVE_KEYS:
        raise NormFileError(f"{path.name}: unknown curve '{name}'; valid: {', '.join(CURVE_KEYS)}")
    if not isinstance(entry, dict):
        raise NormFileError(f"{path.name}: {name} must hold percent, mean and sd")
    percent, mean, sd = (_numbers(path, f"{name}.{key}", entry.get(key)) for key in ("percent", "mean", "sd"))
    if not (len(percent) == len(mean) == len(sd) >= 2):
        raise NormFileError(
            f"{path.name}: {name} has {len(percent)} percentages, {len(mean)} means and {len(sd)} sds;"
            " they must be as many, two at least"
        )
    if (np.diff(percent) <= 0).any() or percent[0] < 0 or percent[-1] > 100:
        raise NormFileError(f"{path.name}: percentages of {name} must rise within 0 to 100")
    if (sd < 0).any():
        raise NormFileError(f"{path.name}: {name} has a negative sd")
    return Band(*(np.interp(PERCENT, percent, v, left=np.nan, right=np.nan) for v in (mean, sd)))


def _measure(path: Path, name: str, entry: Any) -> tuple[float, float]:
    if name not in MEASURE_KEYS:
        raise NormFileError(f"{path.name}: unknown measure '{name}'; valid: {', '.join(MEASURE_KEYS)}")
    if not isinstance(entry, dict):
        raise NormFileError(f"{path.name}: {name} must hold mean and sd")
    mean, sd = (float(_numbers(path, f"{name}.{key}", [entry.get(key)])[0]) for key in ("mean", "sd"))
    if sd < 0:
        raise NormFileError(f"{path.name}: {name} has a negative sd")
    return mean, sd


def _numbers(path: Path, where: str, values: Any) -> Float64[np.ndarray, " n"]:
    numeric = isinstance(values, Sequence) and not isinstance(values, str)
    if not numeric or any(
        isinstance(v, bool) or not isinstance(v, int | float) or not abs(v) < 1e12 for v in values
    ):
        raise NormFileError(f"{path.name}: {where} must be finite numbers")
    return np.array(values, dtype=np.float64)


def _csv_document(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = {"curves": {}, "measures": {}}
    lines = read_text(path).splitlines()
    for line in lines:
        key, colon, value = line.lstrip("# ").partition(":")
        if line.startswith("#") and colon and key.strip() in ABOUT:
            document[key.strip()] = value.strip()
    body = [line for line in lines if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(body)))
    if reader.fieldnames is None or {"variable", "percent", "mean", "sd"} - set(reader.fieldnames):
        raise NormFileError(f"{path.name}: the table's first line must be variable,percent,mean,sd")
    for row in reader:
        name = (row["variable"] or "").strip()
        mean, sd = _cell(path, row["mean"]), _cell(path, row["sd"])
        if (row["percent"] or "").strip():
            curve = document["curves"].setdefault(name, {"percent": [], "mean": [], "sd": []})
            for key, value in (("percent", _cell(path, row["percent"])), ("mean", mean), ("sd", sd)):
                curve[key].append(value)
        else:
            document["measures"][name] = {"mean": mean, "sd": sd}
    return document


def _cell(path: Path, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NormFileError(f"{path.name}: '{text}' is not a number")
    return value


def gait_variable_score(mean: Float64[np.ndarray, "101"], band: Band) -> float:
    """Root mean square distance of a mean curve from the norm's mean (Baker et al. 2009, Gait Posture 30, 265)."""
    difference = mean - band.mean
    known = np.isfinite(difference)
    return float(np.sqrt(np.mean(difference[known] ** 2))) if known.any() else math.nan
