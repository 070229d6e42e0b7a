"""The implicit trajectory: derivatives against differences, joint limits, and a known motion found again."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from kincast.models.body import BodyParameters
from kincast.models.body_prior import joint_limits_deg
from kincast.models.kinematics import difference
from kincast.offline.trajectory.implicit import ImplicitConfig, ImplicitFitter, ImplicitTrajectory
from kincast.offline.trajectory.implicit_network import LIMIT_MARGIN_DEG, PoseNetwork, frame_of, octaves_for
from kincast.offline.trajectory.interface import FittedTrajectory, Trajectory, TrajectoryFitter
from tests.offline.test_spline_fit import _motion, _problem, _seen

SMALL = ImplicitConfig(hidden=(48, 48), batch=32, steps=25, start_steps=50, rate=1e-2)
SWINGING = [6, 9, 13]
"""Hip and knee flexion right, hip flexion left."""


def _untrained(size: float = 1.0) -> ImplicitTrajectory:
    network = PoseNetwork((16, 16), octaves=3)
    parameters = network.init(jax.random.key(3), jnp.zeros(()))
    parameters = jax.tree.map(lambda x: size * (x + 0.05), parameters)
    q = _motion(1.0).motion(np.linspace(0, 1e9, 50).astype(np.int64)).q
    return ImplicitTrajectory(network, parameters, frame_of(q, 1.0), 0, 1_000_000_000)


def test_octaves_follow_the_duration() -> None:
    assert [octaves_for(s) for s in (10.1, 60.0)] == [9, 11]
    assert octaves_for(0.01) == 1
    for seconds in (0.5, 3.0, 17.0, 600.0):
        fastest_hz = 2.0 ** (octaves_for(seconds) - 1) / (2.0 * seconds)
        assert 6.0 < fastest_hz < 13.0


def test_velocity_and_acceleration_are_those_of_the_pose() -> None:
    trajectory = _untrained(1.5)
    h_ns = 2_000_000
    t_ns = np.arange(200_000_000, 800_000_000, 50_000_000)
    before, here, after = (trajectory.motion(t_ns + d) for d in (-h_ns, 0, h_ns))
    h = h_ns * 1e-9
    velocity = np.array([difference(a, b) for a, b in zip(before.q, after.q, strict=True)]) / (2 * h)
    assert np.abs(here.v).max() > 0.1
    np.testing.assert_allclose(here.v, velocity, atol=2e-3 * np.abs(here.v).max() + 1e-3)
    np.testing.assert_allclose(
        here.a, (after.v - before.v) / (2 * h), atol=5e-3 * np.abs(here.a).max() + 1e-3
    )


def test_joints_stay_in_their_ranges_whatever_the_weights() -> None:
    motion = _untrained(50.0).motion(np.linspace(0, 1e9, 30).astype(np.int64))
    low, high = np.radians(joint_limits_deg()).T
    margin = np.radians(LIMIT_MARGIN_DEG) + 1e-5
    assert np.all(motion.q[:, 7:] > low - margin)
    assert np.all(motion.q[:, 7:] < high + margin)
    assert np.allclose(np.linalg.norm(motion.q[:, 3:7], axis=1), 1.0)


def test_instants_outside_are_answered_with_the_ends() -> None:
    trajectory = _untrained()
    outside = trajectory.motion(np.array([-5_000_000, 0, 1_000_000_000, 1_700_000_000]))
    np.testing.assert_array_equal(outside.q[0], outside.q[1])
    np.testing.assert_array_equal(outside.q[2], outside.q[3])


def test_a_known_motion_is_found_again_by_free_running_cameras() -> None:
    truth = _motion(1.0)
    problem = _problem(_seen(truth, True))
    problem = replace(problem, information=problem.information * 20.0)  # clean pixels
    rest = replace(truth, control=np.tile(truth.control[len(truth.control) // 2], (len(truth.control), 1)))
    fitter = ImplicitFitter(SMALL)
    assert isinstance(fitter, TrajectoryFitter)
    fit = fitter.fit(problem, BodyParameters(), rest, 30)
    assert isinstance(fit, FittedTrajectory)
    assert isinstance(fit.trajectory, Trajectory)
    t_ns = np.arange(100_000_000, 900_000_000, 37_000_000)
    found, true = fit.trajectory.motion(t_ns), truth.motion(t_ns)
    error = np.array([difference(a, b) for a, b in zip(true.q, found.q, strict=True)])
    assert np.abs(error[:, :3]).max() < 0.02
    assert np.sqrt(np.mean(error[:, SWINGING] ** 2)) < np.radians(2.0)
    assert np.median(fit.errors.error_px[problem.information > 0]) < 1.5
    again = fitter.fit(problem, BodyParameters(), fit.trajectory, 4)
    assert again.loss < 1.02 * fit.loss
    covariance = again.covariance(t_ns)
    assert np.all(np.linalg.eigvalsh(covariance.pose) > 0)
