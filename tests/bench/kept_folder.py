"""Where a measurement puts what it makes on the way: kept where asked, else gone at the end."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def kept_folder(keep: Path | None) -> Iterator[Path]:
    """``keep``, made if it is not there; a temporary folder if None."""
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
