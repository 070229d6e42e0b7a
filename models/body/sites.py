"""Every site by name: which segment it sits on and where on the generic adult."""

from __future__ import annotations

from kincast.models.body.keypoint_sets import KEYPOINT_LANDMARKS
from kincast.models.body.landmarks import LANDMARKS, Vector
from kincast.models.body.marker_sets import MARKER_LANDMARKS
from kincast.models.body.wholebody import SOFT_POINTS
from kincast.models.errors import UserMistakeError

KEYPOINT_SETS: dict[str, tuple[str, ...]] = {name: tuple(s) for name, s in KEYPOINT_LANDMARKS.items()}
MARKER_SETS: dict[str, tuple[str, ...]] = {name: tuple(s) for name, s in MARKER_LANDMARKS.items()}
SOFT_SITES: frozenset[str] = SOFT_POINTS  # move against their segment: no weight in a fit
SITE_NAMES: frozenset[str] = frozenset().union(*KEYPOINT_SETS.values(), *MARKER_SETS.values())


class UnknownSiteSetError(UserMistakeError):
    """The name of a keypoint or marker set is not known."""


def sites_of(set_name: str) -> dict[str, tuple[str, Vector]]:
    """Sites of a keypoint or marker set in its order: name -> (segment, position in segment axes, m).

    Raises:
        UnknownSiteSetError: no such set; the message lists them.
    """
    for sets in (KEYPOINT_LANDMARKS, MARKER_LANDMARKS):
        if set_name in sets:
            return {site: LANDMARKS[landmark] for site, landmark in sets[set_name].items()}
    valid = ", ".join((*KEYPOINT_SETS, *MARKER_SETS))
    raise UnknownSiteSetError(f"unknown keypoint or marker set {set_name!r}; valid: {valid}")
