"""Numbers of a session: spatiotemporal measures and key points of the curves, per side, with their intervals.

Intervals (95 %) of a mean join two parts: the spread between strides, t(n - 1) s / sqrt(n), and the part of the
measurement error that all strides of the session share and that no averaging removes (attachment, body scale, a bias
of event times). Known to be shared is total sd^2 - within sd^2 of an angle; of the rest of the stated variance, whatever
the spread between strides does not show must be shared too. Constant errors cancel in ranges, and a bias of strikes in
stride time and cadence.
Powers come without a stated error, ground forces and moments where no file states theirs: those intervals cover the
spread between strides alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from kincast.offline.report.curves import Ensemble, counted
from kincast.offline.report.measure_kinds import KEY_POINTS, SPATIOTEMPORAL, KeyPoint, Measure
from kincast.offline.report.session import PLAUSIBLE, ReportSession
from kincast.offline.report.strides import SIDES, ReportStride

Z95 = 1.959964


@dataclass(frozen=True)
class Statistics:
    """Of one measure on one side, in the shown unit.

    ``sd`` between strides (nan for one stride); ``error``: sd of the measurement of one stride (nan where unknown);
    ``shared``: the part of that which all strides have in common.
    """

    n: int
    mean: float
    sd: float
    error: float
    shared: float

    @property
    def se(self) -> float:
        """Standard error of the mean; nan for a single stride of unknown error."""
        return self.error if self.n < 2 else math.hypot(self.sd / math.sqrt(self.n), self.shared)

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the mean; nan for a single stride of unknown error."""
        if self.n < 2:
            return Z95 * self.error
        between = float(student_t.ppf(0.975, self.n - 1)) * self.sd / math.sqrt(self.n)
        return math.hypot(between, Z95 * self.shared)


@dataclass(frozen=True)
class Row:
    """One line of the gait table. A side without counted strides is absent from ``sides``; ``both``: all strides."""

    measure: Measure
    sides: Mapping[str, Statistics]
    both: Statistics

    @property
    def difference(self) -> float:
        """Left minus right; nan without both."""
        if len(self.sides) < 2:
            return math.nan
        return self.sides["left"].mean - self.sides["right"].mean

    @property
    def symmetry_index(self) -> float:
        """100 (left - right) / mean of both (Robinson et al. 1987, J Manipulative Physiol Ther 10, 172); nan if undefined."""
        if len(self.sides) < 2 or not self.measure.ratio:
            return math.nan
        mean = 0.5 * (self.sides["left"].mean + self.sides["right"].mean)
        return 100.0 * self.difference / mean if mean > 1e-9 else math.nan

    @property
    def difference_limit(self) -> float:
        """Differences between the sides up to this are within error (95 %); nan where the error is unknown."""
        if len(self.sides) < 2 or any(not math.isfinite(s.half_width) for s in self.sides.values()):
            return math.nan
        return math.hypot(*(s.half_width for s in self.sides.values()))

    @property
    def judged(self) -> bool:
        """Both sides are there, and the measurement error of both is known."""
        return math.isfinite(self.difference_limit) and all(
            math.isfinite(s.error) for s in self.sides.values()
        )

    @property
    def asymmetric(self) -> bool:
        """The sides differ by more than error explains; never said where the measurement error is not known."""
        return self.judged and abs(self.difference) > self.difference_limit


@dataclass(frozen=True)
class _Values:
    """A measure's strides of one side: values, errors of one stride, and the part of them known to be constant."""

    values: Sequence[float]
    errors: Sequence[float]
    constant: Sequence[float]


def table(
    session: ReportSession, strides: Sequence[ReportStride], curves: Mapping[str, Ensemble]
) -> tuple[Row, ...]:
    """The gait table: measures for which at least one side has a counted stride."""
    rows = []
    for measure in SPATIOTEMPORAL:
        sides = {
            side: _transposed(
                [_spatiotemporal(session, s, measure.key) for s in counted(strides, side, kinetic=False)]
            )
            for side in SIDES
        }
        rows.append(_row(measure, sides))
    rows += [_row(p.measure, _point_values(session, strides, curves, p)) for p in KEY_POINTS]
    found = [row for row in rows if row is not None]
    groups = list(dict.fromkeys(row.measure.group for row in found))
    return tuple(sorted(found, key=lambda row: groups.index(row.measure.group)))


def _transposed(triples: Sequence[tuple[float, float, float]]) -> _Values:
    return _Values([t[0] for t in triples], [t[1] for t in triples], [t[2] for t in triples])


def _row(measure: Measure, sides: Mapping[str, _Values]) -> Row | None:
    found = {side: _statistics(values, measure) for side, values in sides.items()}
    everything = _Values(
        [x for v in sides.values() for x in v.values],
        [x for v in sides.values() for x in v.errors],
        [x for v in sides.values() for x in v.constant],
    )
    both = _statistics(everything, measure)
    return None if both is None else Row(measure, {k: s for k, s in found.items() if s is not None}, both)


