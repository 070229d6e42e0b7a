"""The camera model against OpenCV and finite differences."""

from __future__ import annotations

import subprocess
import sys

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.camera import (
    Camera,
    CameraValues,
    camera_arrays,
    pixel_rays,
    project,
    project_with_jacobian,
    rotation_matrix,
    to_camera_frame,
    undistort,
)

SIZE_PX = (1920, 1080)
PINHOLE = (-0.19, 0.09, 6e-4, -9e-4, -0.015, 0.02, -0.01, 0.004)
FISHEYE = (0.05, -0.012, 0.004, -0.0007, 0.0, 0.0, 0.0, 0.0)


def a_camera(distortions=PINHOLE, fisheye=False, rotation=(1.2, 1.6, -1.3)) -> Camera:
    return Camera(
        "cam",
        SIZE_PX,
        np.array([[1138.9, 0.0, 967.5], [0.0, 1136.8, 552.5], [0.0, 0.0, 1.0]]),
        np.array(distortions, np.float64),
        np.array(rotation, np.float64),
        np.array([-0.01, 0.68, 5.2]),
        fisheye,
    )


def corner_and_inner_pixels() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0.0, SIZE_PX[0], 9), np.linspace(0.0, SIZE_PX[1], 7))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def world_points_seen_at(camera: Camera, pixels: np.ndarray, depth_m: float) -> np.ndarray:
    """Points on the pixels' rays, found with OpenCV alone."""
    source = pixels.reshape(-1, 1, 2)
    if camera.fisheye:
        flat = cv2.fisheye.undistortPoints(source, camera.matrix, camera.distortions[:4])
    else:
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14)
        flat = cv2.undistortPoints(source, camera.matrix, camera.distortions, criteria=stop)
    in_camera = np.concatenate([flat[:, 0], np.ones((len(pixels), 1))], axis=1) * depth_m
    rotation, _ = cv2.Rodrigues(camera.rotation)
    return (in_camera - camera.translation) @ rotation


def opencv_pixels(camera: Camera, points: np.ndarray) -> np.ndarray:
    if camera.fisheye:
        pixels, _ = cv2.fisheye.projectPoints(
            points.reshape(-1, 1, 3),
            camera.rotation,
            camera.translation,
            camera.matrix,
            camera.distortions[:4],
        )
    else:
        pixels, _ = cv2.projectPoints(
            points, camera.rotation, camera.translation, camera.matrix, camera.distortions
        )
    return pixels.reshape(-1, 2)


CAMERAS = [
    pytest.param(a_camera((0.0,) * 8), id="no distortion"),
    pytest.param(a_camera((-0.19, 0.09, 6e-4, -9e-4, -0.015, 0.0, 0.0, 0.0)), id="five coefficients"),
    pytest.param(a_camera(PINHOLE), id="rational"),
    pytest.param(a_camera(FISHEYE, fisheye=True), id="fisheye"),
]


@pytest.mark.parametrize("camera", CAMERAS)
def test_projection_equals_opencv_up_to_the_image_corners(camera):
    points = world_points_seen_at(camera, corner_and_inner_pixels(), 4.0)
    values = CameraValues(*(None if v is None else v[0] for v in camera_arrays([camera])))
    expected = opencv_pixels(camera, points)
    assert np.abs(project(values, points) - expected).max() < 1e-8
    assert np.abs(expected[0]).max() < 30.0  # the grid really reaches the corner


@pytest.mark.parametrize("camera", CAMERAS)
def test_float32_projection_stays_below_a_ten_thousandth_of_a_pixel_of_scale(camera):
    points = world_points_seen_at(camera, corner_and_inner_pixels(), 4.0)
    values = jax.tree.map(jnp.asarray, camera_arrays([camera], np.float32))
    pixels = project(values, jnp.asarray(points[None], jnp.float32))[0]
    assert np.abs(np.asarray(pixels) - opencv_pixels(camera, points)).max() < 2e-3


