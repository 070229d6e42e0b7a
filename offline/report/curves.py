"""Curves over the gait cycle: what each one is, with its clinical sign, and their mean and spread over the strides.

Pelvis angles are the clinical sequence against the direction of progression of each stride. All curves are on 101
points from foot strike (0 %) to the next foot strike of the same foot (100 %).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import COORDINATES, clinical_pelvis
from kincast.models.gait.track import BIG_TOE, HEEL, SMALL_TOE
from kincast.offline.report.motion import Motion
from kincast.offline.report.session import ReportSession
from kincast.offline.report.strides import SIDES, ReportStride

POINTS = 101
PERCENT: Float64[np.ndarray, " point"] = np.linspace(0.0, 100.0, POINTS)
FOOT = {"right": 0, "left": 1}
NEAR_OFF_S = 0.05
Values = Float64[np.ndarray, " row"]


@dataclass(frozen=True)
class CurveKind:
    """``up`` and ``down`` name the clinical meaning of positive and negative values."""

    key: str
    label: str
    unit: str
    up: str
    down: str
    kinetic: bool = False


@dataclass(frozen=True)
class Rows:
    """The rows that one stride's curves are made of: the stride's own and one on either side."""

    session: ReportSession
    motion: Motion
    stride: ReportStride
    rows: slice

    @property
    def time_s(self) -> Values:
        return self.session.time_s[self.rows]

    def coordinate(self, name: str, sided: bool = True) -> Values:
        """Degrees."""
        return self.session.coordinate(_sided(name, self.stride.side) if sided else name)[self.rows]

    def torque(self, name: str) -> Values:
        """N m / kg."""
        assert self.motion.torques is not None
        return self.motion.torques[self.rows, COORDINATES.index(_sided(name, self.stride.side))]

    def power(self, name: str) -> Values:
        """W / kg."""
        rate = self.motion.rates[self.rows, COORDINATES.index(_sided(name, self.stride.side))]
        return self.torque(name) * rate

    def pelvis(self) -> Float64[np.ndarray, "row 3"]:
        """Clinical tilt, obliquity, rotation (deg; signs of the coordinates)."""
        return np.rad2deg(clinical_pelvis(self.session.poses[self.rows], self.stride.heading_rad))

    @property
    def axes(self) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
        """Horizontal unit vectors of the world: forward, and to the left."""
        c, s = np.cos(self.stride.heading_rad), np.sin(self.stride.heading_rad)
        return np.array([c, s]), np.array([-s, c])

    def foot(self, point: int) -> Float64[np.ndarray, "row 3"]:
        """A point of this side's foot, metres."""
        assert self.motion.feet is not None
        return self.motion.feet[self.rows, FOOT[self.stride.side], point]

    def force(self) -> Float64[np.ndarray, "row 3"]:
        """% of body weight."""
        assert self.motion.force is not None
        return 100.0 * self.motion.force[self.rows, FOOT[self.stride.side]]

    def torque_sd(self, name: str) -> Values:
        """N m / kg."""
        assert self.motion.torques_sd is not None
        return self.motion.torques_sd[self.rows, COORDINATES.index(_sided(name, self.stride.side))]

    def force_sd(self) -> Float64[np.ndarray, "row 3"]:
        """% of body weight."""
        assert self.motion.force_sd is not None
        return 100.0 * self.motion.force_sd[self.rows, FOOT[self.stride.side]]

    def residual(self) -> Values:
        """Size of the force at the pelvis that feet do not explain, % of body weight."""
        assert self.motion.residual is not None
        return 100.0 * self.motion.residual[self.rows]

    @property
    def inward(self) -> float:
        """+1 where turning to the left (seen from above) is inwards for this side: on the right."""
        return 1.0 if self.stride.side == "right" else -1.0

    @property
    def stance(self) -> np.ndarray:
        return (self.time_s >= self.stride.start_s) & (self.time_s < self.stride.off_s)


def _sided(name: str, side: str) -> str:
    return f"{name}_{side[0]}"


def _unwrap(values: Values) -> Values:
    return np.rad2deg(np.unwrap(np.deg2rad(values)))


def _foot_progression(r: Rows) -> Values:
    assert r.motion.foot_axes is not None
    direction = r.motion.foot_axes[r.rows, FOOT[r.stride.side], :2]
    forward, left = r.axes
    return r.inward * _unwrap(np.rad2deg(np.arctan2(direction @ left, direction @ forward)))


def _heel_lateral(r: Rows) -> Values:
    assert r.motion.pelvis is not None
    left = r.axes[1]
    return 100.0 * (r.foot(HEEL)[:, :2] @ left - (r.motion.pelvis[r.rows, :2] @ left).mean())


def _heel_height(r: Rows) -> Values:
    """Above where it stood: the lowest quarter of stance."""
    z = r.foot(HEEL)[:, 2]
    return 100.0 * (z - np.percentile(z[r.stance] if r.stance.any() else z, 25.0))


