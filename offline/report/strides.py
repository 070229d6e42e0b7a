"""The strides of a session: which of them count, and why the others do not.

A stride counts for the averages when its kinematics were valid in every row from strike to strike and the person did
not turn; forces, moments, powers and activations ask the same of the kinetics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.heading import progression
from kincast.models.rotations import matrix_from_quaternion
from kincast.offline.report.session import ReportSession
from kincast.streaming.results.columns import STRIDE_MEASURES

SIDES = ("left", "right")
STRIDE_S = (0.3, 6.0)
MAX_GAP_S = 0.1
"""A longer hole between rows inside a stride leaves its curves unknown."""
MIN_ROWS = 10
MAX_TURN_DEG = 20.0
"""Straight walking repeats its heading from strike to strike; beyond this the stride is part of a turn."""
TREADMILL_SHARE = 0.5
"""Where the pelvis travels less than this share of the stride length, the ground moves: a treadmill."""
MIN_ALIGNMENT = 0.7
"""Travel more than 45 degrees off the facing direction is a side step, not progression."""


@dataclass(frozen=True)
class ReportStride:
    """One row of gait.csv.

    Attributes:
        side: left or right.
        start_s, off_s, end_s: strike, foot off, next strike; seconds of the session, rising.
        values, sd: the other columns; NaN where a cell is empty.
        rows: slice of the session's rows from strike to strike.
        heading_rad: direction of progression from the world's x axis about the vertical.
        rejected: why its kinematics are not counted; empty if they are.
        kinetics_rejected: the same for forces, moments, powers and activations.
    """

    side: str
    start_s: float
    off_s: float
    end_s: float
    values: Mapping[str, float]
    sd: Mapping[str, float]
    rows: slice
    heading_rad: float
    rejected: str
    kinetics_rejected: str

    @property
    def counted(self) -> bool:
        """Whether it enters kinematic averages."""
        return not self.rejected

    @property
    def kinetics_counted(self) -> bool:
        """Whether it enters kinetic averages."""
        return not self.rejected and not self.kinetics_rejected


def strides_of(session: ReportSession) -> tuple[ReportStride, ...]:
    """All strides of gait.csv whose side and instants can be read, by time."""
    table = session.results.gait
    needed = ("side", "foot_strike_s", "foot_off_s", "next_foot_strike_s")
    if table is None or any(name not in table.columns for name in needed):
        return ()
    numbers = {
        name: table.numbers(name)
        for base in STRIDE_MEASURES
        for name in (base, f"{base}_sd")
        if name in table.columns
    }
    found = []
    for i, side in enumerate(table.text("side")):
        values = {k: float(v[i]) for k, v in numbers.items()}
        start, off, end = (values[name] for name in needed[1:])
        if side in SIDES and all(map(math.isfinite, (start, off, end))) and start < off < end:
            found.append(_stride(session, side, start, off, end, values))
    return tuple(sorted(found, key=lambda s: (s.start_s, s.side)))


def _stride(
    session: ReportSession, side: str, start: float, off: float, end: float, values: dict[str, float]
) -> ReportStride:
    first, last = (int(np.searchsorted(session.time_s, t)) for t in (start, end))
    rows = slice(first, last)
    length = values.get("stride_length_m", math.nan)
    heading, turn_deg = _heading(session, rows, length)
    plausible = {k: v if abs(v) < 1e6 else math.nan for k, v in values.items()}
    return ReportStride(
        side=side,
        start_s=start,
        off_s=off,
        end_s=end,
        values={name: plausible.get(name, math.nan) for name in STRIDE_MEASURES},
        sd={name: abs(plausible.get(f"{name}_sd", math.nan)) for name in STRIDE_MEASURES},
        rows=rows,
        heading_rad=heading,
        rejected=_rejected(session, rows, start, end, turn_deg),
        kinetics_rejected="" if session.valid.kinetics[rows].all() else "kinetics not valid throughout",
    )


def _rejected(session: ReportSession, rows: slice, start: float, end: float, turn_deg: float) -> str:
    if not STRIDE_S[0] < end - start < STRIDE_S[1]:
        return "no plausible duration"
    times = session.time_s[rows]
    if len(times) < MIN_ROWS:
        return "too few rows"
    if not session.valid.kinematics[rows].all():
        return "kinematics not valid throughout"
    holes = np.diff(np.concatenate([[start], times, [end]]))
    if holes.max() > MAX_GAP_S:
        return "a hole in the data"
    if turn_deg > MAX_TURN_DEG:
        return "turning"
    return ""


def _heading(session: ReportSession, rows: slice, stride_length_m: float) -> tuple[float, float]:
    """Heading (rad) over a stride, and by how much (deg) the facing direction changed from its start to its end."""
    poses = session.poses[rows][session.finite[rows]]
    if len(poses) < 2:
        return 0.0, 0.0
    facing: Float64[np.ndarray, "pose 2"] = np.stack(
        [np.asarray(matrix_from_quaternion(q[3:7]))[:2, 0] for q in poses]
    )
    mean = facing.mean(axis=0)
    travel = poses[-1, :2] - poses[0, :2]
    path = progression(travel, mean)
    direction = path.direction
    along = float(direction @ path.forward)
    walked_on_belt = math.isfinite(stride_length_m) and path.distance_m < TREADMILL_SHARE * abs(
        stride_length_m
    )
    if walked_on_belt or abs(along) < MIN_ALIGNMENT:
        direction = path.forward
    elif along < 0:  # backwards: the way the person faces is forwards
        direction = -direction
    first, last = facing[0], facing[-1]
    turn = math.atan2(float(first[0] * last[1] - first[1] * last[0]), float(first @ last))
    return math.atan2(float(direction[1]), float(direction[0])), abs(math.degrees(turn))


def rejections(strides: tuple[ReportStride, ...]) -> Mapping[str, int]:
    """How many strides are not counted for which reason, most frequent first."""
    counts: dict[str, int] = {}
    for stride in strides:
        if stride.rejected:
            counts[stride.rejected] = counts.get(stride.rejected, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
