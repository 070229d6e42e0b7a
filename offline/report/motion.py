"""What the curves are made of, for every row of a session: feet, joint rates, forces and moments, activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.body.muscles import ARCHITECTURE
from kincast.models.coordinates import COORDINATES
from kincast.models.gait.landmarks import GaitLandmarks
from kincast.models.gait.track import local_quadratic
from kincast.offline.report.session import PLAUSIBLE, ReportSession, body_weight_N
from kincast.streaming.results.columns import SIDES as FILE_SIDES
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.storage import Storage

RATE_HALF_WIDTH_S = 0.04
"""Joint rates are slopes of parabolas over 80 ms: half of the rise time of push-off power."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Hip flexors": ("iliacus", "psoas"),
    "Gluteus maximus": ("glmax1", "glmax2", "glmax3"),
    "Hip abductors": ("glmed1", "glmed2", "glmed3", "glmin1", "glmin2", "glmin3", "tfl"),
    "Hip adductors": ("addbrev", "addlong", "addmagDist", "addmagIsch", "addmagMid", "addmagProx", "grac"),
    "Hamstrings": ("bflh", "bfsh", "semimem", "semiten"),
    "Rectus femoris": ("recfem",),
    "Vasti": ("vasint", "vaslat", "vasmed"),
    "Gastrocnemius": ("gaslat", "gasmed"),
    "Soleus": ("soleus",),
    "Tibialis anterior": ("tibant", "edl", "ehl"),
    "Deep plantar flexors": ("tibpost", "fdl", "fhl"),
    "Peroneals": ("perbrev", "perlong"),
}
"""Muscles of a leg that act together in gait; sartorius and piriformis are in no group."""


@dataclass(frozen=True)
class Motion:
    """Rows of a session in the world frame; every array has the session's rows, None where the folder lacks it.

    Attributes:
        feet: side (right, left), point (heel, big toe, small toe), xyz; metres.
        foot_axes: unit vectors along the calcanei (right, left), heel to toes.
        pelvis: midpoint of the hip joints, metres.
        rates: joint rates, rad/s, of the 40 coordinates.
        force: on the right and left foot, body weights (newtons where the mass is unknown).
        cop: centres of pressure, metres.
        residual: size of the residual force at the pelvis, body weights.
        torques: generalised forces on the 40 coordinates per body mass (N m / kg).
        force_sd, torques_sd: stated standard deviations of force and torques, in the same units (None where not stated).
        activations, activation_spread: group -> (row, side (right, left)), weighted by the muscles' strengths.
    """

    feet: Float64[np.ndarray, "row 2 3 3"] | None
    foot_axes: Float64[np.ndarray, "row 2 3"] | None
    pelvis: Float64[np.ndarray, "row 3"] | None
    rates: Float64[np.ndarray, "row 40"]
    force: Float64[np.ndarray, "row 2 3"] | None
    cop: Float64[np.ndarray, "row 2 3"] | None
    residual: Float64[np.ndarray, " row"] | None
    torques: Float64[np.ndarray, "row 40"] | None
    force_sd: Float64[np.ndarray, "row 2 3"] | None
    torques_sd: Float64[np.ndarray, "row 40"] | None
    activations: Mapping[str, Float64[np.ndarray, "row 2"]]
    activation_spread: Mapping[str, Float64[np.ndarray, "row 2"]]


def motion_of(session: ReportSession) -> Motion:
    """Compute everything once. Kinetics are left out where an unknown external force acts on the person."""
    feet, pelvis = _feet(session)
    hidden = session.external_force_unknown
    force, cop = (None, None) if hidden else _forces(session)
    results = session.results
    return Motion(
        feet=feet,
        foot_axes=_foot_axes(session),
        pelvis=pelvis,
        rates=_rates(session),
        force=force,
        cop=cop,
        residual=None if hidden else residual_force(session),
        torques=None if hidden else _torques(session, session.results.torques),
        force_sd=None if hidden else _force_sd(session),
        torques_sd=None if hidden else _torques(session, session.results.torques_sd),
        activations={} if hidden else _groups(session.rows_of(results.activations)),
        activation_spread={} if hidden else _groups(session.rows_of(results.activations_sd)),
    )


def _feet(
    session: ReportSession,
) -> tuple[Float64[np.ndarray, "row 2 3 3"] | None, Float64[np.ndarray, "row 3"] | None]:
    if session.body is None:
        return None, None
    landmarks = GaitLandmarks(session.body)
    samples = landmarks.samples([0] * len(session.poses), session.poses)
    rows = len(samples)
    feet = np.array([s.feet for s in samples], dtype=np.float64).reshape(rows, 2, 3, 3)
    return feet, np.array([s.pelvis for s in samples], dtype=np.float64).reshape(rows, 3)


