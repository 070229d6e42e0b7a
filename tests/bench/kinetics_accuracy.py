"""Kinetics alone: optical joint angles on our body, held against force plates, inverse dynamics, static
optimisation and EMG. What the live path adds to these errors is the fit's noise (``live_accuracy``).

    python -m tests.bench kinetics_accuracy

Per walk: force per foot (% body weight RMSE, swing included) and leg moments (% body weight x height RMSE) at
the live delay of 50 ms. Muscles: root mean square difference and median correlation against OpenSim's static
optimisation of one stance with the same joint moments; median correlation of seven activations with EMG envelopes.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from kincast.models.contact_forces import GRAVITY
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES
from kincast.models.differentiation import HistoryConfig, PoseHistory
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.leg_muscles import LegMuscleModel
from kincast.streaming.kinetics import KineticsConfig, KineticsStream
from kincast.streaming.messages import Kinetics
from kincast.streaming.results.storage import read_storage
from tests.streaming.measured_walk import MeasuredWalk, fit_results, measured_walk

WALKS = ("walking1", "walkingTI1", "walkingTS2", "subject01_walk", "treadmill60")
JOINTS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle")
SKIP_S = 0.3


def kinetics_of(
    walk: MeasuredWalk, muscles: bool = False, settle: int = 3
) -> tuple[list[Kinetics], KineticsStream, float]:
    """Rows, the stream, and the least wall time of a step (s)."""
    config = KineticsConfig(belt_speed_m_s=walk.belt_speed_m_s, muscles=muscles)
    stream = KineticsStream(walk.body, walk.mass_kg, config)
    rows: list[Kinetics] = []
    quickest = np.inf
    for i, fit in enumerate(fit_results(walk.t_ns, walk.poses, settle)):
        start = time.perf_counter()
        new = stream.step(fit)
        if new and i > 30:
            quickest = min(quickest, time.perf_counter() - start)
        rows += new
    return rows, stream, quickest


def against_plates(walk: MeasuredWalk, rows: list[Kinetics]) -> dict[str, float]:
    n = len(rows)
    time_s = (walk.t_ns[:n] - walk.t_ns[0]) * 1e-9
    use = (time_s > SKIP_S) & (time_s < time_s[-1] - 0.1)
    force = np.array([[r.right.force, r.left.force] for r in rows], dtype=float)
    axes = np.stack([[0.0, 0.0, 1.0], walk.forward, np.cross([0.0, 0.0, 1.0], walk.forward)])
    off = ((force - walk.force[:n]) @ axes.T)[use][walk.plate_ok[:n][use]]
    weight = walk.mass_kg * GRAVITY
    vertical, fore_aft, lateral = 100 * np.sqrt(np.mean(off**2, axis=0)) / weight
    both = use & walk.plate_ok[:n].all(axis=1)
    torques = np.array([r.torques for r in rows], dtype=float)
    wrong = [
        torques[both, COORDINATES.index(f"{joint}_{side}")] - walk.moments[f"{joint}_{side}"][:n][both]
        for joint in JOINTS
        for side in "rl"
    ]
    return {
        "vertical_pct_bw": vertical,
        "fore_aft_pct_bw": fore_aft,
        "lateral_pct_bw": lateral,
        "moments_pct_bw_height": 100 * float(np.sqrt(np.mean(np.square(wrong)))) / (weight * walk.stature_m),
        "residual_pct_bw": float(np.mean([r.residual_pct_bw for r in rows])),
    }


def against_static_optimisation(data: Path, walk: MeasuredWalk) -> dict[str, float]:
    """Activations of both legs for the reference's own moments, one stance."""
    reference = read_storage(data / "coordretraining_treadmill" / "SO" / "states.sto")
    dynamics = InverseDynamics(walk.body)
    muscles = LegMuscleModel(dynamics)
    history = PoseHistory(HistoryConfig(window_s=0.6, max_samples=128))
    squared, correlations = [], []
    ours = {name: [] for name in muscles.names}
    theirs = {name: [] for name in muscles.names}
    for i, (t_ns, q) in enumerate(zip(walk.t_ns, walk.poses, strict=True)):
        if abs(t_ns * 1e-9 - reference.time_s.mean()) > 1.0:
            continue
        history.push(int(t_ns), q, np.full(40, 5e-4), int(t_ns) - 300_000_000)
        at = i - 12  # 0.2 s of future: an offline derivative
        instant_s = walk.t_ns[at] * 1e-9
        if not reference.time_s[0] < instant_s < reference.time_s[-1]:
            continue
        dynamics.set_motion(history.differentiate(int(walk.t_ns[at])))
        torque = np.zeros(40)
        for name, moment in walk.moments.items():
            if name in JOINT_COORDINATES:
                torque[6 + JOINT_COORDINATES.index(name)] = moment[at]
        found = muscles.solve(torque, np.zeros(40)).activations
        for k, name in enumerate(muscles.names):
            column = next(c for c in reference.columns if c.endswith(f"/{name}/activation"))
            ours[name].append(found[k])
            theirs[name].append(float(np.interp(instant_s, reference.time_s, reference.column(column))))
    for name in muscles.names:
        a, b = np.array(ours[name]), np.array(theirs[name])
        squared.append(np.mean((a - b) ** 2))
        if a.std() > 1e-3 and b.std() > 1e-3:
            correlations.append(np.corrcoef(a, b)[0, 1])
    return {"so_rmse": float(np.sqrt(np.mean(squared))), "so_median_r": float(np.median(correlations))}


def against_emg(data: Path, rows: list[Kinetics], names: tuple[str, ...]) -> float:
    """Median correlation of the activations with the EMG envelopes of the same instants."""
    emg = read_storage(data / "coordretraining_treadmill" / "emg.sto")
    time_s = np.array([r.t_ns for r in rows]) * 1e-9
    activations = np.array([r.activations for r in rows])
    use = time_s > time_s[0] + SKIP_S
    found = []
    for column in emg.columns:
        muscle = names.index(column.removesuffix("_activation"))
        envelope = np.interp(time_s, emg.time_s, emg.column(column))
        found.append(np.corrcoef(activations[use, muscle], envelope[use])[0, 1])
    return float(np.median(found))


def measure(data: Path | None) -> dict[str, float]:
    if data is None:
        return {}
    figures: dict[str, float] = {}
    for case in WALKS:
        walk = measured_walk(data, case, seconds=10.0)
        for name, value in against_plates(walk, kinetics_of(walk)[0]).items():
            figures[f"kinetics.{case}.{name}"] = round(float(value), 2)
    walk = measured_walk(data, "treadmill60", seconds=13.0, variant="muscle")
    rows, stream, quickest = kinetics_of(walk, muscles=True)
    figures["kinetics.step_ms"] = round(1e3 * quickest, 2)
    figures["kinetics.emg_median_r"] = round(against_emg(data, rows, stream.muscle_names), 2)
    for name, value in against_static_optimisation(data, walk).items():
        figures[f"kinetics.{name}"] = round(value, 3)
    return figures
