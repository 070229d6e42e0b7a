"""Numbers of a session: spatiotemporal measures and key points of the curves, per side, with their intervals.

Intervals (95 %) of a mean join two parts: the spread between strides, t(n - 1) s / sqrt(n), and the part of the
measurement error that all strides of the session share and that no averaging removes (attachment, body scale, a bias
of event times). Known to be shared is total sd^2 - within sd^2 of an angle; of the rest of the stated variance, whatever
the spread between strides does not show must be shared too. Constant errors cancel in ranges, and a bias of strikes in
stride time and cadence.
Ground forces, moments and powers come without a stated error: theirs cover the spread between strides alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.stats import t as student_t

from kincast.offline.report.curves import PERCENT, Ensemble, counted
from kincast.offline.report.session import PLAUSIBLE, ReportSession
from kincast.offline.report.strides import SIDES, ReportStride

Z95 = 1.959964
Curve = Float64[np.ndarray, "101"]


@dataclass(frozen=True)
class Measure:
    """``scale`` turns gait.csv's unit into the shown one. ``ratio``: has a true zero, so percentages make sense.

    ``bias_cancels``: averaging over strides removes all of the measurement error. ``whole_body``: not of one side.
    """

    key: str
    label: str
    unit: str
    decimals: int
    group: str
    ratio: bool = True
    scale: float = 1.0
    bias_cancels: bool = False
    whole_body: bool = False


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
    def asymmetric(self) -> bool:
        """The sides differ by more than error explains; never said where the measurement error is not known."""
        known = all(math.isfinite(s.error) for s in self.sides.values())
        return known and abs(self.difference) > self.difference_limit  # false for nan


SPATIOTEMPORAL = (
    Measure("speed_m_s", "Walking speed", "m/s", 2, "Pace", whole_body=True),
    Measure("cadence_steps_min", "Cadence", "steps/min", 1, "Pace", bias_cancels=True, whole_body=True),
    Measure("stride_length_m", "Stride length", "m", 3, "Pace", whole_body=True),
    Measure("step_length_m", "Step length", "m", 3, "Pace"),
    Measure("step_width_m", "Step width", "cm", 1, "Pace", ratio=False, scale=100.0, whole_body=True),
    Measure("stride_time_s", "Stride time", "s", 3, "Phases", bias_cancels=True, whole_body=True),
    Measure("step_time_s", "Step time", "s", 3, "Phases"),
    Measure("stance_pct", "Stance", "% cycle", 1, "Phases"),
    Measure("single_support_pct", "Single support", "% cycle", 1, "Phases"),
    Measure("double_support_pct", "Double support", "% cycle", 1, "Phases", whole_body=True),
    Measure("toe_clearance_min_m", "Toe clearance, mid-swing", "cm", 1, "Feet", False, 100.0),
    Measure("heel_clearance_max_m", "Heel clearance, greatest", "cm", 1, "Feet", True, 100.0),
)


@dataclass(frozen=True)
class _Point:
    """A number read off one stride's curve: ``of(curve, stance %)``; ``sd_of`` the coordinate whose sd applies.

    ``spread_only``: a range, in which a constant error cancels.
    """

    measure: Measure
    curve: str
    of: Callable[[Curve, float], float]
    sd_of: str = ""
    spread_only: bool = False


def _between(curve: Curve, low: float | int, high: float | int) -> Float64[np.ndarray, " inside"]:
    inside = curve[(low <= PERCENT) & (high >= PERCENT)]
    return inside if len(inside) else curve


def _angle(
    key: str, label: str, curve: str, of: Callable[[Curve, float], float], sd_of: str, group: str
) -> _Point:
    measure = Measure(key, label, "deg", 1, group, ratio=False)
    return _Point(measure, curve, of, sd_of, spread_only=key.endswith("_range"))


_POINTS = (
    _angle("knee_at_strike", "Knee flexion at foot strike", "knee_flexion", lambda c, s: c[0], "knee_angle", "Knee and ankle"),
    _angle("knee_loading", "Knee flexion, loading response", "knee_flexion", lambda c, s: _between(c, 0, 30).max(), "knee_angle", "Knee and ankle"),
    _angle("knee_stance_min", "Knee flexion, least in late stance", "knee_flexion", lambda c, s: _between(c, 25, s).min(), "knee_angle", "Knee and ankle"),
    _angle("knee_swing", "Knee flexion, peak in swing", "knee_flexion", lambda c, s: _between(c, s, 100).max(), "knee_angle", "Knee and ankle"),
    _angle("knee_range", "Knee flexion, range", "knee_flexion", lambda c, s: np.ptp(c), "knee_angle", "Knee and ankle"),
    _angle("ankle_stance", "Ankle dorsiflexion, peak in stance", "ankle_dorsiflexion", lambda c, s: _between(c, 5, s).max(), "ankle_angle", "Knee and ankle"),
    _angle("ankle_push_off", "Ankle plantar flexion, push-off", "ankle_dorsiflexion", lambda c, s: -_between(c, s - 10, s + 15).min(), "ankle_angle", "Knee and ankle"),
    _angle("ankle_swing", "Ankle dorsiflexion, peak in swing", "ankle_dorsiflexion", lambda c, s: _between(c, s + 10, 100).max(), "ankle_angle", "Knee and ankle"),
    _angle("hip_max", "Hip flexion, peak", "hip_flexion", lambda c, s: c.max(), "hip_flexion", "Hip and pelvis"),
    _angle("hip_extension", "Hip extension, peak", "hip_flexion", lambda c, s: -c.min(), "hip_flexion", "Hip and pelvis"),
    _angle("hip_range", "Hip flexion-extension, range", "hip_flexion", lambda c, s: np.ptp(c), "hip_flexion", "Hip and pelvis"),
    _angle("hip_adduction_stance", "Hip adduction, peak in stance", "hip_adduction", lambda c, s: _between(c, 0, s).max(), "hip_adduction", "Hip and pelvis"),
    _angle("pelvic_tilt_mean", "Pelvic tilt, mean (anterior)", "pelvic_tilt", lambda c, s: c.mean(), "pelvis_tilt", "Hip and pelvis"),
    _angle("pelvic_obliquity_range", "Pelvic obliquity, range", "pelvic_obliquity", lambda c, s: np.ptp(c), "pelvis_list", "Hip and pelvis"),
    _angle("pelvic_rotation_range", "Pelvic rotation, range", "pelvic_rotation", lambda c, s: np.ptp(c), "pelvis_rotation", "Hip and pelvis"),
    _angle("foot_progression_stance", "Foot progression in stance (toe in)", "foot_progression", lambda c, s: _between(c, 10, s - 15).mean(), "", "Feet"),
    _Point(Measure("grf_first_peak", "Vertical force, first peak", "% BW", 0, "Kinetics"), "grf_vertical", lambda c, s: _between(c, 0, 0.5 * s).max()),
    _Point(Measure("grf_second_peak", "Vertical force, second peak", "% BW", 0, "Kinetics"), "grf_vertical", lambda c, s: _between(c, 0.5 * s, s).max()),
    _Point(Measure("grf_braking", "Braking force, peak", "% BW", 1, "Kinetics"), "grf_anterior", lambda c, s: -_between(c, 0, s).min()),
    _Point(Measure("grf_propulsion", "Propulsive force, peak", "% BW", 1, "Kinetics"), "grf_anterior", lambda c, s: _between(c, 0, s).max()),
    _Point(Measure("hip_extensor_peak", "Hip extensor moment, peak", "N m/kg", 2, "Kinetics"), "hip_extension_moment", lambda c, s: _between(c, 0, 50).max()),
    _Point(Measure("hip_flexor_peak", "Hip flexor moment, peak", "N m/kg", 2, "Kinetics"), "hip_extension_moment", lambda c, s: -_between(c, 30, 75).min()),
    _Point(Measure("knee_extensor_peak", "Knee extensor moment, early stance", "N m/kg", 2, "Kinetics", False), "knee_extension_moment", lambda c, s: _between(c, 5, 30).max()),
    _Point(Measure("plantarflexor_peak", "Ankle plantar flexor moment, peak", "N m/kg", 2, "Kinetics"), "ankle_plantarflexion_moment", lambda c, s: _between(c, 0, s).max()),
    _Point(Measure("ankle_power_peak", "Ankle power, push-off", "W/kg", 2, "Kinetics"), "ankle_power", lambda c, s: _between(c, 30, s + 5).max()),
    _Point(Measure("hip_power_peak", "Hip power, pull-off", "W/kg", 2, "Kinetics"), "hip_power", lambda c, s: _between(c, 45, 80).max()),
)  # fmt: skip

MEASURE_KEYS = (*(m.key for m in SPATIOTEMPORAL), *(p.measure.key for p in _POINTS))


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
    rows += [_row(p.measure, _point_values(session, strides, curves, p)) for p in _POINTS]
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
    session: ReportSession, strides: Sequence[ReportStride], curves: Mapping[str, Ensemble], point: _Point
) -> Mapping[str, _Values]:
    ensemble = curves.get(point.curve)
    if ensemble is None:
        return {}
    return {
        side: _transposed(
            [
                (float(point.of(curve, _stance_pct(s))), *_angle_error(session, s, point))
                for curve, s in zip(
                    ensemble.strides[side], counted(strides, side, ensemble.kind.kinetic), strict=True
                )
            ]
        )
        for side in SIDES
    }


def _stance_pct(stride: ReportStride) -> float:
    return 100.0 * (stride.off_s - stride.start_s) / (stride.end_s - stride.start_s)


def _angle_error(session: ReportSession, stride: ReportStride, point: _Point) -> tuple[float, float]:
    """Sd (deg) of a point of a curve, and the part known to be constant; nan where it is not known."""
    name = point.sd_of if point.sd_of.startswith("pelvis") else f"{point.sd_of}_{stride.side[0]}"
    total, within = (_sd_over(session, stride, column) for column in (name, f"{name}_within"))
    if point.spread_only:
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
