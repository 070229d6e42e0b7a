"""``kincast meta``: a better base body from many people.

    recordings -> people -> body fit of each with the present base -> evidence -> population = next base -> ...

The population of Gaussian evidence is solved to the end every round (:mod:`kincast.offline.population`), so a round
only renews where the fits were linearised; two or three are enough. At the end everyone is judged with a base
learned from others (:mod:`kincast.offline.meta_check`), and the base carries the verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body_fit import BodyFit, BodyFitConfig, fit_body
from kincast.models.body_problem import MeasuredAngles
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.file_hash import file_sha256
from kincast.offline.meta_check import LeftOut, Trial, bases_of_others, left_out
from kincast.offline.observe import observe
from kincast.offline.people_file import measured_angles, read_people_file
from kincast.offline.population import Evidence, PopulationConfig, evidence_of, learned_base

Tell = Callable[[str], None]
MIN_PEOPLE = 3
"""Fewer people say what they are, not what people are."""


class TooFewPeopleError(UserMistakeError):
    """A base body takes several people, each with recordings that show them well."""


@dataclass(frozen=True)
class Person:
    """Recordings of one person through one keypoint set; ``measured``: their optical joint angles where there are."""

    name: str
    observations: tuple[Observations, ...]
    mass_kg: float | None = None
    height_m: float | None = None
    measured: tuple[MeasuredAngles | None, ...] = ()


@dataclass(frozen=True)
class MetaConfig:
    """``rounds`` of body fits and population in turn; ``check``: judge the base on people left out."""

    rounds: int = 2
    check: bool = True
    population: PopulationConfig = field(default_factory=PopulationConfig)
    fit: BodyFitConfig = field(default_factory=BodyFitConfig)


@dataclass(frozen=True)
class Meta:
    """The base learned, the people used with what each said at last, why others were not used, and how it does."""

    base: BaseBody
    evidence: Mapping[str, Evidence]
    unused: Mapping[str, str]
    check: LeftOut | None = None


def meta_fit(
    people: Sequence[Person], config: MetaConfig | None = None, tell: Tell = lambda line: None
) -> Meta:
    """Learn the base from ``people``.

    Raises:
        TooFewPeopleError: fewer than three people are of one keypoint set and well seen.
    """
    config = config or MetaConfig()
    keypoint_set = _one_set(people)
    first = config.fit.base or generic_base(keypoint_set)
    base, evidence, unused = first, {}, {}
    for round_ in range(config.rounds):
        evidence, unused = {}, {}
        for person in people:
            try:
                evidence[person.name] = evidence_of(person_fit(person, base, config.fit), base)
            except UserMistakeError as error:
                unused[person.name] = str(error)
        if len(evidence) < MIN_PEOPLE:
            raise TooFewPeopleError(
                f"a base body takes at least {MIN_PEOPLE} people who are well seen; there are {len(evidence)}"
                + "".join(f"; {name}: {why}" for name, why in unused.items())
            )
        base = learned_base(first, list(evidence.values()), config.population)
        tell(
            f"round {round_ + 1}: {len(evidence)} people, {moved_mm(first, base):.1f} mm from the earlier base"
        )
    base = replace(base, recordings=sum(len(p.observations) for p in people if p.name in evidence))
    if not config.check:
        return Meta(base, evidence, unused)
    tell(f"judging on people left out: {len(evidence)} people, twice")
    found = left_out(
        {p.name: _judged_trial(p) for p in people if p.name in evidence},
        first,
        bases_of_others(first, evidence, config.population),
        config.fit,
    )
    return Meta(replace(base, verdict=found.verdict(), left_out=found.medians()), evidence, unused, found)


def _judged_trial(person: Person) -> Trial:
    """The first recording with measured angles, or the first. A fitted length is no truth to judge lengths by."""
    measured = (*person.measured, *[None] * (len(person.observations) - len(person.measured)))
    known = next((i for i, one in enumerate(measured) if one is not None), 0)
    return Trial(person.observations[known], measured[known])


def person_fit(person: Person, base: BaseBody, config: BodyFitConfig) -> BodyFit:
    """The body of one person.

    Raises:
        TooLittleSeenError, UnlikePersonError
    """
    return fit_body(
        list(person.observations),
        mass_kg=person.mass_kg,
        height_m=person.height_m,
        measured=person.measured,
        config=replace(config, base=base),
    )


def moved_mm(first: BaseBody, second: BaseBody) -> float:
    """How far (mm, root mean square over the sites) two bases put their sites apart."""
    apart = (second.mean[8:] - first.mean[8:]).reshape(-1, 3)
    return float(1000.0 * np.sqrt((apart**2).sum(axis=1).mean()))


def people_of(paths: Sequence[Path], people_file: Path | None = None) -> list[Person]:
    """Recordings by person: as the file says (``[people]``, name = [recordings]), else by ``subject_id``.

    A recording whose header names nobody, and that the file does not name, is taken as a person of its own.
    The file's ``[optical]`` (recording = .mot file or trial folder, on the recording's clock) tells measured joint angles.

    Raises:
        PeopleFileError, NotARecordingError, NothingRecordedError; TruthMissingError: no joint angles there.
    """
    named, optical = ({}, {}) if people_file is None else read_people_file(people_file, paths)
    members: dict[str, list] = {}
    for path in paths:
        header, observations = observe(path)
        name = named.get(path.resolve()) or header.subject_id or f"recording {path.stem}"
        place = optical.get(path.resolve())
        measured = None if place is None else measured_angles(place, header.session_id)
        members.setdefault(name, []).append((header, observations, measured))
    return [
        Person(
            name,
            tuple(observations for _, observations, _ in rows),
            next((h.mass_kg for h, _, _ in rows if h.mass_kg is not None), None),
            next((h.height_m for h, _, _ in rows if h.height_m is not None), None),
            tuple(measured for _, _, measured in rows),
        )
        for name, rows in members.items()
    ]


def inputs_sha256(paths: Sequence[Path]) -> str:
    """Of the recordings' bytes, whatever their order and names."""
    digests = sorted(file_sha256(path) for path in paths)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _one_set(people: Sequence[Person]) -> str:
    sets = sorted({o.keypoint_set for person in people for o in person.observations})
    if not sets:
        raise TooFewPeopleError("no recordings were given to learn a base body from")
    if len(sets) > 1:
        raise TooFewPeopleError(f"a base body is of one keypoint set; the recordings have {', '.join(sets)}")
    return sets[0]
