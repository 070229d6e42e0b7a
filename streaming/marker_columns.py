"""Which column of a recording's marker frames belongs to which site of the body.

A recording keeps its own list of marker names for ever, while the marker set that it names may grow, lose a
marker or be put in another order later. What is recorded is found by name; nothing is read by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from kincast.models.body.sites import sites_of
from kincast.streaming.messages import SessionHeader


@dataclass(frozen=True)
class MarkerColumns:
    """From the markers of a frame to the sites of the set.

    Attributes:
        names: the markers of a frame, in its order.
        column: per site its column in a frame, -1 where the recording never had that marker.
        unknown: markers of the recording that the set does not know (and further ones of one name); not used.
    """

    names: tuple[str, ...]
    column: Int64[np.ndarray, " site"]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, header: SessionHeader) -> MarkerColumns:
        """Those of a session; a header without names means the set's own order.

        Raises:
            UnknownSiteSetError: the session's keypoint or marker set is not known.
        """
        return cls.between(header.marker_names, tuple(sites_of(header.keypoint_set)))

    @classmethod
    def between(cls, names: Sequence[str], sites: Sequence[str]) -> MarkerColumns:
        """Those from markers ``names`` to ``sites``."""
        names = tuple(names) or tuple(sites)
        first = {name: i for i, name in reversed(list(enumerate(names)))}
        column = np.array([first.get(site, -1) for site in sites], np.int64)
        used = set(column.tolist())
        return cls(names, column, tuple(name for i, name in enumerate(names) if i not in used))

    def to_sites(self, markers: Float32[np.ndarray, "marker 4"]) -> Float32[np.ndarray, "site 4"]:
        """A frame's markers in the order of the sites; those it does not hold have confidence 0."""
        return np.where((self.column >= 0)[:, None], markers[self.column], np.float32(0))

    def from_sites(self, sites: Float32[np.ndarray, "site 4"]) -> Float32[np.ndarray, "marker 4"]:
        """A frame that shows the sites; markers of no site have confidence 0."""
        markers = np.zeros((len(self.names), 4), np.float32)
        known = self.column >= 0
        markers[self.column[known]] = sites[known]
        return markers

    @property
    def finding(self) -> str:
        """What the user should know of it; empty if nothing."""
        if not self.unknown:
            return ""
        named = ", ".join(self.unknown[:8]) + (", ..." if len(self.unknown) > 8 else "")
        return (
            f"{len(self.unknown)} of the recording's markers are not in its marker set and not used: {named}"
        )
