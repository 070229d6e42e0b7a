"""A motion library on disk: one file per clip and ``library.json``, which says what is in it, what was kept out and why.

People are split, never clips: whoever is tested on was never seen, under no name, mirrored or scaled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from kincast.models.errors import UserMistakeError
from kincast.offline.file_hash import file_sha256
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.gates import Reason
from kincast.offline.motion_library.storage import read_clip

SCHEMA = "kincast motion library"
VERSION = 2
"""2: a third split, variants and their originals, support beside the feet, keys of what clips were made from."""
INDEX = "library.json"
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1

Split = Literal["train", "validation", "test"]


class LibraryFormatError(UserMistakeError):
    """A folder is not a motion library of this version, or its index does not agree with its files."""


@dataclass(frozen=True)
class Entry:
    """One clip of the library; ``file`` is relative to the folder, ``measured_s`` how long plates saw a foot.

    ``key`` says what it was made from, ``made_of`` the name of the clip it is a variant of, ``changes`` how; ``support``: what
    carries the person beside the feet ("" nothing).
    """

    name: str
    person: str
    split: Split
    file: str
    sha256: str
    seconds: float
    poses: int
    measured_s: float
    method: str
    source: str
    licence: str
    key: str
    made_of: str
    changes: tuple[str, ...]
    support: str


@dataclass(frozen=True)
class Rejected:
    """A motion that was kept out."""

    name: str
    person: str
    source: str
    reasons: tuple[Reason, ...]
    key: str
    made_of: str = ""


@dataclass(frozen=True)
class Index:
    """Content of ``library.json``."""

    entries: tuple[Entry, ...]
    rejected: tuple[Rejected, ...] = ()

    def to_json(self) -> str:
        document = {"schema": SCHEMA, "version": VERSION, **asdict(self)}
        return json.dumps(document, indent=1, allow_nan=False) + "\n"


def split_of(person: str) -> Split:
    """Where a person belongs when nobody says: by a hash of the name, about one in five is tested on, one in ten validated on."""
    place = int.from_bytes(hashlib.sha256(person.encode()).digest()[:4], "big") / 2**32
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


class Library:
    """A library opened for reading.

    Raises:
        LibraryFormatError: no such folder, no index, another version, or a person in both splits.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = read_index(folder)

    def entries(
        self, split: Split | None = None, supported: bool = False, variants: bool = True
    ) -> tuple[Entry, ...]:
        """Those of ``split``; motions that a seat or a cane helps to carry only where ``supported``, made-up variants only where ``variants``."""
        return tuple(
            e
            for e in self.index.entries
            if (split is None or e.split == split)
            and (supported or not e.support)
            and (variants or not e.made_of)
        )

    def clips(
        self, split: Split | None = None, supported: bool = False, variants: bool = True
    ) -> Iterator[Clip]:
        """The clips, one after the other; a file that was changed since is refused."""
        for entry in self.entries(split, supported, variants):
            yield self.clip(entry)

    def clip(self, entry: Entry) -> Clip:
        path = self.folder / entry.file
        if not path.is_file() or file_sha256(path) != entry.sha256:
            raise LibraryFormatError(
                f"{path}: missing, or not the file that {INDEX} speaks of; build the library anew"
            )
        return read_clip(path)


def read_index(folder: Path) -> Index:
    """Read ``library.json``.

    Raises:
        LibraryFormatError
    """
    path = folder / INDEX
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LibraryFormatError(f"{path}: not readable ({error})") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise LibraryFormatError(f"{path}: not a {SCHEMA}")
    if document.get("version") != VERSION:
        raise LibraryFormatError(
            f"{path}: version {document.get('version')}; this kincast reads {VERSION}: build the library anew"
        )
    try:
        index = Index(
            tuple(_entry(e) for e in document["entries"]),
            tuple(
                Rejected(**{**r, "reasons": tuple(Reason(**x) for x in r["reasons"])})
                for r in document["rejected"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LibraryFormatError(f"{path}: damaged ({error})") from None
    splits: dict[str, str] = {}
    for entry in index.entries:
        if splits.setdefault(entry.person, entry.split) != entry.split:
            raise LibraryFormatError(f"{path}: {entry.person} is in two splits, {entry.split} and another")
    return index


def _entry(document: dict[str, Any]) -> Entry:
    entry = Entry(**{**document, "changes": tuple(document["changes"])})
    if entry.split not in get_args(Split):
        raise ValueError(f"split {entry.split!r}")
    if Path(entry.file).is_absolute() or ".." in Path(entry.file).parts:
        raise ValueError(f"file {entry.file!r} lies outside the library")
    return entry


def entry_of(clip: Clip, file: str, folder: Path, split: Split, key: str, made_of: str = "") -> Entry:
    """What the index says of a clip that was written to ``folder / file``."""
    measured_s = 0.0
    if clip.forces is not None and len(clip.t_ns) > 1:
        measured_s = float(clip.forces.measured.any(axis=1).mean()) * clip.seconds
    return Entry(
        name=clip.name,
        person=clip.person,
        split=split,
        file=file,
        sha256=file_sha256(folder / file),
        seconds=round(clip.seconds, 3),
        poses=len(clip.t_ns),
        measured_s=round(measured_s, 3),
        method=clip.origin.method,
        source=clip.origin.source,
        licence=clip.origin.licence,
        key=key,
        made_of=made_of,
        changes=clip.origin.changes,
        support=clip.support.kind if clip.support else "",
    )
