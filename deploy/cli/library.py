"""``kincast library``: results folders into a motion library, what the twin is trained and tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kincast.models.errors import UserMistakeError


class LibraryOptionsError(UserMistakeError):
    """Options of ``kincast library`` that do not go together."""


@dataclass(frozen=True)
class Library:
    """Put refitted motions on a floor, judge them, and write those that suit as clips; the others are listed with the reason."""

    results: Positional[tuple[Path, ...]]
    """Folders that refit or replay wrote."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """Folder of the library."""
    person: str = ""
    """Who it is, for results that name no subject."""
    truth: tuple[Path, ...] = ()
    """Force plates: one place per results folder, in order (as for `kincast compare`), or one for all."""
    test: tuple[str, ...] = ()
    """People to keep for testing; everybody else is trained on. Without it a hash of the name decides, one in five."""
    licence: str = ""
    """Under what licence the motions may be used; noted in every clip."""

    def run(self) -> int:
        from kincast.offline.motion_library.build import build_library
        from kincast.offline.motion_library.from_results import motions_of_results
        from kincast.offline.truth import read_truth
        from kincast.streaming.results.reader import read_results

        if len(self.truth) not in (0, 1, len(self.results)):
            raise LibraryOptionsError(
                f"{len(self.truth)} places of truth for {len(self.results)} results; give none, one, or one for each"
            )
        motions = []
        for k, folder in enumerate(self.results):
            summary = read_results(folder).summary
            session = str(summary.get("session_id") or folder.name)
            person = str(summary.get("subject_id") or self.person)
            if not person:
                raise LibraryOptionsError(f"{folder} names no subject: say whose motion it is with --person")
            plates = None
            if self.truth:
                plates = read_truth(self.truth[k % len(self.truth)], session).forces
            motions.extend(motions_of_results(folder, person, licence=self.licence, plates=plates))
        splits: dict[str, Literal["train", "test"]] | None = None
        if self.test:
            splits = {m.person: "test" if m.person in self.test else "train" for m in motions}
        index = build_library(motions, self.output, splits, tell=print)
        seconds = sum(entry.seconds for entry in index.entries)
        print(f"{self.output}: {len(index.entries)} clips, {seconds:.0f} s; {len(index.rejected)} kept out")
        return 0