def _statistics(strides: _Values, measure: Measure) -> Statistics | None:
    """Of the strides whose value is known and possible; None if there is none."""
    known = [i for i, v in enumerate(strides.values) if abs(v) < PLAUSIBLE]
    if not known:
        return None
    values = measure.scale * np.array([strides.values[i] for i in known])
    error = measure.scale * _rms([strides.errors[i] for i in known])
    constant = measure.scale * _rms([strides.constant[i] for i in known])
    sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    shared = 0.0
    if not measure.bias_cancels and len(values) > 1:
        constant = constant if math.isfinite(constant) else 0.0
        unseen = error**2 - constant**2 - sd**2 if math.isfinite(error) else 0.0
        shared = math.hypot(constant, math.sqrt(max(0.0, unseen)))
    return Statistics(len(values), float(values.mean()), sd, error, shared)


def _rms(numbers: Sequence[float]) -> float:
    """Root mean square of the plausible ones; nan if there is none."""
    known = np.array([x for x in numbers if abs(x) < PLAUSIBLE])
    return float(np.sqrt(np.mean(known**2))) if len(known) else math.nan


def _spatiotemporal(session: ReportSession, stride: ReportStride, key: str) -> tuple[float, float, float]:
    """Value, measurement error and its constant part (not known here) of one stride, in gait.csv's unit."""
    sd = stride.sd
    if key in stride.values:
        return stride.values[key], sd[key], math.nan
    duration = stride.end_s - stride.start_s
    if key == "stride_time_s":
        return duration, math.hypot(sd["foot_strike_s"], sd["next_foot_strike_s"]), math.nan
    other = _other_foot(session, stride)
    if other is None:
        return math.nan, math.nan, math.nan
    off, strike, off_sd, strike_sd = other
    if key == "step_time_s":
        return stride.end_s - strike, math.hypot(sd["next_foot_strike_s"], strike_sd), math.nan
    if key == "single_support_pct":
        return 100.0 * (strike - off) / duration, 100.0 * math.hypot(strike_sd, off_sd) / duration, math.nan
    phases = math.hypot(sd["foot_strike_s"], off_sd, strike_sd, sd["foot_off_s"])
    double = (off - stride.start_s) + (stride.off_s - strike)
    return 100.0 * double / duration, 100.0 * phases / duration, math.nan


def _other_foot(session: ReportSession, stride: ReportStride) -> tuple[float, float, float, float] | None:
    """Foot off and foot strike of the other foot within the stride and their sds; None unless they are one each, in order."""
    events = session.results.events
    if events is None or any(c not in events.columns for c in ("time_s", "side", "event")):
        return None
    sds = events.numbers("sd_s") if "sd_s" in events.columns else np.full(len(events.rows), math.nan)
    found: dict[str, list[tuple[float, float]]] = {"foot_off": [], "foot_strike": []}
    columns = events.numbers("time_s"), events.text("side"), events.text("event"), sds
    for time, side, event, sd in zip(*columns, strict=True):
        if side != stride.side and event in found and stride.start_s < time < stride.end_s:
            found[event].append((float(time), abs(float(sd))))
    if len(found["foot_off"]) != 1 or len(found["foot_strike"]) != 1:
        return None
    (off, off_sd), (strike, strike_sd) = found["foot_off"][0], found["foot_strike"][0]
    return (off, strike, off_sd, strike_sd) if off < strike < stride.off_s else None


def _point_values(
    session: ReportSession, strides: Sequence[ReportStride], curves: Mapping[str, Ensemble], point: KeyPoint
) -> Mapping[str, _Values]:
    ensemble = curves.get(point.curve)
    if ensemble is None:
        return {}
    return {
        side: _transposed(
            [
                (point.read(curve, _stance_pct(s)), *_point_error(session, s, point, ensemble, side, i))
                for i, (curve, s) in enumerate(
                    zip(ensemble.strides[side], counted(strides, side, ensemble.kind.kinetic), strict=True)
                )
            ]
        )
        for side in SIDES
    }


def _stance_pct(stride: ReportStride) -> float:
    return 100.0 * (stride.off_s - stride.start_s) / (stride.end_s - stride.start_s)


def _point_error(
    session: ReportSession, stride: ReportStride, point: KeyPoint, ensemble: Ensemble, side: str, index: int
) -> tuple[float, float]:
    """Sd of a point of a curve, and the part of it known to be constant; nan where it is not known."""
    if ensemble.errors is not None:
        return point.error(ensemble.errors[side][index], _stance_pct(stride)), math.nan
    return _angle_error(session, stride, point)


def _angle_error(session: ReportSession, stride: ReportStride, point: KeyPoint) -> tuple[float, float]:
    """Sd (deg) of a point of a curve, and the part known to be constant; nan where it is not known."""
    name = point.sd_of if point.sd_of.startswith("pelvis") else f"{point.sd_of}_{stride.side[0]}"
    total, within = (_sd_over(session, stride, column) for column in (name, f"{name}_within"))
    if point.constant_cancels:
        return within * math.sqrt(2.0), 0.0
    if math.isnan(total) or math.isnan(within):
        return total, math.nan
    return total, math.sqrt(max(0.0, total**2 - within**2))


def _sd_over(session: ReportSession, stride: ReportStride, column: str) -> float:
    """Root mean square of a column of kinematics_sd.sto over a stride."""
    sds = session.rows_of(session.results.kinematics_sd)
    if sds is None or column not in sds.columns:
        return math.nan
    values = sds.column(column)[stride.rows]
    return _rms(values.tolist())
