"""The detector's constant errors by view: where it puts a keypoint when it sees a person from the front, the side ...

A detector does not scatter about the point of the body model: seen from one side it puts a knee a little
forward, from the other a little back. That error depends on the keypoint and on the direction from which the
person is seen, not on time, so a recording with several views shows it. Modelled per keypoint as a
piecewise linear function of the camera's azimuth about the body, ``SD_PX`` between people, and learned from the residuals
of the fit, a picture counting as little as its correlation in time lets it (ridge regression).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from kincast.models.camera import CameraValues, camera_arrays, project
from kincast.models.rotations import matrix_from_quaternion
from kincast.offline.trajectory.linearise import Linearisation
from kincast.offline.trajectory.problem import FitProblem, ViewErrors

SECTORS = 8
SD_PX = 2.0


@dataclass(frozen=True)
class ViewBias:
    """``value[site, sector]`` in pixels (x, y of the picture) at the azimuths 0, 45, .. degrees about the body (0: seen from ahead)."""

    value: Float64[np.ndarray, "site sector 2"]

    @staticmethod
    def none(sites: int) -> ViewBias:
        return ViewBias(np.zeros((sites, SECTORS, 2)))

    def at(
        self, share: Float32[np.ndarray, "instant slot sector"]
    ) -> Float32[np.ndarray, "instant slot site 2"]:
        """Bias of every detection."""
        return np.einsum("nsa,kaj->nskj", share, self.value.astype(np.float32), optimize=True)


def azimuths(
    problem: FitProblem, q: Float64[np.ndarray, "instant 41"]
) -> Float64[np.ndarray, "instant slot"]:
    """From where about the body each picture is taken (rad; 0: from ahead)."""
    cameras = camera_arrays(problem.cameras)
    centre = -np.einsum("cji,cj->ci", cameras.rotation, cameras.translation)
    forward = np.asarray(matrix_from_quaternion(q[:, 3:7]))[:, :2, 0]
    towards = centre[problem.pictures.camera][..., :2] - q[:, None, :2]
    return np.arctan2(towards[..., 1], towards[..., 0]) - np.arctan2(forward[:, 1], forward[:, 0])[:, None]


def sector_shares(
    problem: FitProblem, q: Float64[np.ndarray, "instant 41"]
) -> Float32[np.ndarray, "instant slot sector"]:
    """How far each picture is taken from each of the azimuths: two neighbours share it."""
    azimuth = azimuths(problem, q)
    place = np.mod(azimuth / (2 * np.pi), 1.0) * SECTORS
    lower = np.floor(place).astype(int) % SECTORS
    upper_share = place - np.floor(place)
    shares = np.zeros((*azimuth.shape, SECTORS), np.float32)
    np.put_along_axis(shares, lower[..., None], (1.0 - upper_share)[..., None].astype(np.float32), axis=-1)
    upper = ((lower + 1) % SECTORS)[..., None]
    np.put_along_axis(shares, upper, upper_share[..., None].astype(np.float32), axis=-1)
    return shares


def residuals_px(
    problem: FitProblem,
    linearisation: Linearisation,
    errors: ViewErrors,
    q: Float64[np.ndarray, "instant 41"],
    v: Float64[np.ndarray, "instant 40"],
) -> Float64[np.ndarray, "instant slot site 2"]:
    """Detections (as used) minus the model's pixels; 0 where absent."""
    rig = camera_arrays(problem.cameras)
    index = problem.pictures.camera
    cameras = CameraValues(*(None if x is None else x[index] for x in rig))
    predicted = project(cameras, linearisation.at_pictures(q, v).astype(np.float64))
    used = problem.information > 0
    return np.where(used[..., None], linearisation.used_pixels(errors) - predicted, 0.0)


def learned_view_bias(
    problem: FitProblem,
    linearisation: Linearisation,
    errors: ViewErrors,
    q: Float64[np.ndarray, "instant 41"],
    v: Float64[np.ndarray, "instant 40"],
) -> ViewBias:
    """From the residuals of a fit; the pictures of ``problem`` are those from which no bias was taken off."""
    residual = residuals_px(problem, linearisation, errors, q, v)
    shares = sector_shares(problem, q).reshape(-1, SECTORS).astype(np.float64)
    time_s = float(problem.prior.pixel_noise.correlation_time_s)
    fresh = np.tanh(0.5 * problem.pictures.since_s / time_s)[:, None, None]
    weight = problem.information * errors.robust_weight * fresh
    weight = weight.reshape(-1, weight.shape[-1])
    residual = residual.reshape(len(weight), -1, 2)
    value = np.zeros((weight.shape[1], SECTORS, 2))
    for k in range(weight.shape[1]):
        weighted = shares * weight[:, k, None]
        normal = weighted.T @ shares + np.eye(SECTORS) / SD_PX**2
        value[k] = np.linalg.solve(normal, weighted.T @ residual[:, k])
    return ViewBias(value)


def without_bias(problem: FitProblem, bias: ViewBias, q: Float64[np.ndarray, "instant 41"]) -> FitProblem:
    """The problem with the bias taken off its detections."""
    pixels = problem.pictures.pixels - bias.at(sector_shares(problem, q))
    return replace(problem, pictures=replace(problem.pictures, pixels=pixels.astype(np.float32)))
