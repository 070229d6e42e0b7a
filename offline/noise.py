"""How wrong the detector was in one recording: learned from all of its residuals at once.

The model is that of the live fit (:mod:`kincast.models.detector_noise`): a variance per confidence and per
keypoint, here over the whole recording, a factor per camera on top (a knocked or badly calibrated camera counts
for less), and how heavy the tails are. Each update is the expectation-maximisation step for the scale of a t distribution (Lange, Little and Taylor 1989).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from kincast.models.detector_noise import DetectorNoise, DetectorNoiseConfig
from kincast.offline.trajectory.problem import FitProblem, MotionPrior, Pictures, ViewErrors

CAMERA_PRIOR_COUNT = 300.0
CAMERA_FACTORS = (1.0, 100.0)
"""No camera counts for more than its detections say; a bad one for at least a hundredth."""
TAILS = (2.0, 3.0, 4.0, 6.0, 8.0)
"""Lighter ones would let single gross errors pull."""
MOST_DETECTIONS, MOST_FOR_TAILS = 4_000_000, 250_000
"""Of a longer recording every n-th instant (detection) says as much."""
INSTANTS_AT_ONCE = 2048
_WHOLE_RECORDING = replace(DetectorNoiseConfig(), memory_s=np.inf, fitted_parameters=0.0)


@dataclass(frozen=True)
class NoiseEstimate:
    """What was learned; ``information`` of every detection (1/px^2)."""

    information: Float32[np.ndarray, "instant slot site"]
    camera_factor: Float64[np.ndarray, " camera"]
    sigma_px: float
    degrees_of_freedom: float | None = None


def assumed_noise(pictures: Pictures, cameras: int) -> NoiseEstimate:
    """Before any residual was seen."""
    return _estimate(DetectorNoise(pictures.sites, _WHOLE_RECORDING), pictures, np.ones(cameras))


def learned_noise(problem: FitProblem, errors: ViewErrors, before: NoiseEstimate) -> NoiseEstimate:
    """From the residuals of a fit that used ``before``."""
    p, cameras = problem.pictures, len(problem.cameras)
    if not cameras:
        return before
    noise = DetectorNoise(p.sites, _WHOLE_RECORDING)
    every = slice(None, None, 1 + p.confidence.size // MOST_DETECTIONS)
    camera, confidence = p.camera[every], p.confidence[every].reshape(-1, p.sites)
    error_px, weight = errors.error_px[every], errors.robust_weight[every].reshape(-1, p.sites)
    scaled = (error_px / np.sqrt(before.camera_factor[camera])[..., None]).reshape(-1, p.sites)
    for _ in range(2):  # bins and keypoints share the error between them
        noise.update(scaled, weight, confidence, 0.0)
    expected = noise.information(confidence)
    ratio = 0.5 * weight * error_px.reshape(-1, p.sites).astype(np.float64) ** 2 * expected
    total, count = ratio.sum(axis=1), (expected > 0).sum(axis=1)
    new = np.ones(cameras)
    for c in range(cameras):
        mine = camera.reshape(-1) == c
        seen = CAMERA_PRIOR_COUNT + float(count[mine].sum())
        new[c] = (CAMERA_PRIOR_COUNT + float(total[mine].sum())) / seen
    estimate = _estimate(noise, p, np.clip(new / np.median(new), *CAMERA_FACTORS))
    information = estimate.information[every]
    used = information > 0
    squared = error_px[used].astype(np.float64) ** 2 * information[used]
    return replace(estimate, degrees_of_freedom=tails(squared[:: 1 + len(squared) // MOST_FOR_TAILS]))


def with_tails(prior: MotionPrior, noise: NoiseEstimate) -> MotionPrior:
    """The prior with the tails that were found."""
    if noise.degrees_of_freedom is None:
        return prior
    return replace(prior, pixel_noise=replace(prior.pixel_noise, degrees_of_freedom=noise.degrees_of_freedom))


def tails(squared: Float64[np.ndarray, " detection"]) -> float:
    """Degrees of freedom of the two-dimensional t distribution that explains squared distances best, of any scale."""
    best, most = TAILS[-1], -np.inf
    if len(squared) < 200:
        return best
    for nu in TAILS:
        scale2 = float(np.median(squared)) / 1.4
        for _ in range(8):
            scale2 = float(np.mean((nu + 2.0) / (nu + squared / scale2) * squared)) / 2.0
        likelihood = -np.log(scale2) - 0.5 * (nu + 2.0) * float(np.mean(np.log1p(squared / (nu * scale2))))
        if likelihood > most:
            best, most = nu, likelihood
    return best


def _estimate(
    noise: DetectorNoise, pictures: Pictures, camera_factor: Float64[np.ndarray, " camera"]
) -> NoiseEstimate:
    n, s, sites = pictures.confidence.shape
    information = np.zeros((n, s, sites), np.float32)
    if s == 0:
        return NoiseEstimate(information, camera_factor, 0.0)
    for start in range(0, n, INSTANTS_AT_ONCE):
        rows = slice(start, start + INSTANTS_AT_ONCE)
        own = noise.information(pictures.confidence[rows].reshape(-1, sites)).reshape(-1, s, sites)
        information[rows] = own / camera_factor[pictures.camera[rows]][..., None]
    some = information[:: 1 + information.size // MOST_DETECTIONS]
    sigma = float(np.sqrt(np.median(1.0 / some[some > 0]))) if (some > 0).any() else 0.0
    return NoiseEstimate(information, camera_factor, sigma)
