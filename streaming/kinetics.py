"""Live kinetics by optimisation: fitted poses in, joint torques, foot forces and muscle activations out.

One row per settled pose, delayed by whole snapshots: a row is held back until just before its instant is
``total_delay_s`` behind the newest snapshot (camera to row, the fitter's own delay included) and then uses every
pose known by then, also those the fitter may still refine. Deterministic; no clock is read.

Standard deviations: :mod:`kincast.models.kinetics_sd`, with the differentiator's posterior (noise level = the fit's own
``sd_within``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.body import Body
from kincast.models.body.parameters import harness_force
from kincast.models.contact_forces import (
    GRAVITY,
    ContactSolver,
    LoadPrior,
    contact_gate,
    flatness,
    with_unloaded,
)
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.differentiation import MotionState, PoseHistory
from kincast.models.feet_motion import FeetMotion, FeetObserver
from kincast.models.fit_result import FitResult, SettledPose
from kincast.models.force_rate import ForceRate
from kincast.models.ground_velocity import GroundEstimator
from kincast.models.hindsight import FeetDiary, Hindsight
from kincast.models.inverse_dynamics import InverseDynamics, opensim_generalised_forces
from kincast.models.kinetics_sd import kinetics_sd, turned
from kincast.models.leg_muscles import LegMuscleModel
from kincast.models.load_expectation import expected_place, expected_share
from kincast.models.sole import SoleFloor
from kincast.models.weight_offset import WeightOffset, pressure_centre
from kincast.streaming.kinetics_config import KineticsConfig
from kincast.streaming.latency import StageTimes
from kincast.streaming.messages import FootForce, Kinetics

__all__ = ["KineticsConfig", "KineticsStream"]

UNLOADED_N = 20.0
LEAST_WEIGHT = 0.5
"""Of body weight: below that much vertical force the centre of pressure tells nothing."""
KNEES = [7 + JOINT_COORDINATES.index(name) for name in ("knee_angle_r", "knee_angle_l")]
STAMP_TOLERANCE_NS = 500_000  # 3 frames at 60 Hz are 50 ms, whatever the stamps' rounding


class KineticsStream:
    """State of one session: pose history, floor, belt and the last loads.

    ``mass_kg`` is the person's; where it is not the body's own it wins over every body, swapped ones included.
    The share of a step that the muscles take goes to ``stages`` as "muscles".
    A harness of stated force is taken to lift the torso; any other external support makes every row invalid.

    Raises:
        ValueError: the mass is not positive.
        BodyParametersError: ``external_support`` is none of the known kinds.
    """

    def __init__(
        self,
        body: Body,
        mass_kg: float,
        config: KineticsConfig | None = None,
        stages: StageTimes | None = None,
    ) -> None:
        if not mass_kg > 0.0:
            raise ValueError(f"mass is {mass_kg} kg; kinetics needs a positive body mass")
        self._config = config or KineticsConfig()
        self._stages = stages or StageTimes()
        self._harness_N = harness_force(self._config.external_support)
        follows_body = abs(mass_kg / float(body.parameters.mass_kg) - 1.0) < 1e-9
        self._measured_mass_kg = None if follows_body else mass_kg
        self._belt = GroundEstimator(self._config.belt_speed_m_s)
        self._waiting: deque[SettledPose] = deque()
        self._times_ns: deque[int] = deque(maxlen=16)
        self._last_seq = -1
        self._tracked_since_ns: int | None = None
        self._believed_from_ns = 0
        self._cop = np.zeros((2, 3))
        self._recent: deque[tuple[int, float, float, float]] = deque()
        self._diary: FeetDiary | None = None
        self._hindsight: Hindsight | None = None
        self.swap_body(body)

    def swap_body(self, body: Body, mass_kg: float | None = None) -> None:
        """From the next row on use ``body`` (and another mass, if one is given). The pose history restarts from the fitter's window, refitted with it."""
        self._mass = self._measured_mass_kg or float(body.parameters.mass_kg)
        self._mass = self._mass if mass_kg is None else mass_kg
        self._dynamics = InverseDynamics(body, self._mass)
        points = self._dynamics.sole.local.shape[1]
        self._contact = ContactSolver(points, self._mass, self._config.contact)
        leaning = replace(self._config.contact, vertical_weight=self._config.supported_vertical_weight)
        self._contact_supported = ContactSolver(points, self._mass, leaning)
        self._muscles = (
            LegMuscleModel(self._dynamics, self._config.muscle)
            if self._config.muscles and body.variant == "muscle"
            else None
        )
        self._floor = SoleFloor(points, self._config.sole)
        self._history = PoseHistory(self._config.history)
        self._restart = True
        self._recent.clear()
        self._weight_offset = WeightOffset(self._config.weight_offset)
        self._feet_observer = FeetObserver(self._dynamics)
        self._force_rate = ForceRate()

    @property
    def muscle_names(self) -> tuple[str, ...]:
        """Order of the activations; empty without muscles."""
        return self._muscles.names if self._muscles else ()

    def step(self, fit: FitResult) -> tuple[Kinetics, ...]:
        """Take in one answer of the fitter; returns the rows that became due, in order, often one."""
        if self._restart and fit.settled:
            self._restart_history(fit)
        for pose in fit.settled:
            self._take(pose)
        newer = (fit.window.seq > self._last_seq) & np.isfinite(fit.window.qpos).all(axis=1)
        newer_t, newer_q = fit.window.t_ns[newer], fit.window.qpos[newer].astype(np.float64)
        rows = []
        budget_ns = int(self._config.total_delay_s * 1e9) + STAMP_TOLERANCE_NS - self._interval_ns()
        while self._waiting and fit.t_ns - self._waiting[0].t_ns > budget_ns:
            rows.append(self._row(self._waiting.popleft(), newer_t, newer_q))
        return tuple(rows)

    def flush(self, settled: tuple[SettledPose, ...] = ()) -> tuple[Kinetics, ...]:
        """Rows still held back at the end of the stream; ``settled`` are the poses the fitter's own flush handed out."""
        for pose in settled:
            self._take(pose)
        nothing = np.zeros(0, dtype=np.int64), np.zeros((0, 41))
        rows = tuple(self._row(pose, *nothing) for pose in self._waiting)
        self._waiting.clear()
        return rows

    def row(self, motion: MotionState) -> Kinetics:
        """The row of a motion whose derivatives are known by other means (offline); rows in order of time."""
        return self._solve(motion)

    def keep_diary(self, diary: FeetDiary) -> None:
        """From now on note in ``diary`` what hindsight may want to know: of a recording, whose end comes soon enough."""
        self._diary = diary

    def learn_from(self, earlier: KineticsStream, hindsight: Hindsight) -> None:
        """Begin the same session anew, knowing already how floor and belt lie and what its end tells; ``earlier`` is not used
        any more."""
        self._belt, self._floor = earlier._belt, earlier._floor
        self._belt.forget()
        self._floor.rewind()
        self._hindsight = hindsight

    def _restart_history(self, fit: FitResult) -> None:
        """Begin the history with the window's poses before the first settled one of ``fit``."""
        self._restart = False
        self._history.clear()
        self._believed_from_ns = fit.settled[0].t_ns
        if self._tracked_since_ns is None:
            return
        sd = _velocity_sd(fit.settled[0].sd_within)
        keep_from_ns = self._waiting[0].t_ns if self._waiting else fit.settled[0].t_ns
        for seq, t_ns, q in zip(fit.window.seq, fit.window.t_ns, fit.window.qpos, strict=True):
            if seq < fit.settled[0].seq and np.all(np.isfinite(q)):
                self._history.push(int(t_ns), q, sd, keep_from_ns)

    def _take(self, pose: SettledPose) -> None:
        self._waiting.append(pose)
        self._last_seq = pose.seq
        self._times_ns.append(pose.t_ns)
        if not pose.tracked or not np.all(np.isfinite(pose.qpos)):
            self._tracked_since_ns = None
            self._history.clear()
            return
        if self._tracked_since_ns is None:
            self._tracked_since_ns = self._believed_from_ns = pose.t_ns
        self._history.push(pose.t_ns, pose.qpos, _velocity_sd(pose.sd_within), self._waiting[0].t_ns)

    def _interval_ns(self) -> int:
        """When the next snapshot may be due at the latest, by the last ones; the whole delay while unknown."""
        if len(self._times_ns) < 2:
            return int(self._config.total_delay_s * 1e9)
        intervals = np.sort(np.diff(np.array(self._times_ns, dtype=np.int64)))
        return int(intervals[-2] if len(intervals) > 2 else intervals[-1])  # one lost picture does not count

    def _row(
        self, pose: SettledPose, newer_t: Int64[np.ndarray, "newer"], newer_q: Float64[np.ndarray, "newer 41"]
    ) -> Kinetics:
        if self._tracked_since_ns is None or pose.t_ns < self._tracked_since_ns or not len(self._history):
            return self._nothing(pose.t_ns, "nobody is tracked")
        motion = self._history.differentiate(pose.t_ns, newer_t, newer_q)
        if not np.all(np.isfinite(motion.a_sd)):
            return self._nothing(pose.t_ns, "not enough motion seen yet")
        return self._solve(motion)

    def _solve(self, motion: MotionState) -> Kinetics:
        dynamics = self._dynamics
        qfrc = dynamics.set_motion(motion)
        qfrc = qfrc - dynamics.lifted_by(self._harness_N)
        points, gate, feet_motion = self._feet(motion)
        expected = self._expected(feet_motion, points, float(np.prod(flatness(gate))))
        if self._hindsight is not None:
            expected = with_unloaded(
                expected, self._hindsight.unloaded_at(motion.t_ns), self._config.unloaded_weight
            )
        qfrc = qfrc + self._weight_shift(motion, qfrc, feet_motion, expected)
        wrench = dynamics.demanded_wrench(qfrc)
        found = self._contact.solve(wrench, dynamics.pelvis, points, gate, expected)
        if self._unexplained(found.residual) > 1.0:
            # the feet are not under the weight: something else may carry a part of it
            found = self._contact_supported.solve(wrench, dynamics.pelvis, points, gate, expected)
        loaded = found.force[:, 2] >= UNLOADED_N
        self._cop = np.where(loaded[:, None], found.cop, self._cop)
        keep = loaded[:, None]
        loads, force, free = found.loads * keep, found.force * keep, found.free_torque * loaded
        feet = dynamics.foot_forces(loads, points, force, self._cop, free)
        torque = qfrc - feet
        residual = dynamics.demanded_wrench(torque)

        weight = self._mass * GRAVITY
        rate = self._force_rate.update(motion.t_ns, turned(force, dynamics.pelvis_rotation[:2, 0]))
        force_sd, torque_sd = kinetics_sd(
            dynamics, motion.a_sd, found, force, self._cop, rate, weight, self._config.model_error
        )
        if self._muscles is not None:
            with self._stages.timed("muscles"):
                legs = self._muscles.solve(torque, torque_sd)
            activations, spread = legs.activations, legs.spread
            reserve = float(np.abs(legs.reserve).max()) if legs.solved else np.inf
        else:
            activations = spread = np.zeros(0)
            reserve = 0.0
        reason = self._judge(motion.t_ns, residual, reserve)
        feet_out = [
            FootForce(
                force[f].astype(np.float32),
                self._cop[f].astype(np.float32),
                np.array([0.0, 0.0, free[f]], dtype=np.float32),
            )
            for f in range(2)
        ]
        return Kinetics(
            t_ns=motion.t_ns,
            torques=opensim_generalised_forces(torque, dynamics.pelvis_rotation).astype(np.float32),
            torques_sd=_opensim_sd(torque_sd).astype(np.float32),
            right=feet_out[0],
            left=feet_out[1],
            force_sd=force_sd.astype(np.float32),
            residual=residual.astype(np.float32),
            residual_pct_bw=float(100.0 * np.linalg.norm(residual[:3]) / weight),
            activations=activations.astype(np.float32),
            activations_sd=spread.astype(np.float32),
            valid=not reason,
            reason=reason,
        )

    def _feet(
        self, motion: MotionState
    ) -> tuple[Float64[np.ndarray, "2 point 3"], Float64[np.ndarray, "2 point"], FeetMotion]:
        """Sole points pressed onto their floor, the gate on their loads, and how the feet move."""
        sole = self._dynamics.sole_state()
        velocity = sole.velocity.reshape(-1, 3)
        forward = self._dynamics.pelvis_rotation[:2, 0]
        heading = forward / max(float(np.linalg.norm(forward)), 1e-9)
        belt = self._belt.update(motion.t_ns, velocity, motion.v[:2], heading).velocity_m_s
        relative = sole.velocity.copy()
        relative[:, :, :2] -= belt
        speed = np.linalg.norm(relative, axis=2)
        height = sole.position[:, :, 2]
        floor = self._floor.update(motion.t_ns, height, speed < self._config.contact.gate_speed_m_s)
        points = sole.position.copy()
        points[:, :, 2] = self._floor.common
        gate = contact_gate(height - floor, speed, self._config.contact)
        feet = self._feet_observer.observe(sole, height - floor, speed, gate, belt)
        if self._diary is not None:
            self._diary.note_feet(motion.t_ns, feet, np.asarray(belt))
        return points, gate, feet

    def _expected(self, feet: FeetMotion, points: Float64[np.ndarray, "2 point 3"], flat: float) -> LoadPrior:
        """Where the load is expected; two flat feet (``flat`` 1) share by the lever of the weight more than by rule."""
        c = self._config
        along = ((points[:, :, :2] - feet.heel[:, None, :]) * feet.forward[:, None, :]).sum(axis=2)
        place = expected_place(feet)
        return LoadPrior(
            expected_share(feet),
            c.share_weight * (1.0 - flat) + c.still_share_weight * flat,
            place,
            along - place[:, None],
            c.place_weight * (1.0 - flat) + c.still_place_weight * flat,
        )

    def _weight_shift(
        self, motion: MotionState, qfrc: Float64[np.ndarray, "40"], feet: FeetMotion, expected: LoadPrior
    ) -> Float64[np.ndarray, "40"]:
        """Generalised forces that put the trunk's weight where the soles say the body's weight is."""
        wrench = self._dynamics.demanded_wrench(qfrc)
        if wrench[2] < LEAST_WEIGHT * self._mass * GRAVITY:
            return np.zeros(40)
        share = np.array([expected.right, 1.0 - expected.right])
        carried = share @ (feet.heel + feet.forward * expected.place_m[:, None])
        demanded = pressure_centre(wrench, self._dynamics.pelvis, self._floor.common)
        forward = self._dynamics.pelvis_rotation[:2, 0]
        forward = forward / max(float(np.hypot(*forward)), 1e-9)
        knee = float(share @ motion.q[KNEES])
        ahead = self._weight_offset.update(motion.t_ns, float((carried - demanded) @ forward), knee)
        if self._diary is not None:
            self._diary.note_pressure(motion.t_ns, expected.right, carried - demanded - ahead * forward)
        lever = ahead * forward * wrench[2]
        return self._dynamics.turned_by(np.array([lever[1], -lever[0], 0.0]))

    def _unexplained(self, residual: Float64[np.ndarray, "6"]) -> float:
        """Residual relative to where another support is suspected: well beyond the noise of walking."""
        weight = self._mass * GRAVITY
        force = float(np.linalg.norm(residual[:3])) / (self._config.support_suspected * weight)
        moment = float(np.linalg.norm(residual[3:5])) / (self._config.residual_moment_limit_m * weight)
        return max(force, moment)

    def _judge(self, t_ns: int, residual: Float64[np.ndarray, "6"], reserve: float) -> str:
        """Why this row must not be believed; empty if it may."""
        c, weight = self._config, self._mass * GRAVITY
        self._recent.append(
            (
                t_ns,
                float(np.linalg.norm(residual[:3])) / weight,
                float(np.linalg.norm(residual[3:5])) / weight,
                reserve,
            )
        )
        while t_ns - self._recent[0][0] > c.mean_over_s * 1e9:
            self._recent.popleft()
        _, force, moment, reserve_mean = np.mean(np.array(self._recent), axis=0)
        if c.external_support != "none" and self._harness_N == 0.0:
            return f"external support declared ({c.external_support}): its force is unknown"
        if t_ns - self._believed_from_ns < c.settle_s * 1e9:
            return "tracking, or a new body, has only just begun"
        if force > c.residual_limit:
            return "no contact of the feet explains the motion: external support (seat, rail, hand), stairs or a bad fit"
        if moment > c.residual_moment_limit_m:
            return "the centre of pressure would lie outside the soles"
        if not reserve_mean <= c.reserve_limit_Nm:
            return "the muscles cannot give the torques"
        return ""

    def _nothing(self, t_ns: int, reason: str) -> Kinetics:
        muscles = len(self.muscle_names)
        unloaded = [
            FootForce(np.zeros(3, "f4"), self._cop[f].astype("f4"), np.zeros(3, "f4")) for f in range(2)
        ]
        return Kinetics(
            t_ns=t_ns,
            torques=np.zeros(40, "f4"),
            torques_sd=np.zeros(40, "f4"),
            right=unloaded[0],
            left=unloaded[1],
            force_sd=np.zeros((2, 3), "f4"),
            residual=np.zeros(6, "f4"),
            residual_pct_bw=0.0,
            activations=np.zeros(muscles, "f4"),
            activations_sd=np.ones(muscles, "f4"),
            valid=False,
            reason=reason,
        )


def _velocity_sd(sd: Float64[np.ndarray, "40"]) -> Float64[np.ndarray, "40"]:
    """Order of ``COORDINATES`` -> order of ``v`` (an upright pelvis: list about x, rotation about y, tilt about z)."""
    out = sd.copy()
    out[:3] = sd[[3, 5, 4]]
    out[3:6] = sd[[1, 2, 0]]
    return out


def _opensim_sd(sd: Float64[np.ndarray, "40"]) -> Float64[np.ndarray, "40"]:
    """Order of ``COORDINATES``: pelvis moments (tilt about z, list about x, rotation about y), forces, joints."""
    out = sd.copy()
    out[:3] = sd[[5, 3, 4]]
    out[3:6] = sd[[0, 2, 1]]
    return out
