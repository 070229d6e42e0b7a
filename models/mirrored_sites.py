"""Which sites of a set are each other's mirror image."""

from __future__ import annotations

from kincast.models.body.keypoint_sets import KEYPOINT_LANDMARKS
from kincast.models.body.landmarks import LANDMARKS
from kincast.models.body.marker_sets import MARKER_LANDMARKS

_LEG_SEGMENTS = ("femur", "tibia", "talus", "calcn", "toes")


def site_landmarks(set_name: str) -> tuple[str, ...]:
    """Landmark of every site of a set, in the set's order."""
    sets = KEYPOINT_LANDMARKS if set_name in KEYPOINT_LANDMARKS else MARKER_LANDMARKS
    return tuple(sets[set_name].values())


def left_right_pairs(set_name: str) -> tuple[tuple[int, int], ...]:
    """Indices (left, right) of the sites that lie on the same landmark of both sides."""
    landmarks = site_landmarks(set_name)
    first = {landmark: i for i, landmark in reversed(tuple(enumerate(landmarks)))}
    return tuple(
        (i, first[landmark[:-2] + "_r"])
        for landmark, i in first.items()
        if landmark.endswith("_l") and landmark[:-2] + "_r" in first
    )


def leg_pairs(set_name: str) -> tuple[tuple[int, int], ...]:
    """The pairs of :func:`left_right_pairs` that a detector exchanges when it confuses the legs."""
    landmarks = site_landmarks(set_name)
    return tuple(
        pair
        for pair in left_right_pairs(set_name)
        if LANDMARKS[landmarks[pair[0]]][0].startswith(_LEG_SEGMENTS)
    )
