"""Bundle adjustment: the cameras from what they see together, where the calibration contradicts the pictures.

Unknown per camera: orientation and place, focal length, principal point, clock offset; and every keypoint of many
instants as a free point of space, eliminated by its own 3 x 3 block (Schur complement, Triggs et al. 2000). No body
takes part: a wrong body would bend the rig. Each number has a prior about its calibrated value, which also
fixes the gauge: the rig's common motion and its scale, which no picture tells, stay at their calibrated mean. Robust
(Student's t, scale learned), and a picture counts as little as its correlation in time lets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.association import exchange_legs, leg_swapped
from kincast.models.camera import (
    Camera,
    camera_arrays,
    project_with_jacobian,
    rotation_matrix,
    to_camera_frame,
)
from kincast.models.mirrored_sites import left_right_pairs, leg_pairs
from kincast.models.observations import Observations, synchronised_keypoints, without_soft_sites
from kincast.models.triangulation import TriangulationConfig, triangulate

PARAMETERS = 10
ROTATION, TRANSLATION, FOCAL, CENTRE, CLOCK = slice(0, 3), slice(3, 6), 6, slice(7, 9), 9
DEGREES_OF_FREEDOM = 2.0


@dataclass(frozen=True)
class BundleConfig:
    """Standard deviations of a calibration about the truth, before looking, and what data are used.

    Attributes:
        held_sd: of focal length (relative), principal point (1000 px) and clock (s) while they are held.
        rows: instants used, over all recordings; points need ``min_views`` with ``min_confidence``.
        noise_px, noise_correlation_s, bias_px: detector noise and its persistence, and its error by keypoint and 45 degrees
            of view direction: together they say how many independent looks a recording is worth.
        start_sigma_px: scale of the residuals assumed at first; then learned.
        worth: gain (nats per camera) from which on lenses and clocks are freed.
        demanded: share by which the median residual must fall for the calibration to count as contradicted.
    """

    rotation_sd_rad: float = np.radians(0.8)
    translation_sd_m: float = 0.015
    focal_sd: float = 0.01
    centre_sd_px: float = 10.0
    clock_sd_s: float = 0.01
    held_sd: float = 1e-6
    rows: int = 240
    min_views: int = 3
    min_confidence: float = 0.3
    start_sigma_px: float = 8.0
    noise_px: float = 3.0
    noise_correlation_s: float = 0.075
    bias_px: float = 2.0
    iterations: int = 40
    worth: float = 8.0
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
    """Adjusted cameras; ``demanded``: the data contradict the calibration clearly enough to use them instead."""

    cameras: tuple[Camera, ...]
    changes: tuple[CameraChange, ...]
    median_px: tuple[float, float]
    demanded: bool

    @property
    def clock_s(self) -> Float64[np.ndarray, " camera"]:
        """By how much later than stamped each camera's pictures were taken."""
        return np.array([c.change[CLOCK] for c in self.changes])


@dataclass(frozen=True)
class _Views:
    """P points seen by C cameras. ``rate_px_s`` is how fast a detection moves in its picture."""

    pixels: Float64[np.ndarray, "point camera 2"]
    rate_px_s: Float64[np.ndarray, "point camera 2"]
    seen: Bool[np.ndarray, "point camera"]
    share: float


def changed(camera: Camera, change: Float64[np.ndarray, "10"]) -> Camera:
    """The camera with its calibrated numbers changed (the clock's is not the camera's own)."""
    turn = np.asarray(rotation_matrix(np.asarray(change[ROTATION], np.float64)))
    rotation = turn @ np.asarray(cv2.Rodrigues(np.asarray(camera.rotation, np.float64))[0])
    matrix = np.array(camera.matrix, np.float64)
    matrix[[0, 1], [0, 1]] *= np.exp(change[FOCAL])
    matrix[:2, 2] += change[CENTRE]
    return replace(
        camera,
        rotation=np.asarray(cv2.Rodrigues(rotation)[0], np.float64)[:, 0],
        translation=turn @ np.asarray(camera.translation) + change[TRANSLATION],
        matrix=matrix,
    )


