"""Ground forces and joint moments against force plates and the truth's inverse dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.contact_forces import GRAVITY
from kincast.offline.angle_errors import MAIN
from kincast.offline.compare_difference import Difference, difference
from kincast.offline.truth import SIDES, Truth, TruthForces
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.storage import Storage

HEADING_WINDOW_S = 1.0
LOADED_N = 100.0
"""The centre of pressure is compared where both say more than this; below it is not defined by the plates."""
MOMENT_RESIDUAL_PCT_BW = 15.0
EDGE_S = 0.1
"""The truth's inverse dynamics carry filter edge effects this close to the ends of its record."""


@dataclass(frozen=True)
class ForceErrors:
    """RMSE in % body weight per foot, swing included, only where the plates see the foot; both feet pooled.

    ``direction``: vertical, ap (along the direction the pelvis faces), ml. ``cop_*_mm``: where both say the foot is loaded.
    ``sight_measured``: the truth itself says when the plates saw a foot; else it was guessed from the load.
    """

    rows: Mapping[str, int]
    vertical_pct_bw: float
    ap_pct_bw: float
    ml_pct_bw: float
    by_foot: Mapping[str, tuple[float, float, float]]
    vertical_bias_pct_bw: float
    cop_ap_mm: float | None
    cop_ml_mm: float | None
    sight_measured: bool
    differences_N: Mapping[str, Difference] = field(default_factory=dict)
    """Per foot and direction, ours minus the plates."""


@dataclass(frozen=True)
class MomentErrors:
    """RMSE in % body weight x height where the plates see both feet and the truth's own residual is at most 15 % BW."""

    rows: int
    median_pct_bwh: float
    mean_pct_bwh: float
    by_coordinate: Mapping[str, float]
    differences_Nm: Mapping[str, Difference] = field(default_factory=dict)
    """Per coordinate, ours minus the truth."""


def forward_axes(truth: Truth, clock_s: Float64[np.ndarray, " row"]) -> Float64[np.ndarray, "row 2"]:
    """Horizontal unit vectors the person faces (world), a second's mean; from the truth's hips, else its pelvis rotation."""
    keypoints = truth.keypoints
    if keypoints is not None and {"RHip", "LHip"} <= set(keypoints.markers):
        right = (
            keypoints.points_m[:, keypoints.markers.index("RHip")]
            - keypoints.points_m[:, keypoints.markers.index("LHip")]
        )
        time_s, facing = keypoints.time_s, np.stack([-right[:, 1], right[:, 0]], axis=1)
    else:
        turn = (
            np.deg2rad(truth.motion.column("pelvis_rotation"))
            if "pelvis_rotation" in truth.motion.columns
            else 0.0
        )
        time_s = truth.motion.time_s
        facing = np.stack([np.cos(turn) + 0 * time_s, np.sin(turn) + 0 * time_s], axis=1)
    known = np.isfinite(facing).all(axis=1)
    facing = facing[known] / np.linalg.norm(facing[known], axis=1, keepdims=True)
    cumulative = np.vstack([np.zeros(2), np.cumsum(facing, axis=0)])
    low = np.searchsorted(time_s[known], clock_s - HEADING_WINDOW_S / 2)
    high = np.searchsorted(time_s[known], clock_s + HEADING_WINDOW_S / 2)
    low = np.clip(low, 0, max(len(facing) - 1, 0))
    high = np.clip(np.maximum(high, low + 1), 1, len(facing))
    mean = cumulative[high] - cumulative[low]
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def our_feet(forces: Storage) -> tuple[Float64[np.ndarray, "row 2 3"], Float64[np.ndarray, "row 2 3"]]:
    """Force and centre of pressure of grf.mot in the world frame, right and left foot."""
    parts = []
    for kind in "vp":
        feet = [np.stack([forces.column(f"ground_force_{s}_{kind}{a}") for a in "xyz"], axis=1) for s in "rl"]
        parts.append(from_opensim(np.stack(feet, axis=1)))
    return parts[0], parts[1]


def at_rows(
    truth: TruthForces, clock_s: Float64[np.ndarray, " row"]
) -> tuple[Float64[np.ndarray, "row 2 3"], Bool[np.ndarray, "row 2"]]:
    """The plates' forces at our instants, and whether the plates saw each foot on both sides of the instant."""
    force = np.stack(
        [[np.interp(clock_s, truth.time_s, truth.force[:, f, a]) for a in range(3)] for f in range(2)], axis=0
    ).transpose(2, 0, 1)
    after = np.clip(np.searchsorted(truth.time_s, clock_s), 0, len(truth.time_s) - 1)
    before = np.clip(after - 1, 0, None)
    inside = (clock_s >= truth.time_s[0]) & (clock_s <= truth.time_s[-1])
    return force, truth.plates_see[after] & truth.plates_see[before] & inside[:, None]


