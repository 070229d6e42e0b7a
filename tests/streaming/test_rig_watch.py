"""The watch over the rig's aim while a person is followed."""

from __future__ import annotations

import numpy as np

from kincast.models.camera import camera_arrays, project
from kincast.streaming.rig_watch import RigWatch, RigWatchConfig
from tests.models.rig import ring_of_cameras

RIG = ring_of_cameras(4)
VALUES = camera_arrays(RIG)


def watched(shift_px: np.ndarray, looks: int = 12, noise_px: float = 2.0, misfit_m: float = 0.0) -> RigWatch:
    """A watch after ``looks`` pictures; the model's sites lie ``misfit_m`` beside the points seen."""
    rng = np.random.default_rng(0)
    watch = RigWatch(RIG, RigWatchConfig())
    own = rng.normal(0.0, noise_px, size=(4, 26, 2))
    beside = rng.normal(0.0, misfit_m, size=(26, 3)) if misfit_m else 0.0
    body = rng.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 1.7], size=(26, 3))
    for k in range(looks):
        points = np.broadcast_to(body + np.array([0.02 * k, 0.0, 0.0]), (4, 26, 3))
        while not watch.due(1 / 60):
            pass
        watch.look(project(VALUES, points) + own + shift_px[:, None], np.ones((4, 26), bool), points + beside)
    return watch


def test_a_well_calibrated_rig_is_left_exactly_as_it_is():
    watch = watched(np.zeros((4, 2)))
    assert watch.cameras == tuple(RIG) or all(a is b for a, b in zip(watch.cameras, RIG, strict=True))
    assert not watch.shift_px.any()


def test_constant_shifts_are_put_right_though_the_body_does_not_fit():
    shift = np.array([[18.0, 0.0], [0.0, 0.0], [-6.0, 12.0], [0.0, 0.0]])
    watch = watched(shift, misfit_m=0.02)
    assert np.abs(watch.shift_px - shift).max() < 7.0
    assert np.linalg.norm(watch.shift_px - shift) < 0.5 * np.linalg.norm(shift)
    moved = [c.matrix[:2, 2] - g.matrix[:2, 2] for c, g in zip(watch.cameras, RIG, strict=True)]
    np.testing.assert_allclose(moved, watch.shift_px)


def test_a_body_that_does_not_fit_is_not_the_rig():
    assert not watched(np.zeros((4, 2)), misfit_m=0.03).shift_px.any()


def test_a_camera_turned_by_degrees_is_told_and_not_corrected():
    shift = np.zeros((4, 2))
    shift[2] = (60.0, 0.0)
    watch = watched(shift, looks=30)
    assert watch.too_far[2] or not watch.shift_px[2].any()


def test_too_few_cameras_or_points_change_nothing():
    two = RigWatch(RIG[:2], RigWatchConfig())
    assert not any(two.due(1.0) for _ in range(5))
    watch = RigWatch(RIG, RigWatchConfig())
    assert watch.due(1.0)
    assert not watch.look(np.zeros((4, 26, 2)), np.zeros((4, 26), bool), np.zeros((4, 26, 3)))
