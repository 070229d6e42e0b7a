"""Noticing that a limb is caught in a wrong posture although most of the body fits.

A robust fit can take the keypoints of one foot for outliers and leave the foot turned over for good: the rest of
the body explains the pictures, so nobody is lost. What gives it away is time: detectors are wrong for a few frames,
a caught limb is wrong in most pictures at once and stays so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class LimbWatchConfig:
    """A keypoint is off while the median of its errors over the cameras exceeds ``off`` of the person's apparent size.

    After ``patience_s`` of that a new start is worth its time; where it did not help, the next is tried after
    ``retry_s``, then twice that, and so on: a rig may be calibrated so badly that no posture fits.
    """

    off: float = 0.05
    patience_s: float = 0.3
    retry_s: float = 1.0


class LimbWatch:
    """Per keypoint, for how long it has been off."""

    def __init__(self, keypoints: int, config: LimbWatchConfig) -> None:
        self._config = config
        self._off_s = np.zeros(keypoints)
        self._wait_s = 0.0
        self._retry_s = config.retry_s

    def caught(
        self,
        error_px: Float[np.ndarray, "camera keypoint"],
        seen: Bool[np.ndarray, "camera keypoint"],
        size_px: Float[np.ndarray, " camera"],
        interval_s: float,
    ) -> bool:
        """Take in one snapshot; whether a new start should be made now."""
        usable = seen & np.isfinite(error_px)
        share = np.where(usable, error_px / size_px[:, None], np.inf)
        count = usable.sum(axis=0)
        middle = np.sort(share, axis=0)[np.maximum(count - 1, 0) // 2, np.arange(share.shape[1])]
        watched = count >= 2
        off = watched & (middle > self._config.off)
        self._off_s = np.where(off, self._off_s + interval_s, np.where(watched, 0.0, self._off_s))
        self._wait_s = max(0.0, self._wait_s - interval_s)
        if self._wait_s > 0.0:
            return False
        if self._off_s.max(initial=0.0) < self._config.patience_s:
            self._retry_s = self._config.retry_s
            return False
        self._wait_s, self._retry_s = self._retry_s, 2.0 * self._retry_s
        self._off_s[:] = 0.0
        return True
