"""Which detections can be used, and which of them is the person followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from kincast.models.body import SOFT_SITES
from kincast.models.camera import Camera
from kincast.models.masked_median import masked_median
from kincast.streaming.fitter_config import FitterConfig


@dataclass(frozen=True)
class People:
    """Everybody that one snapshot's cameras detected, cameras one after another, in float64.

    ``camera`` and ``index`` say whose picture each row is and which of its people; what cannot be used has
    confidence 0.
    """

    keypoints: Float[np.ndarray, "people keypoint 3"]
    camera: Int[np.ndarray, " people"]
    index: Int[np.ndarray, " people"]


class Detections:
    """Judges the detections of one rig and keypoint set; no state."""

    def __init__(self, cameras: Sequence[Camera], sites: Sequence[str], config: FitterConfig) -> None:
        size_px = np.array([c.size_px for c in cameras], float).reshape(-1, 2)
        margin = 0.1 * size_px.max(axis=1, initial=0.0, keepdims=True)
        self._low_px, self._high_px = -margin, size_px + margin
        self._soft = np.array([name in SOFT_SITES for name in sites])
        self._config = config

    def usable(
        self, camera: int, people: Shaped[np.ndarray, "people keypoint 3"]
    ) -> Float[np.ndarray, "people keypoint 3"]:
        """One camera's detections in float64; what cannot be (not finite, far outside the image) is all zero."""
        return self._cleaned(people, np.full(len(people), camera))

    def people(self, everyone: Sequence[Shaped[np.ndarray, "_ keypoint 3"]]) -> People:
        """The usable detections of all cameras."""
        count = [len(people) for people in everyone]
        camera = np.repeat(np.arange(len(count)), count)
        index = np.concatenate([np.arange(n) for n in count]) if count else np.zeros(0, int)
        keypoints = np.concatenate(everyone) if count else np.zeros((0, len(self._soft), 3))
        return People(self._cleaned(keypoints, camera), camera, index)

    def _cleaned(self, people: np.ndarray, camera: np.ndarray) -> np.ndarray:
        people = np.array(people, np.float64)
        pixel = people[..., :2]
        inside = (pixel > self._low_px[camera, None]) & (pixel < self._high_px[camera, None])
        good = np.isfinite(people[..., 2]) & inside[..., 0] & inside[..., 1]
        good &= ~self._soft  # the lips and fingers move, our head and hands do not
        people[~good] = 0.0
        people[..., 2] = np.clip(people[..., 2], 0.0, 1.0)
        return people

    def nearest(
        self, people: People, predicted: Float[np.ndarray, "camera keypoint 2"]
    ) -> Int[np.ndarray, " camera"]:
        """Row of each camera's person nearest to the prediction, -1 where none is near enough."""
        config = self._config
        chosen = np.full(len(predicted), -1)
        if not len(people.camera):
            return chosen
        reach_px = config.same_person * np.maximum(np.linalg.norm(np.ptp(predicted, axis=1), axis=1), 40.0)
        seen = people.keypoints[..., 2] >= config.noise.min_confidence
        away = people.keypoints[..., :2] - predicted[people.camera]
        median_px = masked_median(np.sqrt(away[..., 0] ** 2 + away[..., 1] ** 2), seen)
        median_px[seen.sum(axis=1) < config.min_keypoints] = np.inf
        best_px = reach_px
        for row, (camera, px) in enumerate(zip(people.camera, median_px, strict=True)):
            if px < best_px[camera]:
                chosen[camera], best_px[camera] = row, px
        return chosen

    def shows_somebody(self, confidence: Float[np.ndarray, "camera keypoint"]) -> Bool[np.ndarray, " camera"]:
        """Cameras whose picture has enough usable keypoints."""
        return (confidence >= self._config.noise.min_confidence).sum(axis=1) >= self._config.min_keypoints

    def judging(
        self, confidence: Float[np.ndarray, "camera keypoint"]
    ) -> Bool[np.ndarray, "camera keypoint"]:
        """Detections sure enough to judge a pose by."""
        return confidence >= max(self._config.noise.min_confidence, 0.3)

    def size_px(
        self,
        pixels: Float[np.ndarray, "camera keypoint 2"],
        used: Bool[np.ndarray, "camera keypoint"],
    ) -> Float[np.ndarray, " camera"]:
        """The person's apparent size in each camera: the diagonal of the ``used`` keypoints, at least 1."""
        mask = used[..., None]
        high = np.max(pixels, axis=1, where=mask, initial=-np.inf)
        low = np.min(pixels, axis=1, where=mask, initial=np.inf)
        span = np.where(used.any(axis=1, keepdims=True), high - low, 0.0)
        return np.maximum(np.linalg.norm(span, axis=1), 1.0)

    def explained_share(
        self,
        error_px: Float[np.ndarray, "camera keypoint"],
        size_px: Float[np.ndarray, " camera"],
        used: Bool[np.ndarray, "camera keypoint"],
    ) -> float:
        """Share of the ``used`` detections whose error is small against the person's apparent size."""
        if not used.any():
            return 1.0
        near = error_px < self._config.explained * np.maximum(size_px, 100.0)[:, None]
        return float((near & used).sum() / used.sum())
