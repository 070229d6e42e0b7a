"""Standard deviations of kinetics: each term alone, axes, and the linear noise against drawn accelerations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.contact_forces import GRAVITY, ContactConfig, ContactForces, ContactSolver, contact_gate
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.differentiation import MotionState
from kincast.models.force_rate import GAP_S, ForceRate
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.kinetics_sd import ModelError, TorqueError, in_world, kinetics_sd, model_variance, turned
from kincast.models.pressure_sd import LEAST_LOAD_N, PressureError, pressure_sd
from tests.models.rig import standing_pose

NO, ALL = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
NOTHING = ModelError(NO, NO, NO, NO, lever_m=0.0, cancellation=ALL, joint_cancellation=1.0)
STILL = np.zeros(40)


@pytest.fixture(scope="module")
def body() -> Body:
    return build_body(BodyParameters(mass_kg=70.0), "torque", keypoint_set="HALPE_26")


def _state(acceleration: np.ndarray) -> MotionState:
    return MotionState(0, standing_pose(None), STILL, acceleration, STILL, STILL, STILL)


def _solved(dynamics: InverseDynamics, acceleration: np.ndarray) -> ContactForces:
    """The feet's answer to a body that stands on both feet and is accelerated."""
    qfrc = dynamics.set_motion(_state(acceleration))
    points = dynamics.sole_state().position
    points[:, :, 2] = points[:, :, 2].min()
    gate = contact_gate(np.zeros(points.shape[:2]), np.zeros(points.shape[:2]), ContactConfig())
    solver = ContactSolver(points.shape[1], 70.0)
    return solver.solve(dynamics.demanded_wrench(qfrc), dynamics.pelvis, points, gate)


def test_every_term_of_the_model_alone() -> None:
    share, rate = np.array([0.6, 0.2]), np.zeros((2, 3))
    rate[0, 2] = 10.0
    force = model_variance(share, rate, replace(NOTHING, force=(0.1, 0.2, 0.3)))
    np.testing.assert_allclose(np.sqrt(force[0]), [0.06, 0.12, 0.18])
    equal = model_variance(np.array([0.5, 0.5]), rate, replace(NOTHING, sharing=(0.1, 0.2, 0.3)))
    np.testing.assert_allclose(np.sqrt(equal[1]), [0.1, 0.2, 0.3])
    alone = model_variance(np.array([1.0, 0.0]), rate, replace(NOTHING, sharing=(0.1, 0.2, 0.3)))
    np.testing.assert_allclose(alone, 0.0)
    late = model_variance(share, rate, replace(NOTHING, timing_s=(0.01, 0.01, 0.01)))
    assert np.sqrt(late[0, 2]) == pytest.approx(0.1)
    assert late[1].max() == 0.0


def test_axes_turn_with_the_person() -> None:
    forward = np.array([0.0, 2.0])  # facing +y
    np.testing.assert_allclose(turned(np.array([[1.0, 3.0, 5.0]]), forward), [[3.0, -1.0, 5.0]])
    np.testing.assert_allclose(in_world(np.array([4.0, 9.0, 1.0]), forward), [9.0, 4.0, 1.0])
    np.testing.assert_allclose(in_world(np.array([4.0, 9.0, 1.0]), np.array([1.0, 1.0])), [6.5, 6.5, 1.0])


def test_noise_is_that_of_drawn_accelerations_of_the_pelvis(body: Body) -> None:
    """Independent truth: the same contact problem solved for accelerations drawn at random."""
    dynamics, random = InverseDynamics(body), np.random.default_rng(2)
    sd = np.zeros(40)
    sd[:3] = 0.3
    forces = np.array([_solved(dynamics, sd * random.normal(size=40)).force for _ in range(300)])
    found = _solved(dynamics, STILL)
    error = replace(NOTHING, moment_arm_m=0.0)
    force_sd, _ = kinetics_sd(
        dynamics, sd, found, found.force, found.cop, np.zeros((2, 3)), 70.0 * GRAVITY, error
    )
    # force and moment of one acceleration are taken as independent
    np.testing.assert_allclose(force_sd, forces.std(axis=0), rtol=0.45)


def test_factor_and_floor_of_one_joint(body: Body) -> None:
    dynamics = InverseDynamics(body)
    found = _solved(dynamics, STILL)
    weight, still = 70.0 * GRAVITY, np.zeros((2, 3))

    def of(error: ModelError) -> np.ndarray:
        return kinetics_sd(dynamics, STILL, found, found.force, found.cop, still, weight, error)[1]

    plain = of(ModelError(torques=()))
    knee, ankle = (6 + JOINT_COORDINATES.index(n) for n in ("knee_angle_l", "ankle_angle_l"))
    with_floor = of(ModelError(torques=(("knee_angle", TorqueError(0.5, 0.02)),)))
    assert with_floor[knee] == pytest.approx(np.hypot(0.5 * plain[knee], 0.02 * weight))
    assert with_floor[ankle] == pytest.approx(plain[ankle])


def test_a_rate_is_remembered_for_a_while_and_not_over_a_gap() -> None:
    rate, step_ns = ForceRate(), 10_000_000
    loads = [0.0, 0.0, 100.0] + [100.0] * 12
    got = [rate.update(i * step_ns, np.full((2, 3), load))[1, 2] for i, load in enumerate(loads)]
    assert got[:3] == [0.0, 0.0, pytest.approx(1e4)]
    assert got[10] == pytest.approx(1e4)
    assert got[11] == 0.0
    later = len(loads) * step_ns + round(GAP_S * 1e9)
    assert rate.update(later, np.full((2, 3), 500.0)).max() == 0.0


def test_the_place_of_a_load_is_as_uncertain_as_the_load() -> None:
    error = PressureError()
    force, sd = np.zeros((3, 2, 3)), np.zeros((3, 2, 3))
    force[:, 0, 2], sd[:, 0, 2] = (700.0, 100.0, LEAST_LOAD_N / 2), (7.0, 100.0, 5.0)
    place, torque = pressure_sd(force, sd, error)
    assert place[0, 0, 0] == pytest.approx(error.place_m, rel=0.01)
    assert place[1, 0, 1] == pytest.approx(np.hypot(error.place_m, error.reach_m))
    assert place[2, 0, 0] == place[0, 1, 0] == error.sole_m
    assert torque[0, 0, 2] == pytest.approx(700.0 * error.torque_arm_m)
