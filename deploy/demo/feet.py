"""Foot trajectories: a planted foot rolls over heel and ball without sliding or sinking; a swinging one arcs over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import PchipInterpolator

from kincast.deploy.demo.curves import LegPattern
from kincast.deploy.demo.steps import LEFT, RIGHT, Footfall, Path, Phases

HEEL_X_M, BALL_X_M = 0.0, 0.1788
"""Rolling points of the sole in the heel bone's axes, for scale 1: under the heel, under the toe joint."""
HALF_STANCE_WIDTH_M = 0.075
FULL_STEP_M = 0.42
FLAT_FROM, FLAT_TO = 0.16, 0.45
RISE_POWER = 1.8
LEAVING_RATE, LANDING_RATE = 0.35, 0.2
"""Of the swing's mean speed."""
"""Shares of stance between which the whole foot is on the floor."""


@dataclass(frozen=True)
class FootMotion:
    """Heel bone of one foot: origin (t, 3), axes (t, 3, 3) (columns x forward, y up, z right), toe extension (rad)."""

    origin: Float64[np.ndarray, "t 3"]
    axes: Float64[np.ndarray, "t 3 3"]
    toe_extension: Float64[np.ndarray, " t"]
    pitch: Float64[np.ndarray, " t"]


def _axes(yaw: Float64[np.ndarray, " t"], pitch: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, "t 3 3"]:
    """Columns: forward (toes up for positive pitch), up, right."""
    c, s = np.cos(yaw), np.sin(yaw)
    level = np.stack([c, s, np.zeros_like(c)], -1)
    up = np.broadcast_to([0.0, 0.0, 1.0], level.shape)
    right = np.stack([s, -c, np.zeros_like(c)], -1)
    cp, sp = np.cos(pitch)[:, None], np.sin(pitch)[:, None]
    return np.stack([cp * level + sp * up, -sp * level + cp * up, right], -1)


def foot_motion(
    side: int,
    falls: tuple[Footfall, ...],
    phases: Phases,
    path: Path,
    leg: LegPattern,
    foot_scale: float,
    sole_m: float,
    toe_out_rad: float,
) -> FootMotion:
    """Motion of one foot over all instants of ``phases``; its sole lies ``sole_m`` below the heel bone's origin."""
    place, heading = path.at(np.array([f.arc_m for f in falls]))
    outward = 1.0 if side == LEFT else -1.0
    across = np.stack([-np.sin(heading), np.cos(heading)], -1)
    heel = place + outward * HALF_STANCE_WIDTH_M * across
    yaw = heading + outward * toe_out_rad
    effort = np.clip([f.length_m / FULL_STEP_M for f in falls], 0.25, 1.0)
    n = len(falls)
    i = phases.fall[side]
    j = np.minimum(i + 1, n - 1)
    # pitch: lands toes up in proportion to its step, lies flat, leaves heel up in proportion to the next step
    land = np.radians(leg.landing_deg) * np.where(np.arange(n) == 0, 0.0, effort)
    leave = -np.radians(leg.push_off_deg) * np.append(effort[1:], 0.0)
    u, w = phases.stance[side], phases.swing[side]
    loading = np.clip(u / FLAT_FROM, 0, 1)
    rising = np.clip((u - FLAT_TO) / (1 - FLAT_TO), 0, 1)
    pitch = land[i] * (1 - loading) ** 2 * (1 + 2 * loading) * (loading < 1) + leave[i] * rising**RISE_POWER
    swinging = phases.swinging[side]
    pitch = np.where(swinging, _swing_pitch(w, leave[i], land[j]), pitch)
    axes_yaw = yaw[i] + _smooth(w) * (yaw[j] - yaw[i])
    axes = _axes(axes_yaw, pitch)
    heel_point = np.array([foot_scale * HEEL_X_M, -sole_m, 0.0])
    ball_point = np.array([foot_scale * BALL_X_M, -sole_m, 0.0])
    flat = _axes(yaw, np.zeros(n))
    heel3 = np.concatenate([heel, np.zeros((n, 1))], 1)
    ball3 = heel3 + np.einsum("nij,j->ni", flat, ball_point - heel_point)
    on_heel = heel3[i] - np.einsum("tij,j->ti", axes, heel_point)
    on_ball = ball3[i] - np.einsum("tij,j->ti", axes, ball_point)
    origin = np.where((pitch > 0)[:, None], on_heel, on_ball)
    landed = _axes(yaw, land)
    ball_landing = heel3 + np.einsum("nij,j->ni", landed, ball_point - heel_point)
    flight = _swing_ball(w, ball3[i], ball_landing[j], effort[j], outward * leg.swing_bump_m, across[i])
    origin = np.where(swinging[:, None], flight - np.einsum("tij,j->ti", axes, ball_point), origin)
    toes = np.where(
        swinging, -np.minimum(leave[i], 0) * (1 - _smooth(np.clip(w / 0.35, 0, 1))), np.maximum(-pitch, 0)
    )
    return FootMotion(origin, axes, toes, pitch)


def _progress(w: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
    """Share of the way through the air: a foot leaves at some 1 m/s and lands at half of that, it does not creep."""
    a, b = LEAVING_RATE, LANDING_RATE
    h = _smooth(w)
    return h + a * w * (1 - w) ** 3 * (1 + 3 * w) - b * (1 - w) * w**3 * (4 - 3 * w)


def _smooth(w: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
    """Minimum-jerk progress (Flash and Hogan 1985)."""
    return w**3 * (10 - 15 * w + 6 * w**2)


def _swing_pitch(w: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From heel up through a little more of it to the landing pitch."""
    most = 1.12 * begin
    early = begin + (most - begin) * np.sin(0.5 * np.pi * np.clip(w / 0.12, 0, 1))
    late = most + (end - most) * _smooth(np.clip((w - 0.12) / 0.8, 0, 1))
    return np.where(w < 0.12, early, late)


def _swing_ball(
    w: np.ndarray, begin: np.ndarray, end: np.ndarray, effort: np.ndarray, bump_m: float, across: np.ndarray
) -> np.ndarray:
    """Ball of the foot through the air: level progress, a low point in mid-swing, an outward arc."""
    level = begin + _progress(w)[:, None] * (end - begin)
    height = PchipInterpolator([0, 0.22, 0.55, 0.85, 1.0], [0, 0.055, 0.035, 0.03, 0.0])
    level[:, 2] = _smooth(w) * end[:, 2] + height(w) * (0.4 + 0.6 * effort)
    level[:, :2] += (bump_m * np.sin(np.pi * w) ** 2)[:, None] * across
    return level


__all__ = ["LEFT", "RIGHT", "FootMotion", "foot_motion"]
