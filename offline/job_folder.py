"""A job's results folder: filled aside, then moved in as a whole, so that what looks finished is finished.

``job.json`` is the last file to arrive and the first to go. It names the job by its hash and every file by its own, so
that a folder is known to be complete, and of exactly this job, before it is left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from kincast.models.errors import UserMistakeError
from kincast.offline.file_hash import file_sha256
from kincast.offline.jobs import RefitJob
from kincast.streaming.results import columns
from kincast.streaming.results.errors import FileMissingError

JOB = "job.json"
ASIDE = ".unfinished-"


class FolderInUseError(UserMistakeError):
    """Another refit is writing to the same folder."""


def is_complete(folder: Path, job: RefitJob) -> bool:
    """Whether the folder holds this job's results, every file as it was written."""
    try:
        document = json.loads((folder / JOB).read_text(encoding="utf-8"))
        if document["sha256"] != job.sha256:
            return False
        return all(file_sha256(folder / name) == digest for name, digest in document["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextlib.contextmanager
def filled(folder: Path, job: RefitJob) -> Iterator[Path]:
    """An empty folder to write the results into; they appear in ``folder`` when the block ends well, else not at all.

    Raises:
        FileMissingError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{ASIDE}{uuid4().hex[:8]}"
        aside.mkdir()
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        yield aside
        try:
            _move_in(aside, folder, job)
        except OSError as error:
            raise _cannot_write(folder, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def held(job: RefitJob) -> Iterator[None]:
    """Nobody else writes this job's results meanwhile; what interrupted tasks left aside is thrown away, before and after.

    Raises:
        FolderInUseError: somebody does.
        FileMissingError: the folder cannot be made or written.
    """
    try:
        job.output.mkdir(parents=True, exist_ok=True)
        lock = _lock(job.output)
    except OSError as error:
        raise _cannot_write(job.output, error) from None
    try:
        _throw_away_unfinished(job)
        yield
    finally:
        _throw_away_unfinished(job)
        if lock is not None:
            os.close(lock)


def _throw_away_unfinished(job: RefitJob) -> None:
    for folder in job.folders:
        for left in folder.glob(f"{ASIDE}*"):
            shutil.rmtree(left, ignore_errors=True)


def _lock(folder: Path) -> int | None:
    """Of the folder itself, gone with the process; None where there are no locks (Windows, some network drives)."""
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderInUseError(
            f"another refit is writing to {folder}; wait for it or choose another folder"
        ) from None
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _move_in(aside: Path, folder: Path, job: RefitJob) -> None:
    names = sorted(path.name for path in aside.iterdir())
    document = {
        "sha256": job.sha256,
        "recordings": [
            {"name": path.name, "sha256": digest}
            for path, digest in zip(job.recordings, job.inputs_sha256, strict=True)
        ],
        "files": {name: file_sha256(aside / name) for name in names},
    }
    (aside / JOB).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / JOB).unlink(missing_ok=True)
    (folder / columns.SUMMARY).unlink(missing_ok=True)
    for name in columns.OPTIONAL:  # an earlier run may have left one that this run does not write
        (folder / name).unlink(missing_ok=True)
    last = [name for name in names if name == columns.SUMMARY]
    for name in (*(n for n in names if n not in last), *last, JOB):
        os.replace(aside / name, folder / name)


def _cannot_write(folder: Path, error: OSError) -> FileMissingError:
    return FileMissingError(f"cannot write results to {folder}: {error.strerror or error}")
