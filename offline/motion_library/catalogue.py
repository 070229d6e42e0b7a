"""What a folder of motion data holds: whose, of which kind, in which split. A TOML file beside the data, written by hand.

schema = "kincast motion catalogue"
version = 1

[people.P01]
split = "train"                 # train, validation or test; without it a hash of the name decides
mass_kg = 71.0                  # optional, as height_m
licence = "own recordings"

[[people.P01.motions]]
kind = "markers"                # markers, cameras, acclaim, bvh
files = ["P01/*.c3d"]           # relative to the data folder
without = ["P01/static.c3d"]    # of those
body_from = ["P01/static.c3d"]  # more to estimate the body from
forces = "P01/{stem}_grf.mot"   # plates (a C3D holds its own); for cameras the folder of the truth
skeleton = "P01/P01.asf"        # acclaim
first_frame = 1                 # bvh: frames before it are a rest pose
stream = "pose"                 # cameras: as for `kincast import`
belt_speed_m_s = 1.2            # where it is known; 0 for a floor
support = "seat"                # cane, seat, rail: what carries the person beside the feet
source = "whose data, where from"

[[left_out]]
files = ["other/*.mot"]
reason = "joint angles of another model alone"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from kincast.models.errors import UserMistakeError
from kincast.offline.motion_library.clip import SUPPORTS
from kincast.offline.motion_library.index import Split, split_of

SCHEMA = "kincast motion catalogue"
VERSION = 1
CATALOGUE = "motions.toml"
DEVELOPMENT = Path(__file__).with_name("development.toml")
"""Of kincast's development data: who is trained, validated and tested on."""

Kind = Literal["markers", "cameras", "acclaim", "bvh"]


class CatalogueError(UserMistakeError):
    """A catalogue of motions cannot be used."""


@dataclass(frozen=True)
class Motions:
    """Trials of one person, of one kind, fitted with one body; ``files`` exist, ``forces`` is a pattern with {stem}."""

    kind: Kind
    files: tuple[Path, ...]
    body_from: tuple[Path, ...] = ()
    forces: str = ""
    skeleton: Path | None = None
    first_frame: int = 0
    stream: str | None = None
    belt_speed_m_s: float | None = None
    support: str = ""
    source: str = ""

    def forces_of(self, data: Path, file: Path) -> Path | None:
        """Where the plates of a trial are, if they are there."""
        if not self.forces:
            return None
        path = data / self.forces.replace("{stem}", file.stem)
        return path if path.exists() else None


@dataclass(frozen=True)
class CataloguePerson:
    """One person, or several who may be one."""

    name: str
    split: Split
    licence: str
    motions: tuple[Motions, ...]
    mass_kg: float | None = None
    height_m: float | None = None


@dataclass(frozen=True)
class LeftOut:
    """Files that are no motion for a library, and why."""

    files: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """A data folder's people; ``absent``: patterns to which no file fits."""

    data: Path
    people: tuple[CataloguePerson, ...]
    left_out: tuple[LeftOut, ...]
    absent: tuple[str, ...]


def read_catalogue(data: Path, file: Path | None = None) -> Catalogue:
    """Of the folder ``data``: from ``file``, else from motions.toml in it, else, where its files are those, the development data's.

    Raises:
        CatalogueError: no such folder or file, not of the form, or about no file of the folder.
    """
    if not data.is_dir():
        raise CatalogueError(f"{data}: no such folder")
    path = file or (data / CATALOGUE if (data / CATALOGUE).is_file() else DEVELOPMENT)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path}: cannot be read ({error})") from None
    if document.get("schema") != SCHEMA or document.get("version") != VERSION:
        raise CatalogueError(
            f'{path}: not a catalogue: it begins with schema = "{SCHEMA}", version = {VERSION}'
        )
    absent: list[str] = []
    try:
        people = tuple(
            _person(data, name, given, absent) for name, given in _table(document.get("people", {})).items()
        )
        left_out = tuple(
            LeftOut(_strings(one["files"]), str(one["reason"])) for one in document.get("left_out", [])
        )
    except (KeyError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CatalogueError(f"{path}: {why}") from None
    if not any(m.files for p in people for m in p.motions):
        hint = (
            ""
            if file
            else f"; write a {CATALOGUE} into it (docs/motion_library.md), or name one with --catalogue"
        )
        raise CatalogueError(f"{data}: holds no file of {path}{hint}")
    return Catalogue(data, people, left_out, tuple(absent))


def _person(data: Path, name: str, given: Any, absent: list[str]) -> CataloguePerson:
    where = f"people.{name}"
    known = ("split", "mass_kg", "height_m", "licence", "motions")
    if unknown := [k for k in _table(given) if k not in known]:
        raise ValueError(f"{where}: {unknown[0]!r} is unknown; known are {', '.join(known)}")
    split = given.get("split", split_of(name))
    if split not in get_args(Split):
        raise ValueError(f"{where}: split {split!r}; valid: {', '.join(get_args(Split))}")
    motions = tuple(_motions(data, where, one, absent) for one in given["motions"])
    numbers = {k: float(given[k]) for k in ("mass_kg", "height_m") if k in given}
    return CataloguePerson(name, split, str(given.get("licence", "")), motions, **numbers)


def _motions(data: Path, where: str, given: Any, absent: list[str]) -> Motions:
    known = {f.name for f in fields(Motions)} | {"without"}
    if unknown := [k for k in _table(given) if k not in known]:
        raise ValueError(f"{where}: {unknown[0]!r} is unknown; known are {', '.join(sorted(known))}")
    if given["kind"] not in get_args(Kind):
        raise ValueError(f"{where}: kind {given['kind']!r}; valid: {', '.join(get_args(Kind))}")
    if given.get("support", "") not in ("", *SUPPORTS):
        raise ValueError(f"{where}: support {given['support']!r}; valid: {', '.join(SUPPORTS)}")
    if given["kind"] == "acclaim" and "skeleton" not in given:
        raise ValueError(f"{where}: motions of kind acclaim need their skeleton (.asf)")
    without = set(_found(data, given.get("without", ()), []))
    files = tuple(f for f in _found(data, given["files"], absent) if f not in without)
    belt = given.get("belt_speed_m_s")
    return Motions(
        kind=given["kind"],
        files=files,
        body_from=_found(data, given.get("body_from", ()), absent),
        forces=str(given.get("forces", "")),
        skeleton=data / given["skeleton"] if "skeleton" in given else None,
        first_frame=int(given.get("first_frame", 0)),
        stream=given.get("stream"),
        belt_speed_m_s=None if belt is None else float(belt),
        support=given.get("support", ""),
        source=str(given.get("source", "")),
    )


def _found(data: Path, patterns: Any, absent: list[str]) -> tuple[Path, ...]:
    """Files or folders that fit, once each, in the order of the patterns."""
    found: dict[Path, None] = {}
    for pattern in _strings(patterns):
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ValueError(f"{pattern!r} lies outside the data folder")
        paths = sorted(data.glob(pattern))
        if not paths:
            absent.append(pattern)
        found |= dict.fromkeys(paths)
    return tuple(found)


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{value!r}: expected a name or a list of names")
    return tuple(value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r}: expected a table")
    return value
