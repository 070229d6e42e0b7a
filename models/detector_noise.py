"""How wrong the detector is on this person in this room: learned while fitting, from the residuals.

The variance of a pixel is modelled per confidence (bins) and per keypoint. Each is updated by the
expectation-maximisation step for the scale of a t distribution (Lange, Little and Taylor 1989): the mean of
weight x squared residual. Before anything is learned it is ``sigma_px^2 / confidence^confidence_power``; the
start counts as ``prior_count`` observations per bin. Noise-free detections thus end up trusted far more than
noisy ones, and a detector whose confidence says nothing ends up with equal weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BIN_WIDTH = 0.05
N_BINS = 21


@dataclass(frozen=True)
class DetectorNoiseConfig:
    """``memory_s``: how long residuals are remembered. The learned sigma stays between ``floor_px`` and ``ceiling_px``."""

    sigma_px: float = 3.0
    confidence_power: float = 3.0
    min_confidence: float = 0.1
    memory_s: float = 6.0
    prior_count: float = 150.0
    keypoint_prior_count: float = 150.0
    floor_px: float = 0.7
    ceiling_px: float = 40.0
    fitted_parameters: float = 30.0


class DetectorNoise:
    """Running variances, float64.

    Attributes:
        variance_px2: (bin,) per axis, by confidence.
        keypoint_factor: (keypoint,) relative variance, about 1.
        level: learned variance over the one assumed at the start.
    """

    def __init__(self, n_keypoints: int, config: DetectorNoiseConfig = DetectorNoiseConfig()) -> None:
        self._config = config
        centre = np.maximum((np.arange(N_BINS) + 0.5) * BIN_WIDTH, config.min_confidence)
        self._shape = np.minimum(centre, 1.0) ** -config.confidence_power
        self._sum = np.zeros(N_BINS)
        self._count = np.zeros(N_BINS)
        self._keypoint_sum = np.zeros(n_keypoints)
        self._keypoint_count = np.zeros(n_keypoints)

        self._learn()

    def _learn(self) -> None:
        """What the sums so far say: variance by confidence bin (px^2, per axis) and relative variance by keypoint."""
        config = self._config
        prior = 2.0 * config.prior_count
        start = config.sigma_px**2 * self._shape
        self.level = float((prior + (self._sum / start).sum()) / (prior + self._count.sum()))
        learned = config.prior_count * self.level * start + self._sum
        learned = learned / (config.prior_count + self._count)
        self.variance_px2 = np.clip(learned, config.floor_px**2, config.ceiling_px**2)
        n = config.keypoint_prior_count
        self.keypoint_factor = np.clip((n + self._keypoint_sum) / (n + self._keypoint_count), 0.25, 16.0)

    def information(
        self, confidence: Float[np.ndarray, "camera keypoint"]
    ) -> Float[np.ndarray, "camera keypoint"]:
        """1 / sigma^2 (1/px^2) of every detection, 0 where absent."""
        variance = self.variance_px2[_bin(confidence)] * self.keypoint_factor
        return np.where(confidence >= self._config.min_confidence, 1.0 / variance, 0.0)

    def update(
        self,
        error_px: Float[np.ndarray, "camera keypoint"],
        robust_weight: Float[np.ndarray, "camera keypoint"],
        confidence: Float[np.ndarray, "camera keypoint"],
        interval_s: float,
    ) -> None:
        """Take in the residuals of one instant. ``robust_weight`` is the factor on a detection's information."""
        config = self._config
        used = confidence >= config.min_confidence
        n = float(used.sum())
        if n < 20.0:
            return
        # Fitted residuals are smaller than errors: 2 n numbers paid for the pose's own parameters.
        freedom = 2.0 * n / max(2.0 * n - config.fitted_parameters, 0.5 * n)
        squared = np.where(used, 0.5 * freedom * robust_weight * error_px.astype(np.float64) ** 2, 0.0)
        keep = float(np.exp(-interval_s / config.memory_s))
        every = _bin(confidence)
        index = every[used]
        by_keypoint = squared / self.variance_px2[every]
        by_bin = squared / self.keypoint_factor
        self._sum = keep * self._sum + np.bincount(index, by_bin[used], N_BINS)
        self._count = keep * self._count + np.bincount(index, minlength=N_BINS)
        self._keypoint_sum = keep * self._keypoint_sum + by_keypoint.sum(axis=0)
        self._keypoint_count = keep * self._keypoint_count + used.sum(axis=0)
        self._learn()


def _bin(confidence: np.ndarray) -> np.ndarray:
    return np.clip((confidence / BIN_WIDTH).astype(int), 0, N_BINS - 1)
