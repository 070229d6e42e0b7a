"""Bundle adjustment: slopes against finite differences, and generated rigs with known truth, OpenCV the projector."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from kincast.models.camera import Camera
from kincast.models.observations import Observations
from kincast.offline.bundle import adjusted
from kincast.offline.bundle_gauge import Stances, on_the_floor
from kincast.offline.bundle_solver import Guess, Noise, Prior, bias_of, free_numbers, slopes_at
from kincast.offline.bundle_views import SECTORS, Views, gathered
from kincast.offline.camera_change import (
    FOCAL,
    PARAMETERS,
    ROTATION,
    TRANSLATION,
    change_between,
    changed,
    moved_with_world,
)
from tests.models.rig import ring_of_cameras
from tests.offline.rig_errors import errors, put_wrong, relative_errors

PERIOD_NS = 33_333_333


def _walk(
    cameras: tuple[Camera, ...], noise_px: float = 0.0, late_ns: int = 0, bias_px: float = 0.0
) -> Observations:
    """A cloud of 26 points that walks along and turns; the second camera's stamps are ``late_ns`` early.

    ``bias_px``: of an error by point and azimuth, alike in all cameras.
    """
    random = np.random.default_rng(0)
    cloud = random.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 1.7], size=(26, 3))
    # eyes, ears, shoulders and hips tell where it faces
    for left, right, height in ((1, 2, 1.6), (3, 4, 1.55), (5, 6, 1.4), (11, 12, 0.9)):
        cloud[left], cloud[right] = (0.0, 0.2, height), (0.0, -0.2, height)
    bias = bias_px * random.normal(size=(26, SECTORS, 2))
    t_ns = np.tile(np.arange(60)[:, None] * PERIOD_NS, (1, len(cameras)))
    keypoints = np.ones((*t_ns.shape, 26, 3), np.float32)
    for c, camera in enumerate(cameras):
        centre = -np.asarray(cv2.Rodrigues(camera.rotation)[0]).T @ camera.translation
        for i, t in enumerate((t_ns[:, c] + (late_ns if c == 1 else 0)) * 1e-9):
            turn = 0.5 * np.sin(t)
            rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            points = cloud.copy()
            points[:, :2] = points[:, :2] @ rotation.T
            points[:, 0] += 1.2 * (t - 1.0)
            points[:, 2] += 0.05 * np.sin(9.0 * t)
            towards = centre[:2] - points[:, :2].mean(axis=0)
            at = np.mod((np.arctan2(towards[1], towards[0]) - turn) / (2 * np.pi), 1.0) * SECTORS
            lower, share = int(at) % SECTORS, at - int(at)
            seen = cv2.projectPoints(
                points, camera.rotation, camera.translation, camera.matrix, camera.distortions
            )[0][:, 0]
            seen = seen + (1.0 - share) * bias[:, lower] + share * bias[:, (lower + 1) % SECTORS]
            keypoints[i, c, :, :2] = seen + noise_px * random.normal(size=seen.shape)
    return Observations("HALPE_26", cameras, t_ns, keypoints)


def test_slopes_are_those_of_finite_differences() -> None:
    cameras = ring_of_cameras(3)
    random = np.random.default_rng(2)
    points = random.uniform([-0.5, -0.5, 0.2], [0.5, 0.5, 1.6], size=(5, 3))
    views = Views(
        np.zeros((5, 3, 2)), np.ones((5, 3)), random.normal(size=(5, 3, 2)) * 100.0, np.ones((5, 3), bool),
        np.ones(5), np.zeros((5, 3, 2), np.int64), np.zeros((5, 3, 2)), np.arange(5), np.zeros(5, np.int64), 5,
    )  # fmt: skip
    noise = Noise(np.ones((5, 3)), 4.0)
    guess = Guess(np.zeros((3, PARAMETERS)), points, np.zeros((5, SECTORS, 2)))
    at = slopes_at(cameras, views, noise, guess)
    for camera in range(3):
        for number in range(PARAMETERS):
            changes = np.zeros((3, PARAMETERS))
            changes[camera, number] = 1e-6
            moved = slopes_at(cameras, views, noise, replace(guess, changes=changes)).error_px
            change = (at.error_px - moved)[:, camera] / 1e-6
            assert np.allclose(change, at.by_camera[:, camera, :, number], rtol=1e-3, atol=1e-2)
    for axis in range(3):
        moved = slopes_at(cameras, views, noise, replace(guess, points=points + 1e-6 * np.eye(3)[axis]))
        assert np.allclose(
            (at.error_px - moved.error_px) / 1e-6, at.by_point[..., axis], rtol=1e-3, atol=1e-2
        )


def test_a_change_is_found_again_between_two_cameras() -> None:
    camera = ring_of_cameras(2)[1]
    change = np.array([0.01, -0.02, 0.03, 0.01, 0.02, -0.03, 0.02, 3.0, -4.0, 0.0])
    assert np.allclose(change_between(camera, changed(camera, change)), change, atol=1e-9)


def test_without_errors_a_rig_put_wrong_comes_back_exactly() -> None:
    cameras = ring_of_cameras(5)
    found = adjusted([replace(_walk(cameras), cameras=put_wrong(cameras, 1))])
    assert found is not None
    assert found.demanded
    degrees, metres = relative_errors(found.cameras, cameras)
    assert degrees.max() < 0.01
    assert metres.max() < 0.0005


def test_with_errors_it_comes_back_to_what_its_sd_say() -> None:
    cameras = ring_of_cameras(5)
    found = adjusted([replace(_walk(cameras, noise_px=1.0), cameras=put_wrong(cameras, 1))])
    assert found is not None
    assert found.demanded
    degrees, metres = relative_errors(found.cameras, cameras)
    assert degrees.max() < 0.2
    assert metres.max() < 0.005
    assert found.median_px[1] < 1.5 < found.median_px[0]
    off = [
        change_between(f, t)[:6] / c.sd[:6]
        for f, t, c in zip(found.cameras, cameras, found.changes, strict=True)
    ]
    assert 0.2 < np.sqrt(np.mean(np.square(off))) < 2.0


def test_errors_by_view_are_told_from_errors_of_cameras() -> None:
    cameras = ring_of_cameras(6)
    walk = _walk(cameras, noise_px=0.3, bias_px=3.0)
    found = adjusted([replace(walk, cameras=put_wrong(cameras, 3))])
    assert found is not None
    degrees, metres = relative_errors(found.cameras, cameras)
    assert degrees.max() < 0.15
    assert metres.max() < 0.006


def test_directions_are_those_the_person_is_seen_from() -> None:
    cameras = ring_of_cameras(4)
    views, _ = gathered([_walk(cameras, bias_px=0.0)], cameras)
    bias = np.zeros((26, SECTORS, 2))
    bias[:, 0] = 1.0  # seen from ahead
    seen = bias_of(views, bias)[views.row == 30][0, :, 0]
    azimuth_deg = np.degrees(2 * np.pi * np.arange(4) / 4 + 0.3) - np.degrees(0.5 * np.sin(1.0))
    expected = np.maximum(0.0, 1.0 - np.abs((azimuth_deg + 180) % 360 - 180) / 45.0)
    assert np.allclose(seen, expected, atol=0.08)


def test_one_knocked_camera_is_put_right_and_the_others_stay() -> None:
    cameras = ring_of_cameras(5)
    knocked = (*cameras[:2], *put_wrong(cameras[2:3], 4, 3.0, 0.06), *cameras[3:])
    found = adjusted([replace(_walk(cameras, noise_px=0.3), cameras=knocked)])
    assert found is not None
    assert found.demanded
    degrees, metres = errors(found.cameras, cameras)
    assert degrees.max() < 0.2
    assert metres.max() < 0.008


@pytest.mark.parametrize("noise_px", [0.0, 2.0])
def test_a_right_calibration_is_left_alone(noise_px: float) -> None:
    cameras = ring_of_cameras(5)
    found = adjusted([_walk(cameras, noise_px=noise_px, bias_px=noise_px)])
    assert found is not None
    assert not found.demanded


def test_one_camera_is_not_judged() -> None:
    assert adjusted([_walk(ring_of_cameras(1))]) is None


def test_of_two_cameras_it_comes_back_how_they_stand_to_each_other() -> None:
    cameras = ring_of_cameras(5)[:2]
    found = adjusted([replace(_walk(cameras), cameras=put_wrong(cameras, 1))])
    assert found is not None
    assert found.demanded
    degrees, metres = relative_errors(found.cameras, cameras)
    assert degrees.max() < 0.05
    assert metres.max() < 0.001
    right = adjusted([_walk(cameras, noise_px=2.0)])
    assert right is not None
    assert not right.demanded


def test_a_late_clock_is_found() -> None:
    cameras = ring_of_cameras(5)
    found = adjusted([_walk(cameras, 0.5, late_ns=12_000_000)])
    assert found is not None
    assert found.demanded
    assert found.clock_s - np.median(found.clock_s) == pytest.approx([0.0, 0.012, 0.0, 0.0, 0.0], abs=0.0015)


def test_a_wrong_lens_is_found() -> None:
    cameras = ring_of_cameras(5)
    lens = np.zeros(PARAMETERS)
    lens[FOCAL] = 0.05
    wrong = (*cameras[:3], changed(cameras[3], lens), cameras[4])
    found = adjusted([replace(_walk(cameras, 0.5), cameras=wrong)])
    assert found is not None
    assert found.demanded
    focal = np.array([c.change[FOCAL] for c in found.changes])
    assert focal - np.median(focal) == pytest.approx([0.0, 0.0, 0.0, -0.05, 0.0], abs=0.006)


def test_the_floor_levels_a_rig_that_no_picture_levels() -> None:
    cameras = ring_of_cameras(4)
    tilted = tuple(
        moved_with_world(c, np.array([0.008, -0.006, 0.0]), np.array([0.0, 0.0, 0.02]), 0.0, np.zeros(3))
        for c in cameras
    )
    random = np.random.default_rng(5)
    places = np.concatenate([random.uniform(-2.0, 2.0, size=(24, 2)), np.full((24, 1), 0.025)], axis=1)
    turn = np.asarray(cv2.Rodrigues(np.array([0.008, -0.006, 0.0]))[0])
    standing = Stances(np.repeat([20, 21], 12), places @ turn.T + [0.0, 0.0, 0.02])
    sd = np.ones((4, PARAMETERS)) * np.repeat([0.01, 0.02, 1.0], [3, 3, 4])
    prior = Prior(sd, free_numbers(ROTATION, TRANSLATION), 4.0, 0.0)
    before = errors(tilted, cameras)
    level = errors(on_the_floor(tilted, tilted, np.zeros(4), prior, standing), cameras)
    assert level[0].max() < 0.4 * before[0].min()
    level_already = Stances(standing.keypoint, places)
    assert on_the_floor(cameras, cameras, np.zeros(4), prior, level_already) == cameras
    few = Stances(standing.keypoint[:2], standing.place[:2])
    assert on_the_floor(tilted, tilted, np.zeros(4), prior, few) == tilted


def test_moving_the_world_leaves_the_pictures() -> None:
    camera = ring_of_cameras(3)[2]
    turn, shift, centre = np.array([0.1, -0.2, 0.3]), np.array([0.4, -0.1, 0.2]), np.array([0.5, 0.2, 1.0])
    points = np.random.default_rng(1).uniform(-0.5, 1.5, size=(20, 3))
    new = 1.1 * (points - centre) @ np.asarray(cv2.Rodrigues(turn)[0]).T + centre + shift
    moved = moved_with_world(camera, turn, shift, float(np.log(1.1)), centre)
    pixels = [
        cv2.projectPoints(p, c.rotation, c.translation, c.matrix, c.distortions)[0]
        for c, p in ((camera, points), (moved, new))
    ]
    assert np.allclose(pixels[0], pixels[1], atol=1e-6)
