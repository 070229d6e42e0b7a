"""What is fitted offline: points in space with the information their views carry, per instant and site.

Triangulating first is exact enough for the shape of a body (pixel errors are small against the distance)
and makes cameras and optical markers the same thing. Anisotropy (two cameras) survives in the 3x3 information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from kincast.models.association import exchange_legs, leg_swapped
from kincast.models.mirrored_sites import leg_pairs
from kincast.models.observations import Observations, synchronised_keypoints
from kincast.models.triangulation import TriangulationConfig, triangulate

SITE_NOISE_M = 0.006
"""Pose-dependent error of a detected point beyond its pixel noise (view-dependent bias over several cameras)."""
MARKER_NOISE_M = 0.010
"""Skin movement of a marker against the bone, root mean square over a gait cycle (Leardini et al. 2005)."""


@dataclass(frozen=True)
class SeenPoints:
    """World metres; ``information`` is the inverse covariance (1/m^2), zero where not ``valid``."""

    t_ns: Int64[np.ndarray, " time"]
    points: Float[np.ndarray, "time site 3"]
    information: Float[np.ndarray, "time site 3 3"]
    valid: Bool[np.ndarray, "time site"]

    def rows(self, index: np.ndarray) -> SeenPoints:
        return SeenPoints(self.t_ns[index], self.points[index], self.information[index], self.valid[index])

    @staticmethod
    def joined(parts: list[SeenPoints]) -> SeenPoints:
        return SeenPoints(
            np.concatenate([p.t_ns for p in parts]),
            np.concatenate([p.points for p in parts]),
            np.concatenate([p.information for p in parts]),
            np.concatenate([p.valid for p in parts]),
        )


def seen_points(observations: Observations, config: TriangulationConfig | None = None) -> SeenPoints:
    """Points of the rows of one recording; leg exchanges undone, outlying views dropped."""
    if observations.markers is not None:
        return _from_markers(observations)
    config = config or TriangulationConfig()
    keypoints = synchronised_keypoints(observations)
    result = triangulate(observations.cameras, keypoints, config)
    if len(observations.cameras) > 2:  # two views cannot outvote each other
        pairs = leg_pairs(observations.keypoint_set)
        swapped = leg_swapped(observations.cameras, keypoints, result.points, result.valid, pairs)
        if swapped.any():
            keypoints = exchange_legs(keypoints, swapped, pairs)
            result = triangulate(observations.cameras, keypoints, config)
    information = np.linalg.inv(result.covariance + SITE_NOISE_M**2 * np.eye(3))
    return SeenPoints(
        observations.reference_t_ns, result.points, information * result.valid[..., None, None], result.valid
    )


def _from_markers(observations: Observations) -> SeenPoints:
    assert observations.markers is not None
    weight = observations.markers[..., 3].astype(np.float64)
    points = observations.markers[..., :3].astype(np.float64)
    valid = (weight > 0) & np.isfinite(points).all(axis=-1)
    information = np.where(valid, weight, 0.0)[..., None, None] * np.eye(3) / MARKER_NOISE_M**2
    return SeenPoints(
        observations.reference_t_ns, np.where(valid[..., None], points, 0.0), information, valid
    )
