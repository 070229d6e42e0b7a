"""``kincast refit``: the offline path over recordings of one person, or of many, into results folders."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from kincast.deploy.cli.meta import read_base
from kincast.deploy.cli.run_options import RunOptionError, check_options, read_body, said_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kincast.offline.jobs import RefitJob, RefitOptions
    from kincast.offline.run_jobs import Outcome
    from kincast.offline.workers import Hear, Workers

JOBS = "jobs.json"


@dataclass(frozen=True)
class Refit:
    """Fit whole recordings at once: the best motion, body and cameras they hold, then kinetics and gait."""

    recordings: Positional[tuple[Path, ...]]
    """Recordings (.mcap), or folders of them: all of one person, unless --by-subject, --people or --cluster says otherwise."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """Folder for the results; with several recordings one folder each, by its file name; with many people one folder per person."""
    body: Path | None = None
    """Body of the person (body.json), held as it is; without it the body is estimated."""
    base: Path | None = None
    """What is known of people (a base body of `kincast meta`) when the body is estimated; without it the literature."""
    fix_cameras: bool = False
    """Hold the recorded calibration; without it the cameras are refined where the data demand it."""
    trajectory: Literal["spline", "implicit"] = "spline"
    """How the motion is represented: B-splines, or a network trained for minutes (docs/trajectories.md)."""
    kinetics: Literal["twin", "optimisation"] = "optimisation"
    """Which kinetics feed the results. Only optimisation exists in this version."""
    muscles: bool = False
    """Muscle activations too (the default)."""
    torques: bool = False
    """Joint torques alone, no muscles."""
    by_subject: bool = False
    """Recordings of many people, told apart by the subject in their headers; those without one stand alone."""
    people: Path | None = None
    """Whose the recordings are, where their headers do not say ([people] P01 = ["a.mcap", "b.mcap"]); implies --by-subject."""
    cluster: bool = False
    """Many people at a time, each in a worker of its own (Ray; extra `cluster`); implies --by-subject."""
    cluster_address: str | None = None
    """A running Ray cluster (HOST:PORT, or auto on one of its computers) instead of workers on this one; implies --cluster."""
    workers: int | None = None
    """How many workers on this computer; without it one per processor core."""
    again: bool = False
    """Refit also what is complete already: same recordings, options and program."""

    def run(self) -> int:
        from kincast.offline.jobs import RefitOptions

        self._check()
        options = RefitOptions(
            body=read_body(self.body),
            base=read_base(self.base),
            fix_cameras=self.fix_cameras,
            trajectory=self.trajectory,
            kinetics=self.kinetics,
            muscles=not self.torques,
            names={"body": str(self.body or ""), "base": str(self.base or "")},
        )
        return self._many(options) if self._is_many else self._one(options)

    @property
    def _on_cluster(self) -> bool:
        return self.cluster or self.cluster_address is not None

    @property
    def _is_many(self) -> bool:
        return self.by_subject or self.people is not None or self._on_cluster

    def _check(self) -> None:
        check_options(self)
        if self.body is not None and self._is_many:
            raise RunOptionError("--body is one person's: refit that person alone, or leave it out")
        if self.workers is not None and (not self.cluster or self.cluster_address is not None):
            raise RunOptionError(
                "--workers are those that --cluster starts on this computer: add --cluster, without an address"
            )
        if self.workers is not None and self.workers < 1:
            raise RunOptionError(f"--workers {self.workers}: at least one is needed")

    def _one(self, options: RefitOptions) -> int:
        """One person, in this process."""
        from kincast.offline.jobs import program_sha256, recordings_in, refit_job
        from kincast.offline.run_jobs import run_jobs
        from kincast.offline.workers import InProcess

        job = refit_job("", recordings_in(self.recordings), self.output, options, program_sha256())
        (outcome,) = run_jobs([job], InProcess(lambda _, line: print(line)), again=self.again)
        _say(outcome)
        if outcome.error is not None:
            raise outcome.error
        return 0

    def _many(self, options: RefitOptions) -> int:
        """Everyone's own, here or on a cluster. 0 where anybody's came out, 2 where nobody's did, 1 where the program failed."""
        from kincast.offline.job_progress import JobProgress
        from kincast.offline.run_jobs import Status, run_jobs

        jobs = self._jobs(options)
        progress = JobProgress(jobs, lambda line: print(line, flush=True))
        with ExitStack() as stack:
            workers = self._workers(progress.step, stack)
            outcomes = run_jobs(jobs, workers, progress.ended, self.again)
        self._write_account(outcomes)
        for outcome in outcomes:
            _say(outcome)
        for outcome in outcomes:
            if outcome.status is Status.REFUSED:
                print(f"kincast: {outcome.job.person}: {outcome.error}", file=sys.stderr)
            elif outcome.status is Status.FAILED:
                print(
                    f"kincast: {outcome.job.person}: failed ({outcome.error}); details in {self.output / JOBS}",
                    file=sys.stderr,
                )
        if any(o.status is Status.FAILED for o in outcomes):
            return 1
        return 0 if any(o.status in (Status.DONE, Status.KEPT) for o in outcomes) else 2

    def _jobs(self, options: RefitOptions) -> list[RefitJob]:
        from kincast.offline.jobs import (
            person_folders,
            program_sha256,
            recordings_by_person,
            recordings_in,
            refit_job,
        )

        recordings, output = recordings_in(self.recordings), self.output
        if self._on_cluster:  # workers stand elsewhere
            recordings, output = tuple(path.absolute() for path in recordings), output.absolute()
        people = recordings_by_person(recordings, self.people)
        if not people:
            raise RunOptionError("refit needs at least one recording (.mcap)")
        folders = person_folders(list(people), output)
        program = program_sha256()
        return [refit_job(name, paths, folders[name], options, program) for name, paths in people.items()]

    def _workers(self, hear: Hear, stack: ExitStack) -> Workers:
        from kincast.offline.workers import InProcess

        if not self._on_cluster:
            return InProcess(hear)
        from kincast.deploy.environment import prepare_process
        from kincast.offline.cluster import RayWorkers, joined_cluster, local_cluster
        from kincast.offline.jobs import program_sha256

        if self.cluster_address is None:
            stack.enter_context(local_cluster(self.workers))
            return RayWorkers(hear)
        stack.enter_context(joined_cluster(self.cluster_address, prepare_process))
        return RayWorkers(hear, program_sha256())

    def _write_account(self, outcomes: Sequence[Outcome]) -> None:
        from kincast.streaming.results.errors import FileMissingError

        rows = [
            {
                "person": o.job.person,
                "status": str(o.status),
                "recordings": [p.name for p in o.job.recordings],
                "folders": [str(f) for f in o.job.folders],
                "seconds": round(o.seconds, 1),
                "error": None if o.error is None else str(o.error),
                "traceback": "".join(traceback.format_exception(o.error)) if o.status == "failed" else None,
            }
            for o in outcomes
        ]
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            (self.output / JOBS).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise FileMissingError(
                f"cannot write results to {self.output}: {error.strerror or error}"
            ) from None


def _say(outcome: Outcome) -> None:
    """What a job came to, folder by folder."""
    if outcome.status == "kept":
        for folder in outcome.job.folders:
            print(
                f"{folder}: complete already, of the same recordings, options and program; --again refits it"
            )
    for trial in outcome.trials:
        if trial.left_out:
            print(f"{trial.folder}: no results, left out: {trial.left_out}")
            continue
        print(said_of(trial.folder, trial.rows, trial.valid_share, trial.events, trial.strides))
        for finding in trial.findings:
            print(f"  finding: {finding}")
        if trial.lost_messages or trial.lost_seconds:
            print(f"  lost: {trial.lost_messages} messages, {trial.lost_seconds:g} s")
