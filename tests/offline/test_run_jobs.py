"""Many jobs in one process: the others go on, what is complete stays, progress tells about all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kincast.models.errors import UserMistakeError
from kincast.offline import run_jobs as module
from kincast.offline.job_folder import filled
from kincast.offline.job_progress import JobProgress, in_words
from kincast.offline.jobs import RefitJob
from kincast.offline.refit_tasks import WrittenTrial
from kincast.offline.run_jobs import Outcome, Status, run_jobs
from kincast.offline.workers import InProcess, Tell
from tests.offline.refit_jobs import jobs_of


class Counted:
    """Stands for fit and results; ``mistakes``, ``bugs``: whose fit fails."""

    def __init__(self, mistakes: tuple[str, ...] = (), bugs: tuple[str, ...] = ()) -> None:
        self.fits: list[str] = []
        self.written: list[str] = []
        self._mistakes = mistakes
        self._bugs = bugs

    def fit_person(self, job: RefitJob, tell: Tell) -> tuple[str, ...]:
        self.fits.append(job.person)
        tell("body")
        if job.person in self._mistakes:
            raise UserMistakeError("only one camera")
        if job.person in self._bugs:
            raise ZeroDivisionError("ours")
        return tuple(path.stem for path in job.recordings)

    def write_trial(self, job: RefitJob, index: int, found: str, tell: Tell) -> tuple[WrittenTrial]:
        folder = job.folders[index]
        with filled(folder, job) as aside:
            (aside / "valid.csv").write_text(found)
        self.written.append(found)
        return (WrittenTrial(folder, 1, 1.0, 0, 0, ()),)


def _use(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> Counted:
    fit, write = counted.fit_person, counted.write_trial
    monkeypatch.setattr(module, "fit_person", fit)
    monkeypatch.setattr(module, "write_trial", write)
    return counted


def _run(jobs: list[RefitJob], again: bool = False) -> tuple[Outcome, ...]:
    return run_jobs(jobs, InProcess(lambda name, line: None), again=again)


def test_everyone_s_recordings_are_written_person_by_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _use(Counted(), monkeypatch)
    jobs = jobs_of(tmp_path, {"P1": 2, "P2": 1})
    outcomes = _run(jobs)
    assert [o.status for o in outcomes] == [Status.DONE, Status.DONE]
    assert counted.written == ["P1-0", "P1-1", "P2-0"]
    assert [t.folder for t in outcomes[0].trials] == list(jobs[0].folders)


def test_what_is_complete_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = _use(Counted(), monkeypatch)
    jobs = jobs_of(tmp_path, {"P1": 2, "P2": 1})
    _run(jobs)
    assert [o.status for o in _run(jobs)] == [Status.KEPT, Status.KEPT]
    assert counted.fits == ["P1", "P2"]
    (jobs[0].folders[1] / "valid.csv").unlink()
    assert [o.status for o in _run(jobs)] == [Status.DONE, Status.KEPT]
    assert [o.status for o in _run(jobs, again=True)] == [Status.DONE, Status.DONE]


def test_who_fails_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(Counted(mistakes=("P1",), bugs=("P2",)), monkeypatch)
    outcomes = _run(jobs_of(tmp_path, {"P1": 1, "P2": 1, "P3": 1}))
    assert [o.status for o in outcomes] == [Status.REFUSED, Status.FAILED, Status.DONE]
    assert str(outcomes[0].error) == "only one camera"
    assert isinstance(outcomes[1].error, ZeroDivisionError)
    assert not list(outcomes[0].job.folders[0].iterdir())


def test_progress_of_all_and_time_left(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, {"P1": 1, "P2": 1, "P3": 1})
    now = [0.0]
    lines: list[str] = []
    progress = JobProgress(jobs, lines.append, lambda: now[0])
    assert progress.left_s() is None
    progress.step("P1", "body")
    now[0] = 60.0
    progress.ended(Outcome(jobs[0], Status.DONE, seconds=60.0))
    assert progress.left_s() == pytest.approx(120.0)
    progress.step("P2", "body")
    progress.step("P3", "body")
    now[0] = 90.0
    assert progress.left_s() == pytest.approx(30.0)
    progress.ended(Outcome(jobs[1], Status.REFUSED, error=UserMistakeError("one camera")))
    now[0] = 150.0
    progress.ended(Outcome(jobs[2], Status.KEPT))
    assert lines[0] == "[0 of 3 done] P1: body"
    assert lines[1] == "[1 of 3 done, about 2 min left] P1: done in 60 s"
    assert "refused: one camera" in lines[-2]
    assert lines[-1] == "[3 of 3 done] P3: complete already"


def test_durations_in_words() -> None:
    assert [in_words(s) for s in (0.2, 89.0, 1200.0, 7200.0)] == [
        "about 1 s",
        "about 89 s",
        "about 20 min",
        "about 2.0 h",
    ]
