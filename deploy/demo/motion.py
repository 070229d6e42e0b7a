"""The walk as poses of the 40-coordinate body: joint angle curves reconciled with feet that do not slide.

At every instant a weighted least-squares pose is found between the reference curves (each joint with its leeway),
the pelvis' path and the planned motion of both feet; planted feet are held to a millimetre.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np
from jaxtyping import Float64
from scipy.ndimage import gaussian_filter1d

from kincast.deploy.demo.balance import (
    centre_of_mass,
    pendulum_path,
    planned_support,
    zero_moment_point,
)
from kincast.deploy.demo.curves import HIP_FLEXION, SOUND_LEG, STIFF_LEG, LegPattern
from kincast.deploy.demo.feet import FULL_STEP_M, FootMotion, foot_motion
from kincast.deploy.demo.pose_solver import PoseSolver, sole_depth
from kincast.deploy.demo.steps import (
    LEFT,
    RIGHT,
    STAND_STANCE,
    Footfall,
    Path,
    Phases,
    body_arc,
    phases,
    plan_footfalls,
)
from kincast.models.body import Body
from kincast.models.body.scaling import segment_scale
from kincast.models.coordinates import JOINT_COORDINATES, OPENSIM_FROM_WORLD
from kincast.models.rotations import matrix_from_quaternion, quaternion_from_matrix

STANCE_SHARE = 0.62
HIPS_AHEAD_M = 0.14
"""Of the pelvis origin before the middle between the heels, about; what the centre of mass needs decides."""
SMOOTHING_S, HIP_SMOOTHING_S, MISSED_SMOOTHING_S = 0.025, 0.11, 0.03
LOWER_M = 0.005
BALANCE_PASSES = 3
HIP_SD_M = (0.05, 0.05, 0.03)
"""Leeway of the hips along, across and up: their place follows the centre of mass, their height the legs."""


@dataclass(frozen=True)
class WalkPlan:
    """A person's walk: pattern of the (right, left) leg, the path, and seconds of standing, and in all."""

    legs: tuple[LegPattern, LegPattern] = (STIFF_LEG, SOUND_LEG)
    path: Path = field(default_factory=Path)
    stand_s: float = 1.5
    duration_s: float = 20.0
    toe_out_deg: tuple[float, float] = (10.0, 6.0)
    rate_hz: float = 100.0


@dataclass(frozen=True)
class Walk:
    """Poses ``q`` at ``t_s``, footfalls of both feet, and the planned foot motion they follow."""

    t_s: Float64[np.ndarray, " t"]
    q: Float64[np.ndarray, "t 41"]
    falls: tuple[tuple[Footfall, ...], tuple[Footfall, ...]]
    feet: tuple[FootMotion, FootMotion]


def generate_walk(body: Body, plan: WalkPlan | None = None) -> Walk:
    """The whole walk."""
    plan = plan or WalkPlan()
    t = np.arange(0.0, plan.duration_s, 1.0 / plan.rate_hz)
    falls = plan_footfalls(plan.path, plan.legs, plan.stand_s, plan.duration_s)
    when = phases(falls, t)
    scales = body.parameters.scales
    feet = tuple(
        foot_motion(
            side,
            falls[side],
            when,
            plan.path,
            plan.legs[side],
            segment_scale(scales, f"calcn_{'rl'[side]}"),
            sole_depth(body, f"calcn_{'rl'[side]}"),
            np.radians(plan.toe_out_deg[side]),
        )
        for side in (RIGHT, LEFT)
    )
    reference, leeway = _reference(body, plan, falls, when, t)
    solver, dt_s = PoseSolver(body), 1.0 / plan.rate_hz
    scales_of_feet = tuple(segment_scale(scales, f"calcn_{tag}") for tag in "rl")
    soles_m = tuple(sole_depth(body, f"calcn_{tag}") for tag in "rl")
    support = planned_support(falls, feet, when, t, scales_of_feet, soles_m)
    height_m = float(centre_of_mass(body, reference[:1])[0, 2])
    # first where the hips must be for these legs on these feet, then the legs under hips that move as a body does
    planned = support
    q = solver.solve_all(reference, leeway, feet, when, pendulum_path(planned, height_m, dt_s))
    reference[:, 2] = gaussian_filter1d(q[:, 2], HIP_SMOOTHING_S * plan.rate_hz, mode="nearest") - LOWER_M
    reference[:, 3:7] = _normalised(gaussian_filter1d(q[:, 3:7], HIP_SMOOTHING_S * plan.rate_hz, axis=0))
    right_up = np.arcsin(np.stack([matrix_from_quaternion(o)[2, 2] for o in reference[:, 3:7]]))
    reference[:, 7 + JOINT_COORDINATES.index("lumbar_bending")] = 0.8 * right_up  # the trunk stays upright
    leeway[:, 2], leeway[:, 3:6] = 0.002, np.radians(0.5)
    for _ in range(BALANCE_PASSES):
        q = solver.solve_all(reference, leeway, feet, when, pendulum_path(planned, height_m, dt_s))
        q = gaussian_filter1d(q, SMOOTHING_S * plan.rate_hz, axis=0, mode="nearest")
        q[:, 3:7] = _normalised(q[:, 3:7])
        planned = planned + support - zero_moment_point(body, q, dt_s, MISSED_SMOOTHING_S)
    return Walk(t, q, falls, (feet[RIGHT], feet[LEFT]))


