"""``kincast body``: body calibration alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Body:
    """Estimate a person's body (8 scales, one offset per keypoint) from recordings of them: stand, a few steps."""

    recordings: Positional[tuple[Path, ...]]
    """One or several recordings (.mcap) of the same person."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """The body file to write (body.json)."""

    def run(self) -> int:
        from kincast.offline.calibrate import calibrate

        found = calibrate(self.recordings)
        self.output.write_text(found.fit.parameters.to_json() + "\n", encoding="utf-8")
        print(self.output)
        for line in found.lines():
            print(f"  {line}")
        return 0
