"""What the patient sees counted: one value per stride, and only from strides that were valid throughout.

The server counts, not the page: it sees every LiveFrame, while a page may skip some.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32

from kincast.models.coordinates import COORDINATES
from kincast.models.errors import UserMistakeError
from kincast.streaming.messages import GaitEvent, LiveFrame

MAX_GAP_NS = 200_000_000
"""A stride with a longer hole in a stream is not counted; the same 200 ms after which the screen says 'no signal'."""
STRIDE_NS = (300_000_000, 4_000_000_000)
"""Two strikes of a foot nearer or farther apart than this are not one stride (a stop, a missed event)."""
MAX_ANGLE_SD_DEG = 5.0
"""An angle less certain than this is not valid, however valid the frame."""
KEPT_NS = 10_000_000_000
SHOWN_STRIDES = 12


class UnknownFeedbackTargetError(UserMistakeError):
    """The feedback target names no coordinate or has no band."""


@dataclass(frozen=True)
class FeedbackTarget:
    """Keep the extreme of a coordinate over each stride within ``low``..``high`` (degrees).

    Raises:
        UnknownFeedbackTargetError: unknown coordinate or statistic, or an empty band.
    """

    coordinate: str = "knee_angle_r"
    statistic: Literal["max", "min"] = "max"
    low: float = 50.0
    high: float = 70.0

    def __post_init__(self) -> None:
        if self.coordinate not in COORDINATES:
            raise UnknownFeedbackTargetError(
                f"feedback target: no coordinate {self.coordinate!r}; valid: {', '.join(COORDINATES)}"
            )
        if self.statistic not in ("max", "min"):
            raise UnknownFeedbackTargetError(
                f"feedback target: no statistic {self.statistic!r}; valid: max, min"
            )
        if not (-400.0 <= self.low < self.high <= 400.0):
            raise UnknownFeedbackTargetError(
                f"feedback target: band {self.low}..{self.high} must rise and lie within -400..400 degrees"
            )

    @property
    def side(self) -> str:
        """Whose strides are judged: the side of the coordinate, right for pelvis and trunk."""
        return "left" if self.coordinate.endswith("_l") else "right"


@dataclass(frozen=True)
class StrideFeedback:
    """``value`` is None where the stride is not counted; ``reason`` then says why, for the therapist."""

    t_ns: int
    value: float | None
    in_band: bool
    reason: str = ""


@dataclass(frozen=True)
class FeedbackState:
    """All both screens show of the feedback; the newest strides last."""

    target: FeedbackTarget
    strides: tuple[StrideFeedback, ...] = ()
    counted: int = 0
    in_band: int = 0
    not_counted: int = 0


@dataclass
class FeedbackTracker:
    """Feeds on every LiveFrame in order; ``state`` is what to show."""

    state: FeedbackState = field(default_factory=lambda: FeedbackState(FeedbackTarget()))
    _angles: deque[tuple[int, bool, Float32[np.ndarray, "40"], Float32[np.ndarray, "40"]]] = field(
        default_factory=deque
    )
    _kinetics: deque[tuple[int, bool]] = field(default_factory=deque)
    _strikes: dict[str, int] = field(default_factory=dict)
    _pending: list[tuple[int, int]] = field(default_factory=list)

    def aim(self, target: FeedbackTarget) -> None:
        """Start counting anew towards ``target``."""
        self.state = FeedbackState(target)
        self._pending.clear()
        self._strikes.clear()

    def step(self, frame: LiveFrame) -> bool:
        """Take in one frame; True when ``state`` changed."""
        self._keep(frame)
        for event in frame.events:
            self._strike(event)
        due = [stride for stride in self._pending if self._complete(stride[1])]
        self._pending = [stride for stride in self._pending if stride not in due]
        for start_ns, end_ns in due:
            self._count(self._judge(start_ns, end_ns))
        return bool(due)

    def _keep(self, frame: LiveFrame) -> None:
        kinematics, kinetics = frame.kinematics, frame.kinetics
        newest = self._angles[-1][0] if self._angles else None
        if kinematics is not None and newest is not None and kinematics.t_ns < newest:
            # time went backwards: another recording, or the same from its start
            self._angles.clear()
            self._kinetics.clear()
            self._strikes.clear()
            self._pending.clear()
        if kinematics is not None and (not self._angles or kinematics.t_ns > self._angles[-1][0]):
            valid = kinematics.valid and kinematics.tracked
            self._angles.append((kinematics.t_ns, valid, kinematics.angles, kinematics.angles_sd))
        if kinetics is not None and (not self._kinetics or kinetics.t_ns > self._kinetics[-1][0]):
            self._kinetics.append((kinetics.t_ns, kinetics.valid))
        for kept in (self._angles, self._kinetics):
            while kept and kept[0][0] < kept[-1][0] - KEPT_NS:
                kept.popleft()

    def _strike(self, event: GaitEvent) -> None:
        if event.event != "foot_strike" or event.side != self.state.target.side:
            return
        start_ns = self._strikes.get(event.side)
        self._strikes[event.side] = event.t_ns
        if start_ns is not None and STRIDE_NS[0] <= event.t_ns - start_ns <= STRIDE_NS[1]:
            self._pending.append((start_ns, event.t_ns))

    def _complete(self, end_ns: int) -> bool:
        return (
            bool(self._angles and self._kinetics)
            and min(self._angles[-1][0], self._kinetics[-1][0]) >= end_ns
        )

    def _judge(self, start_ns: int, end_ns: int) -> StrideFeedback:
        angles = [sample for sample in self._angles if start_ns <= sample[0] <= end_ns]
        kinetics = [sample for sample in self._kinetics if start_ns <= sample[0] <= end_ns]
        for name, samples in (("kinematics", angles), ("kinetics", kinetics)):
            times = np.array([start_ns, *(sample[0] for sample in samples), end_ns])
            if np.diff(times).max() > MAX_GAP_NS:
                return StrideFeedback(end_ns, None, False, f"{name} had a gap")
            if not all(sample[1] for sample in samples):
                return StrideFeedback(end_ns, None, False, f"{name} was not valid throughout")
        target = self.state.target
        column = COORDINATES.index(target.coordinate)
        if not all(sample[3][column] <= MAX_ANGLE_SD_DEG for sample in angles):
            return StrideFeedback(end_ns, None, False, "the angle was too uncertain")
        curve = np.array([sample[2][column] for sample in angles])
        value = float(curve.max() if target.statistic == "max" else curve.min())
        return StrideFeedback(end_ns, value, target.low <= value <= target.high)

    def _count(self, stride: StrideFeedback) -> None:
        state = self.state
        self.state = replace(
            state,
            strides=(*state.strides, stride)[-SHOWN_STRIDES:],
            counted=state.counted + (stride.value is not None),
            in_band=state.in_band + stride.in_band,
            not_counted=state.not_counted + (stride.value is None),
        )
