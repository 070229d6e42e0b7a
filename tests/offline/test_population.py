"""The population from Gaussian evidence: a known one is found, what nobody shows stays, mirror images count alike."""

import numpy as np
import pytest

from kincast.models.base_body import generic_base
from kincast.models.body import SCALES, BodyParameters
from kincast.models.body.sites import sites_of
from kincast.models.body_fit import BodyFit
from kincast.models.body_prior import posture_table
from kincast.offline.population import Evidence, PopulationConfig, evidence_of, learned_base, mirror_matrix

SET = "BODY_25"
N_SHAPE = 8 + 3 * 25
N = N_SHAPE + 36


def prior():
    base = generic_base(SET)
    precision = np.zeros((N, N))
    precision[:N_SHAPE, :N_SHAPE] = base.shape_prior().precision
    precision[N_SHAPE:, N_SHAPE:] = np.diag(posture_table()[1] ** -2)
    return np.concatenate([base.mean, base.mean_posture]), precision


def people(rng, count, mean, spread_m, blind=None, sd_m=0.004):
    """Everyone seen in all but one direction, which no one shows."""
    mirror = mirror_matrix(SET)
    out = []
    for _ in range(count):
        own = np.concatenate(
            [0.03 * rng.standard_normal(8), spread_m * rng.standard_normal(N_SHAPE - 8), np.zeros(36)]
        )
        information = np.eye(N) / sd_m**2
        noise = sd_m * rng.standard_normal(N)
        if blind is not None:
            keep = np.eye(N)
            for one in (blind, mirror @ blind):
                keep[np.ix_(one != 0, one != 0)] = 0.0
            information = keep @ information @ keep
        out.append(Evidence(information, information @ (mean + own + noise)))
    return out


def symmetric(rng, size):
    return size * 0.5 * (np.eye(N) + mirror_matrix(SET)) @ rng.standard_normal(N)


def test_a_known_population_is_found():
    rng = np.random.default_rng(0)
    mean, _ = prior()
    true = mean.copy()
    true[8:N_SHAPE] += symmetric(rng, 0.014)[8:N_SHAPE]
    found = learned_base(generic_base(SET), people(rng, 60, true, 0.006), PopulationConfig(alike=0.1))
    before = np.abs(true[8:N_SHAPE] - mean[8:N_SHAPE]).mean()
    assert np.abs(found.mean[8:] - true[8:N_SHAPE]).mean() < 0.12 * before
    np.testing.assert_array_equal(found.covariance, generic_base(SET).covariance)
    np.testing.assert_array_equal(found.mean_posture, generic_base(SET).mean_posture)
    assert found.people == 60


def test_what_nobody_shows_stays():
    rng = np.random.default_rng(1)
    mean, _ = prior()
    blind = np.zeros(N)
    blind[8 + 3 * tuple(sites_of(SET)).index("RKnee")] = 1.0
    true = mean.copy()
    true[8:N_SHAPE] += 0.01
    found = learned_base(generic_base(SET), people(rng, 12, true, 0.004, blind), PopulationConfig(alike=0.1))
    assert abs(found.mean[np.flatnonzero(blind)[0]]) < 0.004
    assert found.mean[8 + 3 * tuple(sites_of(SET)).index("RAnkle")] > 0.007


