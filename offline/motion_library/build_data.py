"""A whole library out of a data folder and its catalogue, trial by trial; begun again, it goes on where it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from kincast.offline.motion_library import storage
from kincast.offline.motion_library.build import judged, tracked_parts
from kincast.offline.motion_library.catalogue import Catalogue
from kincast.offline.motion_library.fit_store import FitStore, key_of
from kincast.offline.motion_library.gates import GateConfig, Reason
from kincast.offline.motion_library.index import Entry, Index, Rejected
from kincast.offline.motion_library.trials import FittedTrial, Trials
from kincast.offline.motion_library.variants import add_variants
from kincast.offline.motion_library.writer import LibraryWriter

JUDGE_RECIPE = 1
"""Raised when what was judged before would be judged otherwise."""

Tell = Callable[[str], None]


def build_data(
    catalogue: Catalogue,
    folder: Path,
    config: GateConfig | None = None,
    variants: bool = True,
    tell: Tell = lambda line: None,
) -> Index:
    """Fit, judge and write every trial of the catalogue. ``variants``: made-up ones of the people trained on too."""
    config = config or GateConfig()
    writer, store = LibraryWriter(folder), FitStore(folder)
    progress = _Progress(sum(len(m.files) for p in catalogue.people for m in p.motions), tell)
    for person in catalogue.people:
        for motions in person.motions:
            for trial in Trials(catalogue.data, person, motions, store, tell).fitted():
                progress.said(trial, _added(writer, trial, config))
    for left in catalogue.left_out:
        for pattern in left.files:
            if any(catalogue.data.glob(pattern)):
                key = f"catalogue/{pattern}"
                writer.leave_out(key, "", pattern, pattern, (Reason("catalogue", left.reason),))
    for pattern in catalogue.absent:
        tell(f"{pattern}: no such file in {catalogue.data}")
    if variants:
        add_variants(writer, config, tell)
    return writer.finish()


def _added(writer: LibraryWriter, trial: FittedTrial, config: GateConfig) -> list[Entry | Rejected]:
    person = trial.person
    if trial.motion is None:
        writer.leave_out(trial.key, person.name, trial.name, trial.source, (Reason("unfit", trial.failed),))
        return [r for r in (writer.known(trial.key),) if r is not None]
    parts = list(tracked_parts(trial.motion, trial.tracked, config.gap_s))
    if not parts:
        reason = Reason("untracked", "nobody could be followed in it")
        writer.leave_out(trial.key, person.name, trial.name, trial.source, (reason,))
    found: list[Entry | Rejected] = []
    for part in parts:
        key = key_of(
            {
                "trial": trial.key,
                "part": part.name,
                "person": person.name,
                "licence": person.licence,
                "support": part.support,
                "belt": part.belt_speed_m_s,
                "gates": asdict(config),
                "recipe": (JUDGE_RECIPE, storage.VERSION),
            }
        )
        known = writer.known(key, person.split)
        if known is None:
            answer = judged(part, config)
            if answer.clip is None:
                writer.leave_out(key, person.name, part.name, trial.source, answer.reasons)
            else:
                writer.keep(key, answer.clip, person.split)
            known = writer.known(key)
        assert known is not None
        found.append(known)
    return found


class _Progress:
    """One line per trial, and when the rest will be done."""

    def __init__(self, total: int, tell: Tell) -> None:
        self._total, self._done, self._tell, self._begin = total, 0, tell, monotonic()

    def said(self, trial: FittedTrial, found: list[Entry | Rejected]) -> None:
        self._done += 1
        left_s = (monotonic() - self._begin) / self._done * (self._total - self._done)
        words = [
            f"{e.seconds:.1f} s, {e.split}" if isinstance(e, Entry) else f"kept out, {_why(e)}" for e in found
        ]
        self._tell(
            f"[{self._done}/{self._total}] {trial.person.name}, {trial.name}: {'; '.join(words) or 'nobody in it'}"
            f" (about {left_s / 60:.0f} min left)"
        )


def _why(rejected: Rejected) -> str:
    return "; ".join(r.sentence for r in rejected.reasons)
