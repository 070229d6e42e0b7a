"""How far a live engine may lag before it skips pictures.

A single stall (the system's, the disk's) is made up for by working faster than the pictures come: nothing is lost.
A computer that is too slow for the load never makes up for it. It would fill its queue to the limit again and
again, and every frame would be late; so once it had to skip it skips earlier for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

STALL_NS = 100_000_000
OVERLOADED_NS = 40_000_000
OVERLOAD_LASTS_NS = 5_000_000_000


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
