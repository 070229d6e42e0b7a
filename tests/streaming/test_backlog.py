"""How long a live engine lets pictures wait."""

from __future__ import annotations

from kincast.streaming.backlog import OVERLOADED_NS, STALL_NS, Patience, latest_whole_instant

MS = 1_000_000


def skips(cost_ms: float, period_ms: float, seconds: float, stall_ms: float = 0.0) -> tuple[int, float]:
    """(pictures skipped, worst wait ms in the second half) of a queue served at ``cost_ms`` per picture."""
    patience, free_ns, skipped, worst_ns = Patience(), int(stall_ms * MS), 0, 0
    latest = int(seconds * 1e3 / period_ms)
    picture = 0
    while picture < latest:
        came_ns = int(picture * period_ms * MS)
        now_ns = max(free_ns, came_ns)
        if patience.exhausted(came_ns, now_ns):
            newest = min(int(now_ns / (period_ms * MS)), latest)
            skipped += max(0, newest - picture)
            picture = max(newest, picture)
            came_ns = int(picture * period_ms * MS)
        if picture > latest // 2:
            worst_ns = max(worst_ns, now_ns - came_ns)
        free_ns = max(now_ns, came_ns) + int(cost_ms * MS)
        picture += 1
    return skipped, worst_ns / MS


def test_one_stall_is_made_up_for_without_a_loss() -> None:
    skipped, worst_ms = skips(8.0, 16.7, 4.0, stall_ms=95.0)
    assert skipped == 0
    assert worst_ms < 1.0


def test_a_computer_that_is_too_slow_skips_early_and_stays_close() -> None:
    skipped, worst_ms = skips(25.0, 16.7, 8.0)
    assert skipped > 0
    assert worst_ms <= OVERLOADED_NS / MS + 25.0


def test_what_is_a_stall_and_what_overload() -> None:
    patience = Patience()
    assert not patience.exhausted(0, STALL_NS)
    assert patience.exhausted(0, STALL_NS + 1)
    assert patience.limit_ns(STALL_NS + 2) == OVERLOADED_NS
    assert patience.limit_ns(STALL_NS + 6 * 10**9) == STALL_NS


def test_catching_up_goes_on_with_the_latest_instant_of_which_all_is_there() -> None:
    early, whole, next_ = 100 * MS, 117 * MS, 134 * MS
    waiting = [
        ("a", early),
        ("b", early),
        None,
        ("b", whole + MS),
        ("a", whole),
        ("a", next_),
    ]
    kept, skipped = latest_whole_instant(waiting)
    assert skipped == (0, 1)
    assert kept == (2, 3, 4, 5)


def test_a_dead_camera_holds_nothing_up_and_keeps_its_last_picture() -> None:
    waiting = [("dead", 0), *[(name, k * 17 * MS) for k in range(8) for name in "ab"]]
    kept, skipped = latest_whole_instant(waiting)
    assert [waiting[place] for place in kept] == [("dead", 0), ("a", 119 * MS), ("b", 119 * MS)]
    assert len(kept) + len(skipped) == len(waiting)


def test_markers_and_an_empty_queue() -> None:
    assert latest_whole_instant([]) == ((), ())
    assert latest_whole_instant([("markers", 0), None, ("markers", 10 * MS)]) == ((1, 2), (0,))
