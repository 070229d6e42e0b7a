"""Planned walks of every kind as foot points and pelvis: the plan is the truth, the motion between is smooth.

A foot lands with its pitch, lies flat, rolls over its toes and swings on a minimum-jerk path with some clearance.
Nothing of the detector is used; speeds, pitch and double support are the plan's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tests.models.gait_walks import MeasuredWalk, PlateEvent

POINTS_M = np.array([[0.0, 0.0, 0.03], [0.20, 0.02, 0.02], [0.17, -0.05, 0.02]])
"""Heel, big toe and small toe of a right foot, x forward, y left; turned about its heel edge or its toes."""


@dataclass(frozen=True)
class Fall:
    """One contact: heel at ``place`` (m), foot turned by ``heading`` (rad), from ``strike_s`` to ``off_s``."""

    place: tuple[float, float]
    heading: float
    strike_s: float
    off_s: float


@dataclass(frozen=True)
class Style:
    """Pitch of the foot at landing (toes up) and leaving (heel up) in rad, clearance in swing, time of rolling."""

    landing: float = 0.3
    leaving: float = 0.9
    clearance_m: float = 0.06
    land_s: float = 0.12
    roll_s: float = 0.25
    scale: float = 1.0


def smooth(x: np.ndarray) -> np.ndarray:
    """Minimum-jerk step from 0 to 1 (Flash and Hogan 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x * x)


def foot_track(falls: list[Fall], t: np.ndarray, style: Style, mirrored: bool) -> np.ndarray:
    """(t, 3, 3) of the foot's points."""
    local = POINTS_M * np.array([1, -1, 1]) if mirrored else POINTS_M
    local = local * style.scale
    place = np.zeros((len(t), 3))
    heading, pitch = np.zeros(len(t)), np.zeros(len(t))
    for i, fall in enumerate(falls):
        last = i + 1 == len(falls)
        during = (t >= fall.strike_s) & (t <= (np.inf if last else fall.off_s))
        place[during, :2], heading[during] = fall.place, fall.heading
        still = np.zeros(len(t))
        landing = style.landing * (1 - smooth((t - fall.strike_s) / style.land_s)) if i else still
        begin = fall.off_s - min(style.roll_s, 0.6 * (fall.off_s - fall.strike_s))
        leaving = still if last else style.leaving * smooth((t - begin) / (fall.off_s - begin))
        pitch[during] = (leaving - landing)[during]
        if last:
            continue
        to = falls[i + 1]
        swing = (t > fall.off_s) & (t < to.strike_s)
        u = (t[swing] - fall.off_s) / (to.strike_s - fall.off_s)
        # feet leave and land with some speed: a third of the mean one
        way = (u / 3 + smooth(u) * 2 / 3)[:, None]
        place[swing, :2] = (1 - way) * np.array(fall.place) + way * np.array(to.place)
        place[swing, 2] = style.clearance_m * np.sin(np.pi * u) ** 2
        heading[swing] = fall.heading + way[:, 0] * (to.heading - fall.heading)
        pitch[swing] = style.leaving * (1 - smooth(1.6 * u)) - style.landing * smooth(1.6 * u - 0.6)
    points = np.empty((len(t), 3, 3))
    toe = local[1, 0]
    for k, (x, y, z) in enumerate(local):
        up = np.maximum(pitch, 0.0)  # about the toes
        down = np.minimum(pitch, 0.0)  # about the heel
        ahead = toe + (x - toe) * np.cos(up) + z * np.sin(up)
        rise = (toe - x) * np.sin(up) + z * np.cos(up)
        ahead = np.where(down < 0, x * np.cos(down), ahead)
        rise = np.where(down < 0, z - x * np.sin(down), rise)
        points[:, k, 0] = place[:, 0] + ahead * np.cos(heading) - y * np.sin(heading)
        points[:, k, 1] = place[:, 1] + ahead * np.sin(heading) + y * np.cos(heading)
        points[:, k, 2] = place[:, 2] + rise
    return points


def generated(
    name: str,
    right: list[Fall],
    left: list[Fall],
    end_s: float,
    style: Style | tuple[Style, Style] | None = None,
    rate_hz: float = 60.0,
    backwards: bool = False,
    sway: tuple[float, float] = (0.0, 0.0),
) -> MeasuredWalk:
    """The walk; the pelvis is over the middle of both feet, low-passed, swaying by ``sway`` (m, Hz) across."""
    t = np.arange(0.0, end_s, 1.0 / rate_hz)
    styles = style if isinstance(style, tuple) else (style or Style(), style or Style())
    feet = np.stack(
        [foot_track(f, t, s, m) for f, s, m in zip((right, left), styles, (False, True), strict=True)], 1
    )
    kernel = np.ones(2 * round(0.2 * rate_hz) + 1)
    middle = feet.mean(axis=(1, 2))[:, :2]
    pad = len(kernel) // 2
    padded = np.pad(middle, ((pad, pad), (0, 0)), mode="edge")
    pelvis = np.stack(
        [np.convolve(padded[:, k], kernel / len(kernel), "valid") for k in range(2)] + [np.full(len(t), 0.9)],
        -1,
    )
    pelvis[:, 1] += sway[0] * np.sin(2 * np.pi * sway[1] * t)
    events = []
    for side, falls in (("right", right), ("left", left)):
        for i, fall in enumerate(falls):
            if i:
                events.append(PlateEvent(fall.strike_s, side, "foot_strike"))
            if i + 1 < len(falls):
                events.append(PlateEvent(fall.off_s, side, "foot_off"))
    events.sort(key=lambda e: e.time_s)
    return MeasuredWalk(name, t, feet, pelvis, np.zeros(2), tuple(events), backwards)


def steps(
    lengths: list[float],
    step_s: float = 0.55,
    double_s: float = 0.12,
    width_m: float = 0.10,
    begin_s: float = 1.5,
    turn: float = 0.0,
    step_times: tuple[float, float] | None = None,
) -> tuple[list[Fall], list[Fall], float]:
    """Steps of the given lengths from standing, right foot first, each turning by ``turn``; falls and the end of walking."""
    heels = [np.array([0.0, -width_m]), np.array([0.0, width_m])]
    falls: tuple[list[Fall], list[Fall]] = ([], [])
    now, heading, middle = begin_s, 0.0, np.zeros(2)
    open_falls = [Fall(tuple(heels[0]), 0.0, -1.0, np.inf), Fall(tuple(heels[1]), 0.0, -1.0, np.inf)]
    for i, length in enumerate(lengths):
        side = i % 2
        time_s = step_s if step_times is None else step_times[side]
        falls[side].append(replace(open_falls[side], off_s=now))
        heading += turn
        ahead = np.array([np.cos(heading), np.sin(heading)])
        middle = middle + length * ahead
        across = np.array([-ahead[1], ahead[0]]) * (width_m if side else -width_m)
        strike = now + time_s - double_s
        open_falls[side] = Fall(tuple(middle + across), heading, strike, np.inf)
        now = strike + double_s
    for side in (0, 1):
        falls[side].append(open_falls[side])
    return falls[0], falls[1], now
