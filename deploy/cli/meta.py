"""``kincast meta``: a base body from recordings of many people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from kincast.models.base_body import BaseBody


def read_base(path: Path | None) -> BaseBody | None:
    """The base body file, or None where none is named.

    Raises:
        BaseBodyError: it cannot be read, is no base body of this version, or made people left out worse when it was learned.
    """
    if path is None:
        return None
    from kincast.models.base_body import BaseBody, BaseBodyError

    try:
        base = BaseBody.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BaseBodyError(f"--base {path}: cannot be read ({error})") from None
    if base.verdict == "worse":
        raise BaseBodyError(
            f"--base {path}: people left out of its learning had no lower raw joint angle errors with it; leave it out, or learn"
            " from more people with measured joint angles"
        )
    return base


@dataclass(frozen=True)
class Meta:
    """Learn from many people where a detector puts its keypoints and how bodies differ; for --base of the other verbs."""

    recordings: Positional[tuple[Path, ...]]
    """Recordings (.mcap) of many people through one keypoint set; whose they are, their headers say (subject_id)."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """The base body file to write (base_body.json)."""
    people: Path | None = None
    """Whose the recordings are ([people] P01 = ["a.mcap", "b.mcap"]) and their optical joint angles ([optical] "a.mcap" = "a.mot")."""
    base: Path | None = None
    """What was known before (a base body file); without it the literature's."""
    rounds: int = 2
    """Body fits of everyone and the population, in turn."""
    check: bool = True
    """Judge the base on people left out of the learning (two more fits of everyone)."""
    source: str = ""
    """Where the recordings come from, in words: detector, place, activities. Kept in the file."""
    licence: str = ""
    """What may be done with the file. Kept in it."""

    def run(self) -> int:
        from dataclasses import replace

        from kincast.models.body_fit import BodyFitConfig
        from kincast.offline.meta import MetaConfig, inputs_sha256, meta_fit, people_of
        from kincast.offline.meta_report import check_lines, report_lines

        people = people_of(self.recordings, self.people)
        before = read_base(self.base)
        found = meta_fit(
            people, MetaConfig(self.rounds, self.check, fit=BodyFitConfig(base=before)), tell=print
        )
        base = replace(
            found.base,
            inputs_sha256=inputs_sha256(self.recordings),
            source=self.source,
            licence=self.licence,
        )
        self.output.write_text(base.to_json() + "\n", encoding="utf-8")
        print(self.output)
        for line in report_lines(base, before, found.unused):
            print(f"  {line}")
        for line in check_lines(found.check) if found.check else ():
            print(f"  {line}")
        return 0
