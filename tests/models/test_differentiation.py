"""Causal derivatives against analytic motion, MuJoCo's integrator and plain kriging algebra."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.coordinates import POSE_SIZE, VELOCITY_SIZE
from kincast.models.differentiation import (
    MotionPrior,
    PoseHistory,
    derivative_weights,
    retract,
    tangent,
)

FREE = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
)


def _pose(position: np.ndarray, quaternion: np.ndarray) -> np.ndarray:
    q = np.zeros(POSE_SIZE)
    q[:3], q[3:7] = position, quaternion / np.linalg.norm(quaternion)
    return q


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.004, 0.06), min_size=4, max_size=40),
    st.floats(0.0, 0.08),
    st.floats(-2, 2),
    st.floats(-3, 3),
)
def test_lines_are_exact_at_any_sampling(gaps: list[float], lag: float, offset: float, slope: float) -> None:
    times = np.cumsum(gaps)
    found = derivative_weights(times, times[-1] - lag, MotionPrior()).weights @ (offset + slope * times)
    expected = [offset + slope * (times[-1] - lag), slope, 0.0]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_weights_are_the_kriging_solution_with_numerical_kernel_derivatives() -> None:
    prior = MotionPrior(length_scale_s=0.2, amplitude=3.0, noise=0.5, noise_time_s=0.05, white_noise=0.2)
    times = np.sort(np.random.default_rng(0).uniform(0, 0.4, 14))
    at = times[-1] - 0.045

    def kernel(d: np.ndarray) -> np.ndarray:
        a = np.sqrt(7) * np.abs(d) / prior.length_scale_s
        return prior.amplitude**2 * (1 + a + 0.4 * a**2 + a**3 / 15) * np.exp(-a)

    gaps = times[:, None] - times[None, :]
    gram = kernel(gaps) + 0.25 * np.exp(-np.abs(gaps) / 0.05) + 0.01 * np.eye(14)
    h = 1e-4
    cross = [
        kernel(at - times),
        (kernel(at + h - times) - kernel(at - h - times)) / (2 * h),
        (kernel(at + h - times) - 2 * kernel(at - times) + kernel(at - h - times)) / h**2,
    ]
    trend = np.stack([np.ones(14), times - at], 1)
    system = np.block([[gram, trend], [trend.T, np.zeros((2, 2))]])
    right = np.concatenate([np.array(cross).T, np.array([[1.0, 0, 0], [0, 1.0, 0]])])
    solution = np.linalg.solve(system, right)
    found = derivative_weights(times, at, prior)
    for order in range(3):
        np.testing.assert_allclose(
            found.weights[order],
            solution[:14, order],
            rtol=2e-4,
            atol=2e-5 * np.abs(solution[:14, order]).max(),
        )
    rate2 = 7 / prior.length_scale_s**2
    prior_variance = 9.0 * np.array([1, rate2 / 5, rate2**2 / 5])
    variance = prior_variance - np.sum(right * solution, axis=0)
    np.testing.assert_allclose(found.sd**2, variance, rtol=1e-3, atol=1e-6 * prior_variance.max())


def test_stated_sd_is_the_spread_of_the_errors() -> None:
    """Draw processes from the prior: errors of the estimates have the stated standard deviation."""
    prior = MotionPrior(length_scale_s=0.25, amplitude=20.0, noise=1.0, noise_time_s=0.07, white_noise=0.5)
    rng = np.random.default_rng(3)
    times = np.arange(26) / 60
    h = 0.002
    at = times[-1] - 0.04
    extended = np.concatenate([times, [at - h, at, at + h]])
    a = np.sqrt(7) * np.abs(extended[:, None] - extended[None, :]) / prior.length_scale_s
    covariance = prior.amplitude**2 * (1 + a + 0.4 * a**2 + a**3 / 15) * np.exp(-a)
    values, vectors = np.linalg.eigh(covariance)
    draws = (vectors * np.sqrt(np.maximum(values, 0))) @ rng.normal(size=(29, 4000))
    noise_gram = np.exp(-np.abs(times[:, None] - times[None, :]) / 0.07) + 0.25 * np.eye(26)
    seen = draws[:26] + np.linalg.cholesky(noise_gram) @ rng.normal(size=(26, 4000))
    truth = np.stack([draws[27], (draws[28] - draws[26]) / (2 * h)])
    estimate = derivative_weights(times, at, prior)
    errors = (estimate.weights @ seen)[:2] - truth
    np.testing.assert_allclose(errors.std(axis=1), estimate.sd[:2], rtol=0.06)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_tangent_is_mujocos_and_retract_inverts_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = _pose(rng.normal(size=3), rng.normal(size=4))
    second = _pose(rng.normal(size=3), rng.normal(size=4))
    second[7:] = rng.normal(size=POSE_SIZE - 7)
    found = tangent(first, second[None])[0]
    expected = np.zeros(6)
    mujoco.mj_differentiatePos(FREE, expected, 1.0, first[:7], second[:7])
    np.testing.assert_allclose(found[:6], expected, atol=1e-9)
    back = retract(first, found)
    back[3:7] *= np.sign(back[3:7] @ second[3:7])
    np.testing.assert_allclose(back, second, atol=1e-9)


@pytest.mark.parametrize("fps", [25, 30, 60, 120])
def test_spinning_and_walking_body(fps: int) -> None:
    """A body turning at a constant rate while its centre swings sinusoidally, irregular timestamps, 40 ms of lag."""
    rng = np.random.default_rng(fps)
    history = PoseHistory()
    t = np.cumsum(rng.uniform(0.8, 1.2, 3 * fps)) / fps
    omega = np.array([0.3, 2.0, -0.5])
    quaternion = np.array([1.0, 0, 0, 0])
    previous = 0.0
    for instant in t:
        mujoco.mju_quatIntegrate(quaternion, omega, instant - previous)
        previous = float(instant)
        q = _pose(np.array([1.2 * instant, 0.0, 0.02 * np.sin(2 * np.pi * 2 * instant)]), quaternion)
        q[7] = 0.5 * np.sin(2 * np.pi * instant)
        t_ns = round(instant * 1e9)
        history.push(t_ns, q, np.full(VELOCITY_SIZE, 1e-3), t_ns)
    at = float(t[-1 - max(1, round(0.04 * fps))])
    state = history.differentiate(round(at * 1e9))
    np.testing.assert_allclose(state.v[3:6], omega, atol=0.02)
    np.testing.assert_allclose(state.a[3:6], 0.0, atol=0.5)
    np.testing.assert_allclose(state.v[0], 1.2, atol=0.01)
    w = 2 * np.pi * 2
    # a 2 Hz bounce peaks at 3.2 m/s^2
    np.testing.assert_allclose(state.a[2], -0.02 * w**2 * np.sin(w * at), atol=0.9)
    np.testing.assert_allclose(state.v[6], 0.5 * 2 * np.pi * np.cos(2 * np.pi * at), atol=0.1)


def test_time_must_advance_and_little_history_means_rest() -> None:
    history = PoseHistory()
    q = _pose(np.zeros(3), np.array([1.0, 0, 0, 0]))
    history.push(10, q, np.ones(VELOCITY_SIZE), 10)
    with pytest.raises(ValueError, match="does not follow"):
        history.push(10, q, np.ones(VELOCITY_SIZE), 10)
    state = history.differentiate(10)
    assert not state.v.any()
    assert np.isinf(state.a_sd).all()
