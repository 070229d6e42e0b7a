"""A live session: sockets, threads and a recorder around one Engine.

    ingest thread    SUB and clock sockets -> stamps every message -> queue
    engine thread    queue -> Engine -> PUB socket; feeds the recorder every message in and out, in that order
    recorder thread  frames -> .mcap; acknowledges what is on disk
    body worker      a process: estimates an unknown person's body and builds it

Everything that only a live run can know (deadlines, drops, acknowledgements, a body made aside) goes through
the same queue as a message, so the recording replays to the same LiveFrames byte for byte.
"""

from __future__ import annotations

import contextlib
import gc
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import zmq

from kincast.models.body import BodyParameters
from kincast.streaming import wire
from kincast.streaming.backlog import Patience, latest_whole_instant
from kincast.streaming.body_care import BodyCare
from kincast.streaming.body_worker import MadeBody
from kincast.streaming.clock import RigClock
from kincast.streaming.engine import Engine, EngineConfig
from kincast.streaming.ingest import Ingest, Waiting, may_come_from_outside, picture_of
from kincast.streaming.latency import StageTimes
from kincast.streaming.messages import (
    BodySwap,
    Deadline,
    Dropped,
    EndOfStream,
    EngineHealth,
    KeypointFrame,
    Message,
    RecordedThrough,
    SessionHeader,
)
from kincast.streaming.real_time import ENGINE, network_context, prefer_existing_threads
from kincast.streaming.record_thread import RecordThread
from kincast.streaming.recorder import RecordingWriter
from kincast.streaming.replay import LIVE_SOURCE
from kincast.streaming.transport import Doorman, ServerKeys, address_of, bound

IDLE_HEALTH_S = 1.0
IDLE_POLL_S = 0.05
COLLECT_EVERY_S = 1.0
MAX_UNRECORDED = 256
GIL_SWITCH_S = 0.0005
"""Python's default of 5 ms lets the recorder hold up the engine for a third of a frame."""


@dataclass(frozen=True)
class LiveSettings:
    """Addresses to listen at (port 0: any free one), keys, and where to record (None: nowhere).

    ``real_time``: schedule the session's threads before all ordinary ones, where the system allows it.
    """

    ingest: str = "tcp://127.0.0.1:7400"
    publish: str = "tcp://127.0.0.1:7401"
    clock: str = "tcp://127.0.0.1:7402"
    recording: Path | None = None
    keys: ServerKeys | None = None
    key_id: bytes = wire.NO_KEY
    exposed: bool = False
    real_time: bool = False


@dataclass(frozen=True)
class Addresses:
    """Where a session really listens."""

    ingest: str
    publish: str
    clock: str


