"""The rig's clock, and how far each node's clock is from it.

Nodes are synchronised by PTP or NTP outside of kincast; this measures whether that works. A node asks once a
second over REQ, the engine answers over ROUTER. With the four stamps of one round trip (t1 sent and t4
received by the node, t2 received and t3 sent by the engine) the node's clock is ahead by ((t1 - t2) + (t4 - t3)) / 2,
wrong by at most half the round trip (RFC 5905). Each question carries the stamps of the round trip before,
so the engine learns the result. Results are recorded raw and never applied to a picture's time.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import msgpack

from kincast.streaming.messages import ClockOffset

MAX_PROBE_BYTES = 512
WINDOW = 16
"""Round trips over which the fastest is taken: a minute's wander of a free clock is far below its error."""

_INT64 = 1 << 63


class RigClock:
    """Nanoseconds since 1970 that never run backwards, whatever the system's clock is set to meanwhile."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """The rig's time now."""
        return time.monotonic_ns() + self._offset_ns


@dataclass(frozen=True)
class RoundTrip:
    """Stamps of one exchange: t1, t4 by the node's clock, t2, t3 by the engine's."""

    t1_ns: int
    t2_ns: int
    t3_ns: int
    t4_ns: int

    @property
    def offset_ns(self) -> int:
        """How far the node's clock is ahead of the engine's."""
        return ((self.t1_ns - self.t2_ns) + (self.t4_ns - self.t3_ns)) // 2

    @property
    def round_trip_ns(self) -> int:
        """Time on the way, both ways."""
        return (self.t4_ns - self.t1_ns) - (self.t3_ns - self.t2_ns)


class ClockProbe:
    """A node's side: what to send, and what to make of the answer."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._last: RoundTrip | None = None

    def question(self, now_ns: int) -> bytes:
        """Bytes to send at ``now_ns`` of the node's clock."""
        last = self._last
        stamps = None if last is None else [last.t1_ns, last.t2_ns, last.t3_ns, last.t4_ns]
        packed = msgpack.packb([self._camera, now_ns, stamps])
        assert packed is not None
        return packed

    def answer(self, reply: bytes, now_ns: int) -> RoundTrip | None:
        """The completed round trip, None if the bytes are no answer."""
        fields = _unpacked(reply)
        if fields is None or len(fields) != 3 or not all(_is_stamp(f) for f in fields):
            return None
        self._last = RoundTrip(fields[0], fields[1], fields[2], now_ns)
        return self._last


def reply_to(question: bytes, received_ns: int, now_ns: int) -> tuple[bytes, ClockOffset | None] | None:
    """The engine's side: the answer to send, and the result the question brought; None for bytes that are no question."""
    fields = _unpacked(question)
    if fields is None or len(fields) != 3 or type(fields[0]) is not str or not _is_stamp(fields[1]):
        return None
    camera, sent_ns, stamps = fields
    result = None
    if type(stamps) is list and len(stamps) == 4 and all(_is_stamp(s) for s in stamps):
        trip = RoundTrip(*stamps)
        if 0 <= trip.round_trip_ns < 10**10 and abs(trip.offset_ns) < _INT64 // 4 and len(camera) <= 64:
            result = ClockOffset(received_ns, camera, trip.offset_ns, trip.round_trip_ns)
    answer = msgpack.packb([sent_ns, received_ns, now_ns])
    assert answer is not None
    return answer, result


class ClockMonitor:
    """Best estimate of each camera's clock: the offset of the fastest of its recent round trips."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[ClockOffset]] = {}

    def heard(self, result: ClockOffset) -> None:
        """Take in a result."""
        self._recent.setdefault(result.camera, deque(maxlen=WINDOW)).append(result)

    @property
    def offsets_ns(self) -> dict[str, int]:
        """Offset per camera, by name."""
        return {
            camera: min(recent, key=lambda r: r.round_trip_ns).offset_ns
            for camera, recent in sorted(self._recent.items())
        }


def _unpacked(raw: bytes) -> list | None:
    if len(raw) > MAX_PROBE_BYTES:
        return None
    try:
        fields = msgpack.unpackb(raw, strict_map_key=True, max_ext_len=0)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException):
        return None
    return fields if type(fields) is list else None


def _is_stamp(value: object) -> bool:
    return type(value) is int and 0 <= value < _INT64
