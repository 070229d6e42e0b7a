"""A grid of equal cells, one per period of the fastest camera, locked to the phases of free-running cameras.

Integers throughout and no clock: the grid is a function of picture times, in the order in which they came.

* Each camera's clock keeps a long-run period and a smoothed time of its last picture, so a picture that
  jitters stays in the cell of its camera's phase.
* The boundary between cells is held in the middle of the gap between the cameras' phases that it lies in, and
  leaves that gap only for a clearly larger one. It then moves towards earlier times: a camera whose phase is
  crossed that way misses one cell, the other way it would have two pictures in one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

DEFAULT_PERIOD_NS = 16_666_667
"""Assumed until a camera has delivered two pictures."""
MIN_PERIOD_NS = 4_000_000
MAX_PERIOD_NS = 200_000_000
PAUSE_NS = 1_000_000_000
"""After this long without pictures phases are learnt anew."""
HEARD_LATELY_NS = 500_000_000
PICTURES = 120
"""Pictures behind a long-run period: jitter of some ms becomes some 0.1 %."""
RECENT = 9
"""Pictures that show a change of rate."""
GAIN = 10
"""One part in this many of a picture's deviation from its expected time moves the smoothed time."""
JITTER_NS = 4_500_000
OUTLIERS = 3
"""So many pictures in a row that deviate by more than JITTER_NS and a quarter period are a new phase."""
LEARNING_CELLS = 30
CELLS = 64
"""Cells remembered for late pictures."""


