"""How large the world is, by a person whose body is known: the lengths of thighs and shanks between their keypoints.

A known body says how far apart hip and knee, knee and ankle of a leg are seen at every bend of the knee. A recording sees the same
lengths whatever its detector's attachments are, so these are far better known than the lengths between joint centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.body import BodyParameters, log_scales, site_offsets
from kincast.models.body.skeleton import skeleton_of
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.mirrored_sites import site_landmarks
from kincast.models.pose_fit import BatchKinematics
from kincast.offline.bundle_views import Views
from kincast.offline.same_person import SCALE_SEEN_SD, SITE_SEEN_SD_M

LEAST_INSTANTS = 20
_FLEXIONS_RAD = np.radians(np.arange(0.0, 121.0, 10.0))


@dataclass(frozen=True)
class KnownSize:
    """Logarithm of the factor that makes the seen lengths the known ones, and its sd."""

    log_size: float
    sd: float


def known_size(
    body: BodyParameters, keypoint_set: str, views: Views, points: Float64[np.ndarray, "point 3"]
) -> KnownSize | None:
    """By what factor (m per m) the world of ``points`` is too small for ``body``.

    None where the body does not know this set's keypoints, or no leg was seen often enough.
    """
    landmarks = site_landmarks(keypoint_set)
    legs = [
        [landmarks.index(f"{name}_{side}") for name in ("hip", "knee", "ankle")]
        for side in "rl"
        if all(f"{name}_{side}" in landmarks for name in ("hip", "knee", "ankle"))
    ]
    skeleton = skeleton_of(keypoint_set)
    if not legs or any(skeleton.site_names[i] not in body.site_offsets for leg in legs for i in leg):
        return None
    seen = np.full((int(views.row.max(initial=-1)) + 1, len(landmarks), 3), np.nan)
    seen[views.row, views.keypoint] = points
    known = _with_knees_bent(body, keypoint_set)
    logs, slopes = [], []
    for number, leg in enumerate(legs):
        bend, lengths = _bend_and_lengths(seen[:, leg])
        complete = np.isfinite(bend)
        if complete.sum() < LEAST_INSTANTS:
            continue
        at, expected = _bend_and_lengths(known[:, leg])
        order = np.argsort(at)
        for part in range(2):
            right = np.interp(bend[complete], at[order], expected[order, part])
            logs.append(float(np.median(np.log(right / lengths[complete, part]))))
            # moved along the leg, two keypoints change the length between them
            row = np.zeros(3 * len(legs))
            row[3 * number + part : 3 * number + part + 2] = np.array([1.0, -1.0]) / np.median(right)
            slopes.append(row)
    if not logs:
        return None
    moved = np.array(slopes)
    covariance = SITE_SEEN_SD_M**2 * moved @ moved.T + SCALE_SEEN_SD**2
    weight = np.linalg.solve(covariance, np.ones(len(logs)))
    return KnownSize(float(weight @ logs / weight.sum()), float(weight.sum() ** -0.5))


def _with_knees_bent(body: BodyParameters, keypoint_set: str) -> Float64[np.ndarray, "flexion site 3"]:
    """The body's keypoints at all bends of the knees."""
    skeleton = skeleton_of(keypoint_set)
    q = np.zeros((len(_FLEXIONS_RAD), 41))
    q[:, 3:5] = np.sqrt(0.5)
    for side in "rl":
        q[:, 7 + JOINT_COORDINATES.index(f"knee_angle_{side}")] = _FLEXIONS_RAD
    sites, _ = BatchKinematics(skeleton).poses(log_scales(body), site_offsets(body, skeleton), q)
    return sites


def _bend_and_lengths(
    leg: Float64[np.ndarray, "time 3 3"],
) -> tuple[Float64[np.ndarray, " time"], Float64[np.ndarray, "time 2"]]:
    """Angle (rad) between thigh and shank, and their lengths (m), from hip, knee and ankle."""
    parts = np.diff(leg, axis=1)
    lengths = np.linalg.norm(parts, axis=-1)
    cosine = (parts[:, 0] * parts[:, 1]).sum(axis=-1) / lengths.prod(axis=-1)
    return np.arccos(np.clip(cosine, -1.0, 1.0)), lengths
