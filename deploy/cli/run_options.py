"""What ``kincast replay`` and ``kincast refit`` share: options that must agree, files they take, what they say at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kincast.models.errors import UserMistakeError

if TYPE_CHECKING:
    from kincast.models.body import BodyParameters


class RunOptionError(UserMistakeError):
    """Options that contradict each other or name what does not exist."""


class RunOptions(Protocol):
    """The options in question."""

    @property
    def body(self) -> Path | None: ...
    @property
    def base(self) -> Path | None: ...
    @property
    def kinetics(self) -> str: ...
    @property
    def muscles(self) -> bool: ...
    @property
    def torques(self) -> bool: ...


def check_options(options: RunOptions) -> None:
    """Before anything is read.

    Raises:
        RunOptionError
    """
    if options.muscles and options.torques:
        raise RunOptionError("--muscles and --torques exclude each other: choose one")
    if options.kinetics == "twin":
        raise RunOptionError("--kinetics twin: no learned twin ships with this version; choose: optimisation")
    if options.body is not None and options.base is not None:
        raise RunOptionError("--body is a known person, --base serves to estimate an unknown one: choose one")


def read_body(path: Path | None) -> BodyParameters | None:
    """The body file, or None where none is named.

    Raises:
        RunOptionError: the file cannot be read; BodyParametersError: it is not a body.
    """
    if path is None:
        return None
    from kincast.models.body import BodyParameters

    try:
        return BodyParameters.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RunOptionError(f"--body {path}: cannot be read ({error})") from None


def said_of(folder: Path, rows: int, valid_share: float, events: int, strides: int) -> str:
    """One line about what was written."""
    return f"{folder}: {rows} rows, {valid_share:.0%} with valid kinematics, {events} gait events, {strides} strides"
