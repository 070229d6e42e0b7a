"""Bundle adjustment: the cameras from what they see together, where the calibration contradicts the pictures.

Unknown per camera: orientation and place, and where the data ask for it its clock, its focal length and principal
point; every keypoint of many instants as a free point of space; the detector's error by keypoint and view, the
same for all cameras; how the detector scatters. No body takes part: a wrong body would bend the rig. Each number
has a prior about its calibrated value.

What no picture tells, the rig's common motion and size, is settled last, by the floor and by a known body's lengths: see
:mod:`kincast.offline.bundle_gauge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.body import BodyParameters
from kincast.models.camera import Camera
from kincast.models.observations import Observations
from kincast.offline.bundle_gauge import on_the_floor, resized, size_off, stances
from kincast.offline.bundle_noise import USUAL_BIAS_PX, LearnedNoise, learned_bias_sd_px
from kincast.offline.bundle_solver import (
    Guess,
    Noise,
    Prior,
    Solution,
    bias_of,
    free_numbers,
    slopes_at,
    solve,
)
from kincast.offline.bundle_views import SECTORS, ViewConfig, Views, gathered
from kincast.offline.camera_change import (
    CENTRE,
    CLOCK,
    FOCAL,
    PARAMETERS,
    ROTATION,
    TRANSLATION,
    change_between,
    changed,
)

LEAST_POINTS = 200
FIRST_ROWS = 120
"""Instants that tell whether a calibration is contradicted at all."""


@dataclass(frozen=True)
class BundleConfig:
    """Standard deviations of a calibration about the truth, before looking, and when it is replaced.

    Attributes:
        rotation_sd_rad, translation_sd_m, clock_sd_s: per axis; focal_sd, centre_sd: in focal lengths.
        tails: degrees of freedom of a camera's change (Student's t): some cameras are knocked, most are not.
        rounds: how often points are sought anew and the detector's errors learned again.
        worth: nats by which freeing the clocks, then the lenses, must explain more than such freedom always does.
        demanded: share by which some camera's median residual must fall for the calibration to count as contradicted.
    """

    views: ViewConfig = field(default_factory=ViewConfig)
    rotation_sd_rad: float = np.radians(0.6)
    translation_sd_m: float = 0.012
    focal_sd: float = 0.01
    centre_sd: float = 0.008
    clock_sd_s: float = 0.01
    tails: float = 4.0
    rounds: int = 3
    worth: float = 10.0
    demanded: float = 0.12


@dataclass(frozen=True)
class CameraChange:
    """What was changed about one camera, and the sd of each number after looking."""

    name: str
    change: Float64[np.ndarray, "10"]
    sd: Float64[np.ndarray, "10"]
    median_px: tuple[float, float]
    """Median residual of its detections before and after."""

    @property
    def turn_deg(self) -> float:
        return float(np.degrees(np.linalg.norm(self.change[ROTATION])))

    @property
    def shift_m(self) -> float:
        return float(np.linalg.norm(self.change[TRANSLATION]))


@dataclass(frozen=True)
class Bundle:
    """Adjusted cameras; ``demanded``: the data contradict the calibration clearly enough to use them instead.

    ``size_off``: logarithm of the factor by which the calibrated rig is too small for the lengths of the known body; 0
    where it agrees with them, or none is known. The adjusted cameras have it put right.
    """

    cameras: tuple[Camera, ...]
    changes: tuple[CameraChange, ...]
    median_px: tuple[float, float]
    demanded: bool
    size_off: float = 0.0

    @property
    def clock_s(self) -> Float64[np.ndarray, " camera"]:
        """By how much later than stamped each camera's pictures were taken."""
        return np.array([c.change[CLOCK] for c in self.changes])


POSE: Bool[np.ndarray, "10"] = free_numbers(ROTATION, TRANSLATION)
WITH_CLOCK = free_numbers(ROTATION, TRANSLATION, CLOCK)
EVERYTHING = free_numbers(ROTATION, TRANSLATION, CLOCK, FOCAL, CENTRE)
NOTHING = free_numbers()


def adjusted(
    recordings: Sequence[Observations],
    config: BundleConfig = BundleConfig(),
    body: BodyParameters | None = None,
) -> Bundle | None:
    """Adjust the cameras that all ``recordings`` share; None where too few points are seen by three of them.

    ``body``: the person's, where it is known from elsewhere; it says how large the rig is, and bends nothing.
    Of two cameras alone the pictures tell how they stand to each other, apart from the distance between them.
    """
    calibrated = recordings[0].cameras
    if len(calibrated) < 2:
        return None
    if len(calibrated) == 2:
        config = replace(config, views=replace(config.views, min_views=2))
    keypoints = recordings[0].keypoints.shape[2]
    noise, sd = LearnedNoise(keypoints), _sd(calibrated, config)
    look = _Look(calibrated, np.zeros((keypoints, SECTORS, 2)), np.zeros((len(calibrated), PARAMETERS)), 0.0)
    few = replace(config.views, rows=min(config.views.rows, FIRST_ROWS))
    for round_ in range(config.rounds):
        views, points = gathered(recordings, look.cameras, config.views if round_ else few)
        if len(points) < LEAST_POINTS:
            return None
        guess = Guess(look.changes, points, look.bias_px)
        for _ in range(2):
            prior = Prior(sd, POSE, config.tails, look.bias_sd_px)
            solution = solve(calibrated, views, noise.of(views), prior, guess)
            noise.learn(views, solution)
            look, guess = look.after(calibrated, views, solution), solution.guess
        if not round_ and not _result(calibrated, views, noise.of(views), prior, solution, config).demanded:
            break
    prior = replace(prior, bias_sd_px=look.bias_sd_px)
    prior, best = _best(calibrated, views, noise.of(views), prior, guess, config)
    keypoint_set = recordings[0].keypoint_set
    off = 0.0 if body is None else size_off(body, keypoint_set, views, best.guess.points)
    settled = _settled(keypoint_set, calibrated, views, noise.of(views), prior, best, off)
    return replace(_result(calibrated, views, noise.of(views), prior, settled, config), size_off=off)