def _toe_height(r: Rows) -> Values:
    """The lower of the two toe points, each above the lowest it had in stance or right after foot off, as in gait.csv."""
    toes = np.stack([r.foot(point)[:, 2] for point in (BIG_TOE, SMALL_TOE)], axis=1)
    near = r.stance | ((r.time_s >= r.stride.off_s) & (r.time_s < r.stride.off_s + NEAR_OFF_S))
    lowest = toes[near].min(axis=0) if near.any() else toes.min(axis=0)
    return 100.0 * np.asarray((toes - lowest).min(axis=1))


KINEMATIC: Mapping[CurveKind, Callable[[Rows], Values]] = {
    CurveKind("pelvic_tilt", "Pelvic tilt", "deg", "anterior", "posterior"): lambda r: (
        -_unwrap(r.pelvis()[:, 0])
    ),
    CurveKind("pelvic_obliquity", "Pelvic obliquity", "deg", "side up", "side down"): lambda r: (
        -r.inward * r.pelvis()[:, 1]
    ),
    CurveKind("pelvic_rotation", "Pelvic rotation", "deg", "side forward", "side back"): lambda r: (
        r.inward * _unwrap(r.pelvis()[:, 2])
    ),
    CurveKind("hip_flexion", "Hip flexion", "deg", "flexion", "extension"): lambda r: r.coordinate(
        "hip_flexion"
    ),
    CurveKind("hip_adduction", "Hip adduction", "deg", "adduction", "abduction"): lambda r: r.coordinate(
        "hip_adduction"
    ),
    CurveKind("hip_rotation", "Hip rotation", "deg", "internal", "external"): lambda r: r.coordinate(
        "hip_rotation"
    ),
    CurveKind("knee_flexion", "Knee flexion", "deg", "flexion", "extension"): lambda r: r.coordinate(
        "knee_angle"
    ),
    CurveKind("ankle_dorsiflexion", "Ankle dorsiflexion", "deg", "dorsal", "plantar"): lambda r: r.coordinate(
        "ankle_angle"
    ),
}
FEET: Mapping[CurveKind, Callable[[Rows], Values]] = {
    CurveKind("foot_progression", "Foot progression", "deg", "toe in", "toe out"): _foot_progression,
    CurveKind("heel_lateral", "Heel, lateral position", "cm", "left of path", "right of path"): _heel_lateral,
    CurveKind("heel_height", "Heel clearance", "cm", "up", ""): _heel_height,
    CurveKind("toe_height", "Toe clearance", "cm", "up", ""): _toe_height,
}
MOMENTS: Mapping[CurveKind, Callable[[Rows], Values]] = {
    CurveKind("hip_extension_moment", "Hip moment", "N m/kg", "extensor", "flexor", True): lambda r: (
        -r.torque("hip_flexion")
    ),
    CurveKind("hip_abduction_moment", "Hip moment, frontal", "N m/kg", "abductor", "adductor", True): (
        lambda r: -r.torque("hip_adduction")
    ),
    CurveKind("knee_extension_moment", "Knee moment", "N m/kg", "extensor", "flexor", True): lambda r: (
        -r.torque("knee_angle")
    ),
    CurveKind(
        "ankle_plantarflexion_moment", "Ankle moment", "N m/kg", "plantar flexor", "dorsiflexor", True
    ): lambda r: -r.torque("ankle_angle"),
}
POWERS: Mapping[CurveKind, Callable[[Rows], Values]] = {
    CurveKind("hip_power", "Hip power", "W/kg", "generated", "absorbed", True): lambda r: r.power(
        "hip_flexion"
    ),
    CurveKind("knee_power", "Knee power", "W/kg", "generated", "absorbed", True): lambda r: r.power(
        "knee_angle"
    ),
    CurveKind("ankle_power", "Ankle power", "W/kg", "generated", "absorbed", True): lambda r: r.power(
        "ankle_angle"
    ),
}
RESIDUAL: Mapping[CurveKind, Callable[[Rows], Values]] = {
    CurveKind("residual", "Residual at the pelvis", "% BW", "unexplained", "", True): lambda r: r.residual(),
}
FORCES: Mapping[CurveKind, Callable[[Rows], Values]] = {
    CurveKind("grf_vertical", "Vertical force", "% BW", "up", "", True): lambda r: r.force()[:, 2],
    CurveKind("grf_anterior", "Fore-aft force", "% BW", "propulsion", "braking", True): lambda r: (
        r.force()[:, :2] @ r.axes[0]
    ),
    CurveKind("grf_medial", "Mediolateral force", "% BW", "medial", "lateral", True): lambda r: (
        r.inward * (r.force()[:, :2] @ r.axes[1])
    ),
}
TORQUE_SDS: Mapping[str, str] = {
    "hip_extension_moment": "hip_flexion",
    "hip_abduction_moment": "hip_adduction",
    "knee_extension_moment": "knee_angle",
    "ankle_plantarflexion_moment": "ankle_angle",
}
"""Curves whose measurement error is that of a coordinate's torque."""
FORCE_SDS: Mapping[str, Callable[[Rows], Values]] = {
    "grf_vertical": lambda r: r.force_sd()[:, 2],
    "grf_anterior": lambda r: np.hypot(*(r.force_sd()[:, :2] * r.axes[0]).T),
    "grf_medial": lambda r: np.hypot(*(r.force_sd()[:, :2] * r.axes[1]).T),
}
CURVE_KEYS = tuple(kind.key for table in (KINEMATIC, FEET, MOMENTS, POWERS, FORCES) for kind in table)


