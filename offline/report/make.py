"""``kincast report``: one results folder as one HTML file."""

from __future__ import annotations

from pathlib import Path

from kincast.offline.report.document import ReportOptions, make_document
from kincast.offline.report.page import render
from kincast.streaming.results.errors import FileMissingError


def write_report(folder: Path, output: Path, options: ReportOptions | None = None) -> None:
    """Write the report of a results folder.

    Raises:
        FileMissingError: the folder cannot be read or ``output`` cannot be written; what make_document raises.
    """
    page = render(make_document(folder, options or ReportOptions()))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FileMissingError(f"{output}: cannot be written ({error.strerror or error})") from None
