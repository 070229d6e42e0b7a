"""One person or two: the odds against numerical integration, and on generated people."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.base_body import BaseBody, generic_base
from kincast.models.body import BodyParameters
from kincast.models.body.sites import sites_of
from kincast.models.body.skeleton import skeleton_of
from kincast.models.coordinates import pose_from_coordinates
from kincast.models.observations import Observations
from kincast.models.pose_fit import BatchKinematics
from kincast.offline.person_change import change_row, parts
from kincast.offline.same_person import ShapeEvidence, are_two_people, evidence_of_body, log_odds
from tests.offline.test_meta import walk


def _density(evidence: ShapeEvidence, x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * np.einsum("...i,ij,...j", x, evidence.information, x) + x @ evidence.vector)


def test_odds_agree_with_numerical_integration() -> None:
    mean, covariance = np.array([0.2, -0.1]), np.array([[0.5, 0.2], [0.2, 0.4]])
    base = BaseBody("HALPE_26", mean, covariance, np.zeros(36))
    one = ShapeEvidence(np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, -2.0]), 1.0)
    other = ShapeEvidence(np.array([[6.0, -1.0], [-1.0, 2.0]]), np.array([-2.0, 1.5]), 1.0)
    axis = np.linspace(-6.0, 6.0, 601)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    away = x - mean
    prior = np.exp(-0.5 * np.einsum("...i,ij,...j", away, np.linalg.inv(covariance), away))
    prior /= prior.sum()
    both = (prior * _density(one, x) * _density(other, x)).sum()
    apart = (prior * _density(one, x)).sum() * (prior * _density(other, x)).sum()
    assert log_odds(one, other, base) == pytest.approx(np.log(both / apart), abs=1e-6)


def test_like_sites_do_not_excuse_another_size() -> None:
    base = generic_base("HALPE_26")
    offsets = dict.fromkeys(sites_of("HALPE_26"), (0.01, 0.0, 0.0))
    one, larger, near = (
        evidence_of_body(BodyParameters({"overall": overall}, site_offsets=offsets), base)
        for overall in (1.0, 1.12, 1.01)
    )
    assert one is not None
    assert larger is not None
    assert near is not None
    assert are_two_people(one, larger, base)
    assert not are_two_people(one, near, base)


def test_nothing_seen_speaks_for_neither() -> None:
    base = generic_base("HALPE_26")
    n = len(base.mean)
    nothing = ShapeEvidence(np.zeros((n, n)), np.zeros(n), 1.0)
    sure = ShapeEvidence(1e4 * np.eye(n), np.full(n, 200.0), 1.0)
    assert log_odds(nothing, sure, base) == pytest.approx(0.0, abs=1e-6)
    assert not are_two_people(nothing, sure, base)


def test_bodies_of_two_people_and_of_one() -> None:
    base = generic_base("HALPE_26")
    random = np.random.default_rng(1)

    def body(overall: float) -> BodyParameters:
        offsets = {name: tuple(random.normal(0, 0.01, 3).tolist()) for name in sites_of("HALPE_26")}
        return BodyParameters({"overall": overall}, 70.0, site_offsets=offsets)

    first, second = evidence_of_body(body(1.05), base), evidence_of_body(body(0.97), base)
    assert first is not None
    assert second is not None
    assert are_two_people(first, second, base)
    assert not are_two_people(first, first, base)
    assert evidence_of_body(BodyParameters(), base) is None


def _walker(scale: float, offset_m: float, seed: int) -> np.ndarray:
    """(T, 26, 4) points of a walk, as far off the body as one person's are."""
    random = np.random.default_rng(seed)
    columns = walk()[::2]
    poses = np.stack([pose_from_coordinates(c) for c in columns[:, 1:]])
    offsets = random.normal(0, offset_m, (26, 3))
    points = BatchKinematics(skeleton_of("HALPE_26")).poses(
        np.r_[np.log(scale), np.zeros(7)], offsets, poses
    )[0]
    noisy = points + random.normal(0, 0.005, points.shape)
    return np.concatenate([noisy, np.ones((*points.shape[:2], 1))], axis=2).astype(np.float32)


def _recorded(markers: np.ndarray) -> Observations:
    rows = len(markers)
    t_ns = np.arange(rows) * 20_000_000
    none = np.zeros((rows, 0), np.int64), np.zeros((rows, 0, 26, 3), np.float32)
    return Observations("HALPE_26", (), *none, markers, t_ns)


def test_a_change_of_person_is_found_where_it_is() -> None:
    first, second = _walker(1.0, 0.01, 0), _walker(1.08, 0.01, 1)
    assert change_row(_recorded(np.concatenate([first, first]))) is None
    seen = _recorded(np.concatenate([first, second, second]))
    row = change_row(seen)
    assert row is not None
    assert abs(row - len(first)) <= 4
    before, after = parts(seen, row)
    assert before.markers is not None
    assert after.markers is not None
    assert len(before.markers) + len(after.markers) == len(seen.t_ns)


def test_nobody_seen_is_no_change() -> None:
    nobody = _walker(1.0, 0.01, 0)
    nobody[..., 3] = 0.0
    assert change_row(_recorded(nobody)) is None
