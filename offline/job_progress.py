"""How far many jobs are, in lines: who, which step, how many are done, about how long the rest takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from kincast.offline.jobs import RefitJob
from kincast.offline.run_jobs import Outcome, Status

LEAST_LEFT = 0.1
"""Of its expected time, for a job that should be over and is not."""


class JobProgress:
    """Lines for the terminal. Time left: what the jobs done took per byte of recording, for those that run and wait,
    as many at a time as run now."""

    def __init__(
        self,
        jobs: Sequence[RefitJob],
        tell: Callable[[str], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._total = len(jobs)
        self._open = {job.person: job.size for job in jobs}
        self._begun_s: dict[str, float] = {}
        self._done_bytes = 0
        self._done_s = 0.0

    def step(self, person: str, line: str) -> None:
        """A job says something."""
        self._begun_s.setdefault(person, self._clock())
        self._say(person, line)

    def ended(self, outcome: Outcome) -> None:
        """A job is over."""
        person = outcome.job.person
        size = self._open.pop(person)
        begun_s = self._begun_s.pop(person, None)
        if outcome.status is Status.DONE and begun_s is not None:
            self._done_bytes += size
            self._done_s += self._clock() - begun_s
        words = {
            Status.DONE: f"done in {outcome.seconds:.0f} s",
            Status.KEPT: "complete already",
            Status.REFUSED: f"refused: {outcome.error}",
            Status.FAILED: f"failed: {outcome.error}",
        }
        self._say(person, words[outcome.status])

    def left_s(self) -> float | None:
        """About how long the rest takes; unknown before the first is done."""
        if not self._open or not self._done_bytes:
            return None
        now = self._clock()
        left = 0.0
        for person, size in self._open.items():
            expected = size * self._done_s / self._done_bytes
            so_far = now - self._begun_s.get(person, now)
            left += max(expected - so_far, LEAST_LEFT * expected)
        return left / max(1, len(self._begun_s))

    def _say(self, person: str, line: str) -> None:
        left_s = self.left_s()
        left = "" if left_s is None else f", {in_words(left_s)} left"
        self._tell(f"[{self._total - len(self._open)} of {self._total} done{left}] {person}: {line}")


def in_words(seconds: float) -> str:
    """About how long."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
