"""Fit, kinetics and gait of one session side by side, with the promise that each snapshot gets one row of each.

The promise holds even if one of them fails: an unexpected exception costs that stage its memory, is counted and
told, and the rows it owed are filled in as untracked. A live session never ends because of a stage.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from kincast.models.body import Body
from kincast.models.camera import Camera
from kincast.models.fit_result import CameraStatistics, FitCode, FitResult, SettledPose, WindowState
from kincast.streaming.faults import Faults
from kincast.streaming.fitter import FitterConfig, WindowFitter
from kincast.streaming.gait import GaitOutput, GaitStream
from kincast.streaming.kinetics import KineticsConfig, KineticsStream
from kincast.streaming.latency import StageTimes
from kincast.streaming.messages import Kinetics, SessionHeader
from kincast.streaming.snapshot import Snapshot

UNKNOWN_SD = 1.0
"""Standard deviation (rad, m) of what is only filled in."""


@dataclass(frozen=True)
class Answer:
    """What the stages say to one snapshot, or to the end of the stream."""

    fit: FitResult
    kinetics: tuple[Kinetics, ...]
    gait: GaitOutput


class Streams:
    """State of one session's stages. ``faults`` counts stages that failed, by stage and place of failure."""

    def __init__(
        self,
        header: SessionHeader,
        body: Body,
        fitter: FitterConfig,
        kinetics: KineticsConfig,
        times: StageTimes,
    ) -> None:
        self.faults = Faults()
        self._header = header
        self._body = body
        self._fitter_config = fitter
        self._kinetics_config = kinetics
        self._times = times
        self._start_ns = header.start_ns
        self._fitter = self._new_fitter()
        self._kinetics = self._new_kinetics()
        self._gait = self._new_gait()
        self._unsettled: deque[tuple[int, int]] = deque()
        self._unanswered: deque[SettledPose] = deque()
        self._last: FitResult | None = None

    @property
    def muscle_names(self) -> tuple[str, ...]:
        """Order of the activations; empty without muscles."""
        return self._kinetics.muscle_names

    @property
    def findings(self) -> tuple[str, ...]:
        """What the stages would have the user know."""
        return self._gait.findings

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The calibration in use, see :attr:`WindowFitter.cameras`."""
        return self._fitter.cameras

    def warm(self) -> None:
        """Compile what the loop calls."""
        self._fitter.warm()

    def begin_at(self, start_ns: int) -> None:
        """Time 0 of the session, where the header did not know it."""
        self._start_ns = start_ns
        self._gait = self._new_gait()

    def swap_body(self, body: Body) -> None:
        """Another body of the same person from the next snapshot on."""
        self._body = body
        self._fitter.swap_body(body)
        self._kinetics.swap_body(body, float(body.parameters.mass_kg))
        self._gait.swap_body(body)

    def step(self, snapshot: Snapshot) -> Answer:
        """Take in one snapshot."""
        self._unsettled.append((snapshot.seq, snapshot.t_ns))
        with self._times.timed("fit"):
            fit = self._fitted(snapshot)
        return self._answered(fit)

    def flush(self) -> Answer | None:
        """The rows that still lag at the end of the stream; None if there never was a snapshot."""
        if self._last is None:
            return None
        try:
            settled = self._fitter.flush()
        except Exception as error:
            settled = self._filled_in(error)
        fit = replace(self._last, window=_NO_WINDOW, settled=settled)
        self._unanswered.extend(settled)
        try:
            kinetics = self._kinetics.flush(settled)
        except Exception as error:
            kinetics = self._nothing_known(error)
        return Answer(fit, kinetics, self._events(fit, kinetics))

    # ------------------------------------------------------------------ stages and their failures

    def _fitted(self, snapshot: Snapshot) -> FitResult:
        try:
            fit = self._fitter.step(snapshot)
        except Exception as error:
            pose = None if self._last is None else self._last.now_qpos
            settled = self._filled_in(error)
            if pose is None:
                pose = settled[-1].qpos
            fit = FitResult(
                snapshot.seq,
                snapshot.t_ns,
                FitCode.DIVERGED,
                pose,
                _NO_WINDOW,
                settled,
                _nothing_seen(snapshot, len(self._body.sites)),
            )
        for _ in fit.settled:
            if self._unsettled:
                self._unsettled.popleft()
        self._last = fit
        return fit

    def _answered(self, fit: FitResult) -> Answer:
        self._unanswered.extend(fit.settled)
        with self._times.timed("kinetics"):
            try:
                kinetics = self._kinetics.step(fit)
            except Exception as error:
                kinetics = self._nothing_known(error)
        for _ in kinetics:
            if self._unanswered:
                self._unanswered.popleft()
        with self._times.timed("events"):
            return Answer(fit, kinetics, self._events(fit, kinetics))

    def _events(self, fit: FitResult, kinetics: tuple[Kinetics, ...]) -> GaitOutput:
        try:
            return self._gait.step(fit, kinetics)
        except Exception as error:
            self._count("gait", error)
            self._gait = self._new_gait()
            return GaitOutput((), (), "gait detection failed and was started anew")

    def _filled_in(self, error: Exception) -> tuple[SettledPose, ...]:
        """A new fitter, and untracked rows for all that the old one had not settled."""
        self._count("fit", error)
        self._fitter = self._new_fitter()
        qpos = np.zeros(41)
        qpos[2], qpos[3:5] = 1.0, np.sqrt(0.5)
        if self._last is not None:
            qpos = self._last.now_qpos
        wide = np.full(40, UNKNOWN_SD)
        return tuple(
            SettledPose(seq, t_ns, qpos, np.zeros(40), wide, wide, False) for seq, t_ns in self._unsettled
        )

    def _nothing_known(self, error: Exception) -> tuple[Kinetics, ...]:
        """A new kinetics stream, and invalid rows for all that the old one had not answered."""
        self._count("kinetics", error)
        self._kinetics = self._new_kinetics()
        return self._kinetics.flush(tuple(replace(pose, tracked=False) for pose in self._unanswered))

    def _count(self, stage: str, error: Exception) -> None:
        self.faults.count(f"{stage} failed and was started anew", error)

    def _new_fitter(self) -> WindowFitter:
        return WindowFitter(self._body, self._header.cameras, self._header.keypoint_set, self._fitter_config)

    def _new_kinetics(self) -> KineticsStream:
        return KineticsStream(
            self._body, float(self._body.parameters.mass_kg), self._kinetics_config, self._times
        )

    def _new_gait(self) -> GaitStream:
        return GaitStream(self._body, self._start_ns, self._header.belt_speed_m_s)


_NO_WINDOW = WindowState(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 41)), np.zeros((0, 40)))


def _nothing_seen(snapshot: Snapshot, sites: int) -> CameraStatistics:
    cameras = len(snapshot.present)
    return CameraStatistics(
        present=snapshot.present,
        person_index=np.full(cameras, -1, np.int64),
        median_px=np.full(cameras, np.nan, np.float32),
        inlier_share=np.zeros(cameras, np.float32),
        swapped=np.zeros(cameras, bool),
        weight=np.ones(cameras, np.float32),
        knocked=np.zeros(cameras, bool),
        error_px=np.full((cameras, sites), np.nan, np.float32),
        confidence=np.zeros((cameras, sites), np.float32),
    )