class CameraClock:
    """Long-run period and smoothed time of the last picture of one camera, O(1) per picture."""

    def __init__(self) -> None:
        self.last_t_ns: int | None = None
        self.smoothed_ns = 0
        self.period_ns = DEFAULT_PERIOD_NS
        self._outliers = 0
        self._intervals_ns: deque[int] = deque(maxlen=RECENT)
        self._pictures: deque[tuple[int, int]] = deque(maxlen=PICTURES)  # (time, cycles since the start)

    @property
    def cycles(self) -> int:
        """Periods that the long-run period was measured over; 0: it is a guess."""
        return self._pictures[-1][1] - self._pictures[0][1] if self._pictures else 0

    def heard(self, t_ns: int) -> None:
        """A picture was taken at ``t_ns``."""
        before_ns, self.last_t_ns = self.last_t_ns, t_ns
        if before_ns is None or not 0 < t_ns - before_ns <= PAUSE_NS:
            self._restart(t_ns)
            return
        self._intervals_ns.append(t_ns - before_ns)
        usual_ns = sorted(self._intervals_ns)[len(self._intervals_ns) // 2]
        if self.cycles >= RECENT and not 2 * self.period_ns < 3 * usual_ns < 9 * self.period_ns // 2:
            self.period_ns = _clamped(usual_ns)  # another rate: more than 3:2 or 2:3 of the old
            self._restart(t_ns)
            return
        unit_ns = self.period_ns if self.cycles >= RECENT else usual_ns
        n = _rounded(t_ns - before_ns, max(unit_ns, 1))
        self._pictures.append((t_ns, self._pictures[-1][1] + n))
        self.period_ns = self._mean_period_ns(0)
        if len(self._pictures) > 2 * RECENT:
            recent_ns = self._mean_period_ns(-1 - RECENT)
            if 10 * abs(recent_ns - self.period_ns) > self.period_ns:
                while len(self._pictures) > RECENT + 1:
                    self._pictures.popleft()
                self.period_ns, self.smoothed_ns = recent_ns, t_ns
        # the phase is counted by itself: the nearest expected time, be it the last one again
        since_ns = t_ns - self.smoothed_ns
        n = (2 * since_ns + self.period_ns) // (2 * self.period_ns)
        expected_ns = self.smoothed_ns + n * self.period_ns
        deviation_ns = t_ns - expected_ns
        believed_ns = max(self.period_ns // 4, JITTER_NS)
        self._outliers = self._outliers + 1 if abs(deviation_ns) > believed_ns else 0
        if self._outliers == OUTLIERS:
            self.smoothed_ns, self._outliers = t_ns, 0
        else:
            deviation_ns = min(max(deviation_ns, -believed_ns), believed_ns)
            self.smoothed_ns = expected_ns + deviation_ns // min(GAIN, len(self._pictures))

    def heard_lately(self, t_ns: int) -> bool:
        """Whether it tells about the present."""
        return self.last_t_ns is not None and t_ns - self.last_t_ns <= HEARD_LATELY_NS

    def _restart(self, t_ns: int) -> None:
        self._pictures.clear()
        self._pictures.append((t_ns, 0))
        self.smoothed_ns = t_ns

    def _mean_period_ns(self, first: int) -> int:
        (t0_ns, c0), (t1_ns, c1) = self._pictures[first], self._pictures[-1]
        return _clamped((t1_ns - t0_ns) // (c1 - c0))


class PhaseGrid:
    """Consecutive cells of time, numbered from 0; ``clocks`` are told of a picture before the grid is asked."""

    def __init__(self, clocks: Sequence[CameraClock]) -> None:
        self.period_ns = DEFAULT_PERIOD_NS
        self.synchronous = True
        """Whether the cameras' phases lie within a quarter period."""
        self._clocks = clocks
        self._starts_ns: deque[int] = deque(maxlen=CELLS)
        self._last = -1  # number of the newest cell
        self._learning = LEARNING_CELLS

    def cell(self, camera: int, t_ns: int) -> int | None:
        """Cell of a picture, by its smoothed time; None if it is older than every cell remembered."""
        self._follow_rate(t_ns)
        clock = self._clocks[camera]
        most_ns = self.period_ns * 3 // 8
        smooth_ns = t_ns
        if clock.last_t_ns == t_ns:
            smooth_ns = min(max(clock.smoothed_ns, t_ns - most_ns), t_ns + most_ns)
        if not self._starts_ns or smooth_ns - self._starts_ns[-1] > PAUSE_NS:
            return self.restart(smooth_ns)
        while smooth_ns >= self._starts_ns[-1] + self.period_ns:
            self._next_cell(t_ns)
        for back, start_ns in enumerate(reversed(self._starts_ns)):
            if smooth_ns >= start_ns:
                return self._last - back
        return None

    def restart(self, t_ns: int) -> int:
        """A new cell around ``t_ns``, which ends the cell before it.

        Skips a number: a second picture may already have been given the cell to come.
        """
        self._learning = LEARNING_CELLS
        for _ in range(2):
            self._append(t_ns - self.period_ns // 2)
        return self._last

    def start_ns(self, cell: int) -> int:
        """First instant of a cell, of one to come as it stands."""
        if cell > self._last:
            return self._starts_ns[-1] + (cell - self._last) * self.period_ns
        return self._starts_ns[max(cell - self._last - 1, -len(self._starts_ns))]

    def _append(self, start_ns: int) -> None:
        self._cut(start_ns)
        self._starts_ns.append(start_ns)
        self._last += 1

    def _cut(self, start_ns: int) -> None:
        """No cell starts after a newer one."""
        for i in range(len(self._starts_ns) - 1, -1, -1):
            if self._starts_ns[i] <= start_ns:
                break
            self._starts_ns[i] = start_ns

    def _follow_rate(self, t_ns: int) -> None:
        """The period: the fastest camera's, or the median of those that cannot be told from the fastest."""
        clocks = [c for c in self._clocks if c.cycles and c.heard_lately(t_ns)]
        if not clocks:
            return
        fastest_ns = min(c.period_ns for c in clocks)
        alike = sorted(c.period_ns for c in clocks if c.period_ns - fastest_ns <= _tolerance_ns(c))
        period_ns = alike[len(alike) // 2] if alike else fastest_ns
        if 10 * abs(period_ns - self.period_ns) > self.period_ns:
            self._learning = LEARNING_CELLS
            if self._starts_ns:  # the newest cell keeps its middle
                self._starts_ns[-1] += (self.period_ns - period_ns) // 2
                self._cut(self._starts_ns[-1])
        self.period_ns = period_ns

    def _next_cell(self, t_ns: int) -> None:
        start_ns = self._starts_ns[-1] + self.period_ns
        self._append(start_ns + self._step_ns(start_ns, t_ns))
        self._learning = max(self._learning - 1, 0)

    def _step_ns(self, start_ns: int, t_ns: int) -> int:
        """What the boundary at ``start_ns`` is moved by, for the cameras' phases after it."""
        period_ns = self.period_ns
        phases_ns = sorted(
            (c.smoothed_ns - start_ns) % period_ns
            for c in self._clocks
            if c.heard_lately(t_ns) and self._keeps_phase(c)
        )
        if not phases_ns:
            return 0
        before_ns, after_ns = period_ns - phases_ns[-1], phases_ns[0]
        here_ns = before_ns + after_ns
        largest_ns = max([here_ns, *(b - a for a, b in pairwise(phases_ns))])
        self.synchronous = period_ns - largest_ns <= period_ns // 4
        most_ns = period_ns // (8 if self._learning else 64)
        if 10 * here_ns < 7 * largest_ns:
            return -most_ns
        wanted_ns = (after_ns - before_ns) // (4 if self._learning else 16)
        return min(max(wanted_ns, -most_ns), most_ns)

    def _keeps_phase(self, clock: CameraClock) -> bool:
        """Whether its period is a multiple of the grid's; others are in every phase in turn."""
        multiple_ns = _rounded(clock.period_ns, self.period_ns) * self.period_ns
        return not clock.cycles or abs(clock.period_ns - multiple_ns) <= _tolerance_ns(clock)


def _tolerance_ns(clock: CameraClock) -> int:
    """1 % and what jitter does to a period measured over few cycles."""
    return clock.period_ns // 100 + clock.period_ns // (2 * clock.cycles)


def _rounded(of_ns: int, unit_ns: int) -> int:
    """How many units, at least one."""
    return max(1, (2 * of_ns + unit_ns) // (2 * unit_ns))


def _clamped(period_ns: int) -> int:
    return min(max(period_ns, MIN_PERIOD_NS), MAX_PERIOD_NS)
