"""The detector's constant errors by view: where it puts a keypoint when it sees a person from the front, the side ...

A detector does not scatter about the point of the body model: seen from one side it puts a knee a little
forward, from the other a little back. That error depends on the keypoint and on the direction from which the
person is seen, not on time, so a recording with several views shows it. Modelled per keypoint as a
piecewise linear function of the camera's azimuth about the body, ``USUAL_PX`` between people, and learned from the residuals
of the fit, a picture counting as little as its correlation in time lets it.

Most views are off by a pixel or two, a few (hips from behind, the toes of the far foot) by twenty: Student's t. Taken as
normal, those few are believed half and draw the body towards them for the rest.
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
USUAL_PX = 2.0
DEGREES_OF_FREEDOM = 4.0
"""As of detections and markers."""
UPDATES = 12
INSTANTS_AT_ONCE = 1024


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


def learned_view_bias(
    problem: FitProblem,
    linearisation: Linearisation,
    errors: ViewErrors,
    q: Float64[np.ndarray, "instant 41"],
    v: Float64[np.ndarray, "instant 40"],
) -> ViewBias:
    """From the residuals of a fit; the pictures of ``problem`` are those from which no bias was taken off."""
    p, rig = problem.pictures, camera_arrays(problem.cameras)
    time_s = float(problem.prior.pixel_noise.correlation_time_s)
    fresh = np.tanh(0.5 * p.since_s / time_s)[:, None, None]
    shares, detected = sector_shares(problem, q), linearisation.used_pixels(errors)
    normal = np.zeros((p.sites, SECTORS, SECTORS))
    right = np.zeros((p.sites, SECTORS, 2))
    for start in range(0, len(q), INSTANTS_AT_ONCE):
        rows = slice(start, start + INSTANTS_AT_ONCE)
        places, velocities = linearisation.sites(q[rows], v[rows])
        at_pictures = places[:, None] + velocities[:, None] * p.offset_s[rows, :, None, None]
        cameras = CameraValues(*(None if x is None else x[p.camera[rows]] for x in rig))
        residual = detected[rows] - project(cameras, at_pictures.astype(np.float64))
        weight = problem.information[rows] * errors.robust_weight[rows] * fresh[rows]
        residual = np.where(weight[..., None] > 0, residual, 0.0)
        share = shares[rows].reshape(-1, SECTORS).astype(np.float64)
        weight, residual = weight.reshape(-1, p.sites), residual.reshape(-1, p.sites, 2)
        for k in range(p.sites):
            weighted = (share * weight[:, k, None]).T
            normal[k] += weighted @ share
            right[k] += weighted @ residual[:, k]
    return ViewBias(likely_errors(normal, right))


def likely_errors(
    normal: Float64[np.ndarray, "site sector sector"], right: Float64[np.ndarray, "site sector 2"]
) -> Float64[np.ndarray, "site sector 2"]:
    """Errors by view (px) from the normal equations of the residuals, which are the same for both axes.

    Each view's error is normal with a variance of its own, and those variances are spread so that errors follow a t distribution:
    expectation-maximisation (Lange, Little and Taylor 1989; Tipping 2001, J Mach Learn Res 1:211).
    """
    nu, scale2 = DEGREES_OF_FREEDOM, USUAL_PX**2
    weight = np.ones(right.shape[:2])
    for _ in range(UPDATES):
        covariance = np.linalg.inv(normal + np.eye(SECTORS) * (weight / scale2)[:, None])
        errors = covariance @ right
        unknown = np.diagonal(covariance, axis1=1, axis2=2)
        weight = (nu + 2.0) / (nu + (np.sum(errors**2, axis=2) + 2.0 * unknown) / scale2)
    return errors


def without_bias(problem: FitProblem, bias: ViewBias, q: Float64[np.ndarray, "instant 41"]) -> FitProblem:
    """The problem with the bias taken off its detections."""
    pixels = problem.pictures.pixels - bias.at(sector_shares(problem, q))
    return replace(problem, pictures=replace(problem.pictures, pixels=pixels))
