"""``kincast report``: a results folder as one page for reading, printing and sending."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML report of a results folder (nothing is fetched from anywhere), and its PDF."""

    results: Positional[Path]
    """Folder that replay or refit wrote."""
    output: Annotated[Path | None, arg(aliases=["-o"])] = None
    """The page to write; report.html in the results folder where not given."""
    pdf: bool = False
    """A PDF beside the page too (needs Chromium)."""
    live: Path | None = None
    """What the live path made of the same recording, to compare with."""
    video: Path | None = None
    """Folder of videos, one per camera and named like it: the body is drawn over some frames, faces pixelated."""
    video_start: float = 0.0
    """Session time (s) of the first frame of the videos."""
    earlier: tuple[Path, ...] = ()
    """Results of earlier sessions of the same person."""
    norms: str = "adults"
    """Normative bands: a set that comes with kincast (adults), a file (.json or .csv) that names its source, or none."""

    def run(self) -> int:
        from kincast.offline.report.document import ReportOptions
        from kincast.offline.report.make import write_report
        from kincast.offline.report.pdf import print_pdf

        page = self.output or self.results / "report.html"
        options = ReportOptions(self.live, self.video, self.video_start, self.earlier, self.norms)
        write_report(self.results, page, options)
        print(page)
        if self.pdf:
            print_pdf(page, page.with_suffix(".pdf"))
            print(page.with_suffix(".pdf"))
        return 0
