"""Reading a session back: its messages in the order the engine heard and said them, and what was lost."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

from kincast.models.errors import UserMistakeError
from kincast.streaming import salvage, wire
from kincast.streaming.messages import KeypointFrame, MarkerFrame, Message, SessionHeader
from kincast.streaming.recorder import CHUNK_SPAN_NS, HEADER_ATTACHMENT
from kincast.streaming.rescue import stated_frames

HEADER_TOPIC = "in/session"


class NotARecordingError(UserMistakeError):
    """The file is missing, empty, or holds no session of ours."""


@dataclass
class Lost:
    """What a recording should hold and does not. Complete once the messages have been read to the end.

    Attributes:
        messages: messages missing between those that are there (by their sequence numbers).
        seconds: recorded time they covered; where the end is torn off, up to the end stamp of the torn
            chunk, or one chunk's span where even that is gone.
        unfinished: the file was never closed (crash, power cut, copy cut short).
        notes: one sentence per damaged place, the first hundred.
    """

    messages: int = 0
    seconds: float = 0.0
    unfinished: bool = False
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a sentence about a damaged place."""
        if len(self.notes) < 100:
            self.notes.append(text)


@dataclass(frozen=True)
class Recorded:
    """One message of a recording; ``frame`` are its exact wire bytes."""

    topic: str
    receive_ns: int
    frame: bytes

    @property
    def is_input(self) -> bool:
        """Whether the engine heard it (else it said it)."""
        return self.topic.startswith("in/")

    def message(self) -> Message:
        """The decoded message.

        Raises:
            WireError: the bytes passed their checksum but are of no valid message.
        """
        return wire.decode(self.frame)


@dataclass(frozen=True)
class Recording:
    """An opened recording.

    ``header`` has ``start_ns`` filled in, also where it was unknown when written (live). ``header_frame`` are the header's exact wire bytes and ``key_id``
    the key of the engine that wrote them. ``lost`` fills while :meth:`frames` is read.
    """

    path: Path
    header: SessionHeader
    header_frame: bytes
    key_id: bytes
    lost: Lost

    def frames(self) -> Iterator[Recorded]:
        """All whole messages in recorded order, the session header first. Each call reads the file anew."""
        self.lost.messages, self.lost.seconds, self.lost.unfinished = 0, 0.0, False
        self.lost.notes.clear()
        return _frames(self.path, self.header_frame, self.lost)

    def inputs(self) -> Iterator[tuple[Message, int]]:
        """All input messages that can be decoded, with their receive stamps; others are left out."""
        for recorded in self.frames():
            if recorded.is_input:
                try:
                    message = recorded.message()
                except wire.WireError:
                    continue
                yield message, recorded.receive_ns


def starts_session(message: Message, header: SessionHeader) -> TypeGuard[KeypointFrame | MarkerFrame]:
    """Whether ``message`` is a picture or markers of this session: the first such marks time 0 of a live session."""
    if isinstance(message, KeypointFrame):
        return any(message.camera == camera.name for camera in header.cameras)
    return isinstance(message, MarkerFrame) and not header.cameras


def read_recording(path: Path) -> Recording:
    """Open a recording, finished or not.

    Raises:
        NotARecordingError: no such file, not a recording, or neither copy of the session header is readable.
    """
    header_frame = _find_header(path)
    if header_frame is None:
        raise NotARecordingError(
            f"{path} holds no readable kincast session (no session header with cameras and subject); "
            "recordings are the .mcap files that `kincast live` and `kincast import` write"
        )
    header = wire.decode(header_frame)
    assert isinstance(header, SessionHeader)
    if header.start_ns == 0:
        header = replace(header, start_ns=_first_picture_ns(path, header, header_frame))
    return Recording(path, header, header_frame, wire.peek(header_frame).key_id, Lost())


def _open(path: Path) -> mmap.mmap:
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise NotARecordingError(f"there is no file {path}") from error
    except ValueError as error:
        raise NotARecordingError(f"{path} is empty") from error
    except OSError as error:
        raise NotARecordingError(f"{path} cannot be read: {error.strerror or error}") from error


def _find_header(path: Path) -> bytes | None:
    with _open(path) as source:
        for found in _released(source):
            frame = None
            if isinstance(found, salvage.WholeMessage):
                frame = found.frame
            elif isinstance(found, salvage.WholeAttachment) and found.name == HEADER_ATTACHMENT:
                frame = found.data
            if frame is not None and _is_header(frame):
                return frame
        return next(filter(_is_header, stated_frames(source, HEADER_TOPIC)), None)


def _released(source: mmap.mmap) -> Iterator[salvage.Found]:
    """:func:`salvage.walk`, letting go of the file's memory when it is left early."""
    walk = salvage.walk(source)
    try:
        yield from walk
    finally:
        walk.close()


def _is_header(frame: bytes) -> bool:
    try:
        return isinstance(wire.decode(frame), SessionHeader)
    except wire.WireError:
        return False


def _first_picture_ns(path: Path, header: SessionHeader, header_frame: bytes) -> int:
    """Time of the first picture or marker set received; the engine takes the same one as the session's start."""
    for recorded in _frames(path, header_frame, Lost()):
        if recorded.topic.startswith(("in/camera/", "in/markers")):
            try:
                message = recorded.message()
            except wire.WireError:
                continue
            if starts_session(message, header):
                return message.t_ns
    return 0


def _frames(path: Path, header_frame: bytes, lost: Lost) -> Iterator[Recorded]:
    given, expected, sure_of, last_ns, torn_end_ns, finished = 0, 0, 0, 0, 0, False
    with _open(path) as source:
        for found in _released(source):
            match found:
                case salvage.WholeMessage():
                    # a number that no checksum covers must not make the sure ones behind it look old
                    if found.sequence < (sure_of if found.sure else expected):
                        lost.note(f"message {found.sequence} comes twice or out of order; skipped")
                        continue
                    if given == 0 and found.sequence > 0:
                        given = 1
                        yield _recorded(header_frame, found.receive_ns)
                    if found.sequence > max(expected, 1) and last_ns:
                        lost.seconds += max(0, found.receive_ns - last_ns) * 1e-9
                    given += 1
                    expected, last_ns = found.sequence + 1, max(last_ns, found.receive_ns)
                    sure_of = expected if found.sure else sure_of
                    yield _recorded(found.frame, found.receive_ns)
                    lost.messages = max(0, expected - given)
                case salvage.Damage():
                    lost.note(found.what)
                    torn_end_ns = max(torn_end_ns, found.end_ns)
                case salvage.Finished():
                    finished = True
                case salvage.WholeAttachment():
                    pass
    lost.unfinished = not finished
    if not finished:
        tail_ns = torn_end_ns - last_ns if torn_end_ns > last_ns > 0 else CHUNK_SPAN_NS
        lost.seconds += tail_ns * 1e-9
        lost.note("the recording was not closed; its end is missing")


def _recorded(frame: bytes, receive_ns: int) -> Recorded:
    return Recorded(wire.peek(frame).topic, receive_ns, frame)