def force_errors(
    ours: Storage, clock_s: Float64[np.ndarray, " row"], truth: Truth, mass_kg: float
) -> ForceErrors | None:
    """Compare; None without plates or overlap. ``mass_kg`` is the truth's where known."""
    if truth.forces is None or len(truth.forces.time_s) < 2:
        return None
    expected, seen = at_rows(truth.forces, clock_s)
    if not seen.any():
        return None
    force, cop = our_feet(ours)
    forward = forward_axes(truth, clock_s)
    weight = mass_kg * GRAVITY
    error = in_walking_axes(force - expected, forward) * (100.0 / weight)
    feet = {side: error[seen[:, f], f] for f, side in enumerate(SIDES)}
    pooled = np.concatenate(list(feet.values()))
    rms = np.sqrt(np.mean(pooled**2, axis=0))
    cop_errors = _cop_errors(force, cop, expected, truth.forces, clock_s, seen, forward)
    return ForceErrors(
        rows={side: len(e) for side, e in feet.items()},
        ap_pct_bw=float(rms[0]),
        ml_pct_bw=float(rms[1]),
        vertical_pct_bw=float(rms[2]),
        by_foot={
            side: (float(r[2]), float(r[0]), float(r[1]))
            for side, e in feet.items()
            if len(e)
            for r in [np.sqrt(np.mean(e**2, axis=0))]
        },
        vertical_bias_pct_bw=float(np.mean(pooled[:, 2])),
        cop_ap_mm=cop_errors[0],
        cop_ml_mm=cop_errors[1],
        sight_measured=truth.forces.sight_measured,
        differences_N=_differences(force, expected, seen, forward),
    )


def _differences(
    force: np.ndarray, expected: np.ndarray, seen: np.ndarray, forward: np.ndarray
) -> dict[str, Difference]:
    ours, theirs = (in_walking_axes(v, forward) for v in (force, expected))
    found = {
        f"{side} {name}": difference(ours[seen[:, f], f, axis], theirs[seen[:, f], f, axis])
        for f, side in enumerate(SIDES)
        for axis, name in ((2, "vertical"), (0, "fore-aft"), (1, "mediolateral"))
    }
    return {n: d for n, d in found.items() if d is not None}


def in_walking_axes(
    vectors: Float64[np.ndarray, "row foot 3"], forward: Float64[np.ndarray, "row 2"]
) -> Float64[np.ndarray, "row foot 3"]:
    """(ap, ml, vertical) components; ml positive to the left."""
    f = forward[:, None, :]
    ap = (vectors[..., :2] * f).sum(axis=2)
    ml = vectors[..., 1] * f[..., 0] - vectors[..., 0] * f[..., 1]
    return np.stack([ap, ml, vectors[..., 2]], axis=2)


def _cop_errors(
    force: np.ndarray,
    cop: np.ndarray,
    expected: np.ndarray,
    truth: TruthForces,
    clock_s: np.ndarray,
    seen: np.ndarray,
    forward: np.ndarray,
) -> tuple[float | None, float | None]:
    measured = np.stack(
        [[np.interp(clock_s, truth.time_s, truth.cop[:, f, a]) for a in range(3)] for f in range(2)], axis=0
    ).transpose(2, 0, 1)  # NaN beside an unloaded sample
    error = in_walking_axes(cop - measured, forward)[..., :2]
    counted = (
        seen & (force[..., 2] > LOADED_N) & (expected[..., 2] > LOADED_N) & np.isfinite(error).all(axis=2)
    )
    if not counted.any():
        return None, None
    rms = np.sqrt(np.mean(error[counted] ** 2, axis=0)) * 1000.0
    return float(rms[0]), float(rms[1])


def moment_errors(
    ours: Storage, clock_s: Float64[np.ndarray, " row"], truth: Truth, mass_kg: float, height_m: float
) -> MomentErrors | None:
    """Compare the moments of the main coordinates; None without inverse dynamics or usable rows."""
    if truth.moments is None or truth.forces is None:
        return None
    names = [n for n in MAIN if f"{n}_moment" in ours.columns and f"{n}_moment" in truth.moments.columns]
    if not names:
        return None
    times = truth.moments.time_s
    _, seen = at_rows(truth.forces, clock_s)
    residual = np.interp(clock_s, truth.forces.time_s, np.nan_to_num(truth.forces.residual_pct_bw, nan=0.0))
    counted = np.all(seen, axis=1) & (residual <= MOMENT_RESIDUAL_PCT_BW)
    counted &= (clock_s >= times[0] + EDGE_S) & (clock_s <= times[-1] - EDGE_S)
    if counted.sum() < 3:
        return None
    columns = [f"{n}_moment" for n in names]
    expected = truth.moments.at(clock_s[counted], columns)
    expected *= [truth.knee_sign if n.startswith("knee_angle") else 1 for n in names]
    got = ours.values[counted][:, [ours.columns.index(c) for c in columns]]
    scale = 100.0 / (mass_kg * GRAVITY * height_m)
    rms = np.sqrt(np.mean((got - expected) ** 2, axis=0)) * scale
    return MomentErrors(
        rows=int(counted.sum()),
        median_pct_bwh=float(np.median(rms)),
        mean_pct_bwh=float(np.mean(rms)),
        by_coordinate=dict(zip(names, rms.tolist(), strict=True)),
        differences_Nm={
            n: d for i, n in enumerate(names) if (d := difference(got[:, i], expected[:, i])) is not None
        },
    )
