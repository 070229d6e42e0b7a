"""Opening a text file that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

from kincast.streaming.results.errors import FileMissingError

MAX_TEXT_BYTES = 1 << 30


def read_text(path: Path) -> str:
    """The file's text; UTF-8 with or without a mark, undecodable bytes replaced, any line ends made ``\\n``.

    Raises:
        FileMissingError: it is absent, a folder, unreadable, or larger than 1 GiB.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise FileMissingError(f"{path}: larger than 1 GiB, which no table of one session is")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise FileMissingError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
