"""Exceptions nobody expected, counted by what they stopped and where they arose: a live session tells them and goes on."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path

MAX_KINDS = 20
MAX_TEXT = 200


class Faults:
    """Each kind (what failed, kind of exception, place) keeps the words of its first one: messages may hold numbers."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._words: dict[tuple[str, str, str], str] = {}

    def count(self, what: str, error: Exception) -> None:
        """One more; beyond :data:`MAX_KINDS` kinds they are counted together."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
        kind = (what, type(error).__name__, place)
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = (what, "others", "")
        self._counts[kind] += 1
        self._words.setdefault(kind, f"{what} ({kind[1]} in {place}: {error})"[:MAX_TEXT])

    @property
    def total(self) -> int:
        """How many there were."""
        return self._counts.total()

    @property
    def findings(self) -> tuple[str, ...]:
        """One sentence per kind."""
        return tuple(f"{count} x {self._words[kind]}" for kind, count in sorted(self._counts.items()))
