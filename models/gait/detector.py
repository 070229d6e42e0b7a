"""Gait events and strides from a stream of foot and pelvis motion: the one stateful object of the gait room."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from kincast.models.gait.activity import Activity, ActivityConfig, classify, is_sitting, no_event_reason
from kincast.models.gait.clocks import OFF, STRIKE
from kincast.models.gait.contact import ContactConfig, Detection, FootContact, Phase, advance
from kincast.models.gait.force_clock import ForceClock
from kincast.models.gait.signals import FootSignals, foot_signals
from kincast.models.gait.strides import Instant, StrideEvents, StrideMeasures, Uncertainty, measure_stride
from kincast.models.gait.track import SIDES, GaitSample, GaitTrack
from kincast.models.ground_velocity import GroundEstimator, GroundVelocity

LOOK_BACK_S = 0.6
STEADY_S = 2.0


@dataclass(frozen=True)
class GaitConfig:
    """Settings of the detector; ``belt_speed_m_s`` as declared for the session, None if nothing is known."""

    contact: ContactConfig = field(default_factory=ContactConfig)
    activity: ActivityConfig = field(default_factory=ActivityConfig)
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    belt_speed_m_s: float | None = None
    leg_length_m: float = 0.9


@dataclass(frozen=True)
class Event:
    """A foot strike or foot off; times on the rig's clock."""

    side: str
    event: str
    t_ns: int
    sd_s: float


@dataclass(frozen=True)
class StrideResult:
    """Measures of one stride; times in ``values`` are seconds after ``origin_ns``."""

    side: str
    measures: StrideMeasures
    origin_ns: int


@dataclass(frozen=True)
class GaitStep:
    """Answer to one step. ``reason`` is empty while steps are coming, else why there is no event."""

    events: tuple[Event, ...]
    strides: tuple[StrideResult, ...]
    activity: Activity
    reason: str


@dataclass
class _SideHistory:
    strikes: list[Instant] = field(default_factory=list)
    offs: list[Instant] = field(default_factory=list)

    def forget_before(self, t_s: float) -> None:
        self.strikes = [e for e in self.strikes if e.t_s >= t_s]
        self.offs = [e for e in self.offs if e.t_s >= t_s]


