"""Two sessions side by side over the gait cycle: mean curves and gait measures, since their rows share no time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.offline.compare_difference import Difference, difference
from kincast.offline.report.curves import Ensemble, activation_ensembles, ensembles
from kincast.offline.report.measures import Row, Statistics, table
from kincast.offline.report.motion import motion_of
from kincast.offline.report.session import load_session
from kincast.offline.report.strides import SIDES, ReportStride, strides_of


@dataclass(frozen=True)
class CurveDifference:
    """Mean curve of the first minus that of the second over 101 points of the cycle, in ``unit``."""

    label: str
    unit: str
    side: str
    strides: tuple[int, int]
    difference: Difference


@dataclass(frozen=True)
class MeasureDifference:
    """A gait measure of both sessions: means and standard deviations between strides, and the mean difference.

    ``detectable``: differences up to this lie within the error of both means (95 %); None where an error is unknown.
    """

    label: str
    unit: str
    side: str
    strides: tuple[int, int]
    means: tuple[float, float]
    sds: tuple[float | None, float | None]
    difference: float
    detectable: float | None


@dataclass(frozen=True)
class CycleComparison:
    """``subjects``: as the folders state them ("" where they do not)."""

    subjects: tuple[str, str]
    strides: Mapping[str, tuple[int, int]]
    curves: tuple[CurveDifference, ...]
    measures: tuple[MeasureDifference, ...]


@dataclass(frozen=True)
class Walked:
    """A session's counted strides: their curves by key, and its gait table."""

    subject: str
    strides: tuple[ReportStride, ...]
    curves: Mapping[str, Ensemble]
    rows: tuple[Row, ...]


def walked(folder: Path) -> Walked:
    """Read a folder as the report does.

    Raises:
        ReportInputError: it lacks coordinates. The readers' errors.
    """
    session = load_session(folder)
    strides, motion = strides_of(session), motion_of(session)
    curves = dict(ensembles(session, motion, strides))
    activations = activation_ensembles(session, motion, strides)
    rows = table(session, strides, curves)
    curves |= {mean.kind.key: mean for mean, _ in activations.values()}
    return Walked(session.subject_id, strides, curves, rows)


def compare_cycles(first: Path, second: Path) -> CycleComparison:
    """Compare two sessions.

    Raises:
        ReportInputError, FileMissingError and the readers' errors.
    """
    a, b = walked(first), walked(second)
    return CycleComparison(
        subjects=(a.subject, b.subject),
        strides={side: (_count(a, side), _count(b, side)) for side in SIDES},
        curves=_curves(a, b),
        measures=_measures(a, b),
    )


def _count(one: Walked, side: str) -> int:
    return sum(s.side == side and s.counted for s in one.strides)


def _curves(a: Walked, b: Walked) -> tuple[CurveDifference, ...]:
    found = []
    for key in (k for k in a.curves if k in b.curves):
        for side in SIDES:
            means = _mean(a.curves[key], side), _mean(b.curves[key], side)
            if means[0] is None or means[1] is None:
                continue
            compared = difference(means[0], means[1])
            kind = a.curves[key].kind
            counts = len(a.curves[key].strides[side]), len(b.curves[key].strides[side])
            if compared is not None:
                found.append(CurveDifference(kind.label, kind.unit, side, counts, compared))
    return tuple(found)


def _mean(ensemble: Ensemble, side: str) -> Float64[np.ndarray, "101"] | None:
    return ensemble.mean(side)


def _measures(a: Walked, b: Walked) -> tuple[MeasureDifference, ...]:
    others = {row.measure.key: row for row in b.rows}
    found = []
    for row in a.rows:
        other = others.get(row.measure.key)
        if other is None:
            continue
        for side in ("both",) if row.measure.whole_body else SIDES:
            one, two = _of(row, side), _of(other, side)
            if one is None or two is None:
                continue
            detectable = float(np.hypot(one.half_width, two.half_width))
            found.append(
                MeasureDifference(
                    label=row.measure.label,
                    unit=row.measure.unit,
                    side=side,
                    strides=(one.n, two.n),
                    means=(one.mean, two.mean),
                    sds=(_finite(one.sd), _finite(two.sd)),
                    difference=one.mean - two.mean,
                    detectable=_finite(detectable),
                )
            )
    return tuple(found)


def _of(row: Row, side: str) -> Statistics | None:
    return row.both if side == "both" else row.sides.get(side)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
