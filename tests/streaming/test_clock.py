"""Clock offsets by four stamps: right where the way is symmetric, wrong by at most half the round trip where it is not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.streaming.clock import ClockMonitor, ClockProbe, RigClock, RoundTrip, reply_to
from kincast.streaming.messages import ClockOffset

T0 = 1_700_000_000_000_000_000
MS = 1_000_000


def exchange(probe: ClockProbe, at_ns: int, ahead_ns: int, there_ns: int, back_ns: int, busy_ns: int = 0):
    """One question and answer; times are the engine's, the node's clock is ``ahead_ns`` of it."""
    question = probe.question(at_ns + ahead_ns)
    answered = reply_to(question, at_ns + there_ns, at_ns + there_ns + busy_ns)
    assert answered is not None
    reply, result = answered
    trip = probe.answer(reply, at_ns + there_ns + busy_ns + back_ns + ahead_ns)
    return trip, result


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_offset_is_right_to_half_the_round_trip(ahead_ns, there_ns, back_ns, busy_ns) -> None:
    trip, _ = exchange(ClockProbe("cam"), T0, ahead_ns, there_ns, back_ns, busy_ns)
    assert trip.round_trip_ns == there_ns + back_ns
    assert abs(trip.offset_ns - ahead_ns) <= trip.round_trip_ns // 2 + 1


def test_the_engine_learns_the_result_with_the_next_question() -> None:
    probe = ClockProbe("cam_01")
    _, first = exchange(probe, T0, 7 * MS, MS, MS)
    _, second = exchange(probe, T0 + 10**9, 7 * MS, 5 * MS, MS)
    assert first is None
    assert second == ClockOffset(T0 + 10**9 + 5 * MS, "cam_01", 7 * MS, 2 * MS)


def test_the_fastest_round_trip_is_believed() -> None:
    monitor = ClockMonitor()
    for offset_ms, trip_ms in ((3, 10), (1, 2), (9, 30)):
        monitor.heard(ClockOffset(T0, "b", offset_ms * MS, trip_ms * MS))
    monitor.heard(ClockOffset(T0, "a", 5, 7))
    assert monitor.offsets_ns == {"a": 5, "b": 1 * MS}
    for _ in range(16):  # the fast one was long ago
        monitor.heard(ClockOffset(T0, "b", 4 * MS, 3 * MS))
    assert monitor.offsets_ns["b"] == 4 * MS


@settings(max_examples=300)
@given(st.binary(max_size=600))
def test_bytes_that_are_no_question_or_answer_are_ignored(raw: bytes) -> None:
    probe = ClockProbe("cam")
    if probe.answer(raw, T0) is not None:
        assert len(raw) < 40
    answered = reply_to(raw, T0, T0)
    assert answered is None or answered[1] is None


def test_hostile_stamps_give_no_result() -> None:
    probe = ClockProbe("cam")
    probe._last = RoundTrip(0, 2**62, 0, 2**62)
    answered = reply_to(probe.question(T0), T0, T0)
    assert answered is not None
    assert answered[1] is None


def test_the_rigs_clock_runs_forward() -> None:
    clock = RigClock()
    stamps = [clock.now_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)
