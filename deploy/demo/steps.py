"""Where and when the feet come down: a walk up the room, a turn, and back, from standing to standing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from kincast.deploy.demo.curves import LegPattern

RIGHT, LEFT = 0, 1
FIRST_STEP, TURNING_STEP = 0.6, 0.6
"""Shares of a full step."""
PACE_SMOOTHING_S = 0.2
READY_S, STANCE_S, STAND_STANCE = 0.6, 0.8, 0.4
"""How long before it leaves a standing foot gets ready; time and share of stance in which the last step comes to rest."""


@dataclass(frozen=True)
class Path:
    """Up ``straight_m`` along x, a half circle to the left, and back; or ``laps`` times round. Centred in the room."""

    straight_m: float = 3.4
    radius_m: float = 0.7
    laps: int = 0

    @property
    def length_m(self) -> float:
        half_m = self.straight_m + np.pi * self.radius_m
        return 2 * half_m * self.laps if self.laps else half_m + self.straight_m

    def at(
        self, s: Float64[np.ndarray, " t"]
    ) -> tuple[Float64[np.ndarray, "t 2"], Float64[np.ndarray, " t"]]:
        """Place and heading (rad, growing) at arc lengths ``s``; continued straight beyond both ends."""
        half_m = self.straight_m + np.pi * self.radius_m
        last = max(2 * self.laps - 1, 1)
        half = np.clip(np.floor(s / half_m), 0, last)  # number of the straight one is on or has left
        along = s - half * half_m
        turning = (half < last) | ((half == last) & (self.laps > 0))
        on_arc = np.where(turning, np.clip((along - self.straight_m) / self.radius_m, 0, np.pi), 0.0)
        past = np.where(turning, np.maximum(along - half_m, 0), np.maximum(along - self.straight_m, 0))
        x = np.where(
            on_arc > 0,
            self.straight_m / 2 + self.radius_m * np.sin(on_arc) - past,
            np.minimum(along, self.straight_m) - self.straight_m / 2 + past,
        )
        y = -self.radius_m * np.cos(on_arc)
        back = np.where(
            half % 2 == 1, -1.0, 1.0
        )  # every second half of the way is the first one turned round
        return np.stack([x * back, y * back], -1), on_arc + np.pi * half


@dataclass(frozen=True)
class Footfall:
    """One contact of a foot: heel's arc length on the path, seconds of strike and off."""

    side: int
    arc_m: float
    strike_s: float
    off_s: float
    length_m: float
    """Of the step that led here, 0 where the person stood already."""


def plan_footfalls(
    path: Path,
    legs: tuple[LegPattern, LegPattern],
    stand_s: float,
    end_s: float,
    double_support_s: float = 0.15,
) -> tuple[tuple[Footfall, ...], tuple[Footfall, ...]]:
    """Footfalls of the right and the left foot; standing at both ends. The left foot starts."""
    turn = (path.straight_m - 0.5, path.straight_m + np.pi * path.radius_m)
    arc, time, side = [0.0, 0.0], stand_s, LEFT
    falls: tuple[list[list[float]], list[list[float]]] = ([[0.0, 0.0, end_s, 0.0]], [[0.0, 0.0, end_s, 0.0]])
    lead, first = 0.0, True
    while True:
        leg = legs[side]
        turning = turn[0] < lead < turn[1]
        length = leg.step_length_m * (TURNING_STEP if turning else FIRST_STEP if first else 1.0)
        left = path.length_m - lead
        last = left < 0.06
        length = left if left < 1.3 * length else length
        length = 0.0 if last else length
        duration = leg.step_time_s * (1.1 if first or last else 1.0)
        falls[side][-1][2] = time + (0.0 if first else double_support_s)
        strike = time + duration
        lead += length
        falls[side].append([lead, strike, end_s + 2.0, max(lead - arc[side], 0.05) / 2])
        arc[side] = lead
        time, side, first = strike, 1 - side, False
        if last:
            break
    return tuple(  # type: ignore[return-value]
        tuple(Footfall(k, f[0], f[1], f[2], f[3]) for f in falls[k]) for k in (RIGHT, LEFT)
    )


@dataclass(frozen=True)
class Phases:
    """Per foot and instant: index of the footfall before, share of stance done (0..1), share of swing done (0..1)."""

    fall: np.ndarray  # (2, t)
    stance: Float64[np.ndarray, "2 t"]
    swing: Float64[np.ndarray, "2 t"]
    swinging: np.ndarray  # (2, t) bool


def phases(falls: tuple[tuple[Footfall, ...], tuple[Footfall, ...]], t: Float64[np.ndarray, " t"]) -> Phases:
    """Where each foot is in its cycle. Standing counts as stance without progress."""
    fall = np.zeros((2, len(t)), int)
    stance, swing = np.zeros((2, len(t))), np.zeros((2, len(t)))
    for side in (RIGHT, LEFT):
        strikes = np.array([f.strike_s for f in falls[side]])
        offs = np.array([f.off_s for f in falls[side]])
        i = np.clip(np.searchsorted(strikes, t, side="right") - 1, 0, len(strikes) - 1)
        fall[side] = i
        # after a long stand the foot gets ready only shortly before it leaves
        begin = np.where((i == 0) & (offs[i] - strikes[i] > READY_S), offs[i] - READY_S, strikes[i])
        stance[side] = np.clip((t - begin) / np.maximum(offs[i] - begin, 1e-3), 0, 1)
        # the last footfall comes to a flat stand and stays there
        arrived = np.clip((t - strikes[i]) / STANCE_S, 0, STAND_STANCE)
        stance[side] = np.where(i == len(strikes) - 1, arrived, stance[side])
        following = np.minimum(i + 1, len(strikes) - 1)
        swing[side] = np.clip((t - offs[i]) / np.maximum(strikes[following] - offs[i], 1e-3), 0, 1)
    return Phases(fall, stance, swing, swing > 0)


def body_arc(
    falls: tuple[tuple[Footfall, ...], tuple[Footfall, ...]], t: Float64[np.ndarray, " t"]
) -> Float64[np.ndarray, " t"]:
    """Arc length of the pelvis: midway between the feet at every strike, smooth in between."""
    strikes = sorted((f.strike_s, f.side, f.arc_m) for side in falls for f in side)
    feet = [0.0, 0.0]
    knots_t, knots_s = [t[0] - 1.0], [0.0]
    first_off = min(f.off_s for side in falls for f in side)
    knots_t.append(first_off - 0.15)
    knots_s.append(0.0)
    for strike_s, side, arc in strikes:
        feet[side] = arc
        if strike_s > 0:
            knots_t.append(strike_s)
            knots_s.append(0.5 * (feet[0] + feet[1]))
    knots_t.append(max(t[-1], knots_t[-1]) + 1.0)
    knots_s.append(knots_s[-1])
    s = PchipInterpolator(knots_t, knots_s)(t)
    return gaussian_filter1d(s, PACE_SMOOTHING_S / (t[1] - t[0]), mode="nearest")
