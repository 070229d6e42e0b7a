"""``kincast library``: motion files or results folders into a motion library, what the twin is trained and tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from kincast.models.errors import UserMistakeError

if TYPE_CHECKING:
    from kincast.offline.motion_library.index import Index, Split


class LibraryOptionsError(UserMistakeError):
    """Options of ``kincast library`` that do not go together."""


@dataclass(frozen=True)
class Library:
    """Put motions on a floor, judge them, and write those that suit as clips; the others are listed with the reason.

    build: all of a data folder (marker trials, multi-view recordings, ASF/AMC and BVH files), fitted to our body, as its catalogue
    motions.toml says whose they are (docs/motion_library.md); begun again it goes on where it ended.
    results: folders that refit or replay wrote.
    """

    action: Positional[Literal["build", "results"]]
    """Where the motions come from."""
    sources: Positional[tuple[Path, ...]]
    """build: one data folder. results: results folders."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """Folder of the library."""
    catalogue: Path | None = None
    """build: whose the files are; without it motions.toml in the data folder."""
    no_variants: bool = False
    """build: no mirrored, scaled and impaired copies of the people trained on."""
    person: str = ""
    """results: who it is, for results that name no subject."""
    truth: tuple[Path, ...] = ()
    """results: force plates: one place per results folder, in order (as for `kincast compare`), or one for all."""
    test: tuple[str, ...] = ()
    """results: people to keep for testing; everybody else is trained on. Without it a hash of the name decides, one in five."""
    licence: str = ""
    """results: under what licence the motions may be used; noted in every clip."""

    def run(self) -> int:
        from kincast.offline.motion_library.writer import REPORT

        index = self._build() if self.action == "build" else self._results()
        seconds = sum(entry.seconds for entry in index.entries)
        people = {entry.person for entry in index.entries}
        print(
            f"{self.output}: {len(index.entries)} clips of {len(people)} people, {seconds / 60:.1f} min;"
            f" {len(index.rejected)} kept out ({self.output / REPORT})"
        )
        return 0

    def _build(self) -> Index:
        from kincast.offline.motion_library.build_data import build_data
        from kincast.offline.motion_library.catalogue import read_catalogue

        if len(self.sources) != 1:
            raise LibraryOptionsError(f"{len(self.sources)} data folders; build a library from one")
        if self.person or self.truth or self.test or self.licence:
            raise LibraryOptionsError(
                "--person, --truth, --test and --licence are for results; for a data folder its catalogue says them"
            )
        catalogue = read_catalogue(self.sources[0], self.catalogue)
        return build_data(catalogue, self.output, variants=not self.no_variants, tell=_tell)

    def _results(self) -> Index:
        from kincast.offline.motion_library.build import build_library
        from kincast.offline.motion_library.from_results import motions_of_results
        from kincast.offline.truth import read_truth
        from kincast.streaming.results.reader import read_results

        if self.catalogue is not None or self.no_variants:
            raise LibraryOptionsError("--catalogue and --no-variants are for build")
        if len(self.truth) not in (0, 1, len(self.sources)):
            raise LibraryOptionsError(
                f"{len(self.truth)} places of truth for {len(self.sources)} results; give none, one, or one for each"
            )
        motions = []
        for k, folder in enumerate(self.sources):
            summary = read_results(folder).summary
            session = str(summary.get("session_id") or folder.name)
            person = str(summary.get("subject_id") or self.person)
            if not person:
                raise LibraryOptionsError(f"{folder} names no subject: say whose motion it is with --person")
            plates = None
            if self.truth:
                plates = read_truth(self.truth[k % len(self.truth)], session).forces
            motions.extend(motions_of_results(folder, person, licence=self.licence, plates=plates))
        splits: dict[str, Split] | None = None
        if self.test:
            splits = {m.person: "test" if m.person in self.test else "train" for m in motions}
        return build_library(motions, self.output, splits, tell=_tell)


def _tell(line: str) -> None:
    print(line, flush=True)
