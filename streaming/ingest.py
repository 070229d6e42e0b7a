"""The ingest thread of a live session: whatever comes by wire is stamped with its time of arrival and queued."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from dataclasses import dataclass

import zmq

from kincast.streaming import wire
from kincast.streaming.admission import MARKERS
from kincast.streaming.clock import RigClock, reply_to
from kincast.streaming.messages import KeypointFrame, MarkerFrame, Message
from kincast.streaming.real_time import INGEST, prefer_this_thread

MAX_WAITING = 4096
POLL_MS = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame in the queue; ``outside``: it came by wire and may only be a picture or markers."""

    receive_ns: int
    frame: bytes
    outside: bool


class Ingest:
    """Runs from :meth:`start` to :meth:`join`; the sockets are this thread's alone meanwhile.

    Args:
        pictures: SUB socket of the nodes' pictures and markers.
        clock: ROUTER socket that answers who asks for the rig's time.
        named: pictures must come by a connection whose key belongs to their camera.
        inbox: where everything goes.
        real_time: this thread runs before all ordinary ones, where allowed.
        stopping: set to end.

    ``complaints`` counts what did not get through, in words for the therapist's screen.
    """

    def __init__(
        self,
        pictures: zmq.Socket,
        clock: zmq.Socket,
        rig_clock: RigClock,
        inbox: queue.SimpleQueue[Waiting],
        stopping: threading.Event,
        named: bool,
        key_id: bytes,
        real_time: bool = False,
    ) -> None:
        self._pictures = pictures
        self._clock_socket = clock
        self._clock = rig_clock
        self._inbox = inbox
        self._stopping = stopping
        self._named = named
        self._key_id = key_id
        self._real_time = real_time
        self._overflow: Counter[str] = Counter()
        self._strangers = 0
        self._nonsense = 0
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, once ``stopping`` is set."""
        self._thread.join()

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was not let in so far."""
        said = [f"{count} messages of {topic} overflowed" for topic, count in sorted(self._overflow.items())]
        if self._nonsense:
            said.append(f"{self._nonsense} messages refused: clock")
        if self._strangers:
            said.append(f"{self._strangers} messages claimed to be of a camera whose key they do not have")
        return tuple(said)

    def _run(self) -> None:
        if self._real_time:
            prefer_this_thread(INGEST)
        self._pictures.subscribe(b"in/camera/")
        self._pictures.subscribe(b"in/markers")
        poller = zmq.Poller()
        poller.register(self._pictures, zmq.POLLIN)
        poller.register(self._clock_socket, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll(POLL_MS))
            if self._pictures in ready:
                self._take_pictures()
            if self._clock_socket in ready:
                self._answer_clock()

    def _take_pictures(self) -> None:
        while True:
            try:
                received = self._pictures.recv(zmq.NOBLOCK, copy=not self._named)
            except zmq.Again:
                return
            receive_ns = self._clock.now_ns()
            frame = received if isinstance(received, bytes) else received.bytes
            if self._named and not _sent_by_its_camera(frame, received):
                self._strangers += 1
            elif self._inbox.qsize() >= MAX_WAITING:
                self._overflow[frame[: max(0, frame.find(b"\0"))].decode(errors="replace")] += 1
            else:
                self._inbox.put(Waiting(receive_ns, frame, True))

    def _answer_clock(self) -> None:
        parts = self._clock_socket.recv_multipart()
        receive_ns = self._clock.now_ns()
        answer = reply_to(parts[-1], receive_ns, self._clock.now_ns()) if len(parts) == 3 else None
        if answer is None:
            self._nonsense += 1
            return
        reply, result = answer
        try:
            self._clock_socket.send_multipart([parts[0], b"", reply], zmq.NOBLOCK)
        except zmq.ZMQError:
            return  # the node has gone away meanwhile
        if result is not None:
            self._inbox.put(Waiting(receive_ns, wire.encode(result, self._key_id), False))


def _sent_by_its_camera(frame: bytes, received: object) -> bool:
    """Whether the connection a picture came by belongs to the node it claims to be of."""
    name = frame[: frame.find(b"\0")].decode(errors="replace").removeprefix("in/").removeprefix("camera/")
    try:
        return received.get("User-Id") == name  # type: ignore[attr-defined]
    except zmq.ZMQError:
        return False


def may_come_from_outside(message: Message, frame: bytes) -> bool:
    """Nodes send pictures and markers, under their own topic; they never end a session or swap a body."""
    if not isinstance(message, KeypointFrame | MarkerFrame):
        return False
    return frame.startswith(wire.topic_of(message).encode() + b"\0")


def picture_of(waiting: Waiting) -> tuple[str, int] | None:
    """Source (a camera's name, or MARKERS) and time (ns) of a picture in the queue; None if it is none, or no good."""
    if not waiting.outside:
        return None
    try:
        message = wire.decode(waiting.frame)
    except wire.WireError:
        return None
    if not may_come_from_outside(message, waiting.frame):
        return None
    if isinstance(message, KeypointFrame):
        return message.camera, message.t_ns
    return (MARKERS, message.t_ns) if isinstance(message, MarkerFrame) else None
