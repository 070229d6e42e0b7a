"""Measured walks as gait samples with the events of force plates, and what can be done to them for a test."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kincast.models.gait.detector import Event, GaitConfig, GaitDetector, GaitStep, StrideResult
from kincast.models.gait.track import SIDES, GaitSample
from kincast.streaming.results.trc import read_trc

FEET = (("RHeel", "RBigToe", "RSmallToe"), ("LHeel", "LBigToe", "LSmallToe"))
OPPOSITE = {"foot_strike": "foot_off", "foot_off": "foot_strike"}


@dataclass(frozen=True)
class PlateEvent:
    time_s: float
    side: str
    event: str


@dataclass(frozen=True)
class MeasuredWalk:
    """Foot points (t, 2, 3, 3) and pelvis (t, 3), world metres; the ground moves with ``ground`` (2,) m/s."""

    name: str
    t_s: np.ndarray
    feet: np.ndarray
    pelvis: np.ndarray
    ground: np.ndarray
    events: tuple[PlateEvent, ...]
    backwards: bool = False
    leg_extension: float = 0.95

    def samples(self) -> list[GaitSample]:
        over = np.gradient(self.pelvis[:, :2], self.t_s, axis=0) - self.ground
        kernel = np.ones(min(41, 2 * (len(over) // 2) - 1))
        forward = np.stack([np.convolve(over[:, k], kernel, "same") for k in range(2)], -1)
        forward *= (-1.0 if self.backwards else 1.0) / np.maximum(
            np.linalg.norm(forward, axis=1, keepdims=True), 1e-6
        )
        extension = np.broadcast_to(self.leg_extension, self.t_s.shape)
        return [
            GaitSample(round(t * 1e9), self.feet[i], self.pelvis[i], forward[i], float(extension[i]))
            for i, t in enumerate(self.t_s)
        ]

    def at(self, times_s: np.ndarray) -> MeasuredWalk:
        def resampled(x: np.ndarray) -> np.ndarray:
            flat = x.reshape(len(x), -1)
            return np.stack([np.interp(times_s, self.t_s, c) for c in flat.T], -1).reshape(-1, *x.shape[1:])

        return replace(self, t_s=times_s, feet=resampled(self.feet), pelvis=resampled(self.pelvis))

    def at_rate(self, rate_hz: float) -> MeasuredWalk:
        return self.at(np.arange(self.t_s[0], self.t_s[-1], 1 / rate_hz))

    def slower(self, factor: float) -> MeasuredWalk:
        walk = replace(
            self,
            t_s=self.t_s * factor,
            ground=self.ground / factor,
            events=tuple(replace(e, time_s=e.time_s * factor) for e in self.events),
        )
        return walk.at_rate(60.0)

    def reversed(self) -> MeasuredWalk:
        """Walking backwards is close to walking forward with time reversed (Winter et al. 1989)."""
        end = self.t_s[-1]
        return replace(
            self,
            t_s=end - self.t_s[::-1],
            feet=self.feet[::-1].copy(),
            pelvis=self.pelvis[::-1].copy(),
            ground=-self.ground,
            events=tuple(PlateEvent(end - e.time_s, e.side, OPPOSITE[e.event]) for e in self.events[::-1]),
            backwards=True,
        )

    def smaller(self, factor: float) -> MeasuredWalk:
        """A child: all lengths by ``factor``, all times by its root (dynamic similarity)."""
        walk = replace(
            self, feet=self.feet * factor, pelvis=self.pelvis * factor, ground=self.ground * factor
        )
        return walk.slower(float(np.sqrt(factor)))

    def turned(self, angle_rad: float) -> MeasuredWalk:
        c, s = np.cos(angle_rad), np.sin(angle_rad)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        return replace(
            self, feet=self.feet @ turn.T, pelvis=self.pelvis @ turn.T, ground=turn[:2, :2] @ self.ground
        )

    def noisy(self, sd_m: float, seed: int = 0, correlation_s: float = 0.075) -> MeasuredWalk:
        rng = np.random.default_rng(seed)
        keep = np.exp(-np.median(np.diff(self.t_s)) / correlation_s)
        noise = rng.normal(size=self.feet.shape)
        for k in range(1, len(noise)):
            noise[k] = keep * noise[k - 1] + np.sqrt(1 - keep**2) * noise[k]
        return replace(self, feet=self.feet + sd_m * noise)


def multiview_walk(folder: Path) -> MeasuredWalk:
    """Truth keypoints of a multi-view case."""
    trc = read_trc(folder / "truth" / "keypoints_3d.trc")
    index = {name: i for i, name in enumerate(trc.markers)}
    with (folder / "truth" / "events.csv").open() as file:
        events = tuple(PlateEvent(float(r["time"]), r["side"], r["event"]) for r in csv.DictReader(file))
    belt = json.loads((folder / "truth" / "subject.json").read_text())["belt_speed_m_s"] or 0.0
    return MeasuredWalk(
        folder.name,
        np.asarray(trc.time_s),
        np.stack([[trc.points_m[:, index[p]] for p in side] for side in FEET]).transpose(2, 0, 1, 3),
        trc.points_m[:, index["Hip"]],
        np.array([-belt, 0.0]),
        events,
    )


@dataclass(frozen=True)
class Detected:
    events: list[tuple[Event, int]]
    """With the instant at which each was said."""
    strides: list[StrideResult]
    steps: list[GaitStep]
    detector: GaitDetector


def detect(walk: MeasuredWalk, config: GaitConfig | None = None, lag: int = 2) -> Detected:
    """As live: ``lag`` samples behind the newest one is final, the newer ones are the tail."""
    detector = GaitDetector(config)
    samples = walk.samples()
    events, strides, steps = [], [], []
    for i, now in enumerate(samples):
        final = tuple(samples[i - lag : i - lag + 1]) if i >= lag else ()
        step = detector.step(final, tuple(samples[max(0, i - lag + 1) : i + 1]))
        events += [(e, now.t_ns) for e in step.events]
        strides += step.strides
        steps.append(step)
    return Detected(events, strides, steps, detector)


@dataclass(frozen=True)
class EventScore:
    """Seconds. ``errors`` and ``delays`` (said minus happened) of the events found."""

    errors: np.ndarray
    delays: np.ndarray
    missed: int
    extra: int

    @property
    def f1(self) -> float:
        return 2 * len(self.errors) / (2 * len(self.errors) + self.missed + self.extra)


def score(
    walk: MeasuredWalk, found: Detected, begin_s: float = 0.45, end_s: float = 0.15, reach_s: float = 0.1
) -> EventScore:
    """Only where the record leaves room to see an event. Extra events count where plates saw every step."""
    inside = (walk.t_s[0] + begin_s, walk.t_s[-1] - end_s)
    truth = [e for e in walk.events if inside[0] < e.time_s < inside[1]]
    ours = [(e.t_ns * 1e-9, e.side, e.event, said * 1e-9) for e, said in found.events]
    used: set[int] = set()
    errors, delays = [], []
    for e in truth:
        near = [
            (abs(t - e.time_s), i)
            for i, (t, side, event, _) in enumerate(ours)
            if (side, event) == (e.side, e.event) and i not in used and abs(t - e.time_s) < reach_s
        ]
        if near:
            i = min(near)[1]
            used.add(i)
            errors.append(ours[i][0] - e.time_s)
            delays.append(ours[i][3] - e.time_s)
    extra = 0
    if truth:
        first, last = min(e.time_s for e in truth), max(e.time_s for e in truth)
        extra = sum(i not in used and first < o[0] < last for i, o in enumerate(ours))
    assert set(SIDES) >= {o[1] for o in ours}
    return EventScore(np.array(errors), np.array(delays), len(truth) - len(errors), extra)
