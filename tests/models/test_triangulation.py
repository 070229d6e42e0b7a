"""Triangulation against cv2.projectPoints: exact views, outliers, too few or too parallel views, free-running cameras."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.observations import Observations, synchronised_keypoints
from kincast.models.triangulation import TriangulationConfig, triangulate, undistorted
from tests.models.rig import uneven_ring


def views_of(cameras, points, confidence=0.9):
    """(..., K, 3) world points -> (..., C, K, 3) distorted pixels by OpenCV."""
    flat = points.reshape(-1, 1, 3)
    out = []
    for camera in cameras:
        if camera.fisheye:
            pixels, _ = cv2.fisheye.projectPoints(
                flat, camera.rotation, camera.translation, camera.matrix, camera.distortions[:4]
            )
        else:
            pixels, _ = cv2.projectPoints(
                flat, camera.rotation, camera.translation, camera.matrix, camera.distortions
            )
        xyc = np.concatenate([pixels.reshape(-1, 2), np.full((len(flat), 1), confidence)], axis=1)
        out.append(xyc.reshape(*points.shape[:-1], 3))
    return np.stack(out, axis=-3)


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform([-0.5, -0.5, 0.0], [0.5, 0.5, 1.8], (7, 26, 3))


@pytest.mark.parametrize("fisheye", [False, True])
@pytest.mark.parametrize("n_cameras", [2, 8, 16])
def test_exact_views_give_the_point(points, n_cameras, fisheye):
    cameras = uneven_ring(n_cameras, fisheye=fisheye, arc_deg=360.0 if n_cameras > 2 else 140.0)
    result = triangulate(cameras, views_of(cameras, points))
    assert result.valid.all()
    assert np.abs(result.points - points).max() < 1e-5
    assert result.inlier.all()


def test_gross_outliers_in_two_of_six_cameras_are_rejected(points):
    cameras = uneven_ring(6)
    keypoints = views_of(cameras, points)
    keypoints[:, 1, :, :2] += 80.0
    keypoints[:, 4, ::2, 0] -= 150.0
    result = triangulate(cameras, keypoints)
    assert result.valid.all()
    assert np.abs(result.points - points).max() < 1e-4
    assert not result.inlier[..., 1].any()


def test_errors_have_the_stated_covariance(points):
    cameras = uneven_ring(8)
    rng = np.random.default_rng(1)
    many = np.repeat(points, 30, axis=0)
    keypoints = views_of(cameras, many, confidence=1.0)
    keypoints[..., :2] += rng.normal(0, 3.0, keypoints[..., :2].shape)
    result = triangulate(cameras, keypoints, TriangulationConfig(sigma_px=3.0))
    error = result.points - many
    squared = np.einsum("...i,...ij,...j", error, np.linalg.inv(result.covariance), error)
    assert (
        2.7 < squared.mean() < 3.4
    )  # chi-square with 3 degrees of freedom; the robust weights cost a little


def test_one_view_or_no_angle_is_masked_and_finite(points):
    cameras = uneven_ring(4)
    keypoints = views_of(cameras, points)
    keypoints[:, 1:] = 0.0
    alone = triangulate(cameras, keypoints)
    assert not alone.valid.any()
    twins = (cameras[0], cameras[0])
    doubled = triangulate(twins, views_of(twins, points))
    assert not doubled.valid.any()
    for result in (alone, doubled):
        for array in (result.points, result.covariance, result.residual_px):
            assert np.isfinite(array).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_never_non_finite(seed):
    rng = np.random.default_rng(seed)
    cameras = uneven_ring(int(rng.integers(2, 6)))
    keypoints = rng.uniform(-5000, 5000, (3, len(cameras), 5, 3))
    keypoints[..., 2] = rng.choice([0.0, 0.5, np.nan, 1.0], keypoints.shape[:-1])
    keypoints[rng.random(keypoints.shape) < 0.1] = rng.choice([np.nan, np.inf, 0.0, 1e30])
    result = triangulate(cameras, keypoints)
    assert np.isfinite(result.points).all()
    assert np.isfinite(result.covariance).all()
    assert (result.inlier.sum(axis=-1)[result.valid] >= 2).all()


def test_undistorted_inverts_opencv(points):
    for fisheye in (False, True):
        cameras = uneven_ring(3, fisheye=fisheye)
        normalised, confidence = undistorted(cameras, views_of(cameras, points))
        assert (confidence > 0).all()
        for c, camera in enumerate(cameras):
            local = points @ cv2.Rodrigues(camera.rotation)[0].T + camera.translation
            assert np.abs(normalised[:, c] - local[..., :2] / local[..., 2:]).max() < 1e-8


def test_free_running_cameras_are_brought_to_one_instant():
    cameras = uneven_ring(4)
    rng = np.random.default_rng(2)
    start, velocity = rng.uniform([-0.3, -0.3, 0.7], [0.3, 0.3, 1.3], (5, 3)), rng.uniform(-2, 2, (5, 3))
    t_ns = (np.arange(12)[:, None] * 16_666_667 + np.array([0, 4_000_000, 7_000_000, 11_000_000])).astype(
        np.int64
    )
    keypoints = np.zeros((12, 4, 5, 3))
    for t in range(12):
        for c in range(4):
            at = (start + velocity * t_ns[t, c] * 1e-9)[None]
            keypoints[t, c] = views_of((cameras[c],), at)[0, 0]
    keypoints[4, 2, 3] = 0.0
    seen = Observations("five", cameras, t_ns, keypoints)
    result = triangulate(cameras, synchronised_keypoints(seen))
    truth = start + velocity * (seen.reference_t_ns * 1e-9)[:, None, None]
    assert result.valid[1:-1].all()
    assert (
        np.abs(result.points - truth)[1:-1].max() < 2e-3
    )  # beside a dropout a picture up to 2 ms away counts
    raw = triangulate(cameras, keypoints)
    assert np.abs(raw.points - truth)[1:-1].max() > 5e-3