@dataclass(frozen=True)
class _Look:
    """What is known after each look at the recordings."""

    cameras: tuple[Camera, ...]
    bias_px: Float64[np.ndarray, "keypoint sector 2"]
    changes: Float64[np.ndarray, "camera 10"]
    bias_sd_px: float

    def after(self, calibrated: Sequence[Camera], views: Views, solution: Solution) -> _Look:
        found = solution.guess
        cameras = tuple(changed(c, change) for c, change in zip(calibrated, found.changes, strict=True))
        known = self.bias_sd_px > 0
        sd_px = learned_bias_sd_px(views, solution) if known else USUAL_BIAS_PX
        return _Look(cameras, found.bias_px, found.changes, sd_px)


def _sd(cameras: Sequence[Camera], config: BundleConfig) -> Float64[np.ndarray, "camera 10"]:
    sd = np.empty((len(cameras), PARAMETERS))
    sd[:, ROTATION], sd[:, TRANSLATION] = config.rotation_sd_rad, config.translation_sd_m
    sd[:, FOCAL], sd[:, CLOCK] = config.focal_sd, config.clock_sd_s
    sd[:, CENTRE] = config.centre_sd * np.array([[c.matrix[0, 0]] for c in cameras])
    return sd


def _best(
    calibrated: Sequence[Camera], views: Views, noise: Noise, prior: Prior, guess: Guess, config: BundleConfig
) -> tuple[Prior, Solution]:
    """Clocks, then lenses too, are freed where that explains clearly more."""
    best = solve(calibrated, views, noise, prior, guess)
    for free in (WITH_CLOCK, EVERYTHING):
        wider = replace(prior, free=free)
        tried = solve(calibrated, views, noise, wider, best.guess)
        if best.loss - tried.loss > _price(wider, tried) - _price(prior, best) + config.worth:
            prior, best = wider, tried
    return prior, best


def _settled(
    keypoint_set: str,
    calibrated: Sequence[Camera],
    views: Views,
    noise: Noise,
    prior: Prior,
    solution: Solution,
    off: float,
) -> Solution:
    """With the rig's common motion and size as the floor and a known body have them."""
    found = solution.guess
    standing = stances(keypoint_set, views, found.points, slopes_at(calibrated, views, noise, found))
    cameras = resized([changed(c, change) for c, change in zip(calibrated, found.changes, strict=True)], off)
    standing = replace(standing, place=np.exp(off) * standing.place)
    changes = found.changes.copy()
    rightly_sized = resized(calibrated, off)
    for c, camera in enumerate(on_the_floor(rightly_sized, cameras, changes[:, CLOCK], prior, standing)):
        changes[c, :6] = change_between(calibrated[c], camera)[:6]
    return replace(solution, guess=replace(found, changes=changes))


def _result(
    calibrated: Sequence[Camera],
    views: Views,
    noise: Noise,
    prior: Prior,
    solution: Solution,
    config: BundleConfig,
) -> Bundle:
    """The adjusted cameras beside those that were calibrated."""
    zero = np.zeros_like(solution.guess.changes)
    held = solve(
        calibrated, views, noise, replace(prior, free=NOTHING), replace(solution.guess, changes=zero)
    )
    plain = replace(held.guess, bias_px=np.zeros_like(held.guess.bias_px))
    before = solve(calibrated, views, noise, Prior(prior.sd, NOTHING, prior.tails, 0.0), plain)
    all_before, own_before = _medians(views, before.error_px)
    all_after, own_after = _medians(views, solution.error_px + _seen_bias(views, solution))
    sd = np.zeros_like(zero)
    covariance = np.linalg.inv(solution.precision)
    sd[:, prior.free] = np.sqrt(np.diag(covariance)).reshape(len(calibrated), -1)
    medians = tuple(zip(own_before, own_after, strict=True))
    changes = tuple(
        CameraChange(camera.name, solution.guess.changes[c], sd[c], medians[c])
        for c, camera in enumerate(calibrated)
    )
    refined = tuple(changed(camera, c.change) for camera, c in zip(calibrated, changes, strict=True))
    fallen = any(new < (1.0 - config.demanded) * old for old, new in zip(own_before, own_after, strict=True))
    likelier = held.loss - solution.loss > _price(prior, solution)
    return Bundle(refined, changes, (all_before, all_after), fallen and likelier)


def _price(prior: Prior, solution: Solution) -> float:
    """By how much freedom alone lowers the loss of a right calibration's rival (Laplace's approximation to its evidence)."""
    sd = prior.sd[:, prior.free].ravel()
    return 0.5 * float(np.linalg.slogdet(solution.precision * np.outer(sd, sd))[1])


def _medians(views: Views, error_px: Float64[np.ndarray, "point camera 2"]) -> tuple[float, list[float]]:
    """Of the distances in all pictures, and in each camera's."""
    distance = np.linalg.norm(error_px, axis=-1)
    own = [float(np.median(distance[s, c])) if s.any() else 0.0 for c, s in enumerate(views.seen.T)]
    return float(np.median(distance[views.seen])), own


def _seen_bias(views: Views, solution: Solution) -> Float64[np.ndarray, "point camera 2"]:
    return bias_of(views, solution.guess.bias_px) * views.seen[..., None]