def adjusted(recordings: Sequence[Observations], config: BundleConfig = BundleConfig()) -> Bundle | None:
    """Adjust the cameras that all ``recordings`` share; None where too few points are seen by three cameras."""
    cameras = recordings[0].cameras
    views, points = _gathered(recordings, config)
    if len(points) < 200 or len(cameras) < config.min_views:
        return None
    outside = _sd(config, len(cameras), lens=False)
    everything = _sd(config, len(cameras), lens=True)
    zero = np.zeros(len(cameras) * PARAMETERS)
    calibrated = _solve(cameras, views, zero, points, None, config.start_sigma_px, config)
    placed = _solve(cameras, views, zero, calibrated.points, outside, calibrated.sigma_px, config)
    full = _solve(cameras, views, placed.total, placed.points, everything, placed.sigma_px, config)
    # both at the same scale of residuals
    gain = _at(cameras, views, placed.total, placed.points, full.sigma_px, everything).loss
    gain -= _at(cameras, views, full.total, full.points, full.sigma_px, everything).loss
    best = full if gain > config.worth * len(cameras) else placed
    return _bundle(cameras, views, calibrated, best, config)


def _bundle(
    cameras: Sequence[Camera], views: _Views, before: _Solution, best: _Solution, config: BundleConfig
) -> Bundle:
    def medians(solution: _Solution) -> tuple[float, list[float]]:
        distance = np.linalg.norm(solution.error, axis=-1)
        own = [float(np.median(distance[s, c])) if s.any() else 0.0 for c, s in enumerate(views.seen.T)]
        return float(np.median(distance[views.seen])), own

    all_before, by_camera_before = medians(before)
    all_after, by_camera_after = medians(best)
    changes = tuple(
        CameraChange(camera.name, change, spread, (old, new))
        for camera, change, spread, old, new in zip(
            cameras,
            best.total.reshape(-1, PARAMETERS),
            best.sd.reshape(-1, PARAMETERS),
            by_camera_before,
            by_camera_after,
            strict=True,
        )
    )
    refined = tuple(changed(camera, c.change) for camera, c in zip(cameras, changes, strict=True))
    demanded = all_after < (1.0 - config.demanded) * all_before
    return Bundle(refined, changes, (all_before, all_after), demanded)


def _sd(config: BundleConfig, cameras: int, lens: bool) -> Float64[np.ndarray, " number"]:
    sd = np.empty(PARAMETERS)
    sd[ROTATION], sd[TRANSLATION] = config.rotation_sd_rad, config.translation_sd_m
    held = config.held_sd
    sd[FOCAL] = config.focal_sd if lens else held
    sd[CENTRE] = config.centre_sd_px if lens else 1e3 * held
    sd[CLOCK] = config.clock_sd_s if lens else held
    return np.tile(sd, cameras)