def _normalised(quaternions: Float64[np.ndarray, "t 4"]) -> Float64[np.ndarray, "t 4"]:
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def _effort(falls: tuple[Footfall, ...], when: Phases, side: int) -> Float64[np.ndarray, " t"]:
    """How much of the cyclic curves is in play, 0 standing to 1: the size of the steps around, eased in and out."""
    lengths = np.array([f.length_m for f in falls])
    following = np.append(lengths[1:], 0.0)
    i = when.fall[side]
    before, after = np.minimum(lengths[i] / FULL_STEP_M, 1.0), np.minimum(following[i] / FULL_STEP_M, 1.0)
    stance = np.where(i == len(falls) - 1, when.stance[side] / STAND_STANCE, when.stance[side])
    return before + (after - before) * np.where(when.swinging[side], 1.0, stance)


def _reference(
    body: Body,
    plan: WalkPlan,
    falls: tuple[tuple[Footfall, ...], tuple[Footfall, ...]],
    when: Phases,
    t: Float64[np.ndarray, " t"],
) -> tuple[Float64[np.ndarray, "t 41"], Float64[np.ndarray, "t 40"]]:
    """Wanted poses and their leeway (standard deviations of the 40 velocities, m and rad)."""
    n, smooth = len(t), 0.06 * plan.rate_hz
    joints = {name: np.zeros(n) for name in JOINT_COORDINATES}
    leeway = {name: np.full(n, 1.0) for name in JOINT_COORDINATES}
    swing = [when.swinging[s] * np.sin(np.pi * when.swing[s]) for s in (RIGHT, LEFT)]
    efforts = [_effort(falls[s], when, s) for s in (RIGHT, LEFT)]
    obliquity, rotation, lift = np.zeros(n), np.zeros(n), np.zeros(n)
    for side in (RIGHT, LEFT):
        leg, e, tag = plan.legs[side], efforts[side], "rl"[side]
        cycle = np.where(
            when.swinging[side],
            STANCE_SHARE + (1 - STANCE_SHARE) * when.swing[side],
            STANCE_SHARE * when.stance[side],
        )
        hip = leg.hip_flexion(cycle)
        wanted = {
            "hip_flexion": 8.0 + e * (5.2 + leg.hip_flexion_gain * (hip - HIP_FLEXION.mean)),
            "hip_adduction": e * leg.hip_adduction(cycle),
            "hip_rotation": np.full(n, -3.0),
            "knee_angle": 4.0 + e * (leg.knee(cycle) - 4.0),
            "ankle_angle": 3.0 + e * (leg.ankle(cycle) - 3.0),
            "subtalar_angle": np.zeros(n),
            "mtp_angle": np.zeros(n),
        }
        free = {"hip_flexion": 8, "hip_adduction": 5, "hip_rotation": 4, "knee_angle": 6, "ankle_angle": 8}
        for name, values in wanted.items():
            joints[f"{name}_{tag}"] = np.radians(gaussian_filter1d(values, smooth / 3))
            leeway[f"{name}_{tag}"] = np.radians(np.full(n, free.get(name, 4.0)))
        leeway[f"mtp_angle_{tag}"][:] = np.radians(30)
        if leg.step_time_s > 0.6:  # the stiff knee gives way least of all joints
            leeway[f"knee_angle_{tag}"] = np.radians(1.8 - 0.8 * swing[side])
        sign = 1.0 if side == RIGHT else -1.0
        obliquity -= sign * leg.hike_deg * swing[side] * np.sqrt(np.clip(e, 0, 1))
        rotation += sign * 4.0 * e * np.cos(2 * np.pi * cycle)
        lift += 0.012 * swing[side] * e
        # arms swing against the leg of their side, less on the stiff side
        arm = (14.0 if leg.step_time_s > 0.6 else 22.0) * e
        joints[f"arm_flex_{tag}"] = np.radians(3.0 - arm * np.cos(2 * np.pi * cycle))
        joints[f"arm_add_{tag}"] = np.radians(np.full(n, -8.0))
        joints[f"elbow_flex_{tag}"] = np.radians(18.0 + 0.5 * arm * (1 - np.cos(2 * np.pi * cycle)) * 0.5)
        joints[f"pro_sup_{tag}"] = np.radians(np.full(n, 60.0))
    obliquity = np.radians(gaussian_filter1d(obliquity, smooth / 2))
    rotation = np.radians(gaussian_filter1d(0.5 * rotation, smooth))
    joints["lumbar_extension"][:] = np.radians(-4.0)
    joints["lumbar_bending"] = -0.8 * obliquity
    joints["lumbar_rotation"] = -1.6 * rotation
    for name in JOINT_COORDINATES:
        if name.startswith(("lumbar", "neck", "arm", "elbow", "pro", "wrist")):
            leeway[name][:] = np.radians(0.5)
    arc = body_arc(falls, t)
    place, heading = plan.path.at(arc)
    heading = gaussian_filter1d(heading, 3 * smooth, mode="nearest")
    hip_height = _standing_hip_height(body)
    stepping = np.clip(2 * gaussian_filter1d(np.maximum(*efforts), 2 * smooth), 0, 1)
    q = np.zeros((n, 41))
    q[:, :2] = place + HIPS_AHEAD_M * np.stack([np.cos(heading), np.sin(heading)], -1)
    q[:, 2] = hip_height - 0.006 - stepping * 0.032 + gaussian_filter1d(lift, smooth, mode="nearest") * 1.5
    tilt = np.full(n, np.radians(-8.0))
    q[:, 3:7] = _pelvis_orientation(heading + rotation, obliquity, tilt)
    q[:, 7:] = np.stack([joints[name] for name in JOINT_COORDINATES], -1)
    sd = np.concatenate(
        [
            np.tile(HIP_SD_M, (n, 1)),
            np.tile(np.radians([1.2, 1.2, 1.2]), (n, 1)),
            np.stack([leeway[name] for name in JOINT_COORDINATES], -1),
        ],
        axis=1,
    )
    return q, sd