class GaitDetector:
    """Feed it samples in the order of time; deterministic, causal, no clock of its own."""

    def __init__(self, config: GaitConfig | None = None) -> None:
        self.config = config or GaitConfig()
        self.track = GaitTrack()
        self._ground = GroundEstimator(self.config.belt_speed_m_s)
        self._grounded_ns = -(1 << 62)
        self.force_clock = ForceClock()
        self._contact = [FootContact(), FootContact()]
        self._history = [_SideHistory(), _SideHistory()]
        self._sitting = False
        self._last_event_s = -np.inf
        self._looked = False

    @property
    def phases(self) -> tuple[Phase, Phase]:
        """Contact phase of the right and the left foot."""
        return self._contact[0].phase, self._contact[1].phase

    @property
    def ground(self) -> GroundVelocity:
        """What is known of the ground's velocity."""
        return self._ground.ground

    def step(
        self,
        settled: tuple[GaitSample, ...],
        tail: tuple[GaitSample, ...],
        tracked: bool = True,
        hidden: tuple[bool, bool] = (False, False),
    ) -> GaitStep:
        """One snapshot: poses that became final, the newer ones that may still change, and what was visible.

        Args:
            settled: samples not seen before, oldest first.
            tail: samples newer than these, oldest first; replaced with the next step.
            tracked: a person is being followed.
            hidden: (right, left) foot was not seen by enough cameras lately.
        """
        if not tracked:
            self._forget()
            return GaitStep((), (), Activity.LOST, no_event_reason(Activity.LOST))
        self.track.update(settled, tail)
        if self.track.n < 3:
            return GaitStep((), (), Activity.MOVING, no_event_reason(Activity.MOVING))
        self._learn_ground()
        now_s = float(self.track.t_s[-1])
        recent = int(np.searchsorted(self.track.t_s, now_s - self.config.activity.recent_s))
        self._sitting = is_sitting(self._sitting, self.track.leg_extension[recent:], self.config.activity)
        signals = foot_signals(self.track, recent, self.ground.velocity_m_s)
        found = self._look(signals, hidden) if self._ground.known else []
        strides = tuple(
            s for side, d in found if d.event == STRIKE and (s := self._close_stride(side)) is not None
        )
        origin = self.track.origin_ns
        events = tuple(
            Event(SIDES[side], d.event, origin + round(d.reading.t_s * 1e9), d.reading.sd_s)
            for side, d in found
        )
        activity = self._activity(signals, recent, now_s, hidden)
        sides = tuple(name for name, h in zip(SIDES, hidden, strict=True) if h)
        return GaitStep(events, strides, activity, no_event_reason(activity, sides))

    def load(self, t_ns: int, right_share: float, left_share: float, valid: bool) -> None:
        """Vertical foot forces of the kinetics at ``t_ns`` (shares of body weight): they set the clocks for the steps that follow."""
        if self.track.n:
            self.force_clock.load((t_ns - self.track.origin_ns) * 1e-9, right_share, left_share, valid)

    def _forget(self) -> None:
        self.track.clear()
        self.force_clock.forget()
        self._ground.forget()
        self._contact = [FootContact(floor_m=c.floor_m, noise_m_s=c.noise_m_s) for c in self._contact]
        self._history = [_SideHistory(), _SideHistory()]
        self._last_event_s = -np.inf

    def _learn_ground(self) -> None:
        """Hand every sample whose smoothed velocity is final to the estimator, once."""
        track = self.track
        first = int(np.searchsorted(track.t_ns[: track.n_final], self._grounded_ns, side="right"))
        for i in range(first, track.n_final):
            self._grounded_ns = int(track.t_ns[i])
            self._ground.update(
                self._grounded_ns,
                track.feet_velocity[i].reshape(6, 3),
                track.pelvis_velocity[i, :2],
                track.forward[i],
            )

    def _look(
        self, signals: tuple[FootSignals, FootSignals], hidden: tuple[bool, bool]
    ) -> list[tuple[int, Detection]]:
        """Contact of both feet now; at the first look also what happened while the ground was not yet known."""
        n = len(signals[0].t_s)
        start = int(np.searchsorted(signals[0].t_s, signals[0].t_s[-1] - LOOK_BACK_S))
        ends = (n,) if self._looked else range(3, n + 1)
        self._looked = True
        return [
            (side, detection)
            for end in ends
            for side in (0, 1)
            if (detection := self._look_at(side, signals[side].rows(start, end), hidden[side])) is not None
        ]

    def _look_at(self, side: int, signals: FootSignals, hidden: bool) -> Detection | None:
        contact, history = self._contact, self._history[side]
        if hidden:
            contact[side] = FootContact(floor_m=contact[side].floor_m, noise_m_s=contact[side].noise_m_s)
            self._history[side] = _SideHistory()
            return None
        other_swings = contact[1 - side].phase is Phase.SWING
        contact[side], detection = advance(
            contact[side], signals, self.config.contact, other_swings, self.config.leg_length_m
        )
        if detection is None:
            return None
        if self._steady(side, detection.reading.t_s):
            self.force_clock.expect(side, detection.event, detection.reading.t_s)
        detection = replace(
            detection, reading=self.force_clock.correct(side, detection.event, detection.reading)
        )
        reading = detection.reading
        instant = Instant(reading.t_s, reading.sd_s, reading.step_sd_s)
        (history.strikes if detection.event == STRIKE else history.offs).append(instant)
        history.forget_before(instant.t_s - 8.0)
        if self._sitting:
            history.strikes.clear()
            return None
        self._last_event_s = max(self._last_event_s, instant.t_s)
        return detection

    def _steady(self, side: int, t_s: float) -> bool:
        """Walking on: both feet struck within the last strides. First, last and odd steps teach no delay."""
        own, other = self._history[side].strikes, self._history[1 - side].strikes
        return bool(own and other) and t_s - own[-1].t_s < STEADY_S and t_s - other[-1].t_s < STEADY_S

    def _close_stride(self, side: int) -> StrideResult | None:
        own, other = self._history[side], self._history[1 - side]
        if len(own.strikes) < 2:
            return None
        first, last = own.strikes[-2:]
        offs = [e for e in own.offs if first.t_s < e.t_s < last.t_s]
        middles = [e for e in other.strikes if first.t_s < e.t_s < last.t_s]
        if len(offs) != 1 or len(middles) != 1:
            return None
        events = StrideEvents(side, first, offs[0], middles[0], last)
        uncertainty = replace(self.config.uncertainty, ground_sd_m_s=self.ground.sd_m_s)
        measures = measure_stride(self.track, events, self.ground.velocity_m_s, uncertainty)
        return None if measures is None else StrideResult(SIDES[side], measures, self.track.origin_ns)

    def _activity(
        self,
        signals: tuple[FootSignals, FootSignals],
        recent: int,
        now_s: float,
        hidden: tuple[bool, bool],
    ) -> Activity:
        if any(hidden):
            return Activity.HIDDEN
        return classify(
            self._sitting,
            np.stack([s.slowest for s in signals], axis=-1),
            signals[0].walking_speed,
            self.track.leg_extension[recent:],
            now_s - self._last_event_s,
            self.config.activity,
        )


__all__ = ["OFF", "STRIKE", "Event", "GaitConfig", "GaitDetector", "GaitStep", "StrideResult"]
