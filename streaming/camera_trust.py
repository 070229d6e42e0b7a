"""A slow judgement of every camera against the others: moved cameras are trusted less, then flagged.

A camera alone far off the others was knocked, and nothing is known of its place: it loses its say. Where all disagree a
little the rig was calibrated badly: that is for :mod:`kincast.streaming.rig_watch`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.masked_median import masked_median

MIN_KEYPOINTS = 3


@dataclass(frozen=True)
class CameraTrustConfig:
    """``time_s``: memory of a camera's typical error. Beyond ``tolerated`` times the typical camera's error its
    information falls with the square; at ``knocked`` times it is flagged. ``floor_px``: errors below are all good."""

    time_s: float = 0.7
    floor_px: float = 3.0
    tolerated: float = 2.0
    knocked: float = 4.0


class CameraTrust:
    """Running typical error per camera; ``weight`` (C,) in (0, 1] multiplies its information.

    ``apart`` (C,): at the last instant alone its error was ``knocked`` times the typical camera's.
    """

    def __init__(self, cameras: int, config: CameraTrustConfig) -> None:
        self._config = config
        self._error_px = np.full(cameras, np.nan)
        self._seen_s = np.zeros(cameras)
        self.weight: Float[np.ndarray, " camera"] = np.ones(cameras)
        self.knocked: Bool[np.ndarray, " camera"] = np.zeros(cameras, bool)
        self.apart: Bool[np.ndarray, " camera"] = np.zeros(cameras, bool)

    def update(
        self,
        error_px: Float[np.ndarray, "camera keypoint"],
        used: Bool[np.ndarray, "camera keypoint"],
        interval_s: float,
    ) -> None:
        """Take in the errors of one instant; only ``used`` entries count."""
        config = self._config
        keep = float(np.exp(-interval_s / config.time_s))
        seen = used.sum(axis=1) >= MIN_KEYPOINTS
        now_px = masked_median(error_px.astype(np.float64), used & seen[:, None])
        old, first = self._error_px, np.isnan(self._error_px)
        slowly = np.where(first, now_px, keep * old + (1.0 - keep) * now_px)
        self._error_px = np.where(seen, slowly, old)
        self._seen_s[seen] += interval_s
        level_px = max(float(np.median(now_px[seen])), config.floor_px) if seen.any() else config.floor_px
        self.apart = seen & (np.where(seen, now_px, 0.0) > config.knocked * level_px)
        known = ~np.isnan(self._error_px)
        if known.sum() < 3:
            return  # of two cameras that disagree nobody knows which one moved
        typical = max(float(np.median(self._error_px[known])), config.floor_px)
        ratio = np.where(known, self._error_px / typical, 1.0)
        self.weight = np.minimum(1.0, (config.tolerated / np.maximum(ratio, 1e-6)) ** 2)
        self.knocked = (ratio > config.knocked) & (self._seen_s > config.time_s)
