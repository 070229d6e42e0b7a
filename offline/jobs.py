"""A refit as a job: whose recordings, where the results go, and the hash by which it is known to have been done before."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import kincast.models
import kincast.offline
import kincast.streaming
from kincast.models.base_body import BaseBody
from kincast.models.body import BodyParameters
from kincast.models.errors import UserMistakeError
from kincast.offline.file_hash import file_sha256
from kincast.offline.people_file import read_people_file
from kincast.streaming.recording import NotARecordingError, read_recording

_ROOMS = (kincast.models, kincast.streaming, kincast.offline)
_LIBRARIES = (
    "daqp",
    "flax",
    "jax",
    "jaxlib",
    "mujoco",
    "musclemimic-models",
    "numpy",
    "opencv-python-headless",
    "scipy",
)


class ResultFoldersError(UserMistakeError):
    """Several people's results would go into one folder."""


@dataclass(frozen=True)
class RefitOptions:
    """What changes a refit's results. ``names``: what summary.json calls the files given (body, base)."""

    body: BodyParameters | None = None
    base: BaseBody | None = None
    fix_cameras: bool = False
    trajectory: str = "spline"
    kinetics: str = "optimisation"
    muscles: bool = True
    names: dict[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 over everything but the names."""
        document = {
            "body": None if self.body is None else self.body.to_json(),
            "base": None if self.base is None else self.base.to_json(),
            "fix_cameras": self.fix_cameras,
            "trajectory": self.trajectory,
            "kinetics": self.kinetics,
            "muscles": self.muscles,
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RefitJob:
    """One person's recordings, refitted together; a results folder per recording.

    ``inputs_sha256``: of each recording's bytes. ``sha256``: of those, the options and the program; same hash, same results.
    """

    person: str
    recordings: tuple[Path, ...]
    output: Path
    folders: tuple[Path, ...]
    options: RefitOptions
    inputs_sha256: tuple[str, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Bytes to work through, a measure of the time it takes."""
        return sum(path.stat().st_size for path in self.recordings)


def refit_job(
    person: str, recordings: Sequence[Path], output: Path, options: RefitOptions, program: str
) -> RefitJob:
    """The job; ``output`` is the results folder of a single recording, several have one each in it.

    Raises:
        NotARecordingError: a file cannot be read.
    """
    inputs = tuple(recording_sha256(path) for path in recordings)
    identity = "\n".join((*inputs, options.digest(), program))
    return RefitJob(
        person,
        tuple(recordings),
        output,
        result_folders(recordings, output),
        options,
        inputs,
        hashlib.sha256(identity.encode()).hexdigest(),
    )


def recordings_by_person(paths: Sequence[Path], people_file: Path | None = None) -> dict[str, list[Path]]:
    """As the file says (``[people]``, name = [recordings]), else by ``subject_id``, else each recording by itself.

    A file that is no recording stays by itself too: it is refused when its turn comes, and no other job with it.

    Raises:
        PeopleFileError
    """
    named = {} if people_file is None else read_people_file(people_file, paths)[0]
    people: dict[str, list[Path]] = {}
    for path in paths:
        person = named.get(path.resolve()) or _subject(path) or path.stem
        people.setdefault(person, []).append(path)
    return people


def _subject(path: Path) -> str:
    try:
        return read_recording(path).header.subject_id
    except NotARecordingError:
        return ""


def recordings_in(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Files as given, each once; of a folder all recordings in it, by name.

    Raises:
        NotARecordingError: a folder without any.
    """
    return tuple(dict.fromkeys(file for path in paths for file in _files(path)))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(path.glob("*.mcap"))
    if not found:
        raise NotARecordingError(f"there are no recordings (.mcap) in the folder {path}")
    yield from found


def person_folders(people: Sequence[str], output: Path) -> dict[str, Path]:
    """One folder per person, by a name that every file system takes.

    Raises:
        ResultFoldersError: two people's names differ only in what file names cannot hold.
    """
    folders: dict[str, Path] = {}
    by_name: dict[str, str] = {}
    for person in people:
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", person).strip(".") or "_"
        other = by_name.setdefault(name.lower(), person)
        if other != person:
            raise ResultFoldersError(
                f"the results of {other} and {person} would go into one folder, {output / name}; give them other identifiers"
            )
        folders[person] = output / name
    return folders


def result_folders(recordings: Sequence[Path], output: Path) -> tuple[Path, ...]:
    """Where each recording's results go: ``output`` itself, or folders in it by file name where there are several."""
    if len(recordings) == 1:
        return (output,)
    taken: dict[str, int] = {}
    folders = []
    for path in recordings:
        count = taken[path.stem] = taken.get(path.stem, 0) + 1
        folders.append(output / (path.stem if count == 1 else f"{path.stem}-{count}"))
    return tuple(folders)


def recording_sha256(path: Path) -> str:
    """Of a recording's bytes.

    Raises:
        NotARecordingError: it cannot be read.
    """
    try:
        return file_sha256(path)
    except FileNotFoundError:
        raise NotARecordingError(f"there is no file {path}") from None
    except OSError as error:
        raise NotARecordingError(f"{path} cannot be read: {error.strerror or error}") from None


def program_sha256() -> str:
    """Of the source of everything that computes results, and the versions of the libraries it computes with."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        folder = Path(str(room.__file__)).parent
        for source in sorted(folder.rglob("*.py")):
            digest.update(f"{room.__name__}/{source.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    for library in _LIBRARIES:
        digest.update(f"{library} {metadata.version(library)}\n".encode())
    return digest.hexdigest()
