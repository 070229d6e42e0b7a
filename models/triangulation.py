"""Robust triangulation of keypoints, vectorised over time and keypoints (NumPy, float64).

Start from the best of a set of camera pairs (least truncated reprojection cost over all cameras), then
iteratively reweighted Gauss-Newton on pixel residuals (Hartley and Zisserman 2004, ch. 12; redescending
weights: Beaton and Tukey 1974). A point without two agreeing views at a sufficient angle is masked, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Bool, Float

from kincast.models.camera import Camera

MIN_DEPTH_M = 0.05
BEHIND_PX = 1e4
PAIR_POINTS_AT_ONCE = 8192


@dataclass(frozen=True)
class TriangulationConfig:
    """``sigma_px`` is the detector's error at confidence 1 (it grows as confidence falls)."""

    sigma_px: float = 3.0
    gate_px: float = 20.0
    min_confidence: float = 0.2
    min_views: int = 2
    min_angle_deg: float = 4.0
    max_pairs: int = 45
    iterations: int = 6


@dataclass(frozen=True)
class Triangulated:
    """Points in world metres (0 where not ``valid``), covariance in m^2 and which views agreed."""

    points: Float[np.ndarray, "*batch 3"]
    valid: Bool[np.ndarray, "*batch"]
    covariance: Float[np.ndarray, "*batch 3 3"]
    inlier: Bool[np.ndarray, "*batch camera"]
    residual_px: Float[np.ndarray, "*batch camera"]


@dataclass(frozen=True)
class ViewGeometry:
    """Pinhole geometry of the cameras after undistortion: ``x_cam = R x + t``, focal lengths in pixels."""

    rotation: Float[np.ndarray, "camera 3 3"]
    translation: Float[np.ndarray, "camera 3"]
    focal_px: Float[np.ndarray, "camera 2"]
    centre: Float[np.ndarray, "camera 3"]

    @staticmethod
    def of(cameras: tuple[Camera, ...]) -> ViewGeometry:
        rotation = np.array([cv2.Rodrigues(camera.rotation)[0] for camera in cameras]).reshape(-1, 3, 3)
        translation = np.array([camera.translation for camera in cameras]).reshape(-1, 3)
        return ViewGeometry(
            rotation=rotation,
            translation=translation,
            focal_px=np.array([[c.matrix[0, 0], c.matrix[1, 1]] for c in cameras]).reshape(-1, 2),
            centre=-np.einsum("cji,cj->ci", rotation, translation),
        )

    def only(self, camera: int) -> ViewGeometry:
        """One camera's."""
        one = slice(camera, camera + 1)
        return ViewGeometry(self.rotation[one], self.translation[one], self.focal_px[one], self.centre[one])


def undistorted(
    cameras: tuple[Camera, ...], keypoints: Float[np.ndarray, "*batch camera keypoint 3"]
) -> tuple[Float[np.ndarray, "*batch camera keypoint 2"], Float[np.ndarray, "*batch camera keypoint"]]:
    """Normalised image coordinates (x/z, y/z) and confidence; what cannot be undistorted gets confidence 0."""
    shape = keypoints.shape
    flat = np.asarray(keypoints, dtype=np.float64).reshape(-1, shape[-3], shape[-2], 3)
    normalised = np.zeros((*flat.shape[:-1], 2))
    confidence = np.where(np.isfinite(flat).all(axis=-1), flat[..., 2], 0.0)
    for c, camera in enumerate(cameras):
        seen = confidence[:, c] > 0
        pixels = flat[:, c][seen][:, None, :2]
        if len(pixels):
            normalised[:, c][seen] = _undistort(camera, pixels)
    lost = ~np.isfinite(normalised).all(axis=-1) | (np.abs(normalised) > 10.0).any(axis=-1)
    normalised[lost] = 0.0
    confidence[lost] = 0.0
    return normalised.reshape(*shape[:-1], 2), confidence.reshape(shape[:-1])


def _undistort(camera: Camera, pixels: Float[np.ndarray, "point 1 2"]) -> Float[np.ndarray, "point 2"]:
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)
    if camera.fisheye:
        out = cv2.fisheye.undistortPoints(pixels, camera.matrix, camera.distortions[:4], criteria=criteria)
    else:
        out = cv2.undistortPoints(pixels, camera.matrix, camera.distortions, criteria=criteria)
    return out[:, 0]


