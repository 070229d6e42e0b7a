"""The live engine: messages in, messages out. A pure state machine without sockets, threads or a wall clock.

Its LiveFrames are a function of the input messages and their receive stamps alone, byte for byte. What a
live run cannot repeat (a deadline that struck, pictures it had to drop, a body that was estimated aside, what the
recorder had on disk) comes in as a message, is recorded, and is fed again by a replay. Only EngineHealth holds measured times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter_ns

import numpy as np

from kincast.models.base_body import BaseBody
from kincast.models.body import Body, BodyParameters
from kincast.models.body.sites import sites_of
from kincast.models.camera import Camera
from kincast.models.errors import UserMistakeError
from kincast.models.fit_result import FitCode, FitResult
from kincast.models.observations import Observations
from kincast.streaming.admission import Admission, Refusal
from kincast.streaming.align import DEADLINE_NS, Aligner
from kincast.streaming.clock import ClockMonitor
from kincast.streaming.cold_start import BODY_AFTER_S, BodyGatherer
from kincast.streaming.fitter import FitterConfig
from kincast.streaming.gait import GaitOutput
from kincast.streaming.health import aim_findings, camera_health, findings
from kincast.streaming.kinetics import KineticsConfig
from kincast.streaming.latency import StageTimes
from kincast.streaming.messages import (
    BodySwap,
    ClockOffset,
    Deadline,
    Dropped,
    EndOfStream,
    EngineHealth,
    GaitEvent,
    KeypointFrame,
    Kinematics,
    Kinetics,
    LiveFrame,
    MarkerFrame,
    Message,
    RecordedThrough,
    SessionHeader,
    Stride,
)
from kincast.streaming.pose_stream import PoseStream
from kincast.streaming.recording import starts_session
from kincast.streaming.rehearsal import rehearsal
from kincast.streaming.session_body import built_for_session, for_session, generic_body
from kincast.streaming.snapshot import Snapshot
from kincast.streaming.streams import Streams

HEALTH_EVERY_NS = 1_000_000_000

STATUS = {
    FitCode.OK: "tracking",
    FitCode.INITIALISING: "searching: nobody found yet",
    FitCode.NOT_ENOUGH_VIEWS: "predicting: fewer than two cameras see enough of the person",
    FitCode.DIVERGED: "restarting: the fit became non-finite",
    FitCode.LOST: "lost: the body no longer explains the pictures",
}


@dataclass(frozen=True)
class EngineConfig:
    """What a run computes. ``body_after_s``: when, in seconds of stream, an unknown person's body is estimated;
    ``base``: what is known of people then (``None``: the literature).
    """

    muscles: bool = True
    deadline_ns: int = DEADLINE_NS
    body_after_s: tuple[float, ...] = BODY_AFTER_S
    base: BaseBody | None = None
    fitter: FitterConfig = field(default_factory=FitterConfig)
    kinetics: KineticsConfig = field(default_factory=KineticsConfig)


class Engine:
    """One session.

    Args:
        header: the session; its keypoint or marker set must be known.
        body: the person, if known; otherwise the generic body runs until a :class:`BodySwap` comes, kinematics
            are marked invalid, and :attr:`body_wanted` turns true after ``config.body_after_s`` of stream.
        times: where stage durations go (decode, record and publish are measured outside and may share it).

    Raises:
        UnknownSiteSetError, BodyParametersError
        BaseBodyError: ``config.base`` is that of another keypoint set.
    """

    def __init__(
        self,
        header: SessionHeader,
        body: BodyParameters | None = None,
        config: EngineConfig | None = None,
        times: StageTimes | None = None,
    ) -> None:
        self.config = config or EngineConfig()
        self.header = header
        self.times = times or StageTimes()
        self.body_known = body is not None
        if self.config.base is not None:
            self.config.base.require(header.keypoint_set)
        self.parameters = generic_body(header) if body is None else for_session(body, header)
        sites = len(sites_of(header.keypoint_set))
        self._prepared: dict[str, Body] = {}
        self._body = built_for_session(self.parameters, header, self.config.muscles)
        self._sha256 = self.parameters.sha256
        self._admission = Admission(header)
        self._aligner = Aligner(len(header.cameras), sites, self.config.deadline_ns)
        self._poses = PoseStream(self._body)
        kinetics = replace(
            self.config.kinetics,
            belt_speed_m_s=header.belt_speed_m_s,
            external_support=self.parameters.external_support,
            muscles=self.config.muscles,
        )
        self._streams = Streams(header, self._body, self.config.fitter, kinetics, self.times)
        self._started = header.start_ns != 0
        self._gatherer = None if self.body_known else BodyGatherer(header, sites, self.config.body_after_s)
        self._kinematics_rows: deque[Kinematics] = deque()
        self._kinetics_rows: deque[Kinetics] = deque()
        self._last_frame: LiveFrame | None = None
        self._next_seq = 0
        self._now_ns = 0
        self._recorded_through_ns = 0
        self._clocks = ClockMonitor()
        self._health_due_ns: int | None = None
        self._ended = False

    # ------------------------------------------------------------------ around the loop

    def warm(self) -> None:
        """Compile and run every stage once (in a second engine), so that :meth:`process` compiles nothing."""
        self._streams.warm()
        self._poses.warm()
        understudy = Engine(self.header, self.parameters, self.config)
        for message, receive_ns in rehearsal(self.header, self._body):
            understudy.process(message, receive_ns)

    @property
    def muscle_names(self) -> tuple[str, ...]:
        """Order of the activations; empty without muscles."""
        return self._streams.muscle_names

    @property
    def body(self) -> Body:
        """The body in use."""
        return self._body

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The calibration in use: the header's, or with shifts of single cameras put right."""
        return self._streams.cameras

    @property
    def due_ns(self) -> int | None:
        """Receive stamp at which a live run sends a Deadline for the open snapshot; None while none is open."""
        return self._aligner.due_ns

    @property
    def open_seq(self) -> int:
        """The open snapshot's number, for that Deadline; -1 while none is open."""
        return -1 if self._aligner.open_seq is None else self._aligner.open_seq

    @property
    def body_wanted(self) -> bool:
        """Enough was seen of an unknown person to estimate the body aside."""
        return self._gatherer is not None and self._gatherer.ready

    def take_body_request(self) -> Observations:
        """What to estimate the body from; call when :attr:`body_wanted`, answer with a BodySwap."""
        assert self._gatherer is not None
        return self._gatherer.observations()

    def body_failed(self) -> None:
        """The body could not be estimated from that; ask again when more has been seen."""
        if self._gatherer is not None and not self.body_known:
            self._gatherer.again()

    def prepare(self, body_json: str, body: Body) -> None:
        """Keep what ``built_for_session`` made aside of the body of a coming BodySwap; changes no result."""
        self._prepared[body_json] = body

    # ------------------------------------------------------------------ the loop

    def process(self, message: Message, receive_ns: int) -> tuple[Message, ...]:
        """Hear one message; returns what is said in answer, LiveFrames and once a second an EngineHealth.

        Stamps that run backwards count as the latest one heard. A message that cannot be processed for a reason
        nobody thought of costs itself and the snapshot it closed: it is counted, and every health from then on says so.
        """
        said: list[Message] = []
        try:
            self._hear(message, receive_ns, said)
        except Exception as error:
            self._streams.faults.count(f"a {type(message).__name__} could not be processed", error)
        return tuple(said)

    def _hear(self, message: Message, receive_ns: int, said: list[Message]) -> None:
        """Appends to ``said`` as it goes: what was said before a failure is not taken back."""
        self._now_ns = max(self._now_ns, receive_ns)
        if self._ended:
            return
        if (overdue := self._aligner.advance(self._now_ns)) is not None:
            said.append(self._snapshot(overdue))
        if not self._started and starts_session(message, self.header):
            self._started = True
            self._streams.begin_at(message.t_ns)
        match message:
            case KeypointFrame():
                said.extend(self._snapshot(s) for s in self._picture(message))
            case MarkerFrame():
                said.extend(self._snapshot(s) for s in self._markers(message))
            case Deadline():
                if message.snapshot_seq == self._aligner.open_seq:
                    closed = self._aligner.close()
                    said += [] if closed is None else [self._snapshot(closed)]
            case Dropped():
                self._admission.dropped(message.camera, message.count)
            case RecordedThrough():
                self._recorded_through_ns = max(self._recorded_through_ns, message.through_ns)
            case BodySwap():
                with self.times.timed("swap"):
                    self._swap(message)
            case ClockOffset():
                self._clocks.heard(message)
            case EndOfStream():
                said += self._end()
            case _:
                pass  # headers repeat, outputs of others pass by
        if health := self._health():
            said.append(health)

    def health(self) -> EngineHealth:
        """How the engine is doing, over the time since the last such message."""
        return EngineHealth(
            t_ns=self._now_ns,
            ready=True,
            stages_ms=self.times.recent(),
            dropped=sum(c.dropped for c in self._admission.cameras) + self._admission.dropped_markers,
            late=sum(r.late for r in self._aligner.rhythms),
            clock_offsets_ns=self._clocks.offsets_ns,
            findings=(
                *findings(self.header, self._admission, self._aligner, self._clocks.offsets_ns),
                *aim_findings(self.header.cameras, self.cameras),
                *self._streams.findings,
                *self._streams.faults.findings,
            ),
        )

    # ------------------------------------------------------------------ inputs

    def _picture(self, frame: KeypointFrame) -> Sequence[Snapshot]:
        start_ns = perf_counter_ns()
        admitted = self._admission.picture(frame, self._now_ns)
        closed: Sequence[Snapshot] = ()
        if not isinstance(admitted, Refusal):
            camera, people = admitted
            closed = self._aligner.picture(camera, frame.t_ns, people, self._now_ns)
        self.times.add("align", perf_counter_ns() - start_ns)
        return closed

    def _markers(self, frame: MarkerFrame) -> Sequence[Snapshot]:
        if self.header.cameras:
            return ()
        admitted = self._admission.markers(frame)
        if isinstance(admitted, Refusal):
            return ()
        return self._aligner.markers(frame.t_ns, admitted)

    def _swap(self, message: BodySwap) -> None:
        body = self._prepared.pop(message.body_json, None)
        if body is None:
            try:
                parameters = BodyParameters.from_json(message.body_json)
                body = built_for_session(parameters, self.header, self.config.muscles)
            except UserMistakeError:
                return  # refused where it was made; a recording that holds it anyway is replayed without
        self._body = body
        self.parameters = body.parameters
        self._sha256 = body.parameters.sha256
        self.body_known = True
        if self._gatherer is not None and self._gatherer.done:
            self._gatherer = None
        self._streams.swap_body(body)
        self._poses.swap_body(body)

    # ------------------------------------------------------------------ one snapshot

    def _snapshot(self, snapshot: Snapshot) -> LiveFrame:
        answer = self._streams.step(snapshot)
        fit, gait = answer.fit, answer.gait
        if self._gatherer is not None:
            self._gatherer.add(snapshot, fit)
        with self.times.timed("frame"):
            self._kinetics_rows.extend(answer.kinetics)
            settled = fit.settled[-1].qpos if fit.settled else fit.now_qpos
            xpos, xquat, sites = self._poses.world(fit.now_qpos, settled)
            self._take_settled(fit, sites)
            frame = LiveFrame(
                seq=self._take_seq(),
                t_ns=snapshot.t_ns,
                now_qpos=fit.now_qpos.astype(np.float32),
                body_xpos=xpos,
                body_xquat=xquat,
                kinematics=self._kinematics_rows.popleft() if self._kinematics_rows else None,
                kinetics=self._kinetics_rows.popleft() if self._kinetics_rows else None,
                events=gait.events,
                strides=gait.strides,
                no_event_reason=gait.reason,
                cameras=camera_health(self.header, self._admission, self._aligner, fit, self._now_ns),
                status=self._status(fit.code),
                recorded_through_ns=self._recorded_through_ns,
                body_sha256=self._sha256,
            )
        self._last_frame = frame
        return frame

    def _take_settled(self, fit: FitResult, last_sites: np.ndarray) -> None:
        for place, pose in enumerate(fit.settled):
            newest = place == len(fit.settled) - 1
            sites = last_sites if newest else self._poses.world(pose.qpos, pose.qpos)[2]
            self._kinematics_rows.append(self._poses.kinematics(pose, sites, self.body_known))

    def _take_seq(self) -> int:
        self._next_seq += 1
        return self._next_seq - 1

    def _status(self, code: FitCode) -> str:
        status = STATUS[code]
        if not self.body_known:
            return f"{status}; initialising: the body is still unknown"
        if self.header.mass_kg is None:
            mass, sd = self.parameters.mass_kg, self.parameters.mass_sd_kg
            return f"{status}; mass not given, estimated {mass:.0f} +- {sd:.0f} kg"
        return status

    # ------------------------------------------------------------------ the end

    def _end(self) -> list[Message]:
        """Close the open snapshot, then repeat the last frame with ``flush`` for every row that still lags."""
        said: list[Message] = []
        if (last := self._aligner.close()) is not None:
            said.append(self._snapshot(last))
        self._ended = True
        answer = self._streams.flush()
        if answer is None or self._last_frame is None:
            return said
        self._kinetics_rows.extend(answer.kinetics)
        fit, gait = answer.fit, answer.gait
        if fit.settled:
            self._take_settled(fit, self._poses.world(fit.now_qpos, fit.settled[-1].qpos)[2])
        while self._kinematics_rows or self._kinetics_rows or gait.events or gait.strides:
            said.append(self._flushed(self._last_frame, gait))
            gait = replace(gait, events=(), strides=())
        return said

    def _flushed(self, last: LiveFrame, gait: GaitOutput) -> LiveFrame:
        events: tuple[GaitEvent, ...] = gait.events
        strides: tuple[Stride, ...] = gait.strides
        return replace(
            last,
            seq=self._take_seq(),
            kinematics=self._kinematics_rows.popleft() if self._kinematics_rows else None,
            kinetics=self._kinetics_rows.popleft() if self._kinetics_rows else None,
            events=events,
            strides=strides,
            recorded_through_ns=self._recorded_through_ns,
            flush=True,
        )

    def _health(self) -> EngineHealth | None:
        if self._health_due_ns is None:
            self._health_due_ns = self._now_ns + HEALTH_EVERY_NS
        if self._now_ns < self._health_due_ns:
            return None
        self._health_due_ns = self._now_ns + HEALTH_EVERY_NS
        return self.health()
