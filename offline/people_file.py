"""Whose recordings are, and which of them have optical joint angles beside them: the ``people.toml`` of ``kincast meta``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kincast.models.body_prior import POSTURE
from kincast.models.body_problem import MeasuredAngles
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.errors import UserMistakeError
from kincast.offline.truth import read_truth


class PeopleFileError(UserMistakeError):
    """The file that says which recordings are whose cannot be used."""


def read_people_file(people_file: Path, paths: Sequence[Path]) -> tuple[dict[Path, str], dict[Path, Path]]:
    """Recording -> person, and recording -> place of its optical angles; places are relative to the file.

    Raises:
        PeopleFileError: unreadable, not of the form, or about recordings that were not given.
    """
    try:
        document = tomllib.loads(people_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PeopleFileError(f"{people_file}: cannot be read ({error})") from None
    people, optical = document.get("people", {}), document.get("optical", {})
    if not isinstance(people, dict) or not all(
        isinstance(v, list) and all(isinstance(name, str) for name in v) for v in people.values()
    ):
        raise PeopleFileError(
            f'{people_file}: expected a table [people] with lines like P01 = ["a.mcap", "b.mcap"]'
        )
    if not isinstance(optical, dict) or not all(isinstance(v, str) for v in optical.values()):
        raise PeopleFileError(f'{people_file}: expected a table [optical] with lines like "a.mcap" = "a.mot"')
    given = {path.resolve() for path in paths}
    named: dict[Path, str] = {}
    for person, names in people.items():
        for name in names:
            path = _given(people_file, name, given)
            if path in named:
                raise PeopleFileError(f"{people_file}: {name} is listed for both {named[path]} and {person}")
            named[path] = person
    places = {_given(people_file, name, given): people_file.parent / place for name, place in optical.items()}
    return named, places


def _given(people_file: Path, name: str, given: set[Path]) -> Path:
    path = (people_file.parent / name).resolve()
    if path not in given:
        raise PeopleFileError(f"{people_file}: {name} is not among the recordings given")
    return path


def measured_angles(place: Path, trial: str) -> MeasuredAngles:
    """Joint angles of a trial by optical motion capture; pelvis tilt and list are left out: models define the pelvis apart.

    Raises:
        TruthMissingError and the errors of the file readers.
    """
    truth = read_truth(place, trial)
    motion = truth.motion
    angles = np.full((len(motion.time_s), len(POSTURE)), np.nan)
    for name in JOINT_COORDINATES:
        # a column that never moves was not measured but held by the source
        if name in motion.columns and np.ptp(motion.column(name)) > 0:
            sign = truth.knee_sign if name.startswith("knee_angle") else 1
            angles[:, POSTURE.index(name)] = np.radians(sign * motion.column(name))
    return MeasuredAngles(np.round(motion.time_s * 1e9).astype(np.int64), angles)
