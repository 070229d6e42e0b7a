"""How far a live engine may lag before it skips pictures.

A single stall (the system's, the disk's) is made up for by working faster than the pictures come: nothing is lost.
A computer that is too slow for the load never makes up for it. It would fill its queue to the limit again and
again, and every frame would be late; so once it had to skip it skips earlier for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STALL_NS = 100_000_000
OVERLOADED_NS = 25_000_000
OVERLOAD_LASTS_NS = 5_000_000_000
SAME_INSTANT_NS = 3_000_000
"""Cameras said to be synchronous differ by less."""
SILENT_NS = 60_000_000
"""A source whose newest picture is this much older than others' is not waited for: more than a period at 20 pictures a second."""


@dataclass
class Patience:
    """State: when pictures were last skipped."""

    skipped_ns: int | None = None

    def limit_ns(self, now_ns: int) -> int:
        """A message older than this when its turn comes: go on with the latest pictures."""
        overloaded = self.skipped_ns is not None and now_ns - self.skipped_ns < OVERLOAD_LASTS_NS
        return OVERLOADED_NS if overloaded else STALL_NS

    def exhausted(self, receive_ns: int, now_ns: int) -> bool:
        """Whether a message that came at ``receive_ns`` is too old; the caller then skips."""
        if now_ns - receive_ns <= self.limit_ns(now_ns):
            return False
        self.skipped_ns = now_ns
        return True


def latest_whole_instant(
    pictures: Sequence[tuple[str, int] | None],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places in a queue to go on with, and those to skip.

    ``pictures``: source (a camera's name) and time (ns) of every message, None for what is no picture and is always
    kept. Kept is what was taken at, or after, the latest instant that every source has reached: the newest picture of
    each source alone would be half of one instant and half of another. A source that fell silent does not count.
    """
    newest: dict[str, int] = {}
    for picture in pictures:
        if picture is not None:
            newest[picture[0]] = max(picture[1], newest.get(picture[0], picture[1]))
    latest_ns = max(newest.values(), default=0)
    whole_ns = min((t_ns for t_ns in newest.values() if latest_ns - t_ns < SILENT_NS), default=0)
    skipped = tuple(
        place
        for place, picture in enumerate(pictures)
        if picture is not None and picture[1] < min(whole_ns - SAME_INSTANT_NS, newest[picture[0]])
    )
    kept = tuple(place for place in range(len(pictures)) if place not in set(skipped))
    return kept, skipped
