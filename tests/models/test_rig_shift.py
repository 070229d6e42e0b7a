"""Shifts of single cameras found from what they see, against shifts that were put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.camera import camera_arrays, project
from kincast.models.observations import Observations
from kincast.models.rig_shift import RigShiftConfig, aimed, estimate_shift, shifted
from tests.models.rig import ring_of_cameras

SET = "HALPE_26"


def seen_by(cameras: int, shift_px: np.ndarray, noise_px: float = 3.0, seed: int = 0) -> Observations:
    """A cloud of 26 points, as large as a person, walking through the ring; detections lie ``shift_px`` beside."""
    rng = np.random.default_rng(seed)
    rig = ring_of_cameras(cameras)
    frames = 40
    body = rng.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 1.7], size=(26, 3))
    points = body + np.linspace(-0.6, 0.6, frames)[:, None, None] * np.array([1.0, 0.2, 0.0])
    pixels = project(camera_arrays(rig), np.broadcast_to(points.reshape(-1, 3), (cameras, frames * 26, 3)))
    pixels = np.moveaxis(np.asarray(pixels).reshape(cameras, frames, 26, 2), 0, 1)
    own = rng.normal(
        0.0, noise_px, size=(1, cameras, 26, 2)
    )  # a detector's error of a keypoint in a view persists
    keypoints = np.concatenate(
        [pixels + own + shift_px[None, :, None], np.full((*pixels.shape[:3], 1), 0.9)], -1
    )
    t_ns = (np.arange(frames)[:, None] * 16_666_667 + np.zeros((1, cameras))).astype(np.int64)
    return Observations(SET, tuple(rig), t_ns, keypoints.astype(np.float32))


def test_a_well_calibrated_rig_is_left_exactly_as_it_is():
    observations = seen_by(6, np.zeros((6, 2)))
    assert not estimate_shift(observations).any()
    assert aimed(observations) is observations


@pytest.mark.parametrize("cameras", [4, 8])
def test_shifts_of_two_cameras_are_found_to_the_noise(cameras: int):
    shift = np.zeros((cameras, 2))
    shift[0], shift[2] = (16.0, -6.0), (-9.0, 12.0)
    found = estimate_shift(seen_by(cameras, shift))
    # what is common to all (a turn of the whole rig) nobody can see
    assert np.abs(found - shift).max() < 6.0
    assert np.linalg.norm(found - shift) < 0.5 * np.linalg.norm(shift)
    put_right = aimed(seen_by(cameras, shift))
    assert not estimate_shift(put_right).any()


def test_shifted_cameras_see_everything_beside():
    rig = ring_of_cameras(3)
    shift = np.array([[3.0, -2.0], [0.0, 0.0], [-7.0, 1.0]])
    points = np.random.default_rng(1).uniform(-0.5, 0.5, size=(3, 9, 3)) + np.array([0.0, 0.0, 1.0])
    before, after = project(camera_arrays(rig), points), project(camera_arrays(shifted(rig, shift)), points)
    np.testing.assert_allclose(after - before, np.broadcast_to(shift[:, None], before.shape), atol=1e-9)


def test_two_cameras_never_blame_one_another():
    assert not estimate_shift(seen_by(2, np.array([[20.0, 20.0], [0.0, 0.0]]))).any()


def test_a_knocked_camera_is_not_corrected():
    shift = np.zeros((6, 2))
    shift[1] = (300.0, 0.0)
    found = estimate_shift(seen_by(6, shift))
    assert not found[1].any()
    assert np.abs(found).max() < 8.0


def test_absent_detections_count_for_nothing():
    observations = seen_by(5, np.zeros((5, 2)))
    keypoints = observations.keypoints.copy()
    keypoints[:, 4] = 0.0
    keypoints[3:9, 1, 5] = (np.nan, 1e9, 0.0)
    assert not estimate_shift(replace(observations, keypoints=keypoints)).any()
    nothing = replace(observations, keypoints=np.zeros_like(keypoints))
    assert not estimate_shift(nothing, RigShiftConfig(noticed=0.0, noticed_px=0.0)).any()