@dataclass(frozen=True)
class Ensemble:
    """One kind of curve over the counted strides: per side (stride, point), in the order of the strides given.

    ``errors``: standard deviations of the measurement, in the same order; None where none are stated.
    """

    kind: CurveKind
    strides: Mapping[str, Float64[np.ndarray, "stride 101"]]
    errors: Mapping[str, Float64[np.ndarray, "stride 101"]] | None = None

    def mean(self, side: str) -> Float64[np.ndarray, "101"] | None:
        """Mean over the strides of a side; None if there is none."""
        curves = self.strides[side]
        return curves.mean(axis=0) if len(curves) else None

    def sd(self, side: str) -> Float64[np.ndarray, "101"] | None:
        """Standard deviation over the strides (n - 1); None with fewer than two."""
        curves = self.strides[side]
        return curves.std(axis=0, ddof=1) if len(curves) > 1 else None

    def error(self, side: str) -> Float64[np.ndarray, "101"] | None:
        """Measurement error of one stride (root mean square over the strides); None where not stated."""
        if self.errors is None or not len(self.errors[side]):
            return None
        return np.asarray(np.sqrt(np.mean(self.errors[side] ** 2, axis=0)))


def ensembles(
    session: ReportSession, motion: Motion, strides: Sequence[ReportStride]
) -> Mapping[str, Ensemble]:
    """All curves that the session has, by key; kinetic ones over the strides whose kinetics count."""
    tables: list[Mapping[CurveKind, Callable[[Rows], Values]]] = [KINEMATIC]
    if motion.feet is not None:
        tables.append(FEET)
    if motion.torques is not None:
        tables += [MOMENTS, POWERS]
    if motion.force is not None and session.mass_kg:
        tables.append(FORCES)
    if motion.residual is not None:
        tables.append(RESIDUAL)
    return {
        kind.key: Ensemble(
            kind,
            _curves(session, motion, strides, kind, of),
            None
            if (sd_of := _error_of(motion, kind.key)) is None
            else _curves(session, motion, strides, kind, sd_of),
        )
        for table in tables
        for kind, of in table.items()
    }


def _error_of(motion: Motion, key: str) -> Callable[[Rows], Values] | None:
    if key in TORQUE_SDS and motion.torques_sd is not None:
        name = TORQUE_SDS[key]
        return lambda r: r.torque_sd(name)
    return FORCE_SDS[key] if key in FORCE_SDS and motion.force_sd is not None else None


def activation_ensembles(
    session: ReportSession, motion: Motion, strides: Sequence[ReportStride]
) -> Mapping[str, tuple[Ensemble, Ensemble | None]]:
    """Muscle group -> activation, and how far other solutions of the same moments spread (None where unknown)."""

    def of(values: Float64[np.ndarray, "row 2"]) -> Callable[[Rows], Values]:
        return lambda r: values[r.rows, FOOT[r.stride.side]]

    found = {}
    for group, values in motion.activations.items():
        kind = CurveKind(f"activation {group}", group, "0..1", "", "", True)
        spread = motion.activation_spread.get(group)
        found[group] = (
            Ensemble(kind, _curves(session, motion, strides, kind, of(values))),
            None if spread is None else Ensemble(kind, _curves(session, motion, strides, kind, of(spread))),
        )
    return found


def counted(strides: Sequence[ReportStride], side: str, kinetic: bool) -> list[ReportStride]:
    """The strides of a side that enter averages."""
    return [s for s in strides if s.side == side and (s.kinetics_counted if kinetic else s.counted)]


def _curves(
    session: ReportSession,
    motion: Motion,
    strides: Sequence[ReportStride],
    kind: CurveKind,
    of: Callable[[Rows], Values],
) -> Mapping[str, Float64[np.ndarray, "stride 101"]]:
    return {
        side: np.array(
            [_curve(session, motion, s, of) for s in counted(strides, side, kind.kinetic)], dtype=np.float64
        ).reshape(-1, POINTS)
        for side in SIDES
    }


def _curve(
    session: ReportSession, motion: Motion, stride: ReportStride, of: Callable[[Rows], Values]
) -> Float64[np.ndarray, "101"]:
    finite = session.finite
    first, last = stride.rows.start, stride.rows.stop
    first -= int(first > 0 and bool(finite[first - 1]))
    last += int(last < len(finite) and bool(finite[last]))
    rows = Rows(session, motion, stride, slice(first, last))
    at = stride.start_s + (stride.end_s - stride.start_s) * PERCENT / 100.0
    return np.interp(at, rows.time_s, of(rows))
