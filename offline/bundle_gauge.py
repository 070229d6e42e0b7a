"""What no picture tells of a rig: its common motion and size.

The calibrated cameras tell it, each within its sd; and where the person stands, the soles tell the floor: level, at
z = 0. Soles stay out where they stand on something else (a step, a treadmill's deck) or on nothing still (a belt). The size comes from the cameras
(eight, each placed within 2 cm by itself, know it to 0.1 %; a stranger's stature and proportions to 2 %), unless all are off alike, as by a board
whose squares are not as large as was typed in: where the person's body is known from elsewhere, its thighs and shanks tell (to 1 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.body import BodyParameters
from kincast.models.camera import Camera
from kincast.models.mirrored_sites import site_landmarks
from kincast.offline.bundle_solver import Prior, Slopes
from kincast.offline.bundle_views import Views
from kincast.offline.camera_change import CLOCK, PARAMETERS, change_between, moved_with_world
from kincast.offline.known_lengths import known_size

_SOLES = ("heel", "calcaneus", "big_toe", "small_toe", "mt1", "mt2", "mt5", "hallux", "second_toe")
SURE_SD = 3.0
"""So many standard deviations a rig's size must be off the known lengths to be doubted."""
_GAUGE = 7
"""Turn (rad), shift (m) and logarithm of the size of the world, about the soles' mean place."""


@dataclass(frozen=True)
class FloorConfig:
    """A sole keypoint stands where it is slower than ``still_m_s``, nearer than ``reach_m`` to z = 0.

    Standing, it is ``height_m`` high, sd ``height_sd_m`` between keypoints and people; each stance errs by ``stance_sd_m``.
    """

    still_m_s: float = 0.25
    reach_m: float = 0.08
    height_m: float = 0.025
    height_sd_m: float = 0.015
    stance_sd_m: float = 0.008
    least_stances: int = 4
    iterations: int = 4


@dataclass(frozen=True)
class Stances:
    """Mean places of sole keypoints while they stood."""

    keypoint: Int64[np.ndarray, " stance"]
    place: Float64[np.ndarray, "stance 3"]


def stances(
    keypoint_set: str,
    views: Views,
    points: Float64[np.ndarray, "point 3"],
    at: Slopes,
    config: FloorConfig = FloorConfig(),
) -> Stances:
    """Where soles stood still near z = 0."""
    landmarks = site_landmarks(keypoint_set)
    sole = np.array([name[:-2] in _SOLES for name in landmarks])
    still = sole[views.keypoint] & (_speed(views, at) < config.still_m_s)
    still &= np.abs(points[:, 2] - config.height_m) < config.reach_m
    keypoints, places = [], []
    for k, stretch in views.by_keypoint:
        index = np.flatnonzero(still[stretch]) + stretch.start
        if not len(index):
            continue
        order = index[np.argsort(views.row[index], kind="stable")]
        for one in np.split(order, np.flatnonzero(np.diff(views.row[order]) > 2) + 1):
            if len(one) >= 3:
                keypoints.append(k)
                places.append(np.median(points[one], axis=0))
    return Stances(np.array(keypoints, np.int64), np.array(places).reshape(-1, 3))