def _gathered(
    recordings: Sequence[Observations], config: BundleConfig
) -> tuple[_Views, Float64[np.ndarray, "point 3"]]:
    """Points seen by enough cameras at instants spread over the recordings, and first guesses of them."""
    parts, guesses, shares = [], [], []
    for recording in recordings:
        keypoints, rate, duration_s = _synchronised(recording, config.rows // len(recordings))
        found = triangulate(recording.cameras, keypoints, TriangulationConfig(gate_px=60.0))
        pairs = leg_pairs(recording.keypoint_set)
        swapped = leg_swapped(recording.cameras, keypoints, found.points, found.valid, pairs)
        if swapped.any():
            rate = np.where(swapped[..., None, None], 0.0, rate)
            keypoints = exchange_legs(keypoints, swapped, pairs)
            found = triangulate(recording.cameras, keypoints, TriangulationConfig(gate_px=60.0))
        # (row, camera, keypoint) -> (row, keypoint, camera)
        pixels, rates = np.moveaxis(keypoints, 1, 2), np.moveaxis(rate, 1, 2)
        seen = pixels[..., 2] >= config.min_confidence
        use = found.valid & (seen.sum(axis=2) >= config.min_views)
        parts.append((pixels[use][..., :2], rates[use], seen[use]))
        guesses.append(found.points[use])
        shares.append(
            _looks(recording, found.points, found.valid, duration_s, config) / max(len(keypoints), 1)
        )
    pixels, rate, seen = (np.concatenate(p) for p in zip(*parts, strict=True))
    return _Views(pixels, rate, seen, float(np.mean(shares))), np.concatenate(guesses)


def _synchronised(
    recording: Observations, rows: int
) -> tuple[Float64[np.ndarray, "row camera keypoint 3"], Float64[np.ndarray, "row camera keypoint 2"], float]:
    """Pixels at common instants, their speed, and how long the recording is."""
    recording = without_soft_sites(recording)
    t_s = recording.reference_t_ns * 1e-9
    keypoints = synchronised_keypoints(recording)
    rate = np.zeros((*keypoints.shape[:-1], 2))
    both = (keypoints[2:, ..., 2] > 0) & (keypoints[:-2, ..., 2] > 0)
    span = np.maximum(t_s[2:] - t_s[:-2], 1e-3)[:, None, None, None]
    rate[1:-1] = np.where(both[..., None], (keypoints[2:, ..., :2] - keypoints[:-2, ..., :2]) / span, 0.0)
    usable = np.flatnonzero(((keypoints[..., 2] > 0).any(axis=2)).sum(axis=1) >= 2)
    chosen = (
        usable[np.unique(np.linspace(0, len(usable) - 1, max(rows, 8)).astype(int))]
        if len(usable)
        else usable
    )
    duration_s = float(t_s[chosen[-1]] - t_s[chosen[0]]) if len(chosen) else 0.0
    return keypoints[chosen], rate[chosen], duration_s


def _looks(
    recording: Observations,
    points: Float64[np.ndarray, "row keypoint 3"],
    valid: Bool[np.ndarray, "row keypoint"],
    duration_s: float,
    config: BundleConfig,
) -> float:
    """Independent looks of a recording: noise averages out with time, the error by view only as the view changes."""
    pairs = np.array(left_right_pairs(recording.keypoint_set), int).reshape(-1, 2)
    both = (valid[:, pairs[:, 0]] & valid[:, pairs[:, 1]])[..., None]
    to_right = np.sum((points[:, pairs[:, 1]] - points[:, pairs[:, 0]]) * both, axis=1)[:, :2]
    heading = np.arctan2(to_right[:, 0], -to_right[:, 1])
    place = np.sum(points * valid[..., None], axis=1) / np.maximum(valid.sum(axis=1), 1)[:, None]
    rig = camera_arrays(recording.cameras)
    centre = -np.einsum("cji,cj->ci", rig.rotation, rig.translation)[:, :2]
    towards = centre[None] - place[:, None, :2]
    view = np.arctan2(towards[..., 1], towards[..., 0]) - heading[:, None]
    sector = np.floor(np.mod(view, 2.0 * np.pi) / (np.pi / 4.0)).astype(int)
    known = np.linalg.norm(to_right, axis=1) > 0
    n_views = np.mean([max(len(np.unique(s[known])), 1) for s in sector.T])
    n_noise = 1.0 + duration_s / (2.0 * config.noise_correlation_s)
    return config.noise_px**2 / (config.noise_px**2 / n_noise + config.bias_px**2 / float(n_views))


@dataclass(frozen=True)
class _Solution:
    """``total``: changes of all cameras; ``sigma_px``: learned scale of the residuals."""

    total: Float64[np.ndarray, " number"]
    points: Float64[np.ndarray, "point 3"]
    sd: Float64[np.ndarray, " number"]
    error: Float64[np.ndarray, "point camera 2"]
    sigma_px: float


@dataclass(frozen=True)
class _At:
    """Residuals, weights and slopes at one guess."""

    loss: float
    error: Float64[np.ndarray, "point camera 2"]
    weight: Float64[np.ndarray, "point camera"]
    by_point: Float64[np.ndarray, "point camera 2 3"]
    by_camera: Float64[np.ndarray, "point camera 2 10"]


def _at(
    calibrated: Sequence[Camera],
    views: _Views,
    total: Float64[np.ndarray, " number"],
    points: Float64[np.ndarray, "point 3"],
    sigma_px: float,
    sd: Float64[np.ndarray, " number"] | None,
) -> _At:
    changes = total.reshape(-1, PARAMETERS)
    rig = camera_arrays([changed(c, change) for c, change in zip(calibrated, changes, strict=True)])
    everywhere = np.broadcast_to(points[None], (len(calibrated), *points.shape))
    pixels, by_world = project_with_jacobian(rig, everywhere)
    in_camera = to_camera_frame(rig, everywhere)
    by_frame = by_world @ np.swapaxes(rig.rotation, 1, 2)[:, None]
    slopes = [
        -by_frame @ _skew(in_camera),
        by_frame,
        (pixels - rig.centre_px[:, None])[..., None],
        np.broadcast_to(np.eye(2), (*pixels.shape, 2)),
    ]
    by_camera = np.moveaxis(np.concatenate(slopes, axis=-1), 0, 1)
    # a later picture shows a point further on: the detection belongs to an instant after its stamp
    by_camera = np.concatenate([by_camera, views.rate_px_s[..., None]], axis=-1)
    later_px = views.rate_px_s * changes[:, CLOCK][None, :, None]
    error = views.pixels - np.moveaxis(pixels, 0, 1) - later_px
    error = np.where(views.seen[..., None], error, 0.0)
    squared = np.sum(error**2, axis=-1) / sigma_px**2
    nu = DEGREES_OF_FREEDOM
    weight = views.seen * views.share * (nu + 2.0) / (nu + squared) / sigma_px**2
    loss = 0.5 * views.share * (nu + 2.0) * float(np.sum(np.log1p(squared / nu)[views.seen]))
    if sd is not None:
        loss += 0.5 * float(np.sum((total / sd) ** 2))
    return _At(loss, error, weight, np.moveaxis(by_world, 0, 1), by_camera)


def _skew(x: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3 3"]:
    out = np.zeros((*x.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -x[..., 2], x[..., 1], -x[..., 0]
    return out - np.swapaxes(out, -1, -2)


def _solve(
    calibrated: Sequence[Camera],
    views: _Views,
    total: Float64[np.ndarray, " number"],
    points: Float64[np.ndarray, "point 3"],
    sd: Float64[np.ndarray, " number"] | None,
    sigma_px: float,
    config: BundleConfig,
) -> _Solution:
    """Levenberg-Marquardt on points and, with ``sd``, cameras; the scale of the residuals is learned in between."""
    damping, n = 1e-3, len(total)
    at = _at(calibrated, views, total, points, sigma_px, sd)
    covariance = np.zeros(n) if sd is None else sd.copy()
    for _ in range(config.iterations):
        weighted = at.weight[..., None, None] * at.by_point
        block = np.einsum("pcix,pciy->pxy", weighted, at.by_point, optimize=True)
        block += (damping * np.einsum("pxx->p", block)[:, None, None] + 1e-6) * np.eye(3)
        inverse = np.linalg.inv(block)
        pull = np.einsum("pcix,pci->px", weighted, at.error, optimize=True)
        step = np.zeros(n)
        if sd is not None:
            cross = np.einsum("pcix,pcia->pxca", weighted, at.by_camera, optimize=True).reshape(
                len(points), 3, n
            )
            own = np.einsum("pc,pcia,pcib->cab", at.weight, at.by_camera, at.by_camera, optimize=True)
            normal, right = np.diag(sd**-2), -total / sd**2
            for c in range(len(calibrated)):
                place = slice(c * PARAMETERS, (c + 1) * PARAMETERS)
                normal[place, place] += own[c]
            right = (
                right + np.einsum("pc,pcia,pci->ca", at.weight, at.by_camera, at.error, optimize=True).ravel()
            )
            solved = np.einsum("pxy,pya->pxa", inverse, cross, optimize=True)
            normal -= np.einsum("pxa,pxb->ab", cross, solved, optimize=True)
            right -= np.einsum("pxa,px->a", solved, pull, optimize=True)
            covariance = np.sqrt(np.maximum(np.diag(np.linalg.inv(normal)), 0.0))
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), right)
            pull = pull - cross @ step
        new_points = points + np.einsum("pxy,py->px", inverse, pull)
        new = _at(calibrated, views, total + step, new_points, sigma_px, sd)
        if not new.loss < at.loss:
            damping *= 10.0
            if damping > 1e3:
                break
            continue
        gain = at.loss - new.loss
        total, points, at, damping = total + step, new_points, new, max(0.2 * damping, 1e-9)
        learned = float(
            np.sqrt(
                np.sum(at.weight * np.sum(at.error**2, axis=-1))
                * sigma_px**2
                / max(views.share * 2.0 * _freedom(views), 1.0)
            )
        )
        if gain < 1e-4 * at.loss and abs(learned / sigma_px - 1.0) < 0.02:
            break
        sigma_px = float(np.clip(learned, 0.3, 40.0))
        at = _at(calibrated, views, total, points, sigma_px, sd)
    return _Solution(total, points, covariance, at.error, sigma_px)


def _freedom(views: _Views) -> float:
    """Detections less what their points take up, in detections (two numbers each)."""
    return float(views.seen.sum()) - 1.5 * len(views.pixels)
