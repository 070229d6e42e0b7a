"""Lines of JSON from a file that may be gzipped, cut short or damaged."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kincast.streaming.results.errors import FileMissingError

MAX_LINE_BYTES = 1 << 20


@dataclass
class LineState:
    """What the reading of a file came to; filled in while the lines are consumed."""

    bad_lines: int = 0
    truncated: bool = False


def read_json_lines(path: Path, state: LineState) -> Iterator[object]:
    """Every line that parses, in order. Bad lines and an early end of the compressed stream go into ``state``.

    A last line without line end counts as truncated if it does not parse.

    Raises:
        FileMissingError: the file cannot be opened.
    """
    try:
        file = gzip.GzipFile(path, "rb") if path.name.endswith(".gz") else path.open("rb")
    except OSError as error:
        raise FileMissingError(f"{path}: {error.strerror or error}") from None
    with file:
        while True:
            try:
                line = file.readline(MAX_LINE_BYTES)
            except (OSError, EOFError, zlib.error):  # BadGzipFile is an OSError
                state.truncated = True
                return
            if not line:
                return
            complete = line.endswith(b"\n")
            if line.isspace():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):  # ValueError: bad JSON, bad UTF-8, a number of 5000 digits
                if complete or len(line) >= MAX_LINE_BYTES:
                    state.bad_lines += 1
                else:
                    state.truncated = True
