"""What a recording known to its end tells: steps too small to see, and how well the demanded wrench is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.contact_forces import GRAVITY, ContactConfig, ContactSolver, LoadPrior, with_unloaded
from kincast.models.coordinates import COORDINATES, JOINT_COORDINATES, pose_from_coordinates
from kincast.models.feet_motion import FeetMotion
from kincast.models.hindsight import FeetDiary, HindsightConfig, on_the_way
from kincast.offline.refit_kinetics import kinetics_rows
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.streaming.kinetics_config import KineticsConfig
from kincast.streaming.messages import SessionHeader

RATE_HZ = 60.0
CONFIG = HindsightConfig()


def _clock(seconds: float) -> tuple[np.ndarray, np.ndarray]:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return time_s, np.round(time_s * 1e9).astype(np.int64)


def _gone(time_s: np.ndarray, begin_s: float = 1.0, last_s: float = 0.3) -> np.ndarray:
    """0 before, 1 after, smooth in between."""
    u = np.clip((time_s - begin_s) / last_s, 0.0, 1.0)
    return u * u * (3.0 - 2.0 * u)


def _step(moved_m: float, evidence: float, noise_m: float = 0.003) -> tuple[np.ndarray, np.ndarray]:
    """A foot whose toe tip goes elsewhere within 0.3 s while its heel stays: times and what is found."""
    time_s, t_ns = _clock(2.5)
    rng = np.random.default_rng(0)
    place = noise_m * rng.normal(size=(len(t_ns), 2, 2))
    place[:, 1, 0] += 0.25
    place[:, 1, 1] += moved_m * _gone(time_s)
    lifted = evidence * np.clip(4.0 * _gone(time_s) * (1.0 - _gone(time_s)), 0.0, 1.0) ** 0.5
    return time_s, on_the_way(t_ns, place, lifted + 0.1 * rng.random(len(t_ns)), CONFIG)


def test_a_foot_set_anew_carried_nothing_on_the_way() -> None:
    time_s, found = _step(0.06, 4.0)
    assert found[(time_s > 1.13) & (time_s < 1.22)].min() == 1.0
    assert found[(time_s < 1.0) | (time_s > 1.3)].max() == 0.0


@pytest.mark.parametrize(("moved_m", "evidence"), [(0.0, 4.0), (0.01, 4.0), (0.06, 1.0), (0.06, 500.0)])
def test_raised_in_place_slipping_and_swinging_feet_are_left_to_the_instants(
    moved_m: float, evidence: float
) -> None:
    assert _step(moved_m, evidence)[1].max() == 0.0


def _feet(heel: np.ndarray, height_m: float, speed_m_s: float) -> FeetMotion:
    pair = np.array([[0.0, -0.1], [0.0, 0.1]])
    heels = pair.copy()
    heels[0] += heel
    height, speed = np.zeros((2, 3)), np.zeros((2, 3))
    height[0], speed[0] = height_m, speed_m_s
    ahead = np.tile([1.0, 0.0], (2, 1))
    length, com = np.full(2, 0.25), np.array([0.0, 0.0, 1.0])
    return FeetMotion(
        height, speed, np.zeros((2, 3)), heels, heels, ahead, length, pair, pair, com, np.zeros(2)
    )


@pytest.mark.parametrize("belt_m_s", [0.0, 0.8])
def test_places_are_told_on_the_ground_that_moves(belt_m_s: float) -> None:
    time_s, t_ns = _clock(2.5)

    def unloaded(steps_m: float) -> int:
        diary = FeetDiary()
        for now, at_ns, gone in zip(time_s, t_ns, _gone(time_s), strict=True):
            heel = np.array([belt_m_s * now, steps_m * gone])
            lifted = 4.0 * gone * (1.0 - gone)
            diary.note_feet(int(at_ns), _feet(heel, 0.02 * lifted, 0.3 * lifted), np.array([belt_m_s, 0.0]))
        told = diary.hindsight().unloaded
        assert all(foot[1] == 0.0 for foot in told.values())
        return len(told)

    assert unloaded(0.0) == 0
    assert unloaded(0.06) > 5


@pytest.mark.parametrize(
    ("miss_m", "seconds", "expected"), [(0.03, 5.0, 1.0), (0.15, 5.0, 2.5), (0.15, 0.3, 1.0), (9.0, 5.0, 3.0)]
)
def test_wrench_error_is_the_median_miss_over_one_foot(
    miss_m: float, seconds: float, expected: float
) -> None:
    diary = FeetDiary()
    for i, at_ns in enumerate(_clock(seconds)[1]):
        diary.note_feet(int(at_ns), _feet(np.zeros(2), 0.0, 0.0), np.zeros(2))
        diary.note_pressure(int(at_ns), 0.99, np.array([0.0, miss_m]))
        diary.note_pressure(int(at_ns), 0.5, np.array([0.7, 0.0]))  # two feet: it may be anywhere between
        if i % 10 == 0:
            diary.note_pressure(int(at_ns), 0.01, np.array([5.0, 0.0]))  # an outlier
    assert diary.hindsight().wrench_error == pytest.approx(expected, abs=0.01)


def test_what_one_foot_does_not_carry_the_other_does() -> None:
    prior = LoadPrior(0.6, 0.1, np.zeros(2), np.zeros((2, 7)), 1.0)
    assert with_unloaded(prior, np.zeros(2), 20.0) is prior
    assert with_unloaded(prior, np.ones(2), 20.0) is prior
    right_off = with_unloaded(prior, np.array([1.0, 0.0]), 20.0)
    assert (right_off.right, right_off.weight) == (0.0, 20.0)
    assert with_unloaded(prior, np.array([0.0, 1.0]), 20.0).right == pytest.approx(1.0)
    assert 0.3 < with_unloaded(prior, np.array([0.5, 0.0]), 20.0).right < 0.5


def test_a_usual_wrench_changes_nothing() -> None:
    config = KineticsConfig()
    assert config.for_wrench_error(1.0) == config
    assert config.for_wrench_error(2.0).support_suspected > config.support_suspected


def test_a_worse_wrench_moves_the_sharing_less() -> None:
    points = np.zeros((2, 4, 3))
    points[:, :, 0] = (-0.05, -0.05, 0.15, 0.15)
    points[:, :, 1] = (-0.03, 0.03, -0.03, 0.03)
    points[0, :, 1] -= 0.1
    points[1, :, 1] += 0.1
    weight = 70.0 * GRAVITY
    wrench = np.array([0.0, 0.0, weight, 0.06 * weight, 0.0, 0.0])  # six centimetres to the left
    expected = LoadPrior(0.5, 0.1, np.full(2, 0.1), np.tile(points[0, :, 0] - 0.05, (2, 1)), 0.5)

    def share(ratio: float) -> float:
        config = KineticsConfig(contact=ContactConfig()).for_wrench_error(ratio)
        prior = replace(expected, weight=config.still_share_weight)
        force = (
            ContactSolver(4, 70.0, config.contact)
            .solve(wrench, np.array([0.0, 0.0, 0.9]), points, np.ones((2, 4)), prior)
            .force
        )
        return float(force[0, 2] / force[:, 2].sum())

    usual, doubted = 0.5 - share(1.0), 0.5 - share(2.5)
    assert usual > 0.07  # the soles' width takes a part of the offset
    assert 0.0 < doubted < 0.4 * usual


def _small_step(body: Body) -> Motion:
    """Someone stands, lifts the whole right sole by 2 cm and sets it down 7 cm beside; nothing else moves."""
    time_s = np.arange(60) / 30.0
    t_ns = np.round(time_s * 1e9).astype(np.int64)
    gone = _gone(time_s, 0.9, 0.3)
    bend = 0.22 * (_gone(time_s, 0.8, 0.15) - _gone(time_s, 1.15, 0.15))
    coordinates = np.zeros((len(t_ns), 40))
    coordinates[:, COORDINATES.index("pelvis_ty")] = 0.93
    for name, angle in (
        ("hip_flexion_r", bend),
        ("knee_angle_r", 2.0 * bend),
        ("ankle_angle_r", bend),
        ("hip_adduction_r", -0.08 * gone),
    ):
        coordinates[:, COORDINATES.index(name)] = angle
    q = np.array([np.asarray(pose_from_coordinates(row)) for row in coordinates])
    joints = [COORDINATES.index(name) for name in JOINT_COORDINATES]
    v = np.zeros((len(t_ns), 40))
    v[:, 6:] = np.gradient(coordinates[:, joints], time_s, axis=0)
    return Motion(t_ns, q, v, np.zeros_like(v))


def test_a_small_step_unloads_the_foot_though_every_instant_looks_like_standing() -> None:
    body = build_body(BodyParameters(mass_kg=70.0), "torque")
    motion = _small_step(body)
    rows = len(motion.t_ns)
    covariance = MotionCovariance(
        np.tile(1e-6 * np.eye(40), (rows, 1, 1)), np.full((rows, 40), 0.01), np.full((rows, 40), 0.1)
    )
    header = SessionHeader("s", "p", "HALPE_26", (), mass_kg=70.0)
    found, _ = kinetics_rows(
        body, motion, covariance, np.ones(rows, bool), header, KineticsConfig(muscles=False)
    )
    right = np.array([0.0 if row is None else row.right.force[2] for row in found]) / (70.0 * GRAVITY)
    time_s = motion.t_ns * 1e-9
    assert right[(time_s > 1.05) & (time_s < 1.15)].max() < 0.06
    assert right[time_s < 0.8].min() > 0.4
    assert right[time_s > 1.35].min() > 0.35