def _standing_hip_height(body: Body) -> float:
    """Height of the pelvis origin over the soles with straight legs."""
    data = mujoco.MjData(body.mj_model)
    rest = np.zeros(41)
    rest[3:7] = [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]  # segment axes y up to world z up
    data.qpos[:] = body.full_qpos(rest)
    mujoco.mj_kinematics(body.mj_model, data)
    return float(-(data.body("calcn_r").xpos[2] - sole_depth(body, "calcn_r")))


def _pelvis_orientation(
    yaw: np.ndarray, obliquity: np.ndarray, tilt: np.ndarray
) -> Float64[np.ndarray, "t 4"]:
    """World quaternions: turn about the vertical, then obliquity about forward, then tilt about the right."""
    cy, sy = np.cos(yaw), np.sin(yaw)
    co, so = np.cos(obliquity), np.sin(obliquity)
    ct, st = np.cos(tilt), np.sin(tilt)
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(*rows: list[np.ndarray]) -> np.ndarray:
        return np.stack([np.stack(r, -1) for r in rows], -2)

    turn = matrix([cy, zero, sy], [zero, one, zero], [-sy, zero, cy])
    bend = matrix([one, zero, zero], [zero, co, -so], [zero, so, co])
    lean = matrix([ct, -st, zero], [st, ct, zero], [zero, zero, one])
    to_world = np.array(OPENSIM_FROM_WORLD).T
    return np.stack([quaternion_from_matrix(to_world @ m) for m in turn @ bend @ lean])
