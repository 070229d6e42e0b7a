"""OpenPose JSON: one folder per camera (or a zip of such folders), one file per picture.

The files carry no time: picture n of every camera was taken at n / frame rate. n is the last number of the
file name (``cam01.0042.json``, ``walk_000000000042_keypoints.json``).
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kincast.models.body.sites import KEYPOINT_SETS
from kincast.models.camera import Camera
from kincast.streaming.importers.assemble import Picture, assemble
from kincast.streaming.importers.cameras import match_cameras, natural_key
from kincast.streaming.importers.errors import FrameRateMissingError, NothingReadableError
from kincast.streaming.importers.keypoint_sets import resolve
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.people import PeopleParser, keypoint_counts
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.results.errors import DuplicateCameraError, FileMissingError

MAX_FILE_BYTES = 1 << 20
_NUMBER = re.compile(r"(\d{1,12})(?:_keypoints)?\.json$", re.IGNORECASE)


@dataclass(frozen=True)
class JsonFolders:
    """Where the pictures are: camera folder -> {picture number: file}; ``archive`` when they are zip members."""

    name: str
    folders: Mapping[str, Mapping[int, str]]
    archive: zipfile.ZipFile | None = None

    def close(self) -> None:
        """Let go of the archive, if there is one."""
        if self.archive is not None:
            self.archive.close()

    def read(self, member: str) -> bytes | None:
        """Contents of one file, or None if it is unreadable or too large."""
        try:
            if self.archive is None:
                path = Path(member)
                return path.read_bytes() if path.stat().st_size <= MAX_FILE_BYTES else None
            with self.archive.open(member) as file:
                data = file.read(MAX_FILE_BYTES + 1)
            return data if len(data) <= MAX_FILE_BYTES else None
        except (
            OSError,
            EOFError,
            ValueError,
            RuntimeError,
            zlib.error,
            zipfile.BadZipFile,
            NotImplementedError,
        ):
            return None


def json_folders(folder: Path) -> JsonFolders:
    """Camera folders below ``folder``: those that directly hold numbered .json files; never below one named truth."""
    found: dict[str, dict[int, str]] = {}
    candidates = [
        folder,
        *sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: natural_key(p.name)),
    ]
    for candidate in candidates:
        if candidate.name.lower() == "truth":
            continue
        pictures = _numbered(
            [str(p) for p in candidate.iterdir() if p.suffix.lower() == ".json"], candidate.name
        )
        if pictures:
            found[candidate.name] = pictures
    return JsonFolders(folder.name, found)


def json_folders_in_zip(path: Path) -> JsonFolders:
    """Camera folders inside a zip file.

    Raises:
        FileMissingError: it is not a readable zip file.
        DuplicateCameraError: two folders have the same name.
    """
    try:
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError) as error:
        raise FileMissingError(f"{path}: not a readable zip file ({error})") from None
    parents: dict[PurePosixPath, list[str]] = {}
    for name in names:
        member = PurePosixPath(name)
        if member.suffix.lower() == ".json" and "truth" not in (part.lower() for part in member.parts[:-1]):
            parents.setdefault(member.parent, []).append(name)
    found: dict[str, dict[int, str]] = {}
    for parent in sorted(parents, key=lambda p: natural_key(str(p))):
        if parent.name in found:
            raise DuplicateCameraError(f"{path.name}: two folders are named {parent.name}; keep one")
        pictures = _numbered(parents[parent], parent.name)
        if pictures:
            found[parent.name or path.stem] = pictures
    return JsonFolders(path.stem, found, archive)


def _numbered(files: Sequence[str], where: str) -> dict[int, str]:
    numbered: dict[int, str] = {}
    for file in sorted(files):
        match = _NUMBER.search(file)
        if match is None:
            continue
        number = int(match.group(1))
        if number in numbered:
            raise DuplicateCameraError(
                f"{where}: {PurePosixPath(numbered[number]).name} and {PurePosixPath(file).name} are both picture "
                f"{number}; put every camera into its own folder"
            )
        numbered[number] = file
    return numbered


def import_json_folders(
    source: JsonFolders,
    cameras: Sequence[Camera],
    options: ImportOptions,
    losses: Losses,
    *,
    kind: str,
    session_id: str,
) -> ImportedRecording:
    """Read all pictures. ``options.frame_rate_hz`` must be known.

    Raises:
        FrameRateMissingError: it is not.
        KeypointSetError, CalibrationMissingError, DuplicateCameraError, NothingReadableError: see there.
    """
    if options.frame_rate_hz is None:
        raise FrameRateMissingError(
            f"{source.name}: OpenPose JSON carries no time; give the frame rate with --fps"
        )
    if not source.folders:
        raise NothingReadableError(f"{source.name}: no numbered .json file in it or its folders")
    by_stream = match_cameras(list(source.folders), cameras, source.name, losses, by_order=True)
    keypoint_set = resolve(_most_common_count(source), options.keypoint_set, source.name)
    pictures: dict[str, list[Picture]] = {}
    parser = PeopleParser(len(KEYPOINT_SETS[keypoint_set]), losses)
    for stream, files in source.folders.items():
        if stream not in by_stream:
            losses.frame(stream, "pictures of a camera without calibration", len(files))
            continue
        camera = by_stream[stream]
        pictures[camera.name] = []
        for number, people in _people(source, files):
            array = parser.parse(people, camera.size_px)
            if array is None:
                losses.frame(camera.name, "pictures whose file is damaged")
                continue
            t_ns = round(number * 1e9 / options.frame_rate_hz)
            pictures[camera.name].append(Picture(number, t_ns, array))
    return assemble(
        session_id=session_id,
        source=f"{kind} {source.name}",
        keypoint_set=keypoint_set,
        cameras=cameras,
        pictures=pictures,
        truncated=(),
        options=options,
        losses=losses,
    )


def _people(source: JsonFolders, files: Mapping[int, str]) -> Iterator[tuple[int, object]]:
    for number, member in sorted(files.items()):
        data = source.read(member)
        try:
            document = json.loads(data) if data is not None else None
        except (ValueError, RecursionError):
            document = None
        yield number, document.get("people") if isinstance(document, dict) else None


def _most_common_count(source: JsonFolders) -> int:
    counts: Counter[int] = Counter()
    for files in source.folders.values():
        seen = 0
        for _, people in _people(source, files):
            found = keypoint_counts(people)
            counts += found
            seen += bool(found)
            if seen >= 10:
                break
    if not counts:
        raise NothingReadableError(f"{source.name}: nobody was detected in any readable picture")
    return counts.most_common(1)[0][0]
