"""Where body calibration starts: overall size and a pose per instant from a few postures laid onto the points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.body_prior import pose_prior
from kincast.models.initial_pose import laid_onto, similarity, start_postures
from kincast.models.pose_fit import BatchKinematics, fit_poses
from kincast.models.seen_points import SeenPoints

GENERIC_HEIGHT_M = 1.70
LOOSE_M = 0.03
"""How well points and the generic body can agree."""


def rough_size(
    kinematics: BatchKinematics, seen: SeenPoints, height_ratio: float | None
) -> Float[np.ndarray, "8"]:
    """Log scales with only the overall one set: log scale from the start postures laid onto the points: the scale of the best of them, median over time."""
    scales = np.zeros(8)
    if height_ratio is not None:
        scales[0] = np.log(height_ratio)
        return scales
    templates, _ = kinematics.poses(scales, np.zeros((seen.points.shape[1], 3)), start_postures())
    found = []
    for points, valid in zip(seen.points, seen.valid, strict=True):
        best = (np.inf, 1.0)
        for template in templates:
            rotation, _, scale = similarity(template[valid], points[valid])
            a = template[valid] - template[valid].mean(axis=0)
            b = points[valid] - points[valid].mean(axis=0)
            best = min(best, (float(((scale * a @ rotation.T - b) ** 2).sum()), scale))
        found.append(best[1])
    scales[0] = np.log(np.clip(np.median(found), 0.35, 1.6))
    return scales


def rough_poses(
    kinematics: BatchKinematics,
    scales: Float[np.ndarray, "8"],
    seen: SeenPoints,
    offsets: Float[np.ndarray, "site 3"] | None = None,
) -> Float[np.ndarray, "time 41"]:
    """Best of the start postures per instant: a few steps for all, then the rest of the way for the winner."""
    offsets = np.zeros((seen.points.shape[1], 3)) if offsets is None else offsets
    starts = laid_onto(kinematics, scales, offsets, seen.points, seen.valid)
    n, p = starts.shape[:2]
    loose = np.eye(3) / LOOSE_M**2 * seen.valid[..., None, None]
    q, cost, _ = fit_poses(
        kinematics,
        scales,
        offsets,
        starts.reshape(n * p, 41),
        np.repeat(seen.points, p, axis=0),
        np.repeat(loose, p, axis=0),
        pose_prior(),
        iterations=5,
    )
    best = np.argmin(cost.reshape(n, p), axis=1)
    q = q.reshape(n, p, 41)[np.arange(n), best]
    q, _, _ = fit_poses(kinematics, scales, offsets, q, seen.points, loose, pose_prior(), iterations=15)
    return q


def explained_instants(
    kinematics: BatchKinematics,
    scales: Float[np.ndarray, "8"],
    q: Float[np.ndarray, "time 41"],
    seen: SeenPoints,
) -> Bool[np.ndarray, " time"]:
    """False where no pose of even the rough body explains the points (another person, a failed start)."""
    sites, _ = kinematics.poses(scales, np.zeros((seen.points.shape[1], 3)), q)
    distance = np.where(seen.valid, np.linalg.norm(sites - seen.points, axis=-1), np.nan)
    median = np.nanmedian(distance, axis=1)
    return median < max(0.10, 2.0 * float(np.median(median)))
