"""A made-up walk as LiveFrames, for tests of the display: right formats and plausible shapes, not biomechanics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax
import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES
from kincast.models.kinematics import body_poses, site_positions
from kincast.streaming.messages import (
    CameraHealth,
    EngineHealth,
    FootForce,
    GaitEvent,
    Kinematics,
    Kinetics,
    LiveFrame,
    Stride,
)

FRAME_RATE = 50
CYCLE_S = 1.12
SPEED_M_S = 1.2
MASS_KG = 72.0
LAG_FRAMES = 2
START_NS = 1_700_000_000_000_000_000
UPRIGHT = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
STANCE = 0.62


@dataclass(frozen=True)
class Walk:
    """Frames of one gait cycle at the origin; ``frames`` strings them together as a person who walks along x."""

    poses: np.ndarray
    body_xpos: np.ndarray
    body_xquat: np.ndarray
    sites: np.ndarray
    muscles: tuple[str, ...]
    bodies: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.poses)


def _bump(phase: np.ndarray, centre: float, width: float) -> np.ndarray:
    away = np.mod(phase - centre + 0.5, 1.0) - 0.5
    return np.exp(-0.5 * (away / width) ** 2)


def _leg_angles(phase: np.ndarray, stiff: float) -> dict[str, np.ndarray]:
    return {
        "hip_flexion": 8 + 22 * np.cos(2 * np.pi * (phase + 0.05)),
        "hip_adduction": 4 * np.sin(2 * np.pi * (phase - 0.05)),
        "knee_angle": 6 + 12 * _bump(phase, 0.14, 0.06) + stiff * 56 * _bump(phase, 0.72, 0.085),
        "ankle_angle": 8 * np.sin(2 * np.pi * (phase - 0.12)) - 20 * _bump(phase, 0.63, 0.055),
        "mtp_angle": 25 * _bump(phase, 0.58, 0.06),
    }


def make_walk(stiff_right: float = 1.0) -> Walk:
    """One cycle; ``stiff_right`` below 1 bends the right knee less in swing."""
    body = build_body(BodyParameters(mass_kg=MASS_KG), "muscle")
    n = round(CYCLE_S * FRAME_RATE)
    phase = np.arange(n) / n
    angles = {name: np.zeros(n) for name in JOINT_COORDINATES}
    for side, shift, stiff in (("r", 0.0, stiff_right), ("l", 0.5, 1.0)):
        for name, curve in _leg_angles(np.mod(phase + shift, 1.0), stiff).items():
            angles[f"{name}_{side}"] = curve
        swing = np.cos(2 * np.pi * (phase + shift))
        angles[f"arm_flex_{side}"] = -5 - 18 * swing
        angles[f"arm_add_{side}"] = np.full(n, -8.0)
        angles[f"elbow_flex_{side}"] = 25 - 10 * swing
        angles[f"pro_sup_{side}"] = np.full(n, 80.0)
    angles["lumbar_rotation"] = 6 * np.sin(2 * np.pi * phase)
    poses = np.zeros((n, 41))
    poses[:, 3:7] = UPRIGHT
    poses[:, 7:] = np.deg2rad(np.stack([angles[name] for name in JOINT_COORDINATES], axis=1))
    pose_of = jax.jit(
        jax.vmap(
            lambda q: (
                *body_poses(body.skeleton, body.values, q),
                site_positions(body.skeleton, body.values, q),
            )
        )
    )
    xpos, xquat, sites = (np.array(a) for a in pose_of(poses.astype(np.float32)))
    feet = [body.skeleton.body_names.index(name) for name in ("calcn_r", "calcn_l", "toes_r", "toes_l")]
    height = 0.012 - xpos[:, feet, 2].min(axis=1)
    poses[:, 2] += height
    for points in (xpos, sites):
        points[..., 2] += height[:, None]
    muscles = tuple(body.mj_model.actuator(i).name for i in range(80))
    return Walk(poses, xpos, xquat, sites, muscles, body.skeleton.body_names)


def _force(walk: Walk, k: int, side: str, forward_m: float) -> FootForce:
    phase = (k / walk.n + (0.0 if side == "r" else 0.5)) % 1.0
    heel, toes = (walk.body_xpos[k, walk.bodies.index(f"{name}_{side}")] for name in ("calcn", "toes"))
    share = phase / STANCE
    cop = heel + np.clip(share, 0.0, 1.0) * 1.2 * (toes - heel)
    cop = np.array([cop[0] + forward_m, cop[1], 0.0], np.float32)
    if share >= 1.0:
        zero = np.zeros(3, np.float32)
        return FootForce(zero, cop, zero)
    weight = MASS_KG * 9.80665
    rise = min(1.0, share / 0.12, (1 - share) / 0.12)
    up = weight * rise * (1.08 - 0.28 * np.sin(np.pi * share) ** 4)
    along = -0.18 * weight * np.sin(2 * np.pi * share)
    across = 0.04 * weight * rise * (1.0 if side == "r" else -1.0)
    return FootForce(np.array([along, across, up], np.float32), cop, np.zeros(3, np.float32))


def _kinematics(walk: Walk, i: int, valid: bool) -> Kinematics:
    k = i % walk.n
    angles = np.zeros(40, np.float32)
    angles[6:] = np.rad2deg(walk.poses[k, 7:])
    angles[3] = SPEED_M_S * i / FRAME_RATE
    angles[5] = walk.poses[k, 2]
    sd = np.full(40, 1.6, np.float32)
    sd[3:6] = 0.004
    qpos = walk.poses[k].copy()
    qpos[0] += angles[3]
    sites = walk.sites[k] + np.array([angles[3], 0, 0], np.float32)
    return Kinematics(
        t_ns=_instant(i),
        qpos=qpos,
        angles=angles,
        angles_sd=sd,
        angles_sd_within=0.6 * sd,
        valid=valid,
        tracked=True,
        at_limit=np.zeros(40, bool),
        sites=sites.astype(np.float32),
    )


def _kinetics(walk: Walk, i: int, valid: bool) -> Kinetics:
    k = i % walk.n
    phase = k / walk.n
    forward = SPEED_M_S * i / FRAME_RATE
    torques = np.zeros(40, np.float32)
    for side, shift in (("r", 0.0), ("l", 0.5)):
        p = np.array((phase + shift) % 1.0)
        torques[COORDINATES.index(f"ankle_angle_{side}")] = -105 * _bump(p, 0.47, 0.1) + 8 * _bump(
            p, 0.06, 0.03
        )
        torques[COORDINATES.index(f"knee_angle_{side}")] = -40 * _bump(p, 0.15, 0.06) + 15 * _bump(
            p, 0.4, 0.08
        )
        torques[COORDINATES.index(f"hip_flexion_{side}")] = -60 * _bump(p, 0.1, 0.08) + 50 * _bump(
            p, 0.55, 0.1
        )
    centre = np.array(
        [(hash_share(name[:-2]) + (0.5 if name.endswith("_l") else 0.0)) % 1.0 for name in walk.muscles]
    )
    activations = 0.03 + 0.8 * _bump(np.full(80, phase), centre, 0.1)
    return Kinetics(
        t_ns=_instant(i),
        torques=torques,
        torques_sd=np.full(40, 4.0, np.float32),
        right=_force(walk, k, "r", forward),
        left=_force(walk, k, "l", forward),
        force_sd=np.full((2, 3), 18.0, np.float32),
        residual=np.zeros(6, np.float32),
        residual_pct_bw=3.2,
        activations=activations.astype(np.float32),
        activations_sd=np.full(80, 0.06, np.float32),
        valid=valid,
        reason="" if valid else "residual 21 % of body weight",
    )


def hash_share(name: str) -> float:
    """A number 0..1 that is the same in every process."""
    return (sum((k + 3) * ord(c) for k, c in enumerate(name)) * 0.618034) % 1.0


def _instant(i: int) -> int:
    return START_NS + i * 1_000_000_000 // FRAME_RATE


def _events(walk: Walk, i: int) -> tuple[GaitEvent, ...]:
    """Said three frames after they happened."""
    happened = i - 3
    events = []
    for side, shift in (("right", 0.0), ("left", 0.5)):
        for event, phase in (("foot_strike", 0.0), ("foot_off", STANCE)):
            if happened >= 0 and happened % walk.n == round(((phase - shift) % 1.0) * walk.n) % walk.n:
                events.append(GaitEvent(side, event, _instant(happened), 0.012, _instant(i)))
    return tuple(events)


def _strides(walk: Walk, i: int, events: tuple[GaitEvent, ...]) -> tuple[Stride, ...]:
    if i < walk.n + 4:
        return ()
    wobble = np.sin(1.7 * i)
    length = SPEED_M_S * CYCLE_S
    sd = {"stride_length_m": 0.012, "step_length_m": 0.011, "step_width_m": 0.009, "speed_m_s": 0.01}
    return tuple(
        Stride(
            event.side,
            {
                "stride_length_m": length + 0.02 * wobble,
                "step_length_m": length / 2 + 0.015 * wobble,
                "step_width_m": 0.11 + 0.01 * wobble,
                "speed_m_s": SPEED_M_S + 0.02 * wobble,
                "cadence_steps_min": 120 / CYCLE_S + wobble,
                "stance_pct": 100 * STANCE + wobble,
            },
            sd | {"cadence_steps_min": 1.4, "stance_pct": 1.1},
        )
        for event in events
        if event.event == "foot_strike"
    )


def live_frame(walk: Walk, i: int, valid: bool = True) -> LiveFrame:
    """Frame ``i`` of an endless walk; kinematics and kinetics lag by two frames."""
    k = i % walk.n
    forward = np.array([SPEED_M_S * i / FRAME_RATE, 0, 0], np.float32)
    qpos = walk.poses[k].astype(np.float32)
    qpos[:3] += forward
    settled = i - LAG_FRAMES
    events = _events(walk, i)
    cameras = tuple(
        CameraHealth(f"cam{c}", True, 3.1 + 0.4 * c + 0.2 * np.sin(0.1 * i + c), 0.97 - 0.02 * c, i, c, 0)
        for c in range(4)
    )
    if i > 100:
        cameras = (*cameras[:3], replace(cameras[3], flag="knocked", median_px=14.2, inlier_share=0.41))
    return LiveFrame(
        seq=i,
        t_ns=_instant(i),
        now_qpos=qpos,
        body_xpos=walk.body_xpos[k] + forward,
        body_xquat=walk.body_xquat[k],
        kinematics=_kinematics(walk, settled, True) if settled >= 0 else None,
        kinetics=_kinetics(walk, settled, valid) if settled >= 0 else None,
        events=events,
        strides=_strides(walk, i, events),
        no_event_reason="",
        cameras=cameras,
        status="tracking",
        recorded_through_ns=_instant(max(0, i - 30)),
        body_sha256="0" * 64,
    )


def frames(walk: Walk, first: int, last: int, valid: bool = True) -> Iterator[LiveFrame]:
    """Frames ``first`` to ``last - 1``."""
    return (live_frame(walk, i, valid) for i in range(first, last))


def engine_health(i: int) -> EngineHealth:
    """Stage latencies such as the engine measures."""
    stages = {"align": (0.2, 0.6, 1.1), "fit": (4.1, 6.3, 9.0), "kinetics": (1.2, 2.0, 3.1)}
    stages |= {"muscles": (0.4, 0.7, 1.0), "events": (0.1, 0.2, 0.3), "record": (0.2, 0.9, 2.0)}
    return EngineHealth(_instant(i), True, stages, 0, 2, {}, ())
