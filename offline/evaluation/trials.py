"""What a twin is to follow, with all that was measured of it: clips of a library, or refitted recordings beside their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kincast.models.errors import UserMistakeError
from kincast.offline.motion_library.build import Judged, judged
from kincast.offline.motion_library.clip import Clip
from kincast.offline.motion_library.from_results import motions_of_results
from kincast.offline.motion_library.index import Library, Split
from kincast.offline.truth import Truth, TruthForces, read_truth
from kincast.streaming.results import columns
from kincast.streaming.results.reader import read_results
from kincast.streaming.results.storage import Storage, read_storage


class NothingToEvaluateError(UserMistakeError):
    """There is no motion to follow."""


@dataclass(frozen=True)
class Trial:
    """One motion to follow.

    Attributes:
        plates: measured forces on the clip's clock and in its frame; None where no plate saw a foot.
        truth: everything else measured, on its own clock; there the clip begins at ``start_s``.
        optimised: activations (static optimisation over the same motion), on the clip's clock; ``emg``: measured ones, on the truth's.
    """

    name: str
    person: str
    clip: Clip
    plates: TruthForces | None = None
    truth: Truth | None = None
    start_s: float = 0.0
    optimised: Storage | None = None
    emg: Storage | None = None


@dataclass(frozen=True)
class KeptOut:
    """A motion that no twin can follow, and why."""

    name: str
    person: str
    reasons: tuple[str, ...]


def library_trials(library: Library, split: Split | None) -> Iterator[Trial]:
    """The clips of a split (None: all). Plates are known at the clip's own instants: events are as exact as those are dense.

    Raises:
        NothingToEvaluateError
        LibraryFormatError, ClipFormatError: a file of the library is missing, changed or damaged.
    """
    entries = library.entries(split)
    if not entries:
        raise NothingToEvaluateError(f"{library.folder}: no clip in split {split or 'train or test'}")
    for entry in entries:
        clip = library.clip(entry)
        yield Trial(entry.name, entry.person, clip, _plates_of_clip(clip))


def results_trials(
    folder: Path, truth_place: Path | None = None, emg: Path | None = None, person: str = ""
) -> Iterator[Trial | KeptOut]:
    """The motions of a results folder of refit or replay.

    Raises:
        NoBodyError: no body.json in the folder.
        TruthMissingError, and the errors of the file readers.
    """
    results = read_results(folder)
    session = str(results.summary.get("session_id") or folder.name)
    who = person or str(results.summary.get("subject_id") or session)
    truth = None
    if truth_place is not None:
        truth = read_truth(truth_place, session, results.body.mass_kg if results.body else None)
    measured = None if emg is None else read_storage(emg)
    plates = None if truth is None else truth.forces
    path = folder / columns.ACTIVATIONS
    optimised = read_storage(path) if path.is_file() else None
    begin_s = int(results.summary.get("start_ns", 0)) * 1e-9
    for motion in motions_of_results(folder, who, plates=plates):
        answer = judged(motion)
        if answer.clip is None:
            yield KeptOut(motion.name, who, tuple(r.sentence for r in answer.reasons))
            continue
        start_s = float(answer.motion.t_ns[0]) * 1e-9
        yield Trial(
            motion.name,
            who,
            answer.clip,
            None if plates is None else _on_clip(plates, answer, answer.clip, start_s),
            truth,
            start_s,
            None if optimised is None else replace(optimised, time_s=optimised.time_s + begin_s - start_s),
            measured,
        )


def _plates_of_clip(clip: Clip) -> TruthForces | None:
    if clip.forces is None or not clip.forces.measured.any():
        return None
    return TruthForces(
        time_s=(clip.t_ns - clip.t_ns[0]) * 1e-9,
        force=clip.forces.force.astype(np.float64),
        cop=clip.forces.cop.astype(np.float64),
        plates_see=clip.forces.measured,
        residual_pct_bw=np.full(len(clip.t_ns), np.nan),
    )


def _on_clip(plates: TruthForces, answer: Judged, clip: Clip, start_s: float) -> TruthForces:
    """Plates moved as the motion was: onto a floor at rest at z = 0, time 0 where the clip begins."""
    since_s = plates.time_s - start_s
    shift = np.zeros((len(since_s), 1, 3))
    shift[:, 0, :2] = -clip.ground_velocity_m_s * since_s[:, None]
    shift[:, 0, 2] = float(clip.q[0, 2]) - float(answer.motion.q[0, 2])
    return replace(plates, time_s=since_s, cop=plates.cop + shift)
