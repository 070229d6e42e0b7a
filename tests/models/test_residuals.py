"""Residuals: blocks against finite differences, sides, markers, and the whole reprojection loss differentiated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.camera import CameraValues, camera_arrays, project, rotation_matrix
from kincast.models.detector_noise import DetectorNoise, DetectorNoiseConfig
from kincast.models.kinematics import integrate, scaled_values, site_positions
from kincast.models.residuals import (
    MarkerNoise,
    PixelNoise,
    Views,
    exchange_groups,
    fresh_share,
    marker_blocks,
    reprojection_loss,
    view_blocks,
)
from tests.models.rig import ring_of_cameras, standing_pose

NOISE = PixelNoise()
NO_GROUPS = exchange_groups(6)


def rig_values(count: int = 3, dtype=np.float32) -> CameraValues:
    return jax.tree.map(jnp.asarray, camera_arrays(ring_of_cameras(count), dtype))


def a_scene(seed: int, cameras: int = 3, points: int = 6, error_px: float = 4.0):
    rng = np.random.default_rng(seed)
    rig = rig_values(cameras)
    sites = jnp.asarray(rng.normal(size=(points, 3)) * 0.4 + np.array([0.0, 0.0, 1.0]), jnp.float32)
    pixels = project(rig, jnp.broadcast_to(sites[None], (cameras, points, 3)))
    pixels = pixels + jnp.asarray(rng.normal(size=pixels.shape) * error_px, jnp.float32)
    information = jnp.asarray(rng.uniform(0.05, 0.3, size=pixels.shape[:-1]), jnp.float32)
    return rig, sites, Views(pixels, information, jnp.zeros(cameras))


def test_descent_is_minus_the_gradient_of_the_loss():
    rig, sites, views = a_scene(0)
    blocks, _ = view_blocks(rig, views, sites, jnp.zeros_like(sites), NOISE, NO_GROUPS)
    gradient = jax.grad(lambda s: reprojection_loss(rig, views, s, NOISE))(sites)
    np.testing.assert_allclose(np.asarray(blocks.descent), -np.asarray(gradient), rtol=1e-3, atol=0.05)
    np.testing.assert_allclose(blocks.loss, reprojection_loss(rig, views, sites, NOISE), rtol=1e-5)


def test_the_block_is_the_information_of_a_triangulated_point():
    """Without errors all robust weights are alike, and the block is the sum of J'J over the cameras."""
    rig, sites, views = a_scene(1, error_px=0.0)
    blocks, _ = view_blocks(rig, views, sites, jnp.zeros_like(sites), NOISE, NO_GROUPS)
    at_zero = (NOISE.degrees_of_freedom + 2) / NOISE.degrees_of_freedom
    by_point = jax.jacobian(lambda p: project(rig, jnp.broadcast_to(p[None, None], (3, 1, 3)))[:, 0])
    for k in range(len(sites)):
        jacobian = np.asarray(by_point(sites[k]), np.float64)
        expected = at_zero * np.einsum("c,cai,caj->ij", views.information[:, k], jacobian, jacobian)
        np.testing.assert_allclose(np.asarray(blocks.normal[k]), expected, rtol=2e-3, atol=1.0)


def test_each_picture_is_compared_at_its_own_instant():
    rig, sites, views = a_scene(2, error_px=0.0)
    velocity = jnp.asarray(np.random.default_rng(3).normal(size=sites.shape), jnp.float32)
    offset = jnp.asarray([0.008, -0.005, 0.002])
    pixels = project(rig, sites[None] + velocity[None] * offset[:, None, None])
    moved = views._replace(pixels=pixels, offset_s=offset)
    _, right = view_blocks(rig, moved, sites, velocity, NOISE, NO_GROUPS)
    _, wrong = view_blocks(rig, moved, sites, jnp.zeros_like(sites), NOISE, NO_GROUPS)
    assert float(right.error_px.max()) < 0.01
    assert float(wrong.error_px.max()) > 1.0


