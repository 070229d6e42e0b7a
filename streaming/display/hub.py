"""Fans the engine's messages out to any number of pages; a slow page hears less often, and always the present.

Per page there is one mailbox: urgent texts (blanking) first, then notices that must not be lost (events,
strides, scene), then one message with all LiveFrames since the last, which goes out only when the page has
acknowledged the one before: the page sets the pace, draws the newest and has the numbers of all for its traces.
Single event loop, no threads.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol

from kincast.streaming.display.feedback import FeedbackTarget, FeedbackTracker
from kincast.streaming.display.frame_codec import encode_frame
from kincast.streaming.display.scene import Scene, encode_scene
from kincast.streaming.messages import EngineHealth, GaitEvent, LiveFrame, Stride

Role = Literal["therapist", "patient"]
MAX_NOTICES = 2048
REMEMBERED_STRIDES = 24
MAX_WAITING_FRAMES = 512
"""Of a page that stands still: what its traces show (8 s at 60 Hz)."""


class Socket(Protocol):
    """The part of Starlette's WebSocket that a mailbox needs."""

    async def send_text(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...


@dataclass(eq=False)
class Mailbox:
    """What waits for one page.

    ``dropped`` counts frames that were never sent: the page stood still for too long. ``obeyed`` is the number of
    the page's last request to blank or show that was carried out: it tells the page which news are older than its key.
    """

    role: Role
    dropped: int = 0
    obeyed: int = 0
    _urgent: deque[str] = field(default_factory=deque)
    _notices: deque[str | bytes] = field(default_factory=lambda: deque(maxlen=MAX_NOTICES))
    _frames: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_WAITING_FRAMES))
    _newest: int = -1
    _unacknowledged: int | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _send_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def urgent(self, text: str) -> None:
        """Goes out before anything else that waits."""
        self._urgent.append(text)
        self._wake.set()

    def notice(self, message: str | bytes) -> None:
        """Goes out in order; lost only if the page reads nothing for thousands of them."""
        self._notices.append(message)
        self._wake.set()

    def offer(self, seq: int, frame: bytes) -> None:
        """Add to the frames that wait; of too many the oldest goes."""
        self.dropped += len(self._frames) == MAX_WAITING_FRAMES
        self._frames.append(frame)
        self._newest = seq
        self._wake.set()

    def acknowledge(self, seq: int) -> None:
        """The page has taken in the frames up to ``seq``; those since may follow."""
        if seq == self._unacknowledged:
            self._unacknowledged = None
            self._wake.set()

    async def deliver(self, socket: Socket) -> None:
        """Send for as long as the socket lives; ends by cancellation or by the socket's error."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (message := self._next()) is not None:
                async with self._send_lock:
                    if isinstance(message, str):
                        await socket.send_text(message)
                    else:
                        await socket.send_bytes(message)

    def _next(self) -> str | bytes | None:
        if self._urgent:
            return self._urgent.popleft()
        if self._notices:
            return self._notices.popleft()
        if self._frames and self._unacknowledged is None:
            self._unacknowledged = self._newest
            frames = b"".join(self._frames)
            self._frames.clear()
            return frames
        return None


def _text(kind: str, **content: object) -> str:
    return json.dumps({"type": kind, **content}, separators=(",", ":"), allow_nan=False)


def _finite(value: float) -> float | None:
    """JSON has no NaN; the page shows None as a dash."""
    return float(value) if math.isfinite(value) else None


def _event_text(event: GaitEvent) -> str:
    # int64 nanoseconds do not survive JavaScript's numbers, so they travel as text
    return _text(
        "event",
        side=event.side,
        event=event.event,
        t_ns=str(event.t_ns),
        emitted_ns=str(event.emitted_ns),
        sd_s=_finite(event.sd_s),
    )


def _stride_text(stride: Stride) -> str:
    values = {name: _finite(value) for name, value in stride.values.items()}
    sd = {name: _finite(value) for name, value in stride.sd.items()}
    return _text("stride", side=stride.side, values=values, sd=sd)


@dataclass
class Hub:
    """State that both screens share: scene, blanking, feedback, the last strides and engine health."""

    scene: Scene
    feedback: FeedbackTracker = field(default_factory=FeedbackTracker)
    blank: bool = False
    revision: int = 1
    frames: int = 0
    source_error: str = ""
    _mailboxes: set[Mailbox] = field(default_factory=set)
    _strides: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED_STRIDES))
    _health: str = ""

    def join(self, role: Role) -> Mailbox:
        """A new page: it gets the scene once, then what is known so far, then frames."""
        mailbox = Mailbox(role)
        mailbox.notice(encode_scene(self.scene, self.revision))
        for message in (self._control_text(mailbox), self._feedback_text(), *self._strides, self._health):
            if message:
                mailbox.notice(message)
        self._mailboxes.add(mailbox)
        self._tell_control()
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        """The page is gone."""
        self._mailboxes.discard(mailbox)
        self._tell_control()

    def accept(self, message: LiveFrame | EngineHealth | Scene) -> None:
        """Take in the next message of the engine, or a new scene (another body, another session)."""
        if isinstance(message, LiveFrame):
            self._accept_frame(message)
        elif isinstance(message, EngineHealth):
            self._health = self._health_text(message)
            self._notify(self._health)
        else:
            self.scene = message
            self.revision += 1
            self._notify(encode_scene(message, self.revision))

    def set_blank(self, blank: bool) -> None:
        """Blank or show every patient screen, at once."""
        self.blank = blank
        self._tell_control()

    def set_target(self, target: FeedbackTarget) -> None:
        """Aim the feedback anew; its counts start at zero."""
        self.feedback.aim(target)
        self._notify(self._feedback_text())

    def report_source_error(self, error: str) -> None:
        """The stream from the engine broke; said on the therapist's screen until the next good frame."""
        self.source_error = error
        self._tell_control()

    def _accept_frame(self, frame: LiveFrame) -> None:
        self.frames += 1
        for event in frame.events:
            self._notify(_event_text(event))
        for stride in frame.strides:
            text = _stride_text(stride)
            self._strides.append(text)
            self._notify(text)
        if self.feedback.step(frame):
            self._notify(self._feedback_text())
        encoded = encode_frame(frame, self.revision, time.time_ns())
        for mailbox in self._mailboxes:
            mailbox.offer(frame.seq & 0xFFFFFFFF, encoded)
        if self.source_error:
            self.report_source_error("")

    def _notify(self, message: str | bytes) -> None:
        for mailbox in self._mailboxes:
            mailbox.notice(message)

    def _tell_control(self) -> None:
        for mailbox in self._mailboxes:
            mailbox.urgent(self._control_text(mailbox))

    def _control_text(self, to: Mailbox) -> str:
        patient_screens = sum(mailbox.role == "patient" for mailbox in self._mailboxes)
        return _text(
            "control",
            blank=self.blank,
            obeyed=to.obeyed,
            patient_screens=patient_screens,
            source_error=self.source_error,
        )

    def _feedback_text(self) -> str:
        state = asdict(self.feedback.state)
        for stride in state["strides"]:
            stride["t_ns"] = str(stride["t_ns"])
            stride["value"] = None if stride["value"] is None else _finite(stride["value"])
        return _text("feedback", **state)

    def _health_text(self, health: EngineHealth) -> str:
        return _text(
            "health",
            ready=health.ready,
            stages_ms={name: [_finite(t) for t in times] for name, times in health.stages_ms.items()},
            dropped=health.dropped,
            late=health.late,
            findings=list(health.findings),
        )
