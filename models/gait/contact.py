"""Is the foot on the ground? One state machine per foot, from kinematics, with hysteresis and plausibility.

A foot is in contact while some point of it rests on the ground: heel first, then the flat foot, then the toes, in
whatever order this person uses them (toe walkers, walking backwards, shuffling). It has left when no point
rests any more. Thresholds scale with the walking speed and with the noise of this recording's resting points,
so that slow, small or unequal steps count as much as brisk ones.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.clocks import OFF, STRIKE, TYPICAL_SWING_S, Reading, read_clocks
from kincast.models.gait.signals import FootSignals, middle

LEARN_EVERY_S = 0.045


class Phase(enum.Enum):
    """Where a foot is; UNKNOWN until it was seen to rest or to swing."""

    UNKNOWN = "unknown"
    STANCE = "stance"
    SWING = "swing"


@dataclass(frozen=True)
class ContactConfig:
    """Speeds in m/s, heights in m for a leg of 0.9 m (scaled with leg length), times in s.

    ``start_*``: the slowest point must move faster than this to leave; ``rest_*``: slower than this to have landed
    (fractions of walking speed, at least the floor). A toe may creep while it pushes off, so the foot has left only
    once it is faster than ``clear_fraction`` (or moved on for ``lone_confirm_s``). ``confirm_s``: how long the new state must have lasted before
    it is said; it bounds the latency. ``min_travel_m``: how far every point of the foot must be from where it was
    when the foot began to move; ``min_travel_standing_m`` while the body hardly moves, where noise alone could
    look like a small step. ``lone_*``: the same for a foot that stands alone. Walking people do not leave the ground
    with both feet, so that takes more: a hop or a run is still seen, a burst of exchanged legs is not.
    """

    start_fraction: float = 0.4
    clear_fraction: float = 0.7
    start_floor_m_s: float = 0.25
    rest_fraction: float = 0.4
    rest_floor_m_s: float = 0.2
    peak_fraction: float = 0.12
    noise_factor: float = 3.75
    start_noise_factor: float = 4.0
    confirm_off_s: float = 0.02
    confirm_strike_s: float = 0.015
    min_travel_m: float = 0.012
    min_travel_standing_m: float = 0.030
    standing_m_s: float = 0.25
    lone_confirm_s: float = 0.08
    lone_travel_m: float = 0.06
    min_stance_s: float = 0.10
    min_swing_s: float = 0.10
    landing_height_m: float = 0.05
    raised_m: float = 0.02
    settle_s: float = 0.06
    stand_s: float = 0.15


@dataclass(frozen=True)
class FootContact:
    """State of one foot. ``floor_m`` (3,) heights of its points when they rest; NaN while not known."""

    phase: Phase = Phase.UNKNOWN
    since_s: float = -np.inf
    looked_until_s: float = -np.inf
    floor_m: Float64[np.ndarray, "3"] = field(default_factory=lambda: np.full(3, np.nan))
    noise_m_s: float = 0.05
    peak_m_s: float = 0.0
    swing_s: float = TYPICAL_SWING_S


@dataclass(frozen=True)
class Detection:
    """A change of contact: which event, when (on the track's axis), and which point touched first or left last."""

    event: str
    reading: Reading
    point: int


def start_threshold(s: FootSignals, state: FootContact, config: ContactConfig) -> Float64[np.ndarray, " n"]:
    """Speed of the slowest point above which a foot in stance is leaving."""
    floor = max(config.start_floor_m_s, config.start_noise_factor * state.noise_m_s)
    return np.maximum(config.start_fraction * s.walking_speed, floor)


def rest_threshold(s: FootSignals, state: FootContact, config: ContactConfig) -> Float64[np.ndarray, " n"]:
    """Speed of the slowest point below which a swinging foot has landed."""
    floor = max(config.rest_floor_m_s, 0.8 * config.noise_factor * state.noise_m_s)
    return np.maximum(
        np.maximum(config.rest_fraction * s.walking_speed, floor), config.peak_fraction * state.peak_m_s
    )


def advance(
    state: FootContact, s: FootSignals, config: ContactConfig, other_swings: bool, leg_m: float = 0.9
) -> tuple[FootContact, Detection | None]:
    """One look at the newest signals: the new state and the change of contact that became certain, if any.

    ``other_swings``: the other foot is off the ground, so this one, if it rests, must be carrying the person
    however high it stands (stairs, a step, an uneven floor), and does not leave lightly.
    """
    if len(s.t_s) < 3:
        return state, None
    if state.phase is Phase.UNKNOWN:
        return _first_look(state, s, config), None
    if state.phase is Phase.STANCE:
        return _look_for_off(state, s, config, other_swings, leg_m)
    return _look_for_strike(state, s, config, other_swings, leg_m)


def _first_look(state: FootContact, s: FootSignals, config: ContactConfig) -> FootContact:
    """At rest, or moving, throughout the last moments."""
    recent = s.t_s > s.t_s[-1] - config.settle_s
    if s.t_s[-1] - s.t_s[0] < 0.99 * config.settle_s:
        return state
    now = float(s.t_s[-1])
    if (s.slowest[recent] < rest_threshold(s, state, config)[recent]).all():
        return replace(state, phase=Phase.STANCE, since_s=-np.inf, looked_until_s=now)
    if (s.slowest[recent] > start_threshold(s, state, config)[recent]).all():
        peak = float(s.slowest.max())
        return replace(state, phase=Phase.SWING, since_s=-np.inf, looked_until_s=now, peak_m_s=peak)
    return state


def _run_start(mask: np.ndarray, t: Float64[np.ndarray, " n"], after_s: float) -> int | None:
    """First index of the unbroken run of True that reaches the end, not before ``after_s``."""
    if not mask[-1]:
        return None
    breaks = np.nonzero(~mask | (t <= after_s))[0]
    first = int(breaks[-1]) + 1 if len(breaks) else 0
    return first if first < len(mask) else None


def _crossing_time(s: FootSignals, threshold: Float64[np.ndarray, " n"], first: int) -> float:
    if first == 0:
        return float(s.t_s[0])
    a, b = s.slowest[first - 1] - threshold[first - 1], s.slowest[first] - threshold[first]
    w = float(np.clip(a / (a - b), 0.0, 1.0)) if a != b else 1.0
    return float(s.t_s[first - 1] + w * (s.t_s[first] - s.t_s[first - 1]))


def _look_for_off(
    state: FootContact, s: FootSignals, config: ContactConfig, other_swings: bool, leg_m: float
) -> tuple[FootContact, Detection | None]:
    state = _learn_rest(state, s, config, other_swings, leg_m)
    threshold = start_threshold(s, state, config)
    first = _run_start(s.slowest > threshold, s.t_s, state.since_s + config.min_stance_s)
    if first is None or not _has_left(s, threshold, first, config, other_swings, leg_m):
        return state, None
    if not _rolls(state, s, first, config, leg_m):
        # it stood flat a moment ago: the newest pose alone may be wrong by centimetres
        before = s.rows(0, len(s.t_s) - 1)
        if first >= len(before.t_s) or not _has_left(before, threshold, first, config, other_swings, leg_m):
            return state, None
    point = int(np.argmin(s.speed[first]))
    # noise asks for more speed before a start is believed, not for a later start
    slow = np.maximum(config.start_fraction * s.walking_speed, config.rest_floor_m_s)
    begin = _run_start(s.slowest[: first + 1] > slow[: first + 1], s.t_s[: first + 1], state.since_s)
    coarse = _crossing_time(s, slow, first if begin is None else begin)
    reading = read_clocks(s, OFF, point, coarse, state.noise_m_s, state.swing_s)
    if reading.clocks < 2 and s.t_s[-1] - s.t_s[first] < config.lone_confirm_s:
        return state, None  # one clock alone may follow a pose that is still wrong: wait for another
    peak = float(s.slowest[first:].max())
    state = replace(
        state, phase=Phase.SWING, since_s=reading.t_s, looked_until_s=float(s.t_s[-1]), peak_m_s=peak
    )
    return state, Detection(OFF, reading, point)


def _has_left(
    s: FootSignals,
    threshold: Float64[np.ndarray, " m"],
    first: int,
    config: ContactConfig,
    other_swings: bool,
    leg_m: float,
) -> bool:
    """Whether the motion since sample ``first`` is long, far and fast enough for a foot that leaves."""
    lasted = float(s.t_s[-1] - s.t_s[first])
    travel = float(np.linalg.norm(s.place[-1] - s.place[max(first - 1, 0)], axis=-1).min())
    walking = s.walking_speed[-1] > config.standing_m_s
    least = config.min_travel_m if walking else config.min_travel_standing_m
    confirm = config.confirm_off_s
    if other_swings:
        least, confirm = config.lone_travel_m, config.lone_confirm_s
    fast = s.slowest[-1] > config.clear_fraction * s.walking_speed[-1] or lasted > config.lone_confirm_s
    return lasted >= confirm and travel >= least * leg_m / 0.9 and bool(fast)


def _rolls(state: FootContact, s: FootSignals, first: int, config: ContactConfig, leg_m: float) -> bool:
    """Whether heel or toes were up before, well after landing: walking people roll over a foot before it leaves."""
    before = max(first - 1, 0)
    landing = s.t_s[before] < state.since_s + 0.5 * state.swing_s
    walking = s.walking_speed[-1] > config.standing_m_s
    raised = s.height[before] - state.floor_m
    return bool(walking and not landing and (raised > config.raised_m * leg_m / 0.9).any())


def _look_for_strike(
    state: FootContact, s: FootSignals, config: ContactConfig, other_swings: bool, leg_m: float
) -> tuple[FootContact, Detection | None]:
    flying = s.t_s > state.since_s
    if flying.any():
        state = replace(state, peak_m_s=max(state.peak_m_s, float(s.slowest[flying].max())))
    threshold = rest_threshold(s, state, config)
    first = _run_start(s.slowest < threshold, s.t_s, state.since_s + config.min_swing_s)
    if first is None:
        return state, None
    lasted = float(s.t_s[-1] - s.t_s[first])
    clearance = s.height[first:] - state.floor_m
    resting = s.speed[first:] < threshold[first:, None]
    known = np.isfinite(state.floor_m).all()
    limit = config.landing_height_m * leg_m / 0.9
    low = not known or bool((np.where(resting, clearance, np.inf) < limit).any())
    still = lasted >= config.stand_s and bool((s.slowest[first:][-3:] < 2.5 * state.noise_m_s).all())
    if lasted < config.confirm_strike_s or not (low or (still and other_swings)):
        return state, None
    coarse = _crossing_time(s, threshold, first)
    point = int(np.argmin(s.speed[first]))
    swing = state.swing_s
    if np.isfinite(state.since_s):
        swing += 0.5 * (min(coarse - state.since_s, 2.5 * TYPICAL_SWING_S) - swing)
    reading = read_clocks(s, STRIKE, point, coarse, state.noise_m_s, swing)
    state = replace(
        state,
        phase=Phase.STANCE,
        since_s=reading.t_s,
        looked_until_s=float(s.t_s[-1]),
        swing_s=swing,
        floor_m=state.floor_m if low else np.full(3, np.nan),
    )
    return state, Detection(STRIKE, reading, point)


def _learn_rest(
    state: FootContact, s: FootSignals, config: ContactConfig, carries: bool, leg_m: float
) -> FootContact:
    """While the foot surely rests, learn the heights of its points there and how noisy a resting point looks."""
    t_new = float(s.t_s[-1])
    if t_new - state.looked_until_s < LEARN_EVERY_S:
        return state
    recent = s.rows(int(np.searchsorted(s.t_s, max(t_new - 0.12, state.since_s + 0.1), "right")), len(s.t_s))
    if len(recent.t_s) < 3:
        return replace(state, looked_until_s=t_new)
    floor, noise = state.floor_m.copy(), state.noise_m_s
    sure = recent.slowest < 0.5 * config.rest_floor_m_s
    for k in range(3):
        resting = sure & (recent.speed[:, k] < config.rest_floor_m_s)
        if np.count_nonzero(sure) >= 3 and resting.any():
            level = middle(recent.height[resting, k])
            floor[k] = level if np.isnan(floor[k]) else floor[k] + 0.3 * (level - floor[k])
    if carries and not _rolls(state, s, len(s.t_s), config, leg_m):
        noise += 0.06 * (float(recent.slowest.mean()) - noise)
    return replace(state, floor_m=floor, noise_m_s=noise, looked_until_s=t_new)
