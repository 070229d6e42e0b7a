"""Refit jobs over files that are no recordings, and tasks that only count: what running jobs does, without the fit."""

from __future__ import annotations

from pathlib import Path

from kincast.offline.jobs import RefitJob, RefitOptions, person_folders, refit_job


def jobs_of(root: Path, people: dict[str, int], output: str = "out") -> list[RefitJob]:
    """``people``: name -> how many recordings; files are made where they are missing."""
    root.mkdir(exist_ok=True)
    folders = person_folders(list(people), root / output)
    jobs = []
    for person, count in people.items():
        paths = [root / f"{person}-{i}.mcap" for i in range(count)]
        for path in paths:
            if not path.exists():
                path.write_bytes(f"{path.name} holds this".encode())
        jobs.append(refit_job(person, paths, folders[person], RefitOptions(), "program"))
    return jobs