def test_the_solution_is_that_of_all_unknowns_together():
    """m, the common error e and every x_i solved densely, in one direction per parameter."""
    rng = np.random.default_rng(6)
    config = PopulationConfig(mean_people=2.0, alike=0.4, proportion_sd=np.inf)
    mean, precision = prior()
    said = people(rng, 5, mean + symmetric(rng, 0.01), 0.008)
    mirror = mirror_matrix(SET)
    said += [Evidence(mirror @ e.information @ mirror.T, mirror @ e.vector) for e in said]
    count = len(said)
    everyone = np.zeros(((2 + count) * N, (2 + count) * N))
    right = np.zeros((2 + count) * N)
    at = [slice(k * N, (k + 1) * N) for k in range(2 + count)]
    everyone[at[0], at[0]] += config.mean_people * precision
    right[at[0]] += config.mean_people * precision @ mean
    everyone[at[1], at[1]] += sum(e.information for e in said) / count / config.alike
    for k, evidence in zip(at[2:], said, strict=True):
        information = evidence.information / (1 - config.alike)
        for a, b in ((k, k), (k, at[1]), (at[1], k), (at[1], at[1])):
            everyone[a, b] += information
        for a, b, sign in ((k, k, 1), (k, at[0], -1), (at[0], k, -1), (at[0], at[0], 1)):
            everyone[a, b] += sign * precision
        right[k] += evidence.vector / (1 - config.alike)
        right[at[1]] += evidence.vector / (1 - config.alike)
    scale = np.tile(np.sqrt(np.diag(precision)), 2 + count)
    solved = np.linalg.solve(everyone / np.outer(scale, scale), right / scale) / scale
    found = learned_base(generic_base(SET), said, config)
    np.testing.assert_allclose(found.mean, solved[:N_SHAPE], atol=1e-6)


def test_errors_that_all_share_are_not_averaged_away():
    """Everyone's fits lean the same way where they say little: however many people come, the base follows only so far."""
    rng = np.random.default_rng(7)
    mean, _ = prior()
    lean = np.zeros(N)
    lean[8 + 3 * tuple(sites_of(SET)).index("RKnee")] = 0.01
    lean = lean + mirror_matrix(SET) @ lean
    moved = []
    for count in (10, 200):
        one = people(rng, 1, mean + lean, 0.0, sd_m=0.02)[0]
        one = Evidence(one.information, one.information @ (mean + lean))
        moved.append(np.abs(learned_base(generic_base(SET), [one] * count).mean[8:]).max())
    assert moved[1] < 0.45 * 0.01
    assert moved[1] < 1.5 * moved[0]


def test_a_single_person_moves_the_base_little_and_two_sides_count_alike():
    rng = np.random.default_rng(2)
    mean, _ = prior()
    true = mean.copy()
    sites = tuple(sites_of(SET))
    true[8 + 3 * sites.index("RHip")] += 0.02
    found = learned_base(generic_base(SET), people(rng, 1, true, 0.0, sd_m=0.001))
    right, left = (found.mean[8 + 3 * sites.index(name)] for name in ("RHip", "LHip"))
    assert right == pytest.approx(left, abs=1e-9)
    assert 0.0 < right < 0.01


def test_a_mirror_image_twice_is_the_person():
    mirror = mirror_matrix(SET)
    np.testing.assert_array_equal(mirror @ mirror, np.eye(N))


def test_evidence_is_the_posterior_without_the_prior():
    rng = np.random.default_rng(4)
    mean, precision = prior()
    rows = rng.standard_normal((60, N)) / 0.02
    information = rows.T @ rows
    x = mean + 0.01 * rng.standard_normal(N)
    posterior = information + precision
    found = np.linalg.solve(posterior, information @ x + precision @ mean)
    covariance = np.zeros((N + 2, N + 2))
    covariance[:N, :N] = np.linalg.inv(posterior)
    names = tuple(sites_of(SET))
    offsets = found[8:N_SHAPE].reshape(-1, 3)
    parameters = BodyParameters(
        scales=dict(zip(SCALES, np.exp(found[:8]).tolist(), strict=True)),
        site_offsets={
            n: (float(v[0]), float(v[1]), float(v[2])) for n, v in zip(names, offsets, strict=True)
        },
    )
    fit = BodyFit(parameters, covariance, found[N_SHAPE:], (), 5.0, 0.005, 9)
    evidence = evidence_of(fit, generic_base(SET))
    scale = np.sqrt(np.diag(precision))
    np.testing.assert_allclose(
        evidence.information / np.outer(scale, scale), information / np.outer(scale, scale), atol=1e-3
    )
    np.testing.assert_allclose(evidence.vector / scale, information @ x / scale, atol=1e-3)
