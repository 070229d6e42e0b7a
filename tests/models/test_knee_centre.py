"""The knee's turning point as a nuisance: unseen on a straight leg, and the algebra against a plain Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.body import SCALES
from kincast.models.body.skeleton import skeleton_of
from kincast.models.knee_centre import SD_M, KneeCentre
from kincast.models.pose_fit import BatchKinematics
from tests.models.rig import standing_pose


def _sites(set_name: str, vector: np.ndarray, knee_rad: float) -> np.ndarray:
    q = standing_pose(None)
    q[[10, 17]] = knee_rad
    offsets = vector[8:].reshape(-1, 3)
    return BatchKinematics(skeleton_of(set_name), chunk=1).poses(vector[:8], offsets, q[None])[0][0]


@pytest.mark.parametrize("set_name", ["HALPE_26", "MOVI_87"])
def test_a_lower_knee_is_not_seen_on_a_straight_leg_but_on_a_bent_one(set_name: str) -> None:
    skeleton = skeleton_of(set_name)
    shape = 8 + 3 * len(skeleton.site_names)
    knees = KneeCentre.of(skeleton, shape)
    step = 0.01 * knees.directions[:, 0]
    thigh, shank = (step[SCALES.index(f"{name}_r")] for name in ("thigh", "shank_foot"))
    assert 0.404 * np.expm1(thigh) == pytest.approx(0.01, rel=0.02)
    assert 0.400 * np.expm1(shank) == pytest.approx(-0.01, rel=0.02)
    before, after = (_sites(set_name, v, 0.0) for v in (np.zeros(shape), step))
    assert np.abs(after - before).max() < 5e-4  # second order in the step
    bent = np.linalg.norm(_sites(set_name, step, 1.2) - _sites(set_name, np.zeros(shape), 1.2), axis=1)
    left = np.array([body.endswith("_l") for body in skeleton.site_bodies])
    assert bent.max() > 0.005
    assert bent[left].max() < 1e-9


def test_integrating_the_knees_out_is_the_posterior_of_the_rest() -> None:
    random = np.random.default_rng(4)
    n, seen = 12, 9
    spread = random.normal(size=(n, n))
    precision = np.linalg.inv(spread @ spread.T + np.eye(n)) / SD_M**2
    mean, directions = random.normal(size=n), random.normal(size=(n, 2))
    knees = KneeCentre(directions, SD_M**2 * np.array([[1.0, 0.9], [0.9, 1.0]]))
    prior = np.linalg.inv(precision)
    both = prior + directions @ knees.covariance @ directions.T
    np.testing.assert_allclose(knees.widened(precision), np.linalg.inv(both), rtol=1e-8)
    looks, noise, data = random.normal(size=(seen, n)), 0.03, random.normal(size=seen)
    information = looks.T @ looks / noise**2 + np.linalg.inv(both)
    found = np.linalg.solve(information, looks.T @ data / noise**2 + np.linalg.solve(both, mean))
    rest, covariance = knees.integrated_out(found, np.linalg.inv(information), mean, precision)
    # directly: data = looks (rest + directions a) + noise
    total = looks @ both @ looks.T + noise**2 * np.eye(seen)
    gain = np.linalg.solve(total, looks @ prior).T
    np.testing.assert_allclose(rest, mean + gain @ (data - looks @ mean), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(covariance, prior - gain @ looks @ prior, rtol=1e-6, atol=1e-10)
