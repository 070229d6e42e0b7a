"""``kincast body``: body calibration alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from kincast.deploy.cli.meta import read_base


@dataclass(frozen=True)
class Body:
    """Estimate a person's body (8 scales, one offset per keypoint) from recordings of them: stand, a few steps."""

    recordings: Positional[tuple[Path, ...]]
    """One or several recordings (.mcap) of the same person."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """The body file to write (body.json)."""
    base: Path | None = None
    """What is known of people (a base body of `kincast meta`); without it the literature."""

    def run(self) -> int:
        from kincast.offline.calibrate import calibrate

        found = calibrate(self.recordings, read_base(self.base))
        self.output.write_text(found.fit.parameters.to_json() + "\n", encoding="utf-8")
        print(self.output)
        for line in found.lines():
            print(f"  {line}")
        return 0
