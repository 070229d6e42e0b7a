"""A rig whose calibration is off by a constant shift per camera: finding the shifts from the person alone.

A mount that gave way by a fraction of a degree, a calibration of another day or a changed crop moves all that a camera
sees by nearly the same number of pixels. Keypoints seen by three cameras and more tell such shifts from errors of the detector:
with residual ``e = shift of the camera + J displacement of the point + noise`` per picture of a keypoint, the displacements
are eliminated (Schur complement, as in bundle adjustment, Triggs et al. 2000) and the shifts remain. That all cameras turn
together is not seen by them: a prior around the given calibration fixes it, so the world stays where it was.

Errors of a detector are its own per keypoint and view, not per picture: more pictures do not average them away, so
the information of a stretch of time counts as that of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from kincast.models.camera import Camera, camera_arrays, project_with_jacobian
from kincast.models.observations import Observations, synchronised_keypoints
from kincast.models.triangulation import triangulate

MIN_CAMERAS = 3
"""Of two cameras that disagree nobody knows which is wrong, nor whether it is the point."""
REWEIGHTINGS = 3
UNSEEN_PRECISION = 1e-3
"""1/m^2: keeps a point that nothing fixes where it is."""


@dataclass(frozen=True)
class RigShiftConfig:
    """``prior_rad``: usual error of a camera's aim. ``noise_px``, ``degrees_of_freedom``: of a keypoint (Student's t).

    Shifts are real when the largest exceeds ``noticed`` times what remains as residual, and ``noticed_px``. Beyond
    ``largest_rad`` the camera was knocked: nothing is known of its place either, so it is not corrected.
    """

    prior_rad: float = 0.006
    noise_px: float = 4.0
    degrees_of_freedom: float = 4.0
    noticed: float = 2.0
    noticed_px: float = 4.0
    largest_rad: float = 0.02
    min_confidence: float = 0.3
    max_instants: int = 60
    iterations: int = 10


@dataclass(frozen=True)
class ShiftTerms:
    """Normal equations of the 2 C shifts by one picture of each camera, the points eliminated; and what they came from."""

    matrix: Float[np.ndarray, "shifts shifts"]
    rhs: Float[np.ndarray, " shifts"]
    residual_px: Float[np.ndarray, "camera keypoint 2"]
    jacobian: Float[np.ndarray, "camera keypoint 2 3"]
    weighted: Float[np.ndarray, "camera keypoint 2 3"]
    inverse: Float[np.ndarray, "keypoint 3 3"]
    used: Bool[np.ndarray, "camera keypoint"]

    def displacement(self, shift_px: Float[np.ndarray, "camera 2"]) -> Float[np.ndarray, "keypoint 3"]:
        """How far the points move (m) if these are the shifts."""
        return np.einsum(
            "kab,ckib,cki->ka", self.inverse, self.weighted, self.residual_px - shift_px[:, None]
        )

    def remaining_px(self, shift_px: Float[np.ndarray, "camera 2"]) -> float:
        """Median distance of the detections from points and cameras that were put right."""
        moved = np.einsum("ckia,ka->cki", self.jacobian, self.displacement(shift_px))
        error = self.residual_px - shift_px[:, None] - moved
        return float(np.median(np.linalg.norm(error, axis=-1)[self.used])) if self.used.any() else 0.0


def shifted(cameras: Sequence[Camera], shift_px: Float[np.ndarray, "camera 2"]) -> tuple[Camera, ...]:
    """The cameras with their principal points moved: pixels lie ``shift_px`` further than calibrated."""
    out = []
    for camera, shift in zip(cameras, shift_px, strict=True):
        matrix = np.array(camera.matrix, np.float64)
        matrix[:2, 2] += shift
        out.append(replace(camera, matrix=matrix))
    return tuple(out)


def shift_terms(
    residual_px: Float[np.ndarray, "camera keypoint 2"],
    jacobian: Float[np.ndarray, "camera keypoint 2 3"],
    seen: Bool[np.ndarray, "camera keypoint"],
    shift_px: Float[np.ndarray, "camera 2"],
    config: RigShiftConfig,
) -> ShiftTerms:
    """Linear equations of the shifts, robust weights taken at ``shift_px``.

    Args:
        residual_px: detected minus projected with the calibration as given.
        jacobian: of the projection by the world point.
    """
    used = seen & (seen.sum(axis=0) >= MIN_CAMERAS)
    cameras, dof = len(seen), config.degrees_of_freedom
    unshifted = residual_px - shift_px[:, None]
    weight = used / config.noise_px**2
    weighted, inverse = _points_alone(jacobian, weight)
    for _ in range(REWEIGHTINGS):
        displacement = np.einsum("kab,ckib,cki->ka", inverse, weighted, unshifted)
        error = unshifted - np.einsum("ckia,ka->cki", jacobian, displacement)
        squared = (error**2).sum(axis=-1) / config.noise_px**2
        weight = used * (dof + 2.0) / (dof + squared) / config.noise_px**2
        weighted, inverse = _points_alone(jacobian, weight)
    rows = np.moveaxis(weighted, 1, 0).reshape(-1, 2 * cameras, 3)
    matrix = np.diag(np.repeat(weight.sum(axis=1), 2)) - np.einsum("kia,kab,kjb->ij", rows, inverse, rows)
    pulled = np.einsum("ckia,cki->ka", weighted, residual_px)
    rhs = np.einsum("ck,cki->ci", weight, residual_px).ravel()
    rhs = rhs - np.einsum("kia,kab,kb->i", rows, inverse, pulled)
    return ShiftTerms(matrix, rhs, residual_px, jacobian, weighted, inverse, used)


def _points_alone(
    jacobian: Float[np.ndarray, "camera keypoint 2 3"], weight: Float[np.ndarray, "camera keypoint"]
) -> tuple[Float[np.ndarray, "camera keypoint 2 3"], Float[np.ndarray, "keypoint 3 3"]]:
    weighted = jacobian * weight[..., None, None]
    normal = np.einsum("ckia,ckib->kab", jacobian, weighted)
    return weighted, np.linalg.inv(normal + UNSEEN_PRECISION * np.eye(3))


def most_likely_shift(
    matrix: Float[np.ndarray, "shifts shifts"],
    rhs: Float[np.ndarray, " shifts"],
    focal_px: Float[np.ndarray, " camera"],
    config: RigShiftConfig,
) -> Float[np.ndarray, "camera 2"]:
    """Shifts (px) given the mean equations of a stretch of time and the prior around the given calibration."""
    prior = np.diag(np.repeat((config.prior_rad * focal_px) ** -2.0, 2))
    return np.linalg.solve(matrix + prior, rhs).reshape(-1, 2)


def is_real(
    shift_px: Float[np.ndarray, "camera 2"],
    remaining_px: float,
    config: RigShiftConfig,
    already: bool = False,
) -> bool:
    """Whether the shifts stand out; once they did (``already``), until they are half as large."""
    largest = float(np.linalg.norm(shift_px, axis=1).max(initial=0.0))
    needed = max(config.noticed * remaining_px, config.noticed_px)
    return largest > (0.5 * needed if already else needed)


def too_far(
    shift_px: Float[np.ndarray, "camera 2"], focal_px: Float[np.ndarray, " camera"], config: RigShiftConfig
) -> Bool[np.ndarray, " camera"]:
    """Cameras whose aim is off by more than a correction is made for."""
    return np.linalg.norm(shift_px, axis=1) > config.largest_rad * focal_px


def focal_px(cameras: Sequence[Camera]) -> Float[np.ndarray, " camera"]:
    """Mean focal length per camera."""
    return np.array([0.5 * (c.matrix[0, 0] + c.matrix[1, 1]) for c in cameras], np.float64).reshape(-1)


def estimate_shift(
    observations: Observations, config: RigShiftConfig = RigShiftConfig()
) -> Float[np.ndarray, "camera 2"]:
    """Shift (px) of every camera of one recording; all zero where no shift stands out."""
    cameras = observations.cameras
    none = np.zeros((len(cameras), 2))
    if len(cameras) < MIN_CAMERAS or not len(observations.t_ns):
        return none
    keypoints = synchronised_keypoints(observations)
    rows = np.unique(np.linspace(0, len(keypoints) - 1, config.max_instants).astype(int))
    keypoints = keypoints[rows]
    found = triangulate(cameras, keypoints)
    # instants side by side, as if they were further keypoints of one picture
    points = np.where(found.valid[..., None], found.points, 0.0).reshape(-1, 3)
    flat = np.moveaxis(keypoints, 1, 0).reshape(len(cameras), -1, 3)
    seen = (flat[..., 2] >= config.min_confidence) & found.valid.reshape(-1)
    keep = seen.sum(axis=0) >= MIN_CAMERAS
    if not keep.any():
        return none
    points, flat, seen = points[keep], flat[:, keep], seen[:, keep]
    values, focal = camera_arrays(cameras), focal_px(cameras)
    shift, remaining = none, np.inf
    for _ in range(config.iterations):
        pixels, jacobian = project_with_jacobian(
            values, np.broadcast_to(points, (len(cameras), *points.shape))
        )
        residual = flat[..., :2] - np.asarray(pixels)
        terms = shift_terms(residual, np.asarray(jacobian), seen, shift, config)
        shift = most_likely_shift(terms.matrix / len(rows), terms.rhs / len(rows), focal, config)
        remaining = terms.remaining_px(shift)
        points = points + terms.displacement(shift)
    if not is_real(shift, remaining, config):
        return none
    return np.where(too_far(shift, focal, config)[:, None], 0.0, shift)


def aimed(observations: Observations, config: RigShiftConfig = RigShiftConfig()) -> Observations:
    """The recording with its cameras' shifts, where they stand out, put right."""
    shift = estimate_shift(observations, config)
    return (
        replace(observations, cameras=shifted(observations.cameras, shift)) if shift.any() else observations
    )
