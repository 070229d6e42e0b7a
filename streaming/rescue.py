"""Whole messages among damaged bytes: found by what they are, not by where they should be.

A message record of ours can be recognised anywhere: opcode, a length that fits, log time and publish time the same, and
behind them a wire frame that passes its own checksum. Only the sequence number is covered by nothing once its chunk is
damaged; it is judged by the message's neighbours.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kincast.streaming import wire

MESSAGE = 0x05
RECORD = struct.Struct("<BQ")
MESSAGE_HEAD = struct.Struct("<HIQQ")
_BEFORE_FRAME = RECORD.size + MESSAGE_HEAD.size
_MARK = b"\0" + wire.MAGIC
"""What ends the topic of every wire frame."""


@dataclass(frozen=True)
class WholeMessage:
    """A frame that passed its checksum; ``sequence`` counts all messages of the recording without gaps.

    ``sure``: the sequence number passed a checksum too.
    """

    sequence: int
    receive_ns: int
    frame: bytes
    sure: bool = True


def rescued(source: bytes | mmap.mmap, start: int, end: int, after: int) -> Iterator[WholeMessage]:
    """The messages between ``start`` and ``end`` whose bytes are untouched; ``after``: the last sequence number before."""
    run: list[WholeMessage] = []
    at = run_end = run_start = before_end = start
    while (place := _next_message(source, at, end)) is not None:
        message = _message(source, place, end)
        assert message is not None
        if place != run_end and run:
            yield from (numbered := _numbered(run, after, run_start - before_end))
            after, run, before_end = numbered[-1].sequence, [], run_end
        run_start = run_start if run else place
        run.append(message)
        at = run_end = place + _BEFORE_FRAME + len(message.frame)
    if run:
        yield from _numbered(run, after, run_start - before_end)


def _numbered(run: list[WholeMessage], after: int, gap_bytes: int) -> list[WholeMessage]:
    """Messages without a gap between them count up one by one: most of them say from where.

    One alone is believed as far as that many messages fit into the ``gap_bytes`` before it. Numbers always rise,
    so that a wrong one never makes those behind it look old.
    """
    votes = Counter(message.sequence - i for i, message in enumerate(run))
    first = min(votes, key=lambda base: (-votes[base], base <= after, abs(base - after)))
    if votes[first] == 1:
        first = min(first, after + 1 + gap_bytes // _BEFORE_FRAME)
    first = max(first, after + 1)
    return [replace(message, sequence=first + i) for i, message in enumerate(run)]


def holds_message(source: bytes | mmap.mmap, start: int, end: int) -> bool:
    """Whether there is a whole message record between ``start`` and ``end``."""
    return _next_message(source, start, end) is not None


def stated_frames(source: bytes | mmap.mmap, topic: str) -> Iterator[bytes]:
    """Whole frames under ``topic`` that stand behind their own length (64 bit), as the data of attachments do."""
    mark = topic.encode() + _MARK
    place = source.find(mark, 8)
    while place >= 0:
        length = int.from_bytes(source[place - 8 : place], "little")
        if length <= wire.MAX_FRAME_BYTES:
            frame = bytes(source[place : place + length])
            with contextlib.suppress(wire.WireError):
                wire.peek(frame)
                yield frame
        place = source.find(mark, place + 1)


def _next_message(source: bytes | mmap.mmap, at: int, end: int) -> int | None:
    """Place of the first whole message record at or behind ``at``."""
    if _message(source, at, end) is not None:
        return at
    mark = source.find(_MARK, at + _BEFORE_FRAME, end)
    while mark >= 0:
        for topic_bytes in range(1, wire.MAX_TOPIC_BYTES + 1):
            place = mark - topic_bytes - _BEFORE_FRAME
            if place < at or source[mark - topic_bytes] == 0:
                break
            if _message(source, place, end) is not None:
                return place
        mark = source.find(_MARK, mark + 1, end)
    return None


def _message(source: bytes | mmap.mmap, at: int, end: int) -> WholeMessage | None:
    """The message whose record begins at ``at``, if all of it is whole; cheap looks first."""
    if at + _BEFORE_FRAME >= end or source[at] != MESSAGE:
        return None
    _, length = RECORD.unpack_from(source, at)
    _, sequence, receive_ns, publish_ns = MESSAGE_HEAD.unpack_from(source, at + RECORD.size)
    frame_bytes = length - MESSAGE_HEAD.size
    stop = at + RECORD.size + length
    if receive_ns != publish_ns or receive_ns >= 1 << 63:
        return None
    if not 0 < frame_bytes <= wire.MAX_FRAME_BYTES or stop > end:
        return None
    frame = bytes(source[at + _BEFORE_FRAME : stop])
    try:
        wire.peek(frame)
    except wire.WireError:
        return None
    return WholeMessage(sequence, receive_ns, frame, sure=False)
