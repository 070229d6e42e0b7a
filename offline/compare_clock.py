"""On which common time axis two results folders can be laid, if on any.

A results folder counts seconds from the earliest picture of its recording (``start_ns`` on the rig's clock).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from kincast.streaming.results.reader import ResultsFolder

By = Literal["time", "cycle"]
SHIFT_S, SHIFT_STEP_S = 0.25, 0.001
"""How far, and how finely, the shift between two runs is looked for."""
SHIFTED = ("knee_angle_r", "knee_angle_l", "hip_flexion_r", "hip_flexion_l", "ankle_angle_r", "ankle_angle_l")
MOVING_DEG = 2.0
"""A coordinate that moves less than this tells nothing of time."""


@dataclass(frozen=True)
class Clock:
    """``by``: row by row on one time axis, or by the gait cycle. ``offset_s``: added to the second's times gives the first's."""

    by: By
    offset_s: float
    reason: str


def common_clock(first: ResultsFolder, second: ResultsFolder) -> Clock:
    """Same recording (or overlapping time on one clock): by time; sessions of their own: by the gait cycle.

    Where a folder does not say what it was made of (another program's), its time is taken for the other's.
    """
    a, b = first.summary, second.summary
    starts = _start(a.get("start_ns")), _start(b.get("start_ns"))
    if starts[0] is None or starts[1] is None:
        return Clock("time", 0.0, "a folder does not say when it begins: both times taken for the same")
    offset_s = (starts[1] - starts[0]) * 1e-9
    if _same(a.get("input_sha256"), b.get("input_sha256")):
        return Clock("time", offset_s, "the same recording")
    overlap = _overlap(first.kinematics.time_s, second.kinematics.time_s + offset_s)
    if _same(a.get("session_id"), b.get("session_id")):
        if overlap > 0.5:
            return Clock("time", offset_s, "the same session")
        return Clock("cycle", 0.0, "sessions of one name at different times")
    if not _stated(a) or not _stated(b):
        return Clock("time", offset_s, "one clock, by start_ns")
    return Clock("cycle", 0.0, "different recordings")


def _start(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _same(a: object, b: object) -> bool:
    return isinstance(a, str) and bool(a) and a == b


def _stated(summary: object) -> bool:
    get = getattr(summary, "get", None)
    return get is not None and bool(get("input_sha256")) and bool(get("session_id"))


def _overlap(a: Float64[np.ndarray, " row"], b: Float64[np.ndarray, " row2"]) -> float:
    """Share of the shorter one's time that both cover."""
    if not len(a) or not len(b):
        return 0.0
    both = min(a[-1], b[-1]) - max(a[0], b[0])
    return float(both / max(min(a[-1] - a[0], b[-1] - b[0]), 1e-9))


def best_shift_s(first: ResultsFolder, second: ResultsFolder, offset_s: float) -> float | None:
    """By how much later (s) the second shows what the first shows, from the legs' angles; None where they hardly
    move or no shift in reach fits.

    The shift, at most a quarter of a second, that leaves the least difference after removal of each angle's mean.
    """
    a, b = first.kinematics, second.kinematics
    names = [n for n in SHIFTED if n in a.columns and n in b.columns]
    times = b.time_s + offset_s
    if not names or len(a.time_s) < 10 or len(times) < 10:
        return None
    inside = (a.time_s >= times[0] + SHIFT_S) & (a.time_s <= times[-1] - SHIFT_S)
    ours = a.at(a.time_s[inside], names)
    moving = ours.std(axis=0) > MOVING_DEG if inside.sum() >= 10 else np.zeros(len(names), bool)
    if not moving.any():
        return None
    names = [n for n, m in zip(names, moving, strict=True) if m]
    ours = ours[:, moving]
    shifts = np.arange(-SHIFT_S, SHIFT_S + SHIFT_STEP_S / 2, SHIFT_STEP_S)
    left = [float(np.var(ours - b.at(a.time_s[inside] + s - offset_s, names), axis=0).sum()) for s in shifts]
    best = int(np.argmin(left))
    return float(shifts[best]) if 0 < best < len(shifts) - 1 else None  # at an end: no shift in reach fits
