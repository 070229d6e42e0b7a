"""How a detector errs, learned while a rig is adjusted: by confidence and keypoint, how heavy the tails, how large its error by view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from kincast.models.detector_noise import DetectorNoise, DetectorNoiseConfig
from kincast.offline.bundle_solver import Noise, Solution
from kincast.offline.bundle_views import SECTORS, Views
from kincast.offline.noise import TAILS, tails

_WHOLE_RECORDING = replace(DetectorNoiseConfig(), memory_s=np.inf, fitted_parameters=0.0, floor_px=0.1)
USUAL_BIAS_PX = 2.0
USUAL_BIAS_COUNT = 200.0
"""The usual size of the error by view counts as so many numbers seen."""
_POINT_SHARE = 1.5
"""A point's three numbers are paid for by one and a half detections."""


class LearnedNoise:
    """Variances learned from the residuals of one solution after another."""

    def __init__(self, keypoints: int, degrees_of_freedom: float = TAILS[0]) -> None:
        self._table = DetectorNoise(keypoints, _WHOLE_RECORDING)
        self._degrees_of_freedom = degrees_of_freedom

    def of(self, views: Views) -> Noise:
        """Of every detection; what was not seen gets a harmless number."""
        information = np.ones(views.seen.shape)
        grid, place = _grid(views)
        grid[place] = views.confidence
        known = self._table.information(grid.reshape(-1, views.keypoints)).reshape(grid.shape)[place]
        information[views.seen] = np.maximum(known, 1e-6)[views.seen]
        return Noise(information, self._degrees_of_freedom)

    def learn(self, views: Views, solution: Solution) -> None:
        """One step of expectation maximisation for variances and tails."""
        count = views.seen.sum(axis=1)
        freedom = np.maximum(1.0 - _POINT_SHARE / np.maximum(count, 2), 0.2)
        distance_px = np.linalg.norm(solution.error_px, axis=-1) / np.sqrt(freedom)[:, None]
        errors, place = _grid(views)
        weights, confidences = np.ones_like(errors), np.zeros_like(errors)
        errors[place], confidences[place] = distance_px, views.confidence
        flat = (-1, views.keypoints)
        for _ in range(2):
            noise = self.of(views)
            nu, squared = noise.degrees_of_freedom, distance_px**2 * noise.information
            weights[place] = (nu + 2.0) / (nu + squared)
            for _ in range(2):  # bins and keypoints share the error between them
                self._table.update(
                    errors.reshape(flat), weights.reshape(flat), confidences.reshape(flat), 0.0
                )
            squared = distance_px**2 * self.of(views).information
            self._degrees_of_freedom = tails(squared[views.seen])


def learned_bias_sd_px(views: Views, solution: Solution) -> float:
    """Size of the detector's errors by view, those that this recording cannot tell included."""
    numbers = 2.0 * SECTORS * len(views.by_keypoint)
    found = float(np.sum(solution.guess.bias_px**2)) + solution.bias_variance_px2
    usual = USUAL_BIAS_COUNT * USUAL_BIAS_PX**2
    return float(np.sqrt((found + usual) / (numbers + USUAL_BIAS_COUNT)))


def _grid(views: Views) -> tuple[Float64[np.ndarray, "row camera keypoint"], tuple]:
    """Zeros for every detection there could be, and where the points' stand in it."""
    rows, cameras = int(views.row.max(initial=-1)) + 1, views.seen.shape[1]
    return np.zeros((rows, cameras, views.keypoints)), (views.row, slice(None), views.keypoint)
