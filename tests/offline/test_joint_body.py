"""The border of the trajectory's normal equations against finite differences, and a body found from trajectories."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

import kincast.offline.body_share
from kincast.models.body import SCALES, BodyParameters, build_body
from kincast.models.body.skeleton import skeleton_of
from kincast.models.body_fit import BodyFitConfig, with_shape
from kincast.models.camera import camera_arrays, project
from kincast.models.kinematics import difference, site_positions
from kincast.models.observations import Observations
from kincast.offline.body_share import body_share
from kincast.offline.joint_body import FittedRecording, _Posture, joint_step
from kincast.offline.noise import assumed_noise
from kincast.offline.trajectory.bordered import border_of
from kincast.offline.trajectory.linearise import Linearisation
from kincast.offline.trajectory.motion import Motion
from kincast.offline.trajectory.problem import FitProblem, pictures_of
from kincast.offline.trajectory.spline import SplineFit, SplineFitter
from tests.models.rig import ring_of_cameras
from tests.streaming.stepping_walker import walker

SET = "HALPE_26"
NAMES = skeleton_of(SET).site_names
SHAPE = 8 + 3 * len(NAMES)
PERIOD_NS = 33_333_333


def _body(vector: np.ndarray) -> BodyParameters:
    return with_shape(BodyParameters(), NAMES, vector, np.eye(SHAPE))


def _seen(body: BodyParameters, frames: int, cameras: int, noise_px: float) -> Observations:
    built, rig = build_body(body, keypoint_set=SET), ring_of_cameras(cameras)
    t_ns = np.arange(1, frames + 1) * PERIOD_NS
    sites = jax.jit(jax.vmap(lambda q: site_positions(built.skeleton, built.values, q)))
    points = np.asarray(sites(walker(t_ns * 1e-9)), np.float64)
    flat = np.repeat(points.reshape(1, -1, 3), cameras, axis=0)
    pixels = project(camera_arrays(rig), flat).reshape(cameras, frames, len(NAMES), 2)
    keypoints = np.ones((frames, cameras, len(NAMES), 3), np.float32)
    noise = noise_px * np.random.default_rng(5).normal(size=pixels.shape)
    keypoints[..., :2] = np.moveaxis(pixels + noise, 0, 1)
    return Observations(SET, rig, np.repeat(t_ns[:, None], cameras, axis=1), keypoints)


def _fitted(
    observations: Observations, body: BodyParameters, start: SplineFit | None = None
) -> FittedRecording:
    pictures = pictures_of(observations)
    information = assumed_noise(pictures, len(observations.cameras)).information
    problem = FitProblem(SET, observations.cameras, pictures, information)
    at = _Near() if start is None else start.trajectory
    fit = SplineFitter().fit(problem, body, at, 25)
    assert isinstance(fit, SplineFit)
    return FittedRecording(observations, problem, fit)


class _Near:
    """A start a few degrees off, which leaves no doubt which leg is which."""

    def motion(self, t_ns: np.ndarray) -> Motion:
        q = walker(t_ns * 1e-9)
        q[:, 7:] += 0.05
        return Motion(t_ns, q, np.zeros((len(q), 40)), np.zeros((len(q), 40)))


@pytest.fixture(scope="module")
def recording() -> FittedRecording:
    return _fitted(_seen(BodyParameters(), 24, 3, 1.0), BodyParameters())


def test_descent_is_minus_the_gradient_by_the_shape(recording: FittedRecording) -> None:
    problem = recording.problem
    motion = recording.fit.trajectory.motion(problem.pictures.t_ns)
    random = np.random.default_rng(1)
    here = random.normal(size=SHAPE) * 0.004  # off the best, where the loss slopes
    border = border_of(problem, _body(here), recording.fit)
    for _ in range(3):
        direction = random.normal(size=SHAPE)
        losses = []
        for h in (-1e-3, 1e-3):
            terms, _ = Linearisation(problem, _body(here + h * direction)).terms(motion.q, motion.v)
            losses.append(float(terms.loss.sum(dtype=np.float64)))
        slope = (losses[0] - losses[1]) / 2e-3
        assert slope == pytest.approx(
            border.descent @ direction, abs=0.01 * float(np.linalg.norm(border.descent))
        )


def test_the_trajectory_answers_as_the_border_says(recording: FittedRecording) -> None:
    border = border_of(recording.problem, BodyParameters(), recording.fit)
    step = np.zeros(SHAPE)
    step[SCALES.index("thigh_r")] = 0.01
    step[8 + 3 * NAMES.index("LKnee")] = 0.004
    moved = _fitted(recording.observations, _body(step), recording.fit)
    t_ns = np.arange(6, 20) * PERIOD_NS
    before, after = (r.fit.trajectory.motion(t_ns).q for r in (recording, moved))
    found, said = difference(before, after), border.poses_answer(recording.fit, t_ns) @ step
    legs = slice(6, 20)
    assert np.abs(said[:, legs]).max() > np.radians(0.3)
    assert np.linalg.norm((found - said)[:, legs]) < 0.25 * np.linalg.norm(said[:, legs])


def test_what_is_eliminated_only_takes_information_away(recording: FittedRecording) -> None:
    whole = border_of(recording.problem, BodyParameters(), recording.fit)
    eigenvalues = np.linalg.eigvalsh(whole.normal)
    assert eigenvalues.min() > -1e-4 * eigenvalues.max()
    count = recording.fit.trajectory.knots.count
    part = border_of(recording.problem, BodyParameters(), recording.fit, slice(4, count - 4))
    assert np.trace(part.normal) < np.trace(whole.normal)
    assert part.answer.shape == (count - 8, 40, SHAPE)


def test_share_of_the_body_is_the_covariance_sent_through_the_answer(
    recording: FittedRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    t_ns = recording.fit.trajectory.knots.start_ns + np.arange(16) * 50_000_000
    motion = recording.fit.trajectory.motion(t_ns)
    root = np.random.default_rng(2).normal(size=(SHAPE, SHAPE)) * 0.003
    share = body_share(recording.problem, BodyParameters(), recording.fit, root @ root.T, motion)
    answer = border_of(recording.problem, BodyParameters(), recording.fit).poses_answer(recording.fit, t_ns)
    whole = np.einsum("tib,bc,tic->ti", answer, root @ root.T, answer)
    both = np.square(share.constant) + np.square(share.varying)
    joints = slice(6, 40)
    count = recording.fit.trajectory.knots.intervals
    np.testing.assert_allclose(
        both[:count, joints].mean(axis=0), whole[:count, joints].mean(axis=0), rtol=0.05, atol=1e-6
    )
    assert np.all(share.varying < np.sqrt(whole.max(axis=0)).max())

    monkeypatch.setattr(kincast.offline.body_share, "STRETCH_S", 0.4)
    monkeypatch.setattr(kincast.offline.body_share, "MARGIN_S", 0.2)
    parts = body_share(recording.problem, BodyParameters(), recording.fit, root @ root.T, motion)
    joined = np.sqrt(np.square(parts.constant) + np.square(parts.varying))
    np.testing.assert_allclose(joined[:, joints], np.sqrt(both[:, joints]), rtol=0.6, atol=1e-3)


def test_covariance_of_shape_and_mean_posture_is_that_of_the_whole_system() -> None:
    random = np.random.default_rng(3)
    rest, size = 12, 12 + 36
    root = random.normal(size=(2 * size, size))
    normal = root.T @ root
    inner, cross = normal[rest:, rest:], normal[rest:, :rest]
    posture = _Posture(-np.linalg.solve(inner, cross), np.linalg.inv(inner))
    shape = np.linalg.inv(normal[:rest, :rest] - cross.T @ np.linalg.solve(inner, cross))
    expected = np.delete(np.delete(np.linalg.inv(normal), [rest - 2, rest - 1], 0), [rest - 2, rest - 1], 1)
    np.testing.assert_allclose(posture.with_shape(shape), expected, atol=1e-9)


def test_two_recordings_together_find_other_proportions() -> None:
    true = replace(
        BodyParameters(),
        scales={"thigh_r": 1.06, "thigh_l": 1.06, "overall": 0.97},
        site_offsets={"RAnkle": (0.012, 0.0, 0.0)},
    )
    body, feet, config = BodyParameters(), None, BodyFitConfig()
    seen = [_seen(true, frames, 4, 1.0) for frames in (24, 30)]
    fits: list[FittedRecording] = [_fitted(s, body) for s in seen]
    for _ in range(3):
        joint = joint_step(fits, body, feet, None, config)
        body, feet = joint.parameters, joint.flat_pitch
        fits = [_fitted(s, body, f.fit) for s, f in zip(seen, fits, strict=True)]
    thigh = body.scales["overall"] * body.scales["thigh_r"]
    assert abs(thigh - 0.97 * 1.06) < 0.02
    assert abs(body.scales["overall"] - 0.97) < 0.02
    assert 0.004 < body.site_offsets["RAnkle"][0] < 0.016
    assert 0 < body.scales_sd["thigh_r"] < 0.06
    assert np.linalg.eigvalsh(joint.covariance).min() > 0
    assert len(joint.borders) == 2
    np.testing.assert_array_equal(joint.borders[0], joint.covariance)  # no posture was learned
