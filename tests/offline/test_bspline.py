"""Pose splines against SciPy's B-splines and finite differences."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from kincast.models.rotations import quaternion_conjugate, quaternion_exp, quaternion_log, quaternion_multiply
from kincast.offline.trajectory.bspline import Knots, PoseSpline, one_sign, through


def _spline(degree: int, seed: int = 0) -> PoseSpline:
    random = np.random.default_rng(seed)
    knots = Knots.covering(1_000_000_000, 1_600_000_000, 0.05, degree)
    turns = np.cumsum(random.normal(scale=0.1, size=(knots.count, 3)), axis=0)
    control = np.concatenate(
        [random.normal(size=(knots.count, 3)), quaternion_exp(turns), random.normal(size=(knots.count, 34))],
        axis=1,
    )
    control[:, 3:7] = one_sign(control[:, 3:7])
    return PoseSpline(knots, control)


@pytest.mark.parametrize("degree", [3, 5])
def test_weights_are_those_of_scipy(degree: int) -> None:
    spline = _spline(degree)
    knots = spline.knots
    grid = np.arange(-degree, knots.intervals + degree + 1) * knots.spacing_s
    ours = spline.motion(knots.start_ns + np.array([0, 123_456_789, 400_000_001, 599_000_000]))
    reference = BSpline(grid, spline.control[:, 7:], degree)
    at = (ours.t_ns - knots.start_ns) * 1e-9
    assert np.allclose(ours.q[:, 7:], reference(at))
    assert np.allclose(ours.v[:, 6:], reference(at, 1))
    assert np.allclose(ours.a[:, 6:], reference(at, 2))


@pytest.mark.parametrize("degree", [3, 5])
def test_rates_of_the_pelvis_are_finite_differences_in_pelvis_axes(degree: int) -> None:
    spline, h = _spline(degree), 20_000
    t_ns = 1_000_000_000 + np.array([61_000_000, 222_000_000, 480_000_000])
    here, before, after = (spline.motion(t_ns + d) for d in (0, -h, h))
    step = quaternion_multiply(quaternion_conjugate(before.q[:, 3:7]), after.q[:, 3:7])
    assert np.allclose(quaternion_log(step) / (2e-9 * h), here.v[:, 3:6], atol=1e-4)
    assert np.allclose((after.v - before.v) / (2e-9 * h), here.a, rtol=1e-3, atol=0.5)


def test_turn_of_the_pose_by_the_turn_of_a_control_pose() -> None:
    spline = _spline(3)
    first, u = spline.knots.place(np.array([1_233_000_000]))
    weights = spline.knots.weights(u)
    q, _, _, turns = spline.evaluate(first, weights)
    for i in range(4):
        for axis in range(3):
            control = spline.control.copy()
            turn = quaternion_exp(1e-6 * np.eye(3)[axis])
            control[first[0] + i, 3:7] = quaternion_multiply(control[first[0] + i, 3:7], turn)
            moved = PoseSpline(spline.knots, control).evaluate(first, weights)[0]
            change = (
                quaternion_log(quaternion_multiply(quaternion_conjugate(q[0, 3:7]), moved[0, 3:7])) / 1e-6
            )
            assert np.allclose(change, weights[0, 0, i] * turns[0, i, :, axis], atol=1e-5)


def test_through_follows_poses_and_ends_clamp() -> None:
    t_ns = np.arange(0, 1_000_000_000, 10_000_000)
    q = np.zeros((100, 41))
    q[:, 7] = np.sin(2 * np.pi * t_ns * 1e-9)
    q[:, 3] = np.where(np.arange(100) % 7 == 0, -1.0, 1.0)  # the same orientation, either sign
    spline = through(Knots.covering(0, int(t_ns[-1]), 0.04, 3), t_ns, q)
    motion = spline.motion(t_ns)
    assert np.abs(motion.q[:, 7] - q[:, 7]).max() < 0.05
    assert np.allclose(motion.q[:, 3], motion.q[0, 3])
    assert np.allclose(spline.motion(np.array([5_000_000_000])).q, motion.q[-1])