def on_the_floor(
    calibrated: Sequence[Camera],
    found: Sequence[Camera],
    clock_s: Float64[np.ndarray, " camera"],
    prior: Prior,
    standing: Stances,
    config: FloorConfig = FloorConfig(),
) -> tuple[Camera, ...]:
    """The adjusted cameras with their world turned and moved as cameras and floor together ask for.

    Left as they are where the soles say nothing against them: then the floor knows no better than the cameras.
    """
    cameras = tuple(found)
    if len(standing.place) < config.least_stances:
        return cameras
    centre = standing.place.mean(axis=0)
    places, keypoints = standing.place.copy(), np.unique(standing.keypoint)
    whose = standing.keypoint[:, None] == keypoints
    for iteration in range(config.iterations):
        changes = _changes(calibrated, cameras, clock_s)
        slopes = np.stack(
            [
                (_changes(calibrated, _moved(cameras, step, centre), clock_s) - changes) / 1e-6
                for step in 1e-6 * np.eye(_GAUGE)
            ],
            axis=-1,
        )[:, prior.free]
        stiff = prior.loss_and_weight(changes)[1][:, None] / prior.sd[:, prior.free] ** 2
        matrix = np.einsum("cna,cn,cnb->ab", slopes, stiff, slopes)
        pull = -np.einsum("cna,cn->a", slopes, stiff * changes[:, prior.free])
        # heights: each keypoint's own, about the usual one, is eliminated
        about = places - centre
        rows = np.zeros((len(places), _GAUGE))
        rows[:, 0], rows[:, 1], rows[:, 5], rows[:, 6] = about[:, 1], -about[:, 0], 1.0, about[:, 2]
        error = config.height_m - places[:, 2]
        covariance = config.height_sd_m**2 * (1.0 + whose @ whose.T)  # shoes are alike, keypoints differ
        covariance += config.stance_sd_m**2 * np.eye(len(places))
        weight = np.linalg.inv(covariance)
        if iteration == 0 and not _contradicted(rows, weight, error, np.linalg.inv(matrix)):
            break
        step = np.linalg.solve(matrix + rows.T @ weight @ rows, pull + rows.T @ weight @ error)
        cameras = _moved(cameras, step, centre)
        turn = np.asarray(cv2.Rodrigues(step[:3])[0])
        places = np.exp(step[6]) * about @ turn.T + centre + step[3:6]
    return cameras


def size_off(
    body: BodyParameters, keypoint_set: str, views: Views, points: Float64[np.ndarray, "point 3"]
) -> float:
    """Logarithm of the factor that makes ``points`` as large as the person is known to be; 0 where the lengths do not surely ask for it."""
    size = known_size(body, keypoint_set, views, points)
    return 0.0 if size is None or abs(size.log_size) < SURE_SD * size.sd else size.log_size


def resized(cameras: Sequence[Camera], log_size: float) -> tuple[Camera, ...]:
    """The cameras in a world larger by so much about its origin: they see the same pictures."""
    if log_size == 0.0:
        return tuple(cameras)
    still = np.zeros(3)
    return tuple(moved_with_world(c, still, still, log_size, still) for c in cameras)


def _contradicted(
    rows: Float64[np.ndarray, "n 7"],
    weight: Float64[np.ndarray, "n n"],
    error: Float64[np.ndarray, " n"],
    covariance: Float64[np.ndarray, "7 7"],
) -> bool:
    """The floor's tilt and height by the soles lie three standard deviations (of a chi-square) off the cameras' own."""
    numbers = [0, 1, 5]
    slopes = rows[:, numbers]
    own = np.linalg.inv(slopes.T @ weight @ slopes)
    found = own @ slopes.T @ weight @ error
    distance = float(found @ np.linalg.solve(own + covariance[np.ix_(numbers, numbers)], found))
    return distance > 3.0 + 3.0 * (2.0 * 3.0) ** 0.5


def _changes(
    calibrated: Sequence[Camera], cameras: Sequence[Camera], clock_s: Float64[np.ndarray, " camera"]
) -> Float64[np.ndarray, "camera 10"]:
    changes = np.array([change_between(a, b) for a, b in zip(calibrated, cameras, strict=True)])
    changes = changes.reshape(-1, PARAMETERS)
    changes[:, CLOCK] = clock_s
    return changes


def _moved(
    cameras: Sequence[Camera], step: Float64[np.ndarray, "7"], centre: Float64[np.ndarray, "3"]
) -> tuple[Camera, ...]:
    return tuple(moved_with_world(c, step[:3], step[3:6], step[6], centre) for c in cameras)


def _speed(views: Views, at: Slopes) -> Float64[np.ndarray, " point"]:
    """Of the points (m/s), from how they move in their pictures."""
    seen: Bool[np.ndarray, "point camera"] = views.seen
    slopes = at.by_point * seen[..., None, None]
    normal = np.einsum("pcix,pciy->pxy", slopes, slopes) + 1e-6 * np.eye(3)
    pull = np.einsum("pcix,pci->px", slopes, views.rate_px_s)
    return np.linalg.norm(np.linalg.solve(normal, pull[..., None])[..., 0], axis=1)
