"""What cannot be refitted, said before the work: nobody in view, one view alone, several people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.calibrate import DifferentPeopleError
from kincast.offline.observe import observe_with_findings
from kincast.offline.person_change import change_row, parts
from kincast.offline.same_person import are_two_people, log_odds, shape_evidence
from kincast.streaming.messages import SessionHeader

LEAST_CONFIDENCE = 0.3
LEAST_KEYPOINTS = 6
LEAST_INSTANTS = 8


class TooFewViewsError(UserMistakeError):
    """Nobody can be reconstructed: no camera, or a single one, sees the person."""


class DifferentKeypointSetsError(UserMistakeError):
    """Recordings through several keypoint sets: one body has one set of sites."""


@dataclass(frozen=True)
class Usable:
    """Recordings that show a person to two cameras at a time, what they show, what of them was not used, and why others were left out."""

    paths: tuple[Path, ...]
    seen: tuple[tuple[SessionHeader, Observations], ...]
    notes: Mapping[Path, tuple[str, ...]]
    left_out: Mapping[Path, str]


def usable(paths: Sequence[Path]) -> Usable:
    """Read them all; one that is no use is left out while another is of use.

    Raises:
        DifferentKeypointSetsError
        TooFewViewsError, NotARecordingError, NothingRecordedError: no recording is usable.
    """
    seen: dict[Path, tuple[SessionHeader, Observations]] = {}
    notes: dict[Path, tuple[str, ...]] = {}
    errors: dict[Path, UserMistakeError] = {}
    for path in paths:
        try:
            header, observations, said = observe_with_findings(path)
            require_views(path.stem, observations)
        except UserMistakeError as error:
            errors[path] = error
        else:
            seen[path], notes[path] = (header, observations), said
    if not seen:
        if len(errors) == 1:
            raise next(iter(errors.values()))
        raise TooFewViewsError("none of the recordings can be used: " + "; ".join(map(str, errors.values())))
    sets: dict[str, list[str]] = {}
    for path, (header, _) in seen.items():
        sets.setdefault(header.keypoint_set, []).append(path.stem)
    if len(sets) > 1:
        listed = "; ".join(f"{name}: {', '.join(stems)}" for name, stems in sets.items())
        raise DifferentKeypointSetsError(
            f"the recordings are of different keypoint sets ({listed}): refit those of one set at a time"
        )
    left_out = {path: str(error) for path, error in errors.items()}
    return Usable(tuple(seen), tuple(seen.values()), notes, left_out)


def require_views(name: str, observations: Observations) -> None:
    """Refuse what holds no depth.

    Raises:
        TooFewViewsError: never do two cameras see the person at a time.
    """
    if observations.markers is not None:
        return
    confidence = observations.keypoints[..., 2]
    seen = (confidence >= LEAST_CONFIDENCE).sum(axis=2) >= LEAST_KEYPOINTS
    cameras = [c.name for c in observations.cameras]
    usable = [c for c, s in zip(cameras, seen.T, strict=True) if s.sum() >= LEAST_INSTANTS]
    if not usable:
        raise TooFewViewsError(f"{name}: no camera sees a person ({_why_unseen(cameras, confidence)})")
    if len(usable) == 1:
        raise TooFewViewsError(
            f"{name}: only camera {usable[0]} sees the person. One view tells cadence and angles in the picture's plane,"
            " not depth, and so neither joint angles in space nor forces; record with two or more cameras at least 30 degrees apart"
        )
    if (seen.sum(axis=1) >= 2).sum() < LEAST_INSTANTS:
        raise TooFewViewsError(
            f"{name}: never do two cameras see the person at the same time (cameras that do: {', '.join(usable)}), and one"
            " view at a time tells no depth; aim the cameras at one place, and check that their clocks agree"
        )


def _why_unseen(cameras: list[str], confidence: Float[np.ndarray, "time camera keypoint"]) -> str:
    if not cameras:
        return "the recording's session has no cameras; record or import it with the rig's calibration"
    listed = ", ".join(cameras)
    if not (confidence > 0).any():
        return f"nobody was detected by {listed}; check that the person was in view and that the detector ran"
    middle = float(np.median(confidence[confidence > 0]))
    return (
        f"cameras {listed} detect keypoints with a confidence of {middle:.2f} in the middle, and from {LEAST_CONFIDENCE} on"
        " they are used; check light, focus and the detector, and that it writes confidences from 0 to 1"
    )


def require_one_person(headers: Sequence[SessionHeader]) -> None:
    """Refuse recordings whose headers name different people or measures.

    Raises:
        DifferentPeopleError
    """
    subjects = sorted({h.subject_id for h in headers if h.subject_id})
    if len(subjects) > 1:
        raise DifferentPeopleError(
            f"the recordings are of different people ({', '.join(subjects)}); refit those of one person at a time, or"
            " all of them with --by-subject"
        )
    for what, tolerance, values in (
        ("mass (kg)", 0.05, [h.mass_kg for h in headers]),
        ("height (m)", 0.02, [h.height_m for h in headers]),
    ):
        known = [v for v in values if v is not None]
        if known and max(known) > (1.0 + tolerance) * min(known):
            raise DifferentPeopleError(
                f"the recordings disagree on the person's {what}: {min(known):g} and {max(known):g}; import them with"
                " one value if it is one person, else refit them one by one"
            )


def require_one_body(
    recordings: Sequence[Observations], names: Sequence[str], base: BaseBody | None = None
) -> None:
    """Refuse recordings whose bodies are surely two people's.

    Raises:
        DifferentPeopleError
    """
    if len(recordings) < 2:
        return
    base = base or generic_base(recordings[0].keypoint_set)
    found = [(name, shape_evidence(r, base)) for name, r in zip(names, recordings, strict=True)]
    known = [(name, e) for name, e in found if e is not None]
    pairs = [(log_odds(a, b, base), i, j) for (i, (_, a)), (j, (_, b)) in combinations(enumerate(known), 2)]
    if not pairs:
        return
    _, first, second = min(pairs)
    one, other = known[first][1], known[second][1]
    if not are_two_people(one, other, base):
        return
    sides: tuple[list[str], list[str]] = ([], [])
    for name, evidence in known:
        nearer = log_odds(evidence, one, base) >= log_odds(evidence, other, base) and evidence is not other
        sides[0 if nearer else 1].append(name)
    raise DifferentPeopleError(
        f"the recordings do not show the same person: {', '.join(sides[0])} against {', '.join(sides[1])} differ in size by"
        f" {abs(np.log(one.size / other.size)):.0%}, and in proportions and places of the {_points(recordings[0])} by far"
        " more than the recordings leave open. Refit each person's by themselves; if it is one person (other clothes or"
        " shoes, another detector, markers placed anew), refit the recordings one by one; else check the calibration of both"
    )


def require_no_change(
    name: str, header: SessionHeader, observations: Observations, base: BaseBody | None = None
) -> None:
    """Refuse a recording in which another person takes over.

    Raises:
        DifferentPeopleError
    """
    row = change_row(observations)
    if row is None:
        return
    base = base or generic_base(observations.keypoint_set)
    before, after = (shape_evidence(part, base) for part in parts(observations, row))
    if before is None or after is None or not are_two_people(before, after, base):
        return
    times_ns = observations.reference_t_ns if observations.marker_t_ns is None else observations.marker_t_ns
    at_s = (int(times_ns[row]) - header.start_ns) * 1e-9
    raise DifferentPeopleError(
        f"{name} shows two people one after the other: from about {at_s:.1f} s on the body is another"
        f" ({abs(np.log(after.size / before.size)):.0%} {'larger' if after.size > before.size else 'smaller'}, and with"
        " other proportions). Record each person in a recording of their own, without the therapist in front of the cameras"
    )


def _points(observations: Observations) -> str:
    return "keypoints" if observations.markers is None else "markers"
