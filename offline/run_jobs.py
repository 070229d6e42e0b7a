"""Many refits in one go: every person's fit, then each recording's results; what was done before is left, who fails costs the others nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

from kincast.models.errors import UserMistakeError
from kincast.offline.job_folder import held, is_complete
from kincast.offline.jobs import RefitJob
from kincast.offline.refit_tasks import WrittenTrial, fit_person, write_trial
from kincast.offline.workers import Finished, Task, Workers


class Status(StrEnum):
    """``kept``: complete before. ``refused``: the user can mend it. ``failed``: our bug, or workers were lost again and again."""

    DONE = "done"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of a job; an error may come beside results that were written before it."""

    job: RefitJob
    status: Status
    trials: tuple[WrittenTrial, ...] = ()
    error: Exception | None = None
    seconds: float = 0.0


@dataclass
class _Running:
    job: RefitJob
    stack: ExitStack
    started_s: float
    left: int = 0
    trials: list[WrittenTrial] = field(default_factory=list)
    error: Exception | None = None


def run_jobs(
    jobs: Sequence[RefitJob],
    workers: Workers,
    ended: Callable[[Outcome], None] = lambda outcome: None,
    again: bool = False,
) -> tuple[Outcome, ...]:
    """Carry them out, as many at a time as there are workers; in the order given. ``again``: also those complete already.

    Never raises for a job: what went wrong is in its outcome.
    """
    waiting = deque(jobs)
    ready: deque[tuple[_Running, Task]] = deque()
    running: dict[Task, _Running] = {}
    outcomes: dict[int, Outcome] = {}

    def end(outcome: Outcome) -> None:
        outcomes[id(outcome.job)] = outcome
        ended(outcome)

    while waiting or ready or running:
        while (ready or waiting) and workers.room():
            if ready:
                person, task = ready.popleft()
            else:
                begun = _begun(waiting.popleft(), again)
                if isinstance(begun, Outcome):
                    end(begun)
                    continue
                person, task = begun
            running[task] = person
            workers.start(task)
        if not running:
            continue
        finished = workers.next()
        person = running.pop(finished.task)
        ready.extendleft(reversed([(person, task) for task in _next_tasks(person, finished, workers)]))
        if person.left == 0:
            person.stack.close()
            end(_outcome(person))
    return tuple(outcomes[id(job)] for job in jobs)


def _begun(job: RefitJob, again: bool) -> tuple[_Running, Task] | Outcome:
    if not again and all(is_complete(folder, job) for folder in job.folders):
        return Outcome(job, Status.KEPT)
    stack = ExitStack()
    try:
        stack.enter_context(held(job))
    except UserMistakeError as error:
        return Outcome(job, Status.REFUSED, error=error)
    return _Running(job, stack, monotonic(), left=1), Task(
        job.person, fit_person, (job,), parts=len(job.recordings)
    )


def _next_tasks(person: _Running, finished: Finished, workers: Workers) -> list[Task]:
    """What follows; counts down what is left of the person."""
    person.left -= 1
    if finished.error is not None:
        person.error = person.error or finished.error
        return []
    if finished.task.function is fit_person:
        tasks = [
            Task(person.job.person, write_trial, (person.job, i, part))
            for i, part in enumerate(finished.parts)
        ]
        person.left += len(tasks)
        return tasks
    person.trials.append(workers.value(finished.parts[0]))
    return []


def _outcome(person: _Running) -> Outcome:
    status = Status.DONE
    if person.error is not None:
        status = Status.REFUSED if isinstance(person.error, UserMistakeError) else Status.FAILED
    order = {folder: i for i, folder in enumerate(person.job.folders)}
    trials = tuple(sorted(person.trials, key=lambda t: order[t.folder]))
    return Outcome(person.job, status, trials, person.error, monotonic() - person.started_s)
