"""Does the ground move, and how fast? Measured walks, made-up feet, declarations right and wrong."""

from __future__ import annotations

import numpy as np
import pytest

from kincast.models.ground_velocity import GroundEstimator, GroundVelocity
from tests.models.gait_walks import MeasuredWalk, multiview_walk

AHEAD = np.array([1.0, 0.0])


def feed(
    estimator: GroundEstimator,
    floor: np.ndarray,
    pelvis: np.ndarray,
    seconds: float,
    seed: int = 0,
    begin_s: float = 0.0,
    heading: np.ndarray = AHEAD,
) -> GroundVelocity:
    """Two feet of three points: at every instant one is planted, but for one sample in eight."""
    rng = np.random.default_rng(seed)
    ground = estimator.ground
    for i in range(int(seconds * 60)):
        points = np.concatenate([rng.normal(0, 1.5, (6, 2)), rng.normal(0, 0.6, (6, 1))], axis=1)
        if rng.random() > 0.125:
            planted = slice(0, 3) if (i // 30) % 2 else slice(3, 6)
            points[planted, :2] = floor + rng.normal(0, 0.04, (3, 2))
            points[planted, 2] = rng.normal(0, 0.03, 3)
        t_ns = round((begin_s + i / 60) * 1e9)
        ground = estimator.update(t_ns, points, pelvis + rng.normal(0, 0.05, 2), heading)
    return ground


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("speed", [0.3, 1.13, 2.5])
def test_undeclared_belt_is_found_within_a_second(speed, seed):
    ground = feed(GroundEstimator(), np.array([-speed, 0.0]), np.zeros(2), 1.0, seed)
    np.testing.assert_allclose(ground.velocity_m_s, (-speed, 0.0), atol=0.05)


@pytest.mark.parametrize("pelvis_speed", [0.0, 0.5, 1.4])
def test_overground_the_floor_stands_still(pelvis_speed):
    estimator = GroundEstimator()
    ground = feed(estimator, np.zeros(2), pelvis_speed * AHEAD, 3.0)
    np.testing.assert_allclose(ground.velocity_m_s, 0.0, atol=1e-12)
    assert estimator.known


def test_sliding_feet_of_a_person_who_travels_are_no_belt():
    ground = feed(GroundEstimator(), np.array([1.0, 0.0]), np.array([1.0, 0.0]), 3.0)
    np.testing.assert_allclose(ground.velocity_m_s, 0.0, atol=1e-12)


def test_declared_belt_is_used_at_once_and_its_direction_learned():
    estimator = GroundEstimator(1.2)
    first = estimator.update(0, np.zeros((6, 3)), np.zeros(2), AHEAD)
    np.testing.assert_allclose(first.velocity_m_s, (-1.2, 0.0))
    ground = feed(GroundEstimator(1.2), 1.2 * np.array([-0.6, 0.8]), np.zeros(2), 1.5)
    np.testing.assert_allclose(ground.velocity_m_s, (-0.72, 0.96), atol=0.03)


def test_a_declared_speed_counts_by_its_deviation_until_the_feet_contradict_it():
    """Feet are good to 2 %, a declaration to 1 %: 2 % apart they are averaged, 15 % apart the feet are believed."""
    near = feed(GroundEstimator(1.0), np.array([-1.02, 0.0]), np.zeros(2), 3.0)
    assert near.speed_m_s == pytest.approx(1.004, abs=0.004)
    assert near.seen_m_s == pytest.approx(1.02, abs=0.01)
    assert not near.contradicts_declared
    assert 0.005 < near.sd_m_s < 0.02
    far = feed(GroundEstimator(1.0), np.array([-1.15, 0.0]), np.zeros(2), 3.0)
    assert far.speed_m_s == pytest.approx(1.15, abs=0.01)
    assert far.contradicts_declared


@pytest.mark.parametrize("declared", [None, 1.0])
def test_a_belt_that_stops_and_starts_is_noticed(declared):
    estimator = GroundEstimator(declared)
    feed(estimator, np.array([-1.0, 0.0]), np.zeros(2), 2.0)
    stopped = feed(estimator, np.zeros(2), np.zeros(2), 4.0, begin_s=2.0)
    np.testing.assert_allclose(stopped.velocity_m_s, 0.0, atol=1e-12)
    assert stopped.contradicts_declared == (declared is not None)
    again = feed(estimator, np.array([-1.0, 0.0]), np.zeros(2), 4.0, begin_s=6.0)
    np.testing.assert_allclose(again.velocity_m_s, (-1.0, 0.0), atol=0.03)


def test_an_undeclared_change_of_speed_is_followed():
    estimator = GroundEstimator()
    feed(estimator, np.array([-1.0, 0.0]), np.zeros(2), 4.0)
    faster = feed(estimator, np.array([-1.4, 0.0]), np.zeros(2), 4.0, begin_s=4.0)
    assert faster.speed_m_s == pytest.approx(1.4, abs=0.03)


def test_nothing_is_known_from_hidden_or_too_few_samples():
    estimator = GroundEstimator()
    for i in range(3):
        estimator.update(i * 33_000_000, np.zeros((6, 3)), np.zeros(2), AHEAD)
    assert not estimator.known
    assert estimator.ground.speed_m_s == 0.0


def fed(walk: MeasuredWalk, seconds: float, declared: float | None = None) -> GroundVelocity:
    """A measured walk, as its derivatives say."""
    estimator = GroundEstimator(declared)
    feet = np.gradient(walk.feet, walk.t_s, axis=0).reshape(len(walk.t_s), 6, 3)
    pelvis = np.gradient(walk.pelvis[:, :2], walk.t_s, axis=0)
    for i, t in enumerate(walk.t_s):
        if t - walk.t_s[0] > seconds:
            break
        estimator.update(round(t * 1e9), feet[i], pelvis[i], AHEAD)
    return estimator.ground


@pytest.mark.data
@pytest.mark.parametrize(
    ("case", "speed_m_s"),
    [
        ("walking1", 0.0),
        ("walkingTI1", 0.0),
        ("camargo_levelground", 0.0),
        ("STS1", 0.0),
        ("subject01_walk", 1.13),
        ("treadmill60", 1.209),
    ],
)
@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_floors_and_belts(data_dir, case, speed_m_s, seconds):
    ground = fed(multiview_walk(data_dir / "multiview" / case).turned(0.7), seconds)
    assert ground.speed_m_s == pytest.approx(speed_m_s, rel=0.04, abs=1e-9)
    if speed_m_s:
        direction = ground.velocity_m_s / ground.speed_m_s
        assert direction == pytest.approx([-np.cos(0.7), -np.sin(0.7)], abs=0.05)


@pytest.mark.data
def test_a_wrong_declaration_on_real_feet(data_dir):
    belt = multiview_walk(data_dir / "multiview" / "subject01_walk")
    floor = multiview_walk(data_dir / "multiview" / "walking1")
    free, declared = fed(belt, 3.0), fed(belt, 3.0, 1.11)
    assert 1.11 < declared.speed_m_s < free.speed_m_s
    assert fed(belt, 3.0, 0.8).speed_m_s == pytest.approx(free.speed_m_s)
    for said, walk in ((1.2, floor), (0.8, belt)):
        assert fed(walk, 1.2, said).contradicts_declared
    assert fed(floor, 1.2, 1.2).speed_m_s == 0.0
