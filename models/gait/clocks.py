"""When exactly: several kinematic clocks read one foot strike or foot off, and are averaged.

Each clock is a feature of the foot's motion with a known delay to the 20 N crossing of a force plate. Two are
the classic ones: the foot stops (or starts) to gain on the pelvis (Zeni et al. 2008, Gait & Posture 27, 710) and
the foot's resting point starts or stops to move (foot velocity algorithm, O'Connor et al. 2007, Gait & Posture
25, 469); the third, for foot off, is that the foot pitches fastest shortly before it leaves. Delays lie midway between the medians of people measured by skin markers and of
people seen as keypoints of a fitted body (14 people, children and adults, overground and treadmill, ordinary
walking; printed by tests/bench/gait_accuracy.py --clocks), spreads are those between people.
Walking backwards is close to forward walking with time reversed (Winter et al. 1989, J Motor Behavior 21, 291),
so strike and off, and the sign of every delay, are then exchanged. Delays are those of a swing of 0.4 s and
stretch with the person's own: slow legs approach and leave the ground slowly too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.signals import FootSignals

STRIKE, OFF = "foot_strike", "foot_off"
MIN_PITCH_RATE_M_S = 0.3
"""A weaker extreme of the pitch rate says nothing about contact."""
AGREE_S = 0.04
"""Clocks further from the median than this are left out."""
TYPICAL_SWING_S = 0.4
STRETCH = (0.7, 2.5)


Read = Callable[[FootSignals, int, float, tuple[float, float]], float | None]


@dataclass(frozen=True)
class Clock:
    """``delay_s``: reading minus event (median of people); ``spread_s``: its standard deviation between people."""

    delay_s: float
    spread_s: float
    window_s: tuple[float, float]
    read: Read


@dataclass(frozen=True)
class Reading:
    """Instant of an event and its standard deviation, seconds on the track's axis; how many clocks agreed.

    ``person_sd_s``: the part of the deviation that stands for differences between people; ``step_sd_s``: the part
    that is another at every step, None where unknown.
    """

    t_s: float
    sd_s: float
    clocks: int
    person_sd_s: float = 0.0
    step_sd_s: float | None = None


def _crossing(
    t: Float64[np.ndarray, " n"],
    x: Float64[np.ndarray, " n"],
    near_s: float,
    window_s: tuple[float, float],
    rising: bool,
) -> float | None:
    """Zero crossing of ``x`` in the wanted direction that is nearest to ``near_s`` within the window."""
    below = x < 0
    flips = np.nonzero((below[:-1] & ~below[1:]) if rising else (~below[:-1] & below[1:]))[0]
    best = None
    for i in flips:
        at = t[i] + x[i] / (x[i] - x[i + 1]) * (t[i + 1] - t[i])
        if window_s[0] <= at - near_s <= window_s[1] and (
            best is None or abs(at - near_s) < abs(best - near_s)
        ):
            best = float(at)
    return best


def _peak(
    t: Float64[np.ndarray, " n"], x: Float64[np.ndarray, " n"], near_s: float, window_s: tuple[float, float]
) -> float | None:
    """Highest interior maximum of ``x`` in the window, by a parabola through three samples."""
    inside = np.nonzero((t >= near_s + window_s[0]) & (t <= near_s + window_s[1]))[0]
    inside = inside[(inside > 0) & (inside < len(t) - 1)]
    if not len(inside):
        return None
    k = int(inside[np.argmax(x[inside])])
    if x[k] < MIN_PITCH_RATE_M_S or not (x[k - 1] <= x[k] >= x[k + 1]):
        return None
    coefficients = np.polyfit(t[k - 1 : k + 2] - t[k], x[k - 1 : k + 2], 2)
    if coefficients[0] >= 0:
        return float(t[k])
    shift = -coefficients[1] / (2 * coefficients[0])
    return float(t[k] + np.clip(shift, t[k - 1] - t[k], t[k + 1] - t[k]))


def _rest(fraction: float, rising: bool) -> Read:
    """The slowest point of the foot passes a fraction of walking speed."""

    def read(s: FootSignals, point: int, near_s: float, window_s: tuple[float, float]) -> float | None:
        del point
        threshold = np.maximum(fraction * s.walking_speed, 0.2)
        return _crossing(s.t_s, s.slowest - threshold, near_s, window_s, rising)

    return read


def _ahead(rising: bool) -> Read:
    """The contact point starts (rising) or stops to gain on the pelvis."""

    def read(s: FootSignals, point: int, near_s: float, window_s: tuple[float, float]) -> float | None:
        return _crossing(s.t_s, s.ahead_rate[:, point], near_s, window_s, rising)

    return read


def _pitch_peak(s: FootSignals, point: int, near_s: float, window_s: tuple[float, float]) -> float | None:
    """The heel rises fastest against the toes."""
    del point
    return _peak(s.t_s, s.pitch_rate, near_s, window_s)


FORWARD: dict[str, tuple[Clock, ...]] = {
    STRIKE: (
        Clock(-0.001, 0.010, (-0.06, 0.06), _rest(0.4, False)),
        Clock(-0.038, 0.011, (-0.12, 0.04), _ahead(False)),
    ),
    OFF: (
        Clock(-0.017, 0.015, (-0.06, 0.06), _rest(0.5, True)),
        Clock(0.011, 0.011, (-0.06, 0.10), _ahead(True)),
        Clock(-0.046, 0.010, (-0.12, 0.03), _pitch_peak),
    ),
}
BACKWARD: dict[str, tuple[Clock, ...]] = {
    STRIKE: (
        Clock(0.020, 0.018, (-0.06, 0.06), _rest(0.5, False)),
        Clock(-0.008, 0.018, (-0.10, 0.06), _ahead(False)),
    ),
    OFF: (
        Clock(0.008, 0.018, (-0.06, 0.06), _rest(0.4, True)),
        Clock(0.045, 0.018, (-0.04, 0.12), _ahead(True)),
    ),
}


def read_clocks(
    signals: FootSignals, event: str, point: int, coarse_s: float, noise_m_s: float, swing_s: float
) -> Reading:
    """Time of an event near ``coarse_s``, where the resting point passed its threshold.

    Args:
        signals: of the foot, reaching at least to the newest sample.
        event: foot_strike or foot_off.
        point: index of the point that touched first or left last.
        coarse_s: instant of the threshold crossing.
        noise_m_s: standard deviation of a resting point's velocity, turned into time by the speed's slope.
        swing_s: duration of the person's swing, the scale of all delays.
    """
    near = int(np.clip(np.searchsorted(signals.t_s, coarse_s), 0, len(signals.t_s) - 1))
    table = BACKWARD if signals.backwards[near] else FORWARD
    stretch = float(np.clip(swing_s / TYPICAL_SWING_S, *STRETCH))
    times, spreads = [], []
    for clock in table[event]:
        window = (clock.window_s[0] * stretch, clock.window_s[1] * stretch)
        reading = clock.read(signals, point, coarse_s, window)
        if reading is not None:
            times.append(reading - clock.delay_s * stretch)
            spreads.append(clock.spread_s * stretch)
    if not times:
        return Reading(coarse_s, 0.04, 0)
    t, spread = np.array(times), np.array(spreads)
    keep = np.abs(t - np.median(t)) < AGREE_S * stretch
    if not keep.any():  # two clocks that contradict each other: the disagreement goes into the deviation
        keep[:] = True
    weight = keep / spread**2
    mean = float((weight * t).sum() / weight.sum())
    disagreement = float(np.sqrt((weight * (t - mean) ** 2).sum() / weight.sum()))
    near = int(np.clip(near, 1, len(signals.t_s) - 2)) if len(signals.t_s) > 2 else near
    slope = _slope(signals, near)
    # people differ from the median alike in all clocks (correlation 0.6-0.9), so averaging gains little there
    step = noise_m_s / slope
    sd = float(np.sqrt(spread[keep].min() ** 2 + disagreement**2 + step**2))
    return Reading(mean, min(sd, 0.1), int(keep.sum()), float(spread[keep].min()), min(step, 0.1))


def _slope(s: FootSignals, near: int) -> float:
    """How fast the resting point's speed changes, m/s^2, at least 2."""
    if len(s.t_s) < 3:
        return 2.0
    a, b = max(near - 1, 0), min(near + 1, len(s.t_s) - 1)
    return max(abs(float((s.slowest[b] - s.slowest[a]) / (s.t_s[b] - s.t_s[a]))), 2.0)