def triangulate(
    cameras: tuple[Camera, ...],
    keypoints: Float[np.ndarray, "*batch camera keypoint 3"],
    config: TriangulationConfig = TriangulationConfig(),
) -> Triangulated:
    """World points of distorted pixels with confidence; batch and keypoint axes lead in the result.

    All cameras are taken to be of one instant: interpolate free-running ones first
    (:func:`kincast.models.observations.synchronised_keypoints`).
    """
    normalised, confidence = undistorted(cameras, keypoints)
    views = ViewGeometry.of(cameras)
    batch = (*keypoints.shape[:-3], keypoints.shape[-2])
    n_cameras = len(cameras)
    flat_rays = np.moveaxis(normalised, -3, -2).reshape(-1, n_cameras, 2)
    flat_confidence = np.moveaxis(confidence, -2, -1).reshape(-1, n_cameras)
    parts = [
        _triangulate_flat(views, flat_rays[s : s + 8192], flat_confidence[s : s + 8192], config)
        for s in range(0, max(len(flat_rays), 1), 8192)
    ]
    joined = [np.concatenate(field) for field in zip(*parts, strict=True)]
    return Triangulated(
        points=joined[0].reshape(*batch, 3),
        valid=joined[1].reshape(batch),
        covariance=joined[2].reshape(*batch, 3, 3),
        inlier=joined[3].reshape(*batch, n_cameras),
        residual_px=joined[4].reshape(*batch, n_cameras),
    )


def residuals_px(
    views: ViewGeometry,
    points: Float[np.ndarray, "*batch 3"],
    normalised: Float[np.ndarray, "*batch camera 2"],
) -> Float[np.ndarray, "*batch camera 2"]:
    """Undistorted pixel residuals; behind a camera they are huge but finite."""
    projected, depth = _projected(views, points)
    residual = (projected - normalised) * views.focal_px
    return np.where((depth > MIN_DEPTH_M)[..., None], residual, BEHIND_PX)


def _projected(
    views: ViewGeometry, points: Float[np.ndarray, "*batch 3"]
) -> tuple[Float[np.ndarray, "*batch camera 2"], Float[np.ndarray, "*batch camera"]]:
    """Normalised image coordinates, and depth (m)."""
    cameras = len(views.rotation)  # named, not -1: there may be no points at all
    local = (points @ views.rotation.reshape(-1, 3).T).reshape(*points.shape[:-1], cameras, 3)
    local = local + views.translation
    return local[..., :2] / np.maximum(local[..., 2:], MIN_DEPTH_M), local[..., 2]


def _linearised(
    views: ViewGeometry,
    points: Float[np.ndarray, "point 3"],
    normalised: Float[np.ndarray, "point camera 2"],
) -> tuple[Float[np.ndarray, "point camera 2"], Float[np.ndarray, "point camera 2 3"]]:
    """:func:`residuals_px` and their derivative by the point."""
    projected, depth = _projected(views, points)
    residual = (projected - normalised) * views.focal_px
    residual = np.where((depth > MIN_DEPTH_M)[..., None], residual, BEHIND_PX)
    scale = views.focal_px / np.maximum(depth, MIN_DEPTH_M)[..., None]
    jacobian = scale[..., None] * (views.rotation[:, :2] - projected[..., None] * views.rotation[:, 2:3])
    return residual, jacobian


def _normal_equations(
    weights: Float[np.ndarray, "point camera"],
    residual: Float[np.ndarray, "point camera 2"],
    jacobian: Float[np.ndarray, "point camera 2 3"],
) -> tuple[Float[np.ndarray, "point 3 3"], Float[np.ndarray, "point 3"]]:
    rows = 2 * weights.shape[1]
    flat = jacobian.reshape(len(weights), rows, 3)
    weighted = np.swapaxes((jacobian * weights[..., None, None]).reshape(flat.shape), 1, 2)
    return weighted @ flat, (weighted @ residual.reshape(len(weights), rows, 1))[..., 0]


def _triangulate_flat(
    views: ViewGeometry,
    rays: Float[np.ndarray, "point camera 2"],
    confidence: Float[np.ndarray, "point camera"],
    config: TriangulationConfig,
) -> tuple[np.ndarray, ...]:
    usable = confidence >= config.min_confidence
    directions = np.einsum(
        "cji,ncj->nci", views.rotation, np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=-1)
    )
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    points = _best_pair_points(views, rays, directions, confidence * usable, config)
    weight_by_confidence = confidence * usable
    for k in range(config.iterations):
        residual, jacobian = _linearised(views, points, rays)
        # From a generous gate to the final one, so that a rough start is not cut off from good views.
        gate = config.gate_px * (3.0, 1.5, 1.0)[min(k, 2)]
        robust = np.maximum(1.0 - (np.linalg.norm(residual, axis=-1) / gate) ** 2, 0.0) ** 2
        weights = weight_by_confidence * robust
        normal, gradient = _normal_equations(weights, residual, jacobian)
        damping = 1e-9 + 1e-6 * np.trace(normal, axis1=1, axis2=2)
        step = np.linalg.solve(normal + damping[:, None, None] * np.eye(3), gradient[..., None])[..., 0]
        step *= np.minimum(1.0, 0.5 / np.maximum(np.linalg.norm(step, axis=-1), 1e-12))[:, None]
        points = points - step
    residual, jacobian = _linearised(views, points, rays)
    size_px = np.linalg.norm(residual, axis=-1)
    inlier = usable & (size_px < config.gate_px)
    weights = weight_by_confidence * inlier
    normal, _ = _normal_equations(weights, residual, jacobian)
    valid = (inlier.sum(axis=1) >= config.min_views) & _wide_enough(directions, inlier, config.min_angle_deg)
    valid &= np.isfinite(points).all(axis=1) & (np.abs(points) < 1e3).all(axis=1)
    normal = np.where(valid[:, None, None], normal, np.eye(3))
    covariance = config.sigma_px**2 * np.linalg.inv(normal + 1e-9 * np.eye(3))
    return (
        np.where(valid[:, None], points, 0.0),
        valid,
        np.where(valid[:, None, None], covariance, np.eye(3)),
        inlier & valid[:, None],
        np.where(usable, np.minimum(size_px, 1e4), 0.0),
    )


