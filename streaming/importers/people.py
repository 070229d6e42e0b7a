"""Keypoints of the people in one picture, from the JSON of OpenPose and its relatives, checked."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float32

from kincast.streaming.importers.recording import Losses

MAX_PEOPLE = 64
OUTSIDE_SHARE = 0.1
"""A detector may place a half hidden joint a little outside the picture; further out the number is wrong."""


class PeopleParser:
    """Turns ``[{"pose_keypoints_2d": [x, y, c, ...]}, ...]`` into an array; remembers what did not fit."""

    def __init__(self, n_keypoints: int, losses: Losses) -> None:
        self.n_keypoints = n_keypoints
        self.losses = losses

    def parse(
        self, people: object, size_px: tuple[int, int]
    ) -> Float32[np.ndarray, "people keypoint 3"] | None:
        """(P, K, 3) pixels and confidence; None if the picture's entry is no list of people.

        Keypoints that are not finite or lie more than a tenth of the picture outside it become absent
        (0, 0, 0) and are counted; a person with another number of points is left out and counted.
        """
        if not isinstance(people, list):
            return None
        kept = []
        nobody = 0  # Pose2Sim leaves an empty entry where its person is not in the picture
        for person in people[:MAX_PEOPLE]:
            if isinstance(person, dict) and person.get("pose_keypoints_2d", []) == []:
                nobody += 1
                continue
            points = keypoint_list(person)
            if points is None or len(points) != 3 * self.n_keypoints:
                self.losses.detail("people whose keypoints are not of the set")
                continue
            kept.append(points.reshape(self.n_keypoints, 3))
        if len(people) > MAX_PEOPLE:
            self.losses.detail(f"people beyond {MAX_PEOPLE} in one picture", len(people) - MAX_PEOPLE)
        if len(people) > nobody and not kept:
            return None
        array = np.array(kept, dtype=np.float64).reshape(len(kept), self.n_keypoints, 3)
        return self._checked(array, size_px)

    def _checked(
        self, array: np.ndarray, size_px: tuple[int, int]
    ) -> Float32[np.ndarray, "people keypoint 3"]:
        finite = np.asarray(np.isfinite(array).all(axis=2))
        values = np.where(finite[..., None], array, 0.0)
        absent = (values[..., 2] <= 0) | (values[..., :2] == 0).all(axis=2)
        size = np.array(size_px, dtype=np.float64)
        inside = (
            (values[..., :2] >= -OUTSIDE_SHARE * size) & (values[..., :2] <= (1 + OUTSIDE_SHARE) * size)
        ).all(axis=2)
        self.losses.detail("keypoints that are not finite", int((~finite).sum()))
        self.losses.detail("keypoints outside the picture", int((finite & ~absent & ~inside).sum()))
        keep = finite & inside & ~absent
        values[..., 2] = np.minimum(values[..., 2], 1.0)
        return np.where(keep[..., None], values, 0.0).astype(np.float32)


def keypoint_list(person: object) -> np.ndarray | None:
    """The flat list of numbers of one person, or None."""
    numbers = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
    if not isinstance(numbers, list):
        return None
    try:
        array = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.ndim == 1 else None


def keypoint_counts(people: object) -> Counter[int]:
    """How many keypoints the people of one picture have."""
    counts: Counter[int] = Counter()
    for person in people if isinstance(people, list) else []:
        points = keypoint_list(person)
        if points is not None and len(points) and len(points) % 3 == 0:
            counts[len(points) // 3] += 1
    return counts
