"""Measures of one stride from its events and the motion of heels, toes and pelvis.

Lengths are between heel keypoints, each at its own foot strike, along the pelvis' path over this stride; width is
across it. On a treadmill the belt's travel is added (all positions are put on the moving ground). Definitions
after Whittle's Gait Analysis and Hollman et al. 2011, Gait & Posture 34, 111: the step of a side ends with that
side's foot strike, so in a stride from strike to strike of one side it is the step that closes the stride.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.heading import interpolate, progression
from kincast.models.gait.track import BIG_TOE, HEEL, GaitTrack

MAX_STRIDE_S = 6.0
MIN_STRIDE_S = 0.3


@dataclass(frozen=True)
class Instant:
    """Time of an event on the track's axis and its standard deviation, seconds.

    ``step_sd_s``: the part of it that is another at every step; the rest shifts all events of a kind alike. None: all of it.
    """

    t_s: float
    sd_s: float
    step_sd_s: float | None = None

    @property
    def own_sd_s(self) -> float:
        """What counts between two events of a kind."""
        return self.sd_s if self.step_sd_s is None else min(self.step_sd_s, self.sd_s)


@dataclass(frozen=True)
class StrideEvents:
    """Strike, off and next strike of one side, and the other foot's strike in between."""

    side: int
    strike: Instant
    off: Instant
    other_strike: Instant
    next_strike: Instant


@dataclass(frozen=True)
class Uncertainty:
    """Of one heel position along and across the path and of heights against each other (m), and of the ground's speed (m/s).

    Positions and heights as found against the heels and toes of two people (``python -m tests.bench.interval_calibration --live``).
    """

    position_sd_m: float = 0.0075
    height_sd_m: float = 0.004
    ground_sd_m_s: float = 0.0


@dataclass(frozen=True)
class StrideMeasures:
    """Values and standard deviations by the names of gait.csv (seconds on the track's axis)."""

    values: dict[str, float]
    sd: dict[str, float]


def measure_stride(
    track: GaitTrack,
    events: StrideEvents,
    ground_velocity: Float64[np.ndarray, "2"],
    uncertainty: Uncertainty | None = None,
) -> StrideMeasures | None:
    """Measures of a stride, or None where its events contradict each other (order, duration, or out of the record)."""
    u = uncertainty or Uncertainty()
    t0, t_off, t_mid, t1 = (
        e.t_s for e in (events.strike, events.off, events.other_strike, events.next_strike)
    )
    duration = t1 - t0
    t = track.t_s
    if not (t0 < t_off < t1 and t0 < t_mid < t1 and MIN_STRIDE_S < duration < MAX_STRIDE_S and t[0] <= t0):
        return None

    def on_ground(values: Float64[np.ndarray, "n d"], at_s: float) -> Float64[np.ndarray, "2"]:
        return interpolate(t, values, at_s)[:2] - ground_velocity * (at_s - t0)

    def heel(side: int, at_s: float) -> Float64[np.ndarray, "2"]:
        return on_ground(track.feet[:, side, HEEL], at_s)

    def heel_speed(side: int, at_s: float) -> float:
        velocity = interpolate(t, track.feet_velocity[:, side, HEEL], at_s)[:2] - ground_velocity
        return float(np.hypot(*velocity))

    within = (t >= t0) & (t <= t1)
    path = progression(
        on_ground(track.pelvis, t1) - on_ground(track.pelvis, t0), track.forward[within].mean(axis=0)
    )
    side, other = events.side, 1 - events.side
    stride = heel(side, t1) - heel(side, t0)
    step = heel(side, t1) - heel(other, t_mid)
    outward = path.left if side == 1 else -path.left
    stride_length = float(stride @ path.direction)
    swing = (t >= t_off) & (t <= t1)
    stance = (t >= t0) & (t < t_off)
    values = {
        "foot_strike_s": t0,
        "foot_off_s": t_off,
        "next_foot_strike_s": t1,
        "stride_length_m": stride_length,
        "step_length_m": float(step @ path.direction),
        "step_width_m": float(step @ outward),
        "speed_m_s": stride_length / duration,
        "cadence_steps_min": 120.0 / duration,
        "stance_pct": 100.0 * (t_off - t0) / duration,
        "toe_clearance_min_m": toe_clearance(t, track.feet[:, side, :, 2], stance, swing),
        "heel_clearance_max_m": heel_clearance(track.feet[:, side, HEEL, 2], stance, swing),
    }
    # a clock that is late at every strike shifts both ends of a length alike
    slip0, slip1 = (heel_speed(side, e.t_s) * e.own_sd_s for e in (events.strike, events.next_strike))
    slip_mid = heel_speed(other, t_mid) * events.other_strike.own_sd_s
    p2 = 2 * u.position_sd_m**2
    duration_sd = float(np.hypot(events.strike.own_sd_s, events.next_strike.own_sd_s))
    stride_sd = float(np.sqrt(p2 + slip0**2 + slip1**2 + (u.ground_sd_m_s * duration) ** 2))
    sd = {
        "foot_strike_s": events.strike.sd_s,
        "foot_off_s": events.off.sd_s,
        "next_foot_strike_s": events.next_strike.sd_s,
        "stride_length_m": stride_sd,
        "step_length_m": float(np.sqrt(p2 + slip_mid**2 + slip1**2 + (u.ground_sd_m_s * (t1 - t_mid)) ** 2)),
        "step_width_m": float(np.sqrt(p2)),
        # a strike said late is also found further on: against two people on belts, errors of length alone explain those of speed
        "speed_m_s": stride_sd / duration,
        "cadence_steps_min": 120.0 * duration_sd / duration**2,
        "stance_pct": 100.0 * float(np.hypot(events.off.sd_s, events.strike.sd_s)) / duration,
        "toe_clearance_min_m": float(np.sqrt(2.0)) * u.height_sd_m,
        "heel_clearance_max_m": float(np.sqrt(2.0)) * u.height_sd_m,
    }
    return StrideMeasures(values, sd)


def toe_clearance(
    t: Float64[np.ndarray, " n"], heights: Float64[np.ndarray, "n 3"], stance: np.ndarray, swing: np.ndarray
) -> float:
    """Least height of the toes in mid-swing above the lowest they had in stance, the lower of the two toe points.

    Mid-swing is the middle half of swing: there a toe passes its minimum (Winter 1992, Physical Therapy 72, 45);
    right after foot off and right before strike it is near the floor anyway.
    """
    if not stance.any() or swing.sum() < 3:
        return 0.0
    begin, end = t[swing][0], t[swing][-1]
    middle = (t >= begin + 0.25 * (end - begin)) & (t <= begin + 0.75 * (end - begin))
    if not middle.any():
        middle = swing
    toes = heights[:, BIG_TOE:]
    near_off = stance | (swing & (t < begin + 0.05))
    return float((toes[middle] - toes[near_off].min(axis=0)).min())


def heel_clearance(heel: Float64[np.ndarray, " n"], stance: np.ndarray, swing: np.ndarray) -> float:
    """Greatest height of the heel in swing above where it stood (its lowest quarter of stance)."""
    if not stance.any() or not swing.any():
        return 0.0
    return float(heel[swing].max() - np.percentile(heel[stance], 25))
