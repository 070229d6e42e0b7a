"""The spline fit: its gradient against finite differences, and a known motion seen by free-running cameras."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.models.camera import camera_arrays, project
from kincast.models.kinematics import difference, site_positions
from kincast.models.observations import Observations
from kincast.offline.noise import assumed_noise
from kincast.offline.trajectory.bspline import Knots, PoseSpline, through
from kincast.offline.trajectory.linearise import Linearisation
from kincast.offline.trajectory.problem import FitProblem, pictures_of
from kincast.offline.trajectory.spline import (
    SplineConfig,
    SplineFitter,
    _assembled,
    _Roughness,
    moved_by,
    sampling_of,
)
from tests.models.rig import ring_of_cameras, standing_pose

SET = "HALPE_26"
PERIOD_NS = 16_666_667


def _motion(seconds: float) -> PoseSpline:
    """Turning, swinging and walking along."""
    t_ns = np.arange(0, int(seconds * 1e9), 10_000_000)
    t = t_ns * 1e-9
    q = np.tile(standing_pose(None), (len(t), 1))
    q[:, 0] = 0.8 * t
    yaw = 0.3 * np.sin(3 * t)
    upright = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
    turn = np.stack([np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], axis=1)
    w, z = turn[:, 0], turn[:, 3]
    q[:, 3:7] = np.stack([w * upright[0], w * upright[1], z * upright[1], z * upright[0]], axis=1)
    q[:, 7] = 0.4 * np.sin(6 * t)
    q[:, 10] = 0.5 + 0.4 * np.sin(6 * t + 1)
    q[:, 14] = -0.4 * np.sin(6 * t)
    return through(Knots.covering(0, int(t_ns[-1]), 0.05, 3), t_ns, q)


def _seen(truth: PoseSpline, free_running: bool, noise_px: float = 0.0) -> Observations:
    cameras = ring_of_cameras(4)
    body = build_body(BodyParameters(), keypoint_set=SET)
    rows = int(truth.knots.intervals * truth.knots.spacing_ns // PERIOD_NS) - 2
    phase = np.array([0, 4_000_000, 9_000_000, 13_000_000]) * free_running
    t_ns = np.arange(1, rows + 1)[:, None] * PERIOD_NS + phase[None]
    keypoints = np.ones((*t_ns.shape, len(body.sites), 3), np.float32)
    values = camera_arrays(cameras)
    sites = jax.jit(jax.vmap(lambda q: site_positions(body.skeleton, body.values, q)))
    random = np.random.default_rng(0)
    for c in range(len(cameras)):
        points = np.asarray(sites(truth.motion(t_ns[:, c]).q), np.float64)
        single = type(values)(*(None if v is None else v[c] for v in values))
        pixels = np.stack([project(single, p) for p in points])
        keypoints[:, c, :, :2] = pixels + noise_px * random.normal(size=pixels.shape)
    return Observations(SET, cameras, t_ns, keypoints)


def _problem(observations: Observations) -> FitProblem:
    pictures = pictures_of(observations)
    noise = assumed_noise(pictures, len(observations.cameras))
    return FitProblem(SET, observations.cameras, pictures, noise.information)


def test_pictures_share_an_instant_only_when_taken_together() -> None:
    truth = _motion(0.5)
    together, apart = (pictures_of(_seen(truth, free)) for free in (False, True))
    assert together.camera.shape[1] == 4
    assert len(together.t_ns) * 4 == (together.row >= 0).sum()
    assert np.abs(together.offset_s).max() < 1e-6
    assert (apart.row >= 0).sum() == (together.row >= 0).sum()
    assert np.abs(apart.offset_s).max() <= 1e-3
    assert apart.step_s.sum() == pytest.approx(together.step_s.sum(), rel=0.1)


@pytest.mark.parametrize("degree", [3, 5])
def test_descent_is_minus_the_gradient_of_the_loss(degree: int) -> None:
    truth = _motion(0.4)
    problem = _problem(_seen(truth, True, noise_px=2.0))
    knots = Knots.covering(problem.first_ns, problem.last_ns, 0.05, degree)
    dense = np.linspace(problem.first_ns, problem.last_ns, 60).astype(np.int64)
    spline = through(knots, dense, truth.motion(dense).q)
    linearisation = Linearisation(problem, BodyParameters())
    parts = (linearisation, _Roughness(knots, problem), sampling_of(knots, problem.pictures.t_ns))
    descent = _assembled(*parts, spline).descent
    random = np.random.default_rng(3)
    for _ in range(4):
        direction = random.normal(size=descent.shape)
        h = 2e-4
        losses = [_assembled(*parts, moved_by(spline, s * h * direction)).loss for s in (-1, 1)]
        assert (losses[0] - losses[1]) / (2 * h) == pytest.approx((descent * direction).sum(), rel=0.03)


@pytest.mark.parametrize("free_running", [False, True])
def test_a_known_motion_is_found_again(free_running: bool) -> None:
    truth = _motion(1.0)
    problem = _problem(_seen(truth, free_running))
    problem = replace(problem, information=problem.information * 20.0)  # clean pixels
    rest = replace(truth, control=np.tile(truth.control[len(truth.control) // 2], (len(truth.control), 1)))
    fit = SplineFitter(SplineConfig(spacing_s=0.05)).fit(problem, BodyParameters(), rest, 40)
    t_ns = np.arange(100_000_000, 900_000_000, 37_000_000)
    found, true = fit.trajectory.motion(t_ns), truth.motion(t_ns)
    error = np.array([difference(a, b) for a, b in zip(true.q, found.q, strict=True)])
    assert np.abs(error[:, :3]).max() < 0.006
    assert np.abs(error[:, 6:20]).max() < np.radians(2.0)
    assert np.median(fit.errors.error_px[problem.information > 0]) < 0.5
    covariance = fit.covariance(t_ns)
    assert np.all(np.linalg.eigvalsh(covariance.pose) > 0)
    assert np.all(covariance.acceleration_sd > covariance.velocity_sd)
