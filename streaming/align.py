"""Grouping pictures of about one instant into a Snapshot.

Cameras may run free, each with its own phase and rate, may be late, silent, or dead. The rule, a function of
picture times and receive stamps alone:

* Time is cut into cells of one period of the fastest camera, with the boundary where the fewest pictures fall
  (:mod:`phase_grid`). A snapshot is what the cameras saw in one cell, one picture per camera; a second one goes
  to the next cell. So free-running cameras make one snapshot per period, not one per phase.
* It closes when every camera that can still come has come, when a picture beyond it arrives, or 10 ms after
  it was opened (receive stamps). A camera can still come if its next picture, predicted from its own rate,
  would be of this cell and arrive before that deadline; one that has been silent for three of its periods is not waited for.
* A picture that belongs to a closed snapshot is *late*: it goes with the next one as a LateView.
* A snapshot of about synchronous cameras stands for the median of its pictures' times, one of free-running
  cameras for the middle of its cell (rows at even steps); always at least a millisecond after the one before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from kincast.streaming.admission import People
from kincast.streaming.phase_grid import CameraClock, PhaseGrid
from kincast.streaming.snapshot import LateView, Snapshot

DEADLINE_NS = 10_000_000
MIN_STEP_NS = 1_000_000
STARTUP_NS = 1_000_000_000
"""Cameras that were never heard are waited for during the first second only."""
ARRIVAL_JITTER_NS = 4_000_000
SILENT_PERIODS = 3
NO_CELL = -1
"""Markers are in no cell."""
HISTORY = 32
"""Closed snapshots that late pictures may still belong to."""


@dataclass
class Rhythm:
    """When one camera's pictures come. ``missed``: pictures that should have come and did not; ``late``: too late for their snapshot."""

    last_receive_ns: int = 0
    clock: CameraClock = field(default_factory=CameraClock)
    delays_ns: deque[int] = field(default_factory=lambda: deque(maxlen=9))
    missed: int = 0
    late: int = 0
    _missed_in_silence: int = 0

    @property
    def last_t_ns(self) -> int | None:
        """Time of the newest picture."""
        return self.clock.last_t_ns

    @property
    def period_ns(self) -> int:
        """Long-run time between pictures."""
        return self.clock.period_ns

    def heard(self, t_ns: int, receive_ns: int) -> None:
        """A picture came."""
        before_ns, guessed = self.last_t_ns, not self.clock.cycles
        self.clock.heard(t_ns)
        if before_ns is not None and not guessed:
            gap_ns = t_ns - before_ns
            self.missed += max(0, round(gap_ns / self.period_ns) - 1 - self._missed_in_silence)
        self._missed_in_silence = 0
        self.delays_ns.append(receive_ns - t_ns)
        self.last_receive_ns = receive_ns

    def silence(self, t_ns: int) -> None:
        """A snapshot at ``t_ns`` closed without this camera."""
        if self.last_t_ns is None or t_ns - self.last_t_ns > self.period_ns * 3 // 2:
            self.missed += 1
            self._missed_in_silence += 1

    def silent(self, receive_ns: int) -> bool:
        """Nothing for several periods."""
        return receive_ns - self.last_receive_ns > SILENT_PERIODS * self.period_ns

    def earliest_next_ns(self) -> int:
        """Receive stamp before which the next picture is not to be expected; one late picture does not move it."""
        assert self.last_t_ns is not None
        slack_ns = min(ARRIVAL_JITTER_NS, self.period_ns // 4)
        return self.last_t_ns + self.period_ns + _median(self.delays_ns) - slack_ns


def _median(values: deque[int]) -> int:
    return sorted(values)[len(values) // 2]


@dataclass
class _Open:
    """The snapshot being filled: camera index -> (time, people)."""

    seq: int
    cell: int
    receive_ns: int
    pictures: dict[int, tuple[int, People]]


@dataclass
class _Closed:
    seq: int
    cell: int
    t_ns: int
    cameras: set[int]


class Aligner:
    """State of the grouping; see the module for the rule. ``rhythms`` has one entry per camera."""

    def __init__(self, cameras: int, keypoints: int, deadline_ns: int = DEADLINE_NS) -> None:
        self.rhythms = tuple(Rhythm() for _ in range(cameras))
        self._grid = PhaseGrid([r.clock for r in self.rhythms])
        self.too_late = 0
        """Pictures so old that no remembered snapshot lacks them."""
        self._nobody = np.zeros((0, keypoints, 3), np.float32)
        self._deadline_ns = deadline_ns
        self._open: _Open | None = None
        self._closed: deque[_Closed] = deque(maxlen=HISTORY)
        self._late: list[LateView] = []
        self._started_ns: int | None = None
        self._next_seq = 0

    @property
    def open_seq(self) -> int | None:
        """Running number of the open snapshot."""
        return None if self._open is None else self._open.seq

    @property
    def due_ns(self) -> int | None:
        """Receive stamp from which the open snapshot is overdue; whoever keeps the clock then sends a Deadline."""
        return None if self._open is None else self._open.receive_ns + self._deadline_ns

    def advance(self, receive_ns: int) -> Snapshot | None:
        """Close the open snapshot if its deadline has passed at ``receive_ns``."""
        if self._open is not None and receive_ns >= self._open.receive_ns + self._deadline_ns:
            return self.close()
        return None

    def picture(self, camera: int, t_ns: int, people: People, receive_ns: int) -> tuple[Snapshot, ...]:
        """One admitted picture; the snapshots that it closes (after :meth:`advance`), oldest first."""
        closed: list[Snapshot] = []
        self._started_ns = receive_ns if self._started_ns is None else self._started_ns
        self.rhythms[camera].heard(t_ns, receive_ns)
        home = self._home(camera, t_ns)
        if home is None:
            self.too_late += 1
        elif isinstance(home, _Closed):
            home.cameras.add(camera)
            self.rhythms[camera].late += 1
            self._late.append(LateView(home.seq, camera, t_ns, people))
        elif self._open is not None and home == self._open.cell:
            self._open.pictures[camera] = (t_ns, people)
        else:
            if self._open is not None:
                closed.append(self._finish(self._open))
            self._open = _Open(self._next_seq, home, receive_ns, {camera: (t_ns, people)})
        if self._open is not None and not self._somebody_can_still_come(self._open):
            closed.append(self._finish(self._open))
        return tuple(closed)

    def markers(self, t_ns: int, markers: np.ndarray) -> tuple[Snapshot, ...]:
        """Markers of one instant are a snapshot of their own."""
        before = self.close()
        if self._closed and t_ns <= self._closed[-1].t_ns:
            self.too_late += 1
            return () if before is None else (before,)
        cameras = len(self.rhythms)
        snapshot = Snapshot(
            self._next_seq,
            t_ns,
            np.full(cameras, t_ns, np.int64),
            np.zeros(cameras, bool),
            (self._nobody,) * cameras,
            markers,
        )
        self._closed.append(_Closed(self._next_seq, NO_CELL, t_ns, set()))
        self._next_seq += 1
        return (snapshot,) if before is None else (before, snapshot)

    def close(self) -> Snapshot | None:
        """Close what is open: the deadline was told, or the stream ends."""
        return None if self._open is None else self._finish(self._open)

    def _home(self, camera: int, t_ns: int) -> _Closed | int | None:
        """The closed snapshot or the cell (open, or newer than all) that a picture belongs to and that lacks its camera."""
        cell = self._grid.cell(camera, t_ns)
        if cell is None:
            return None
        newest = self._newest_cell()
        for candidate in (cell, cell + 1):
            if candidate > newest:
                early_ns = self._grid.start_ns(candidate) - t_ns
                return candidate if early_ns <= self._grid.period_ns // 2 else self._grid.restart(t_ns)
            if self._open is not None and candidate == self._open.cell:
                if camera not in self._open.pictures:
                    return candidate
                continue
            for closed in reversed(self._closed):
                if closed.cell == candidate and camera not in closed.cameras:
                    return closed
        return self._grid.restart(t_ns) if cell + 1 >= newest else None

    def _newest_cell(self) -> int:
        if self._open is not None:
            return self._open.cell
        return max((c.cell for c in self._closed), default=-1)

    def _somebody_can_still_come(self, snapshot: _Open) -> bool:
        due_ns = snapshot.receive_ns + self._deadline_ns
        end_ns = self._grid.start_ns(snapshot.cell + 1)
        starting = self._started_ns is not None and snapshot.receive_ns - self._started_ns < STARTUP_NS
        for camera, rhythm in enumerate(self.rhythms):
            if camera in snapshot.pictures:
                continue
            if rhythm.last_t_ns is None:
                if starting:
                    return True
            elif (
                not rhythm.silent(snapshot.receive_ns)
                and rhythm.earliest_next_ns() < due_ns
                and rhythm.clock.smoothed_ns + rhythm.period_ns < end_ns
            ):
                return True
        return False

    def _finish(self, snapshot: _Open) -> Snapshot:
        cameras = len(self.rhythms)
        if self._grid.synchronous:
            times = sorted(t_ns for t_ns, _ in snapshot.pictures.values())
            middle = len(times) // 2
            t_ns = times[middle] if len(times) % 2 else (times[middle - 1] + times[middle]) // 2
        else:
            t_ns = self._grid.start_ns(snapshot.cell) + self._grid.period_ns // 2
        if self._closed:
            t_ns = max(t_ns, self._closed[-1].t_ns + MIN_STEP_NS)
        camera_t_ns = np.full(cameras, t_ns, np.int64)
        present = np.zeros(cameras, bool)
        people = [self._nobody] * cameras
        for camera, (picture_t_ns, seen) in snapshot.pictures.items():
            camera_t_ns[camera], present[camera], people[camera] = picture_t_ns, True, seen
        for camera, rhythm in enumerate(self.rhythms):
            if camera not in snapshot.pictures:
                rhythm.silence(t_ns)
        self._closed.append(_Closed(snapshot.seq, snapshot.cell, t_ns, set(snapshot.pictures)))
        self._next_seq += 1
        self._open = None
        late, self._late = tuple(self._late), []
        return Snapshot(snapshot.seq, t_ns, camera_t_ns, present, tuple(people), None, late)
