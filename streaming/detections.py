"""Which detections can be used, and which of them is the person followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from kincast.models.body import SOFT_SITES
from kincast.models.camera import Camera
from kincast.streaming.fitter_config import FitterConfig


class Detections:
    """Judges the detections of one rig and keypoint set; no state."""

    def __init__(self, cameras: Sequence[Camera], sites: Sequence[str], config: FitterConfig) -> None:
        self._size_px = np.array([c.size_px for c in cameras], float).reshape(-1, 2)
        self._soft = np.array([name in SOFT_SITES for name in sites])
        self._config = config

    def usable(
        self, camera: int, people: Shaped[np.ndarray, "people keypoint 3"]
    ) -> Float[np.ndarray, "people keypoint 3"]:
        """Detections in float64 with what cannot be (not finite, far outside the image) at confidence 0."""
        people = np.array(people, np.float64)
        width, height = self._size_px[camera]
        margin = 0.1 * max(width, height)
        x, y = people[..., 0], people[..., 1]
        inside = (x > -margin) & (x < width + margin) & (y > -margin) & (y < height + margin)
        good = np.isfinite(people).all(axis=-1) & inside
        people[~good] = 0.0
        people[:, self._soft] = 0.0  # the lips and fingers move, our head and hands do not
        people[..., 2] = np.clip(people[..., 2], 0.0, 1.0)
        return people

    def same_person(
        self,
        people: Float[np.ndarray, "people keypoint 3"],
        predicted: Float[np.ndarray, "keypoint 2"],
    ) -> int:
        """Index of the usable detection nearest to the prediction, -1 if none is near enough."""
        reach_px = self._config.same_person * max(float(np.linalg.norm(np.ptp(predicted, axis=0))), 40.0)
        best, best_px = -1, reach_px
        for i, person in enumerate(people):
            seen = person[:, 2] >= self._config.noise.min_confidence
            if seen.sum() < self._config.min_keypoints:
                continue
            median_px = float(np.median(np.linalg.norm(person[seen, :2] - predicted[seen], axis=1)))
            if median_px < best_px:
                best, best_px = i, median_px
        return best

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
        return np.array(
            [
                max(float(np.linalg.norm(np.ptp(p[u], axis=0))), 1.0) if u.any() else 1.0
                for p, u in zip(pixels, used, strict=True)
            ]
        )

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