class LiveSession:
    """Run with :meth:`run` (blocks until :meth:`stop`); all other methods may be called from any thread.

    Args:
        header: who and where; its ``source`` becomes ``live``.
        settings: sockets and recording.
        body: the person, if known; else the body is estimated from the first seconds.
        on_ready: called once everything is compiled and pictures are heard.
        on_listening: called before compiling: a display may connect and be told that the engine warms up.

    Raises:
        UnknownSiteSetError, BodyParametersError, RecordingExistsError, RecordingFailedError,
        ExposedAddressError, AddressInUseError
    """

    def __init__(
        self,
        header: SessionHeader,
        settings: LiveSettings,
        body: BodyParameters | None = None,
        config: EngineConfig | None = None,
        on_ready: Callable[[Addresses], None] | None = None,
        on_listening: Callable[[Addresses], None] | None = None,
    ) -> None:
        self._header = replace(header, source=LIVE_SOURCE)
        self._settings = settings
        self._on_ready = on_ready
        self._on_listening = on_listening
        self._body = body
        self._clock = RigClock()
        self._times = StageTimes()
        self._engine = Engine(self._header, None, config, self._times)
        self._inbox: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._ingest: Ingest | None = None
        self._patience = Patience()
        self._refused: Counter[str] = Counter()
        self._recorder: RecordThread | None = None
        self._unrecorded: list[tuple[bytes, int]] = []
        self._publisher: zmq.Socket | None = None
        self._last_ns = 0
        self._standing: dict[type, bytes] = {}
        self._body_care: BodyCare | None = None
        self._collected_s = 0.0

    @property
    def times(self) -> StageTimes:
        """How long each stage took."""
        return self._times

    def stop(self) -> None:
        """End the session: what was received is processed, the stream flushed, the recording closed."""
        self._stop.set()

    def submit(self, message: Message) -> None:
        """Give the engine a message as if it had come by wire (an operator's BodySwap)."""
        self._inbox.put(Waiting(self._clock.now_ns(), wire.encode(message, self._settings.key_id), False))

    def run(self) -> None:
        """The session, from compiling to closed recording."""
        context = network_context(self._settings.real_time)
        doorman = None if self._settings.keys is None else Doorman(context, self._settings.keys)
        switch_s = sys.getswitchinterval()
        sockets: list[zmq.Socket] = []
        try:
            for kind, address in (
                (zmq.PUB, self._settings.publish),
                (zmq.SUB, self._settings.ingest),
                (zmq.ROUTER, self._settings.clock),
            ):
                sockets.append(bound(context, kind, address, self._settings.keys, self._settings.exposed))
            self._publisher, pictures, clock = sockets
            addresses = Addresses(address_of(pictures), address_of(self._publisher), address_of(clock))
            if self._on_listening is not None:
                self._on_listening(addresses)
            if self._body is None:  # its process starts while we compile
                self._body_care = BodyCare(self._engine, self._times, self._swap)
            if not self._warmed():
                return
            self._begin()
            self._keep_garbage_for_later()
            if self._settings.real_time:
                prefer_existing_threads(ENGINE)
            sys.setswitchinterval(GIL_SWITCH_S)
            self._ingest = Ingest(
                pictures,
                clock,
                self._clock,
                self._inbox,
                self._stop,
                self._settings.keys is not None,
                self._settings.key_id,
                self._settings.real_time,
            )
            self._ingest.start()
            if self._on_ready is not None:
                self._on_ready(addresses)
            self._loop()
        finally:
            self._stop.set()
            sys.setswitchinterval(switch_s)
            gc.unfreeze()
            gc.enable()
            if self._ingest is not None:
                self._ingest.join()
            self._hand_to_recorder()
            if self._recorder is not None:
                self._recorder.stop()
            if self._body_care is not None:
                self._body_care.stop()
            for socket in sockets:
                socket.close(linger=200)
            if doorman is not None:
                doorman.stop()
            context.term()

    # ------------------------------------------------------------------ before the first picture

    def _warmed(self) -> bool:
        """Compile aside, saying once a second that we are not ready; False if stopped meanwhile."""
        done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

        def warm() -> None:
            try:
                self._engine.warm()
                MadeBody.of("", self._engine.body).body()  # the first one takes thirty times as long
                done.put(None)
            except BaseException as error:
                done.put(error)

        threading.Thread(target=warm, name="warm", daemon=True).start()
        while not self._stop.is_set():
            self._publish(self._header)
            self._publish(self._with_findings(replace(self._engine.health(), ready=False)))
            with contextlib.suppress(queue.Empty):
                error = done.get(timeout=IDLE_HEALTH_S)
                if error is not None:
                    raise error
                return True
        return False

    def _begin(self) -> None:
        """Open the recording, and say the header and a known body."""
        if self._settings.recording is not None:
            writer = RecordingWriter(self._settings.recording, key_id=self._settings.key_id)
            self._recorder = RecordThread(writer, self._acknowledged, self._times, self._settings.real_time)
        self._hear_own(self._header)
        if self._body is not None:
            self._swap(self._body.to_json())

    def _keep_garbage_for_later(self) -> None:
        """From now on garbage is collected in spare moments only, and what start-up made is never looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()

    # ------------------------------------------------------------------ engine thread

    def _loop(self) -> None:
        health_s = time.monotonic()
        while not self._stop.is_set():
            try:
                waiting = self._inbox.get(timeout=self._wait_s())
            except queue.Empty:
                self._deadline()
                if time.monotonic() - health_s > IDLE_HEALTH_S:
                    health_s = time.monotonic()
                    self._publish(self._with_findings(self._engine.health()))
                    self._tell_standing()
                self._spare_moment()
                continue
            now_ns = self._clock.now_ns()
            self._times.add("queue", now_ns - waiting.receive_ns)
            if self._patience.exhausted(waiting.receive_ns, now_ns):
                self._catch_up(waiting)
            elif self._hear(waiting) and self._inbox.empty():
                self._spare_moment()
        while not self._inbox.empty():
            self._hear(self._inbox.get())
        self._hear_own(EndOfStream(self._clock.now_ns()))

    def _wait_s(self) -> float:
        """How long to wait for the next message before something else is due."""
        due_ns = self._engine.due_ns
        if due_ns is None:
            return IDLE_POLL_S
        return min(IDLE_POLL_S, max(0.0, (due_ns - self._clock.now_ns()) * 1e-9))

    def _deadline(self) -> None:
        due_ns, now_ns = self._engine.due_ns, self._clock.now_ns()
        if due_ns is not None and now_ns >= due_ns:
            self._hear_own(Deadline(now_ns, self._engine.open_seq))

    def _catch_up(self, first: Waiting) -> None:
        """Go on with the latest instant all cameras have reached; what is skipped is recorded, counted and told."""
        waiting = [first]
        while not self._inbox.empty():
            waiting.append(self._inbox.get())
        pictures = [picture_of(w) for w in waiting]
        kept, skipped = latest_whole_instant(pictures)
        counts: Counter[str] = Counter()
        for place in skipped:
            picture = pictures[place]
            assert picture is not None
            counts[picture[0]] += 1
            self._record(
                wire.retopic(waiting[place].frame, f"skipped/{picture[0]}"), waiting[place].receive_ns
            )
        for source, count in sorted(counts.items()):
            self._hear_own(Dropped(self._clock.now_ns(), source, count))
        for place in kept:
            self._hear(waiting[place])

    def _swap(self, body_json: str) -> None:
        self._hear_own(BodySwap(self._clock.now_ns(), body_json))

    def _hear_own(self, message: Message) -> None:
        self._hear(Waiting(self._clock.now_ns(), wire.encode(message, self._settings.key_id), False))

    def _hear(self, waiting: Waiting) -> bool:
        """Check, record, process, publish; True if that said something."""
        start_ns = time.perf_counter_ns()
        try:
            message = wire.decode(waiting.frame)
        except wire.WireError as error:
            self._refused[error.reason] += 1
            return False
        if waiting.outside and not may_come_from_outside(message, waiting.frame):
            self._refused["not for nodes to say"] += 1
            return False
        self._last_ns = receive_ns = max(waiting.receive_ns, self._last_ns)
        self._record(waiting.frame, receive_ns)
        if isinstance(message, KeypointFrame):
            self._times.add("decode", time.perf_counter_ns() - start_ns)
        elif isinstance(message, SessionHeader | BodySwap):
            self._standing[type(message)] = waiting.frame
            self._tell_standing()
        answers = self._engine.process(message, receive_ns)
        for said in answers:
            if isinstance(said, EngineHealth):
                said = self._with_findings(said)
                self._tell_standing()
            self._record(self._publish(said), receive_ns)
        if answers:
            self._hand_to_recorder()
        return bool(answers)

    def _publish(self, message: Message) -> bytes:
        with self._times.timed("publish"):
            frame = wire.encode(message, self._settings.key_id)
            assert self._publisher is not None
            # a PUB socket discards for slow subscribers, never blocks
            self._publisher.send(frame, zmq.NOBLOCK)
        return frame

    def _tell_standing(self) -> None:
        """Publish who the session is about and whose body it is; with every health, for displays that came later."""
        assert self._publisher is not None
        for frame in self._standing.values():
            self._publisher.send(frame, zmq.NOBLOCK)

    def _record(self, frame: bytes, receive_ns: int) -> None:
        self._unrecorded.append((frame, receive_ns))
        if len(self._unrecorded) >= MAX_UNRECORDED:
            self._hand_to_recorder()

    def _hand_to_recorder(self) -> None:
        """Once per frame and after it is out: the recorder's thread would compete with the fit for the interpreter."""
        if self._recorder is not None:
            self._recorder.put(self._unrecorded)
        self._unrecorded = []

    def _acknowledged(self, through_ns: int) -> None:
        self.submit(RecordedThrough(self._clock.now_ns(), through_ns))

    # ------------------------------------------------------------------ between two frames

    def _spare_moment(self) -> None:
        """A frame has just been said and nothing waits: one thing, of about a millisecond, that must be done sometime."""
        self._hand_to_recorder()
        if self._body_care is not None and self._body_care.step():
            return
        if time.monotonic() - self._collected_s > COLLECT_EVERY_S:
            with self._times.timed("garbage"):
                gc.collect()
            self._collected_s = time.monotonic()

    def _with_findings(self, health: EngineHealth) -> EngineHealth:
        said = [f"{count} messages refused: {reason}" for reason, count in sorted(self._refused.items())]
        if self._ingest is not None:
            said += self._ingest.complaints
        if self._recorder is not None and self._recorder.failure:
            said.append(self._recorder.failure)
        if self._body_care is not None:
            said += self._body_care.failures[-3:]
        return replace(health, findings=(*health.findings, *said))