def _foot_axes(session: ReportSession) -> Float64[np.ndarray, "row 2 3"] | None:
    if session.body is None:
        return None
    model = session.body.mj_model
    data = mujoco.MjData(model)
    feet = [int(model.body(f"calcn_{side}").id) for side in FILE_SIDES]
    axes = np.empty((len(session.poses), 2, 3))
    for i, q in enumerate(session.poses):
        data.qpos[:] = session.body.full_qpos(q)
        mujoco.mj_kinematics(model, data)
        axes[i] = data.xmat[feet].reshape(2, 3, 3)[:, :, 0]
    return axes


def _rates(session: ReportSession) -> Float64[np.ndarray, "row 40"]:
    rates = np.zeros_like(session.coordinates)
    keep = np.flatnonzero(session.finite)
    if len(keep) < 3:
        return rates
    times = session.time_s[keep]
    interval = float(np.median(np.diff(times)))
    half = int(np.clip(round(RATE_HALF_WIDTH_S / max(interval, 1e-3)), 1, 20))
    rates[keep] = np.deg2rad(local_quadratic(times, session.coordinates[keep], 0, half)[1])
    return rates


def _clean(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values) & (np.abs(values) < PLAUSIBLE), values, 0.0)


def _forces(
    session: ReportSession,
) -> tuple[Float64[np.ndarray, "row 2 3"] | None, Float64[np.ndarray, "row 2 3"] | None]:
    grf = session.rows_of(session.results.ground_forces)
    if grf is None:
        return None, None
    found = []
    for kind, axes in (("force", ("vx", "vy", "vz")), ("force", ("px", "py", "pz"))):
        names = [[f"ground_{kind}_{side}_{axis}" for axis in axes] for side in FILE_SIDES]
        if any(name not in grf.columns for side in names for name in side):
            return None, None
        stacked = np.stack([np.column_stack([grf.column(n) for n in side]) for side in names], axis=1)
        found.append(from_opensim(_clean(stacked)))
    weight = body_weight_N(session.mass_kg) if session.mass_kg else 1.0
    return found[0] / weight, found[1]


def residual_force(session: ReportSession) -> Float64[np.ndarray, " row"] | None:
    """Size of the residual force at the pelvis, body weights; None where force or mass are not known."""
    residuals = session.rows_of(session.results.residuals)
    if residuals is None or not session.mass_kg or not {"FX", "FY", "FZ"} <= set(residuals.columns):
        return None
    force = _clean(np.column_stack([residuals.column(c) for c in ("FX", "FY", "FZ")]))
    return np.linalg.norm(force, axis=1) / body_weight_N(session.mass_kg)


def _force_sd(session: ReportSession) -> Float64[np.ndarray, "row 2 3"] | None:
    """World axes, body weights. The files' axes are the world's in another order, so that sds carry over."""
    sd = session.rows_of(session.results.ground_forces_sd)
    names = [[f"ground_force_{side}_v{axis}" for axis in "xyz"] for side in FILE_SIDES]
    if sd is None or not session.mass_kg or any(n not in sd.columns for side in names for n in side):
        return None
    stacked = np.stack([np.column_stack([sd.column(n) for n in side]) for side in names], axis=1)
    return np.abs(from_opensim(_clean(stacked))) / body_weight_N(session.mass_kg)


def _torques(session: ReportSession, storage: Storage | None) -> Float64[np.ndarray, "row 40"] | None:
    """Per body mass; coordinates that the file lacks are zero."""
    torques = session.rows_of(storage)
    if torques is None or not session.mass_kg:
        return None
    columns = [
        torques.column(f"{name}_moment")
        if f"{name}_moment" in torques.columns
        else np.zeros(len(session.time_s))
        for name in COORDINATES
    ]
    return _clean(np.column_stack(columns)) / session.mass_kg


def _groups(storage: Storage | None) -> Mapping[str, Float64[np.ndarray, "row 2"]]:
    """Strength-weighted means over the muscles of each group that the file holds on both sides."""
    if storage is None:
        return {}
    found = {}
    for group, muscles in GROUPS.items():
        there = [m for m in muscles if all(f"{m}_{side}" in storage.columns for side in FILE_SIDES)]
        if not there:
            continue
        strength = np.array([ARCHITECTURE[m][1] for m in there])
        both = [_clean(np.column_stack([storage.column(f"{m}_{s}") for m in there])) for s in FILE_SIDES]
        found[group] = np.stack([values @ strength / strength.sum() for values in both], axis=1)
    return found