@pytest.mark.parametrize("camera", CAMERAS)
def test_rays_go_through_the_points_and_undistort_inverts(camera):
    pixels = corner_and_inner_pixels()
    values = camera_arrays([camera])
    centre, directions = pixel_rays(values, pixels[None])
    again = project(values, centre[:, None, :] + 3.0 * directions)
    assert np.abs(again[0] - pixels).max() < 1e-6
    rotation, _ = cv2.Rodrigues(camera.rotation)
    np.testing.assert_allclose(centre[0], -rotation.T @ camera.translation, atol=1e-12)
    flat = undistort(values, pixels[None])[0]
    in_camera = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
    world = (in_camera * 2.0 - camera.translation) @ rotation
    assert np.abs(opencv_pixels(camera, world) - pixels).max() < 1e-4


def test_a_rig_of_both_models_projects_each_camera_as_alone():
    rig = [a_camera(PINHOLE), a_camera(FISHEYE, fisheye=True), a_camera((0.0,) * 8, rotation=(0.3, 0.1, 0.2))]
    points = np.random.default_rng(0).normal(size=(11, 3)) * 0.5
    together = project(camera_arrays(rig), np.broadcast_to(points, (3, 11, 3)))
    for pixels, camera in zip(together, rig, strict=True):
        np.testing.assert_allclose(pixels, opencv_pixels(camera, points), atol=1e-8)


@pytest.mark.parametrize("camera", CAMERAS)
def test_jacobian_by_the_point_against_finite_differences(camera):
    values = camera_arrays([camera])
    points = np.random.default_rng(1).normal(size=(1, 7, 3)) * 0.8
    pixels, jacobian = project_with_jacobian(values, points)
    np.testing.assert_allclose(pixels, project(values, points), atol=1e-10)
    step = 1e-6
    for axis in range(3):
        offset = np.zeros(3)
        offset[axis] = step
        numeric = (project(values, points + offset) - project(values, points - offset)) / (2 * step)
        np.testing.assert_allclose(jacobian[..., axis], numeric, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("camera", CAMERAS)
def test_gradient_by_every_camera_parameter_against_finite_differences(camera):
    values = camera_arrays([camera])
    points = np.random.default_rng(2).normal(size=(1, 5, 3)) * 0.8
    weights = np.random.default_rng(3).normal(size=(1, 5, 2))

    def loss(parameters, xp):
        focal, centre, distortions, rodrigues, translation = parameters
        moved = CameraValues(
            focal, centre, distortions, rotation_matrix(rodrigues), translation, values.fisheye
        )
        return xp.sum(project(moved, xp.asarray(points)) * xp.asarray(weights))

    start = [
        values.focal_px,
        values.centre_px,
        values.distortions,
        camera.rotation[None],
        values.translation,
    ]
    gradient = jax.grad(lambda p: loss(p, jnp))([jnp.asarray(p, jnp.float32) for p in start])
    for index, parameter in enumerate(start):
        for entry in np.ndindex(parameter.shape):
            step = 1e-5
            plus, minus = [p.copy() for p in start], [p.copy() for p in start]
            plus[index][entry] += step
            minus[index][entry] -= step
            numeric = (loss(plus, np) - loss(minus, np)) / (2 * step)
            scale = 1.0 + abs(numeric)
            assert abs(float(gradient[index][entry]) - numeric) < 2e-3 * scale + 0.02, (index, entry)


@given(st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_rotation_matrix_equals_opencv(rodrigues):
    expected, _ = cv2.Rodrigues(np.array(rodrigues))
    np.testing.assert_allclose(rotation_matrix(np.array(rodrigues)), expected, atol=1e-9)


def test_rotation_matrix_is_differentiable_at_zero():
    jacobian = jax.jacobian(rotation_matrix)(jnp.zeros(3))
    assert np.isfinite(np.asarray(jacobian)).all()
    np.testing.assert_allclose(np.asarray(jacobian)[:, :, 2], [[0, -1, 0], [1, 0, 0], [0, 0, 0]], atol=1e-6)


def test_points_behind_the_camera_stay_finite_and_are_recognisable():
    camera = a_camera((0.0,) * 8, rotation=(0.0, 0.0, 0.0))
    values = camera_arrays([camera])
    points = np.array([[[0.1, 0.2, -9.0], [0.0, 0.0, -5.2]]])
    assert np.isfinite(project(values, points)).all()
    assert (to_camera_frame(values, points)[..., 2] <= 0).all()


def test_the_module_does_not_pull_in_jax():
    code = "import sys, kincast.models.camera; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
