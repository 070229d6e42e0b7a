"""Stride and step measures against the truth's heels at the truth's own events."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.offline.truth import Truth, TruthEvent
from kincast.streaming.results.csv_table import CsvTable
from kincast.streaming.results.trc import Trc

MATCH_S = 0.15
MEASURES = ("stride_length_m", "step_length_m", "step_width_m")


@dataclass(frozen=True)
class StrideErrors:
    """Median absolute and mean (ours minus truth) error in mm over the strides both know."""

    strides: int
    median_abs_mm: dict[str, float]
    bias_mm: dict[str, float]


def stride_errors(gait: CsvTable, start_s: float, truth: Truth) -> StrideErrors | None:
    """Lengths between heel keypoints, each at its own foot strike, along the pelvis' path; width across it.

    On a treadmill the belt's travel is added (measured, since some sources do not declare it). None without events, keypoints or common strides.
    """
    keypoints = truth.keypoints
    if truth.events is None or keypoints is None or not {"RHeel", "LHeel", "Hip"} <= set(keypoints.markers):
        return None
    errors: list[list[float]] = []
    ground = ground_velocity(truth, keypoints)
    rows = zip(
        gait.text("side"),
        gait.numbers("foot_strike_s") + start_s,
        gait.numbers("next_foot_strike_s") + start_s,
        *(gait.numbers(name) for name in MEASURES),
        strict=True,
    )
    for side, begin, end, *values in rows:
        first, last = _strike(truth, side, begin), _strike(truth, side, end)
        other = "left" if side == "right" else "right"
        if first is None or last is None or first >= last:
            continue
        between = [
            e.time_s
            for e in truth.events
            if e.event == "foot_strike" and e.side == other and first < e.time_s < last
        ]
        if len(between) != 1 or not np.isfinite(values).all():
            continue
        expected = _measures(keypoints, side, first, between[0], last, ground)
        errors.append([v - x for v, x in zip(values, expected, strict=True)])
    if not errors:
        return None
    mm = np.array(errors) * 1e3
    return StrideErrors(
        strides=len(errors),
        median_abs_mm={
            name: float(v) for name, v in zip(MEASURES, np.median(np.abs(mm), axis=0), strict=True)
        },
        bias_mm={name: float(v) for name, v in zip(MEASURES, mm.mean(axis=0), strict=True)},
    )


def _strike(truth: Truth, side: str, time_s: float) -> float | None:
    events: tuple[TruthEvent, ...] = truth.events or ()
    times = [
        e.time_s
        for e in events
        if e.side == side and e.event == "foot_strike" and abs(e.time_s - time_s) <= MATCH_S
    ]
    return min(times, key=lambda t: abs(t - time_s)) if times else None


def ground_velocity(truth: Truth, keypoints: Trc) -> Float64[np.ndarray, "2"]:
    """Horizontal velocity of the ground: the median of the heels' over the middle half of stance; 0 below 0.1 m/s.

    Over that half the heels of a treadmill trial give the belt speed its source states (1.208 for 1.209 m/s); earlier
    in stance 1.238, later 1.20: a foot rolls while it stands.
    """
    steps: list[Float64[np.ndarray, "2"]] = []
    events = sorted(truth.events or (), key=lambda e: e.time_s)
    for side, heel in (("right", "RHeel"), ("left", "LHeel")):
        own = [e for e in events if e.side == side]
        for strike, off in itertools.pairwise(own):
            if strike.event == "foot_strike" and off.event == "foot_off":
                stance = off.time_s - strike.time_s
                begin, end = strike.time_s + 0.25 * stance, strike.time_s + 0.75 * stance
                moved = _at(keypoints, heel, end) - _at(keypoints, heel, begin)
                steps.append(moved / (end - begin))
    velocity = np.median(steps, axis=0) if steps else np.zeros(2)
    return velocity if np.linalg.norm(velocity) > 0.1 else np.zeros(2)


def _at(keypoints: Trc, name: str, time_s: float) -> Float64[np.ndarray, "2"]:
    track = keypoints.points_m[:, keypoints.markers.index(name), :2]
    return np.array([np.interp(time_s, keypoints.time_s, track[:, k]) for k in range(2)])


def _measures(
    keypoints: Trc,
    side: str,
    first_s: float,
    other_s: float,
    last_s: float,
    ground_m_s: Float64[np.ndarray, "2"],
) -> tuple[float, float, float]:
    def on_ground(name: str, time_s: float) -> Float64[np.ndarray, "2"]:
        return _at(keypoints, name, time_s) - ground_m_s * (time_s - first_s)

    mine, theirs = ("RHeel", "LHeel") if side == "right" else ("LHeel", "RHeel")
    path = on_ground("Hip", last_s) - on_ground("Hip", first_s)
    direction = path / np.linalg.norm(path)
    left = np.array([-direction[1], direction[0]])
    stride = on_ground(mine, last_s) - on_ground(mine, first_s)
    step = on_ground(mine, last_s) - on_ground(theirs, other_s)
    outward = left if side == "left" else -left
    return float(stride @ direction), float(step @ direction), float(step @ outward)
