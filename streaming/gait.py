"""Gait events and strides of a live stream: fit results in, GaitEvent and Stride messages out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kincast.models.body.body import Body
from kincast.models.contact_forces import GRAVITY
from kincast.models.fit_result import FitCode, FitResult
from kincast.models.gait.activity import Activity
from kincast.models.gait.detector import GaitConfig, GaitDetector, StrideResult
from kincast.models.gait.landmarks import GaitLandmarks
from kincast.models.ground_velocity import GroundVelocity
from kincast.streaming.messages import GaitEvent, Kinetics, Stride

SEEN_CONFIDENCE = 0.3
SEEN_CAMERAS = 2
HIDDEN_AFTER_S = 0.2
WORTH_SAYING_SD, SPEED_SD = 1.5, 0.022
"""A seen belt speed this many relative deviations (of feet and declaration together) off is told to the user."""
NOT_TRACKED = (FitCode.INITIALISING, FitCode.LOST, FitCode.DIVERGED)


@dataclass(frozen=True)
class GaitOutput:
    """Answer to one snapshot; ``reason`` is empty while steps are coming, else why there is no event."""

    events: tuple[GaitEvent, ...]
    strides: tuple[Stride, ...]
    reason: str


class GaitStream:
    """Causal and deterministic: a function of the fit results it was fed.

    ``start_ns`` is time 0 of the results (stride times are seconds after it). ``belt_speed_m_s`` as declared in
    the session header; an undeclared belt is found from the feet.
    """

    def __init__(
        self,
        body: Body,
        start_ns: int = 0,
        belt_speed_m_s: float | None = None,
        config: GaitConfig | None = None,
    ) -> None:
        self.swap_body(body)
        self._start_ns = start_ns
        config = config or GaitConfig()
        self._detector = GaitDetector(
            replace(config, belt_speed_m_s=belt_speed_m_s, leg_length_m=self._landmarks.leg_length_m)
        )
        self._walking = False
        self._unseen_since_ns: list[int | None] = [None, None]

    @property
    def detector(self) -> GaitDetector:
        """The detector's state, to look at."""
        return self._detector

    @property
    def findings(self) -> tuple[str, ...]:
        """What the user should know of the ground: a belt that runs otherwise than was declared."""
        return ground_findings(self._detector.config.belt_speed_m_s, self._detector.ground, self._walking)

    def swap_body(self, body: Body) -> None:
        """Use another body from the next snapshot on; what is known of floor and steps is kept."""
        self._landmarks = GaitLandmarks(body)
        self._weight_n = GRAVITY * float(body.parameters.mass_kg)
        self._seen_sites = tuple(np.array(sites, int) for sites in self._landmarks.seen_sites)

    def step(self, fit: FitResult, kinetics: tuple[Kinetics, ...] = ()) -> GaitOutput:
        """One snapshot, and the kinetics rows that came with it (none at first; they lag)."""
        for k in kinetics:
            right, left = (float(foot.force[2]) / self._weight_n for foot in (k.right, k.left))
            self._detector.load(k.t_ns, right, left, k.valid)
        newest = fit.settled[-1].t_ns if fit.settled else self._detector.track.last_settled_ns
        later = fit.window.t_ns > newest
        times = [p.t_ns for p in fit.settled] + fit.window.t_ns[later].tolist()
        poses = np.concatenate([*(p.qpos[None] for p in fit.settled), fit.window.qpos[later]])
        samples = self._landmarks.samples(times, poses)
        settled, tail = samples[: len(fit.settled)], samples[len(fit.settled) :]
        tracked = fit.code not in NOT_TRACKED and all(p.tracked for p in fit.settled)
        answer = self._detector.step(settled, tail, tracked, self._hidden(fit))
        self._walking = answer.activity is Activity.WALKING
        events = tuple(
            GaitEvent(side=e.side, event=e.event, t_ns=e.t_ns, sd_s=e.sd_s, emitted_ns=fit.t_ns)
            for e in sorted(answer.events, key=lambda e: (e.t_ns, e.side))
        )
        strides = tuple(self._stride(s) for s in answer.strides)
        return GaitOutput(events, strides, answer.reason)

    def _stride(self, result: StrideResult) -> Stride:
        offset_s = (result.origin_ns - self._start_ns) * 1e-9
        values = {
            name: value + offset_s if name.endswith(("strike_s", "off_s")) else value
            for name, value in result.measures.values.items()
        }
        return Stride(side=result.side, values=values, sd=dict(result.measures.sd))

    def _hidden(self, fit: FitResult) -> tuple[bool, bool]:
        """A foot is hidden once fewer than two cameras have seen any of its points for a while (markers: never)."""
        confidence = fit.cameras.confidence
        hidden = [False, False]
        if not len(confidence):
            return False, False
        for side, sites in enumerate(self._seen_sites):
            seen = confidence[:, sites].max(axis=1, initial=0.0) > SEEN_CONFIDENCE
            if np.count_nonzero(seen) >= SEEN_CAMERAS:
                self._unseen_since_ns[side] = None
                continue
            since = self._unseen_since_ns[side]
            if since is None:
                self._unseen_since_ns[side] = since = fit.t_ns
            hidden[side] = fit.t_ns - since > HIDDEN_AFTER_S * 1e9
        return hidden[0], hidden[1]


def ground_findings(declared_m_s: float | None, ground: GroundVelocity, walking: bool) -> tuple[str, ...]:
    """Sentences for the therapist where the feet of a walking person show another belt speed than was declared."""
    seen = ground.seen_m_s
    if declared_m_s is None or seen is None or not walking:
        return ()
    off = abs(seen - declared_m_s)
    if not ground.contradicts_declared and off <= WORTH_SAYING_SD * SPEED_SD * declared_m_s:
        return ()
    used = "the feet are believed" if ground.contradicts_declared else "the declared speed is used"
    return (
        f"treadmill declared at {declared_m_s:.2f} m/s, the feet show {seen:.2f} m/s; {used}:"
        " check the treadmill's speed and the scale of the camera calibration",
    )
