"""A calibrated camera: OpenCV's pinhole model with k1..k6, p1, p2, or OpenCV's fisheye model.

The functions are written once for NumPy and JAX: they use the array namespace of their arguments, so
nothing here imports JAX. :class:`CameraValues` is a named tuple, hence a pytree, of arrays with any number
of leading *batch* axes (one: the cameras of a rig; none: a single camera).

Formulas: OpenCV, "Camera Calibration and 3D Reconstruction" (calib3d) and "Fisheye camera model". As in
``cv2.projectPoints`` the skew entry of the matrix is not used; thin-prism and tilt terms are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

Array = Any
"""A NumPy or JAX array."""

MIN_DEPTH_M = 1e-3
UNDISTORT_ITERATIONS = 12


@dataclass(frozen=True)
class Camera:
    """``x_cam = R(rotation) x_world + translation`` (Rodrigues, metres); ``distortions`` in OpenCV order.

    Pinhole: k1, k2, p1, p2, k3, k4, k5, k6 (padded with zeros); fisheye: k1..k4 in the first four.
    """

    name: str
    size_px: tuple[int, int]
    matrix: Float64[np.ndarray, "3 3"]
    distortions: Float64[np.ndarray, "8"]
    rotation: Float64[np.ndarray, "3"]
    translation: Float64[np.ndarray, "3"]
    fisheye: bool = False


class CameraValues(NamedTuple):
    """The numbers of one camera or, with a leading axis, of a rig.

    ``fisheye`` is None when no camera of the rig is a fisheye, so that the usual rig does not pay for it.
    """

    focal_px: Array  # (..., 2)
    centre_px: Array  # (..., 2)
    distortions: Array  # (..., 8)
    rotation: Array  # (..., 3, 3) world -> camera
    translation: Array  # (..., 3) metres
    fisheye: Array | None = None  # (...,) bool


def rotation_matrix(rodrigues: Array) -> Array:
    """(..., 3) rotation vectors -> (..., 3, 3) matrices; smooth (and differentiable) through zero."""
    xp = rodrigues.__array_namespace__()
    squared = xp.sum(rodrigues * rodrigues, axis=-1)[..., None, None]
    small = squared < 1e-8
    safe = xp.where(small, 1.0, squared)
    angle = xp.sqrt(safe)
    a = xp.where(small, 1.0 - squared / 6.0, xp.sin(angle) / angle)
    b = xp.where(small, 0.5 - squared / 24.0, (1.0 - xp.cos(angle)) / safe)
    x, y, z = rodrigues[..., 0], rodrigues[..., 1], rodrigues[..., 2]
    zero = xp.zeros_like(x)
    rows = [xp.stack(row, axis=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    cross = xp.stack(rows, axis=-2)
    outer = rodrigues[..., :, None] * rodrigues[..., None, :]
    identity = xp.broadcast_to(xp.eye(3, dtype=rodrigues.dtype), cross.shape)
    return identity + a * cross + b * (outer - squared * identity)


def camera_arrays(cameras: Sequence[Camera], dtype: Any = np.float64) -> CameraValues:
    """Stack the cameras of a rig into NumPy arrays of ``dtype`` with the camera as leading axis."""
    fisheye = np.array([camera.fisheye for camera in cameras])
    rotations = rotation_matrix(np.stack([np.asarray(c.rotation, np.float64) for c in cameras]))
    return CameraValues(
        focal_px=np.stack([np.diag(c.matrix)[:2] for c in cameras]).astype(dtype),
        centre_px=np.stack([c.matrix[:2, 2] for c in cameras]).astype(dtype),
        distortions=np.stack([c.distortions for c in cameras]).astype(dtype),
        rotation=rotations.astype(dtype),
        translation=np.stack([c.translation for c in cameras]).astype(dtype),
        fisheye=fisheye if fisheye.any() else None,
    )


def to_camera_frame(values: CameraValues, points: Array) -> Array:
    """World points (..., N, 3) metres -> camera frame (..., N, 3); z is the depth."""
    xp = points.__array_namespace__()
    rotated = points @ xp.swapaxes(values.rotation, -1, -2)
    return rotated + values.translation[..., None, :]


def project(values: CameraValues, points: Array) -> Array:
    """World points (..., N, 3) metres -> distorted pixels (..., N, 2).

    A point nearer than ``MIN_DEPTH_M`` or behind the image plane is projected as if at that depth (a
    fisheye sees up to 180 degrees and more, so there only the axis itself is special); use
    :func:`to_camera_frame` to tell them apart.
    """
    x, y, z = _components(to_camera_frame(values, points))
    u, v = _distort(values, x, y, z)
    return _pixels(values, u, v)


def project_with_jacobian(values: CameraValues, points: Array) -> tuple[Array, Array]:
    """As :func:`project`, with the derivative of the pixels by the world points (..., N, 2, 3)."""
    xp = points.__array_namespace__()
    u, v, rows = project_components(values, *_components(points))
    jacobian = xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
    return xp.stack([u, v], axis=-1), jacobian


def project_components(values: CameraValues, x: Array, y: Array, z: Array) -> tuple[Array, Array, Rows]:
    """As :func:`project_with_jacobian` with every component an array (..., N) of its own: the pixel's u and v and
    their derivatives by the world point's x, y, z. Compiled, that is one long loop over points and several times faster.
    """

    def entry(array: Array, *index: int) -> Array:
        return array[(..., *index, None)]

    rotation, world = values.rotation, (x, y, z)
    in_camera = [
        sum((entry(rotation, i, j) * world[j] for j in (1, 2)), entry(rotation, i, 0) * x)
        + entry(values.translation, i)
        for i in range(3)
    ]
    u, v, by_camera_point = _distort_with_jacobian(values, *in_camera)
    rows = []
    for k, row in enumerate(by_camera_point):
        a, b, c = (entry(values.focal_px, k) * derivative for derivative in row)
        rows.append(
            tuple(
                a * entry(rotation, 0, j) + b * entry(rotation, 1, j) + c * entry(rotation, 2, j)
                for j in range(3)
            )
        )
    pixels = [entry(values.focal_px, k) * n + entry(values.centre_px, k) for k, n in enumerate((u, v))]
    return pixels[0], pixels[1], (rows[0], rows[1])


def undistort(values: CameraValues, pixels: Array) -> Array:
    """Distorted pixels (..., N, 2) -> normalised coordinates (x/z, y/z) of the ideal pinhole camera.

    Newton's method on the forward model with its analytic derivative. A fisheye ray at 90 degrees or more
    has no finite normalised coordinates; use :func:`pixel_rays`.
    """
    direction = _camera_rays(values, pixels)
    return direction[..., :2] / direction[..., 2:]


def pixel_rays(values: CameraValues, pixels: Array) -> tuple[Array, Array]:
    """Camera centre (..., 3) and unit directions (..., N, 3), both world, seen through distorted pixels."""
    xp = pixels.__array_namespace__()
    direction = _camera_rays(values, pixels)
    direction = direction / xp.sqrt(xp.sum(direction * direction, axis=-1))[..., None]
    centre = -(values.translation[..., None, :] @ values.rotation)[..., 0, :]
    return centre, direction @ values.rotation


def _components(points: Array) -> tuple[Array, Array, Array]:
    return points[..., 0], points[..., 1], points[..., 2]


def _pixels(values: CameraValues, u: Array, v: Array) -> Array:
    xp = u.__array_namespace__()
    normalised = xp.stack([u, v], axis=-1)
    return values.focal_px[..., None, :] * normalised + values.centre_px[..., None, :]


def _coefficients(values: CameraValues) -> list[Array]:
    return [values.distortions[..., i, None] for i in range(8)]


def _distort(values: CameraValues, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    u, v, _ = _distort_with_jacobian(values, x, y, z)
    return u, v


Rows = tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]


def _distort_with_jacobian(values: CameraValues, x: Array, y: Array, z: Array) -> tuple[Array, Array, Rows]:
    """Distorted normalised coordinates u, v and their derivatives by the camera-frame point."""
    xp = x.__array_namespace__()
    u, v, rows = _pinhole(values, x, y, z)
    if values.fisheye is None:
        return u, v, rows
    u_f, v_f, rows_f = _fisheye(values, x, y, z)
    fisheye = xp.broadcast_to(values.fisheye[..., None], x.shape)
    pairs = tuple(
        tuple(xp.where(fisheye, f, p) for f, p in zip(row_f, row, strict=True))
        for row_f, row in zip(rows_f, rows, strict=True)
    )
    return xp.where(fisheye, u_f, u), xp.where(fisheye, v_f, v), pairs  # type: ignore[return-value]


def _pinhole_plane(values: CameraValues, a: Array, b: Array) -> tuple[Array, ...]:
    """Distortion of normalised (a, b): u, v and du/da, du/db (= dv/da), dv/db."""
    k1, k2, p1, p2, k3, k4, k5, k6 = _coefficients(values)
    r2 = a * a + b * b
    numerator = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    denominator = 1.0 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = numerator / denominator
    d_numerator = k1 + r2 * (2.0 * k2 + 3.0 * r2 * k3)
    d_denominator = k4 + r2 * (2.0 * k5 + 3.0 * r2 * k6)
    d_radial = 2.0 * (d_numerator - radial * d_denominator) / denominator  # times a or b: d radial / d(a, b)
    u = a * radial + 2.0 * p1 * a * b + p2 * (r2 + 2.0 * a * a)
    v = b * radial + p1 * (r2 + 2.0 * b * b) + 2.0 * p2 * a * b
    du_da = radial + a * a * d_radial + 2.0 * p1 * b + 6.0 * p2 * a
    du_db = a * b * d_radial + 2.0 * p1 * a + 2.0 * p2 * b
    dv_db = radial + b * b * d_radial + 6.0 * p1 * b + 2.0 * p2 * a
    return u, v, du_da, du_db, dv_db


def _pinhole(values: CameraValues, x: Array, y: Array, z: Array) -> tuple[Array, Array, Rows]:
    xp = x.__array_namespace__()
    inverse_depth = 1.0 / xp.where(z > MIN_DEPTH_M, z, MIN_DEPTH_M)
    a, b = x * inverse_depth, y * inverse_depth
    u, v, du_da, du_db, dv_db = _pinhole_plane(values, a, b)
    return (
        u,
        v,
        (
            (
                du_da * inverse_depth,
                du_db * inverse_depth,
                -(du_da * a + du_db * b) * inverse_depth,
            ),
            (
                du_db * inverse_depth,
                dv_db * inverse_depth,
                -(du_db * a + dv_db * b) * inverse_depth,
            ),
        ),
    )


def _fisheye_angle(values: CameraValues, theta: Array) -> tuple[Array, Array]:
    """Distorted angle and its derivative by the angle from the optical axis."""
    k1, k2, k3, k4 = _coefficients(values)[:4]
    t2 = theta * theta
    distorted = theta * (1.0 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    derivative = 1.0 + t2 * (3.0 * k1 + t2 * (5.0 * k2 + t2 * (7.0 * k3 + t2 * 9.0 * k4)))
    return distorted, derivative


def _fisheye(values: CameraValues, x: Array, y: Array, z: Array) -> tuple[Array, Array, Rows]:
    xp = x.__array_namespace__()
    radius2 = x * x + y * y
    on_axis = radius2 < 1e-12
    radius = xp.sqrt(xp.where(on_axis, 1e-12, radius2))
    theta = xp.arctan2(radius, z)
    distorted, derivative = _fisheye_angle(values, theta)
    distance2 = radius * radius + z * z
    scale = distorted / radius  # u = scale * x
    # d theta / d (x, y, z) = (x z / r, y z / r, -r) / distance^2
    along_radius = (derivative * z / distance2 - scale) / (radius * radius)
    along_depth = -derivative / distance2
    du_dx = scale + x * x * along_radius
    du_dy = x * y * along_radius
    dv_dy = scale + y * y * along_radius
    return (
        scale * x,
        scale * y,
        ((du_dx, du_dy, x * along_depth), (du_dy, dv_dy, y * along_depth)),
    )


def _camera_rays(values: CameraValues, pixels: Array) -> Array:
    """Directions (not normalised) in the camera frame."""
    xp = pixels.__array_namespace__()
    normalised = (pixels - values.centre_px[..., None, :]) / values.focal_px[..., None, :]
    u, v = normalised[..., 0], normalised[..., 1]
    a, b = u, v
    for _ in range(UNDISTORT_ITERATIONS):
        u_now, v_now, du_da, du_db, dv_db = _pinhole_plane(values, a, b)
        determinant = du_da * dv_db - du_db * du_db
        determinant = xp.where(xp.abs(determinant) < 1e-6, 1e-6, determinant)
        error_u, error_v = u - u_now, v - v_now
        a = a + (dv_db * error_u - du_db * error_v) / determinant
        b = b + (du_da * error_v - du_db * error_u) / determinant
    rays = xp.stack([a, b, xp.ones_like(a)], axis=-1)
    if values.fisheye is None:
        return rays
    radius = xp.sqrt(xp.maximum(u * u + v * v, 1e-24))
    theta = radius
    for _ in range(UNDISTORT_ITERATIONS):
        distorted, derivative = _fisheye_angle(values, theta)
        derivative = xp.where(xp.abs(derivative) < 1e-3, 1e-3, derivative)
        theta = xp.clip(theta + (radius - distorted) / derivative, 0.0, np.pi)
    sine = xp.sin(theta) / radius
    fisheye_rays = xp.stack([sine * u, sine * v, xp.cos(theta)], axis=-1)
    fisheye = xp.broadcast_to(values.fisheye[..., None, None], rays.shape)
    return xp.where(fisheye, fisheye_rays, rays)
