"""Pictures of free-running, late, missing and dead cameras become snapshots: none twice, none waited for too long."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.streaming.align import DEADLINE_NS, Aligner
from kincast.streaming.snapshot import Snapshot

MS = 1_000_000
T0 = 1_700_000_000_000_000_000
PERSON = np.ones((1, 2, 3), np.float32)


def run(
    pictures: list[tuple[int, int, int]], cameras: int, flush: bool = True
) -> tuple[Aligner, list[tuple[int, Snapshot]]]:
    """Feed (receive, camera, t) in order; returns snapshots with the stamp at which they closed."""
    aligner = Aligner(cameras, 2)
    closed: list[tuple[int, Snapshot]] = []
    for receive_ns, camera, t_ns in sorted(pictures):
        due_ns = aligner.due_ns
        if due_ns is not None and receive_ns > due_ns:  # what a live run's timer does
            overdue = aligner.advance(due_ns)
            assert overdue is not None
            closed.append((due_ns, overdue))
        closed += [(receive_ns, s) for s in aligner.picture(camera, t_ns, PERSON, receive_ns)]
    if flush and (last := aligner.close()) is not None:
        closed.append((aligner.rhythms[0].last_receive_ns, last))
    return aligner, closed


def synchronous(
    cameras: int, frames: int, period_ns: int, delays_ns: list[int]
) -> list[tuple[int, int, int]]:
    return [
        (T0 + i * period_ns + delays_ns[c], c, T0 + i * period_ns)
        for i in range(frames)
        for c in range(cameras)
    ]


def test_synchronous_cameras_close_when_the_last_is_in() -> None:
    delays = [1 * MS, 2 * MS, 4 * MS]
    _, closed = run(synchronous(3, 50, 16_666_667, delays), 3)
    assert [s.seq for _, s in closed] == list(range(50))
    assert [s.t_ns for _, s in closed] == [T0 + i * 16_666_667 for i in range(50)]
    assert all(s.present.all() and not s.late for _, s in closed)
    assert [at - s.t_ns for at, s in closed] == [4 * MS] * 50


def test_a_missing_picture_costs_the_deadline_and_no_more() -> None:
    pictures = synchronous(3, 20, 16_666_667, [1 * MS, 2 * MS, 3 * MS])
    pictures.remove((T0 + 10 * 16_666_667 + 3 * MS, 2, T0 + 10 * 16_666_667))
    aligner, closed = run(pictures, 3)
    assert len(closed) == 20
    at, snapshot = closed[10]
    assert snapshot.present.tolist() == [True, True, False]
    assert at - (snapshot.t_ns + 1 * MS) == DEADLINE_NS
    assert [r.missed for r in aligner.rhythms] == [0, 0, 1]


def test_a_dead_camera_is_waited_for_three_periods_only() -> None:
    pictures = [
        p
        for p in synchronous(3, 60, 16_666_667, [1 * MS, 2 * MS, 3 * MS])
        if p[1] < 2 or p[2] < T0 + 30 * 16_666_667
    ]
    aligner, closed = run(pictures, 3)
    latency = [at - s.t_ns for at, s in closed]
    assert latency[29] == 3 * MS
    assert sum(x > 3 * MS for x in latency[30:]) <= 4
    assert set(latency[36:]) == {2 * MS}
    assert aligner.rhythms[2].missed == pytest.approx(30, abs=1)


def test_a_camera_that_is_never_heard_is_waited_for_in_the_first_second_only() -> None:
    _, closed = run(synchronous(2, 120, 16_666_667, [1 * MS, 2 * MS]), 3)
    latency = [at - s.t_ns for at, s in closed]
    assert latency[10] == 11 * MS
    assert set(latency[70:]) == {2 * MS}


def test_a_late_picture_comes_with_the_next_snapshot() -> None:
    pictures = synchronous(3, 20, 16_666_667, [1 * MS, 2 * MS, 3 * MS])
    pictures.remove((T0 + 5 * 16_666_667 + 3 * MS, 2, T0 + 5 * 16_666_667))
    pictures.append((T0 + 5 * 16_666_667 + 15 * MS, 2, T0 + 5 * 16_666_667))
    aligner, closed = run(pictures, 3)
    assert len(closed) == 20
    assert not closed[5][1].present[2]
    (late,) = closed[6][1].late
    assert (late.seq, late.camera_index, late.t_ns) == (5, 2, T0 + 5 * 16_666_667)
    assert closed[6][1].present.all()
    assert (aligner.rhythms[2].late, aligner.too_late) == (1, 0)


def test_a_camera_with_a_constant_long_delay_is_used_late_throughout() -> None:
    _, closed = run(synchronous(3, 60, 16_666_667, [1 * MS, 2 * MS, 40 * MS]), 3)
    lates = [(late.seq, late.t_ns) for _, s in closed for late in s.late]
    by_seq = {s.seq: s.t_ns for _, s in closed}
    assert len(lates) >= 50
    assert all(by_seq[seq] == t_ns for seq, t_ns in lates)


@pytest.mark.parametrize("fps", [25, 30, 60, 120])
@pytest.mark.parametrize("cameras", [2, 4, 8])
def test_free_running_cameras_make_one_snapshot_per_period(fps: int, cameras: int) -> None:
    rng = np.random.default_rng(fps + cameras)
    period = 10**9 / fps
    pictures = []
    for c in range(cameras):
        phase, rate = rng.uniform(0, period), 1 + rng.uniform(-1e-4, 1e-4)
        for i in range(200):
            t_ns = T0 + int(phase + i * period * rate + rng.uniform(-0.5, 0.5) * MS)
            pictures.append((t_ns + int(rng.uniform(1, 3) * MS), c, t_ns))
    aligner, closed = run(pictures, cameras)
    assert 195 <= len(closed) <= 206
    used = sum(int(s.present.sum()) + len(s.late) for _, s in closed)
    assert len(pictures) - used == len(aligner._late), "late pictures after the last snapshot"
    assert aligner.too_late == 0
    by_seq = {s.seq: s.t_ns for _, s in closed}
    for _, s in closed:
        own = s.camera_t_ns[s.present]
        assert np.abs(own - s.t_ns).max() <= 0.95 * period
        for late in s.late:
            assert abs(late.t_ns - by_seq[late.seq]) <= 1.0 * period + MS


def free_running(
    fps: int, phases: list[float], seconds: int, jitter_ms: float, dropouts: float = 0.0, drift: float = 0.0
) -> list[tuple[int, int, int]]:
    """Cameras at ``phases`` (fractions of a period), jitter peak to peak; the last runs ``drift`` slow."""
    rng = np.random.default_rng(fps + len(phases))
    pictures = []
    for c, phase in enumerate(phases):
        rate = 1 + (drift if c == len(phases) - 1 else 0.0)
        for i in range(fps * seconds):
            t_ns = T0 + int((phase + i * rate) * 1e9 / fps + rng.uniform(-0.5, 0.5) * jitter_ms * MS)
            if rng.uniform() >= dropouts:
                pictures.append((t_ns + MS, c, t_ns))
    return pictures


def settled_rows_ms(closed: list[tuple[int, Snapshot]]) -> np.ndarray:
    """Steps between rows, without the first second in which rates and phases are learnt."""
    times = np.array([s.t_ns for _, s in closed])
    return np.diff(times[times > times[0] + 1000 * MS]) / MS


@pytest.mark.parametrize(("fps", "seed"), [(25, 0), (25, 1), (60, 0), (60, 1), (120, 0)])
def test_jitter_and_dropouts_leave_one_row_per_period_at_even_steps(fps: int, seed: int) -> None:
    phases = np.random.default_rng(seed).uniform(0, 1, 8).tolist()
    pictures = free_running(fps, phases, 20, jitter_ms=4.0, dropouts=0.03)
    aligner, closed = run(pictures, 8)
    assert len(closed) == pytest.approx(20 * fps, rel=0.01)
    assert settled_rows_ms(closed).std() < 1.5
    used = sum(int(s.present.sum()) + len(s.late) for _, s in closed)
    assert len(pictures) - used - aligner.too_late == len(aligner._late)
    assert aligner.too_late <= 8


def test_two_cameras_half_a_period_apart() -> None:
    _, closed = run(free_running(60, [0.0, 0.5], 10, jitter_ms=1.0), 2)
    assert len(closed) == pytest.approx(600, abs=6)
    assert settled_rows_ms(closed).std() < 0.5
    pairs = [s for _, s in closed[60:] if s.present.all()]
    assert len(pairs) > 0.95 * len(closed[60:])


def test_synchronous_cameras_that_jitter_keep_the_median_of_their_times() -> None:
    pictures = free_running(60, [0.0, 0.0, 0.0, 0.0], 10, jitter_ms=2.0)
    aligner, closed = run(pictures, 4)
    assert len(closed) == 600
    assert all(s.present.all() and not s.late for _, s in closed)
    assert all(s.t_ns == (np.sort(s.camera_t_ns)[1] + np.sort(s.camera_t_ns)[2]) // 2 for _, s in closed)
    assert aligner.too_late == 0


@pytest.mark.parametrize("drift", [-2e-3, 2e-3])
def test_a_drifting_camera_passes_through_every_phase_for_a_few_snapshots(drift: float) -> None:
    _, closed = run(free_running(60, [0.0, 0.1, 0.25, 0.4], 20, jitter_ms=1.0, drift=drift), 4)
    assert len(closed) == pytest.approx(1200, abs=12)
    assert settled_rows_ms(closed).std() < 1.0


@pytest.mark.parametrize(("before", "after"), [(30, 60), (60, 30), (60, 50)])
def test_the_grid_follows_a_change_of_rate(before: int, after: int) -> None:
    first = free_running(before, [0.0, 0.3, 0.45], 3, jitter_ms=1.0)
    second = free_running(after, [0.0, 0.3, 0.45], 5, jitter_ms=1.0)
    moved = [(r + 3040 * MS, c, t + 3040 * MS) for r, c, t in second]
    _, closed = run(first + moved, 3)
    assert len(closed) == pytest.approx(3 * before + 5 * after, abs=20)
    times = np.array([s.t_ns for _, s in closed])
    assert np.diff(times[times > T0 + 5000 * MS]).std() < 0.5 * MS


def test_after_a_pause_phases_are_learnt_anew() -> None:
    first = free_running(60, [0.0, 0.3], 3, jitter_ms=1.0)
    second = free_running(60, [0.6, 0.2], 3, jitter_ms=1.0)
    aligner, closed = run(first + [(r + 9000 * MS, c, t + 9000 * MS) for r, c, t in second], 2)
    assert len(closed) == pytest.approx(360, abs=6)
    assert aligner.too_late == 0


def test_a_slow_camera_among_fast_ones_is_waited_for_only_when_due() -> None:
    fast = synchronous(2, 120, 16_666_667, [1 * MS, 2 * MS])
    slow = [(T0 + i * 33_333_334 + 3 * MS, 2, T0 + i * 33_333_334) for i in range(60)]
    aligner, closed = run(fast + slow, 3)
    latency = [at - s.t_ns for at, s in closed][10:-2]
    assert max(latency) <= 3 * MS
    assert len(closed) == 120
    assert aligner.rhythms[2].missed == 0


def test_markers_are_snapshots_of_their_own_and_never_go_back() -> None:
    aligner = Aligner(0, 2)
    markers = np.ones((2, 4), np.float32)
    seqs = [s.seq for t in (10, 20, 20, 5, 30) for s in aligner.markers(t, markers)]
    assert seqs == [0, 1, 2]
    assert aligner.too_late == 2


def test_a_burst_of_one_camera_loses_nothing() -> None:
    pictures = [(T0 + i, 0, T0 + i) for i in range(6)]
    aligner, closed = run(pictures, 2)
    assert [int(s.camera_t_ns[0]) for _, s in closed] == [t for _, _, t in pictures]
    assert aligner.too_late == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_comes_nothing_is_lost_doubled_or_out_of_order(data) -> None:
    cameras = data.draw(st.integers(1, 4))
    pictures = []
    for c in range(cameras):
        t_ns = T0
        for _ in range(data.draw(st.integers(0, 15))):
            t_ns += data.draw(st.sampled_from([1, 1000, 5 * MS, 16 * MS, 17 * MS, 33 * MS, 400 * MS]))
            pictures.append(
                (t_ns + data.draw(st.sampled_from([-MS, 0, MS, 9 * MS, 30 * MS, 900 * MS])), c, t_ns)
            )
    order: dict[int, int] = {}
    stamped = []
    for receive_ns, c, t_ns in pictures:  # a camera's pictures arrive in order
        order[c] = max(order.get(c, 0), receive_ns)
        stamped.append((order[c], c, t_ns))
    aligner, closed = run(sorted(stamped, key=lambda p: (p[0], p[2])), cameras)
    snapshots = [s for _, s in closed]
    assert [s.seq for s in snapshots] == list(range(len(snapshots)))
    times = [s.t_ns for s in snapshots]
    assert all(b > a for a, b in itertools.pairwise(times))
    assert [at for at, _ in closed[:-1]] == sorted(at for at, _ in closed[:-1])
    seen = [(c, int(s.camera_t_ns[c])) for s in snapshots for c in np.flatnonzero(s.present)]
    late = [(v.camera_index, v.t_ns) for s in snapshots for v in s.late]
    pending = len(pictures) - len(seen) - len(late) - aligner.too_late
    assert pending == len(aligner._late), "late pictures after the last snapshot"
    assert len(set(seen + late)) == len(seen + late)
    for s in snapshots:
        assert len({v.seq for v in s.late if v.seq >= s.seq}) == 0