def test_absent_keypoints_change_nothing_whatever_stands_there():
    rig, sites, views = a_scene(4)
    information = views.information.at[1, 2].set(0.0).at[:, 4].set(0.0)
    some = view_blocks(rig, views._replace(information=information), sites, sites * 0, NOISE, NO_GROUPS)
    wild = views.pixels.at[1, 2].set(1e6).at[:, 4].set(-1e6)
    same = view_blocks(
        rig, views._replace(pixels=wild, information=information), sites, sites * 0, NOISE, NO_GROUPS
    )
    for a, b in zip(jax.tree.leaves(some[0]), jax.tree.leaves(same[0]), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert not np.asarray(some[0].normal[4]).any()


def test_exchanged_legs_are_recognised_and_undone_in_their_camera_alone():
    rig, sites, views = a_scene(5, error_px=1.0)
    groups = exchange_groups(6, ((0, 1), (2, 3)))
    exchanged = views.pixels.at[1].set(views.pixels[1][np.array([1, 0, 3, 2, 4, 5])])
    straight, before = view_blocks(rig, views, sites, sites * 0, NOISE, groups)
    undone, after = view_blocks(
        rig,
        views._replace(pixels=exchanged, information=views.information.at[1].set(0.1)),
        sites,
        sites * 0,
        NOISE,
        groups,
    )
    assert np.asarray(before.exchanged).tolist() == [False, False, False]
    assert np.asarray(after.exchanged).tolist() == [False, True, False]
    assert float(undone.loss) < 2.0 * float(straight.loss) + 5.0


def test_marker_blocks_pull_to_the_marker_and_ignore_absent_ones():
    sites = jnp.asarray(np.random.default_rng(6).normal(size=(4, 3)), jnp.float32)
    markers = jnp.concatenate([sites + 0.004, jnp.ones((4, 1))], axis=1)
    markers = markers.at[2].set(jnp.asarray([np.nan, 0.0, 0.0, 1.0])).at[3, 3].set(0.0)
    blocks = marker_blocks(markers, sites, MarkerNoise())
    assert np.isfinite(np.asarray(blocks.descent)).all()
    assert (np.asarray(blocks.descent[:2]) > 0).all()
    assert not np.asarray(blocks.normal[2:]).any()
    steps = np.linalg.solve(np.asarray(blocks.normal[0]), np.asarray(blocks.descent[0]))
    np.testing.assert_allclose(steps, 0.004, rtol=1e-3)


def test_pictures_in_quick_succession_count_less():
    interval = np.array([1e-3, 1 / 120, 1 / 60, 1 / 30, 2.0])
    share = np.asarray(fresh_share(jnp.asarray(interval, jnp.float32), NOISE))
    a = np.exp(-interval / NOISE.correlation_time_s)
    np.testing.assert_allclose(share, (1 - a) / (1 + a), rtol=1e-4)


def test_whole_reprojection_loss_differentiates_by_pose_scale_offset_and_camera():
    """The point of a differentiable body: one loss, every parameter, against finite differences in float64."""
    with jax.enable_x64(True):
        body = build_body(BodyParameters())
        rng = np.random.default_rng(7)
        q = jnp.asarray(standing_pose(rng))
        n = len(body.sites)
        cameras = ring_of_cameras(2)
        rig = jax.tree.map(jnp.asarray, camera_arrays(cameras))
        rodrigues = jnp.asarray(np.stack([c.rotation for c in cameras]))
        start = {
            "pose": jnp.zeros(40),
            "log_scales": jnp.zeros(8),
            "offsets": jnp.zeros((n, 3)),
            "rotation": rodrigues,
            "translation": rig.translation,
            "focal_px": rig.focal_px,
            "centre_px": rig.centre_px,
            "distortions": rig.distortions,
        }

        def pixels_of(p):
            values = scaled_values(body.skeleton, p["log_scales"], p["offsets"])
            sites = site_positions(body.skeleton, values, integrate(q, p["pose"]))
            moved = CameraValues(
                p["focal_px"],
                p["centre_px"],
                p["distortions"],
                rotation_matrix(p["rotation"]),
                p["translation"],
            )
            return moved, sites

        moved, sites = pixels_of(start)
        pixels = project(moved, jnp.broadcast_to(sites[None], (2, n, 3)))
        pixels = pixels + jnp.asarray(rng.normal(size=pixels.shape) * 3.0)
        views = Views(pixels, jnp.full(pixels.shape[:-1], 0.1), jnp.zeros(2))
        loss = jax.jit(lambda p: reprojection_loss(*_with(pixels_of(p), views), NOISE))
        gradient = jax.jit(jax.grad(lambda p: reprojection_loss(*_with(pixels_of(p), views), NOISE)))(start)
        for name, value in start.items():
            for _ in range(3):
                direction = jnp.asarray(rng.normal(size=value.shape))
                h = 1e-6 * (100.0 if name.endswith("px") else 1.0)
                plus = float(loss({**start, name: value + h * direction}))
                minus = float(loss({**start, name: value - h * direction}))
                slope = float(jnp.sum(gradient[name] * direction))
                assert abs((plus - minus) / (2 * h) - slope) < 1e-5 * abs(slope) + 1e-4, name


def _with(moved_and_sites, views):
    moved, sites = moved_and_sites
    return moved, views, sites


def test_the_noise_level_and_what_confidence_means_are_learned():
    rng = np.random.default_rng(8)
    noise = DetectorNoise(20, DetectorNoiseConfig())
    for _ in range(300):
        confidence = rng.choice([0.5, 0.95], size=(6, 20)).astype(np.float32)
        sigma = np.where(confidence > 0.7, 0.8, 8.0)
        error = np.linalg.norm(rng.normal(size=(6, 20, 2)) * sigma[..., None], axis=-1)
        noise.update(error.astype(np.float32), np.ones_like(confidence), confidence, 1 / 60)
    information = noise.information(np.array([[0.95] * 20, [0.5] * 20, [0.0] * 20], np.float32))
    sigma = 1.0 / np.sqrt(information[:2].mean(axis=1))
    np.testing.assert_allclose(sigma, [0.8, 8.0], rtol=0.25)
    assert not information[2].any()