def _best_pair_points(
    views: ViewGeometry,
    rays: Float[np.ndarray, "point camera 2"],
    directions: Float[np.ndarray, "point camera 3"],
    weights: Float[np.ndarray, "point camera"],
    config: TriangulationConfig,
) -> Float[np.ndarray, "point 3"]:
    pairs = np.array(_camera_pairs(views, config.max_pairs)).reshape(-1, 2)
    best_cost = np.full(len(rays), np.inf)
    best = np.zeros((len(rays), 3))
    at_once = max(1, PAIR_POINTS_AT_ONCE // max(len(rays), 1))
    for some in (pairs[k : k + at_once] for k in range(0, len(pairs), at_once)):
        a, b = some.T
        points, angle_ok = _midpoint(
            views.centre[a],
            np.swapaxes(directions[:, a], 0, 1),
            views.centre[b],
            np.swapaxes(directions[:, b], 0, 1),
            config.min_angle_deg,
        )
        squared = (residuals_px(views, points, np.broadcast_to(rays, (len(a), *rays.shape))) ** 2).sum(
            axis=-1
        )
        cost = (weights * np.minimum(squared, config.gate_px**2)).sum(axis=-1)
        possible = angle_ok & (weights[:, a] > 0).T & (weights[:, b] > 0).T
        cost = np.where(possible, cost, np.inf)
        first = np.argmin(cost, axis=0)
        row = np.arange(len(rays))
        better = cost[first, row] < best_cost
        best_cost = np.where(better, cost[first, row], best_cost)
        best = np.where(better[:, None], points[first, row], best)
    return best


def _camera_pairs(views: ViewGeometry, most: int) -> list[tuple[int, int]]:
    """All pairs, or with many cameras an even spread of them (each camera with others at every step round)."""
    pairs = list(combinations(range(len(views.centre)), 2))
    if len(pairs) <= most:
        return pairs
    chosen = np.unique(np.linspace(0, len(pairs) - 1, most).astype(int))
    return [pairs[i] for i in chosen]


def _midpoint(
    origin_a: Float[np.ndarray, "pair 3"],
    ray_a: Float[np.ndarray, "pair point 3"],
    origin_b: Float[np.ndarray, "pair 3"],
    ray_b: Float[np.ndarray, "pair point 3"],
    min_angle_deg: float,
) -> tuple[Float[np.ndarray, "pair point 3"], Bool[np.ndarray, "pair point"]]:
    """Midpoint of the shortest segment between two rays, and whether they meet at a usable angle."""
    base = (origin_b - origin_a)[:, :, None]
    cosine = (ray_a * ray_b).sum(axis=-1)
    sine2 = 1.0 - cosine**2
    usable = sine2 > np.sin(np.radians(min_angle_deg)) ** 2
    safe = np.where(usable, sine2, 1.0)
    base_a, base_b = (ray_a @ base)[..., 0], (ray_b @ base)[..., 0]
    along_a = (base_a - cosine * base_b) / safe
    along_b = (cosine * base_a - base_b) / safe
    near_a = origin_a[:, None] + along_a[..., None] * ray_a
    near_b = origin_b[:, None] + along_b[..., None] * ray_b
    return 0.5 * (near_a + near_b), usable & (along_a > 0) & (along_b > 0)


def _wide_enough(
    directions: Float[np.ndarray, "point camera 3"],
    inlier: Bool[np.ndarray, "point camera"],
    min_angle_deg: float,
) -> Bool[np.ndarray, " point"]:
    cosine = np.einsum("nci,ndi->ncd", directions, directions)
    both = inlier[:, :, None] & inlier[:, None, :]
    # Rays at nearly 180 degrees fix the depth no better than rays at 0.
    sine2 = np.where(both, 1.0 - cosine**2, 0.0)
    return sine2.max(axis=(1, 2)) > np.sin(np.radians(min_angle_deg)) ** 2
