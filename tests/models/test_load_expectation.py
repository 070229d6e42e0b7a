"""Expected sharing and place of the load: symmetry, sense, how the feet are read off the body, force plates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.differentiation import MotionState
from kincast.models.feet_motion import FeetMotion, FeetObserver, sole_parts
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.load_expectation import expected_place, expected_share, place_features, share_features

FLAT = FeetMotion(
    height=np.zeros((2, 3)),
    speed=np.zeros((2, 3)),
    rise=np.zeros((2, 3)),
    middle=np.array([[0.0, -0.1], [0.0, 0.1]]),
    heel=np.array([[-0.1, -0.1], [-0.1, 0.1]]),
    forward=np.array([[1.0, 0.0], [1.0, 0.0]]),
    length=np.full(2, 0.25),
    hip=np.array([[-0.05, -0.1], [-0.05, 0.1]]),
    ankle=np.array([[-0.05, -0.1], [-0.05, 0.1]]),
    com=np.array([0.0, 0.0, 1.0]),
    com_velocity=np.zeros(2),
)


def _exchanged(feet: FeetMotion) -> FeetMotion:
    both = ("height", "speed", "rise", "middle", "heel", "forward", "length", "hip", "ankle")
    return replace(feet, **{name: getattr(feet, name)[::-1].copy() for name in both})


def _random(seed: int) -> FeetMotion:
    rng = np.random.default_rng(seed)
    return replace(
        FLAT,
        height=rng.normal(0.03, 0.05, (2, 3)),
        speed=rng.exponential(0.5, (2, 3)),
        rise=rng.normal(0, 0.5, (2, 3)),
        middle=FLAT.middle + rng.normal(0, 0.2, (2, 2)),
        hip=FLAT.hip + rng.normal(0, 0.2, (2, 2)),
        com=FLAT.com + rng.normal(0, 0.1, 3),
        com_velocity=rng.normal(0, 1, 2),
    )


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=50)
def test_exchanging_the_feet_exchanges_the_shares(seed: int) -> None:
    feet = _random(seed)
    assert expected_share(feet) + expected_share(_exchanged(feet)) == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(share_features(_exchanged(feet)), -share_features(feet), atol=1e-12)
    np.testing.assert_allclose(place_features(_exchanged(feet)), place_features(feet)[::-1])
    place = expected_place(feet)
    assert np.all((place >= 0.0) & (place <= feet.length))


def test_flat_feet_share_evenly_and_load_follows_the_mass() -> None:
    assert expected_share(FLAT) == pytest.approx(0.5)
    to_the_right = replace(FLAT, com=np.array([0.0, -0.05, 1.0]))
    assert 0.55 < expected_share(to_the_right) < 1.0


def test_a_foot_in_swing_carries_nothing() -> None:
    high, fast = FLAT.height.copy(), FLAT.speed.copy()
    high[0], fast[0] = 0.08, 2.0
    assert expected_share(replace(FLAT, height=high, speed=fast)) < 0.02


def test_place_moves_forward_as_the_body_passes_over_the_foot() -> None:
    behind, ahead = (replace(FLAT, hip=FLAT.hip + np.array([x, 0.0])) for x in (-0.2, 0.2))
    assert np.all(expected_place(behind) + 0.03 < expected_place(FLAT))
    assert np.all(expected_place(ahead) > expected_place(FLAT) + 0.03)


@pytest.fixture(scope="module")
def body() -> Body:
    return build_body(BodyParameters(mass_kg=70.0), "torque")


def _state(body: Body, seed: int) -> tuple[InverseDynamics, MotionState]:
    rng = np.random.default_rng(seed)
    coordinates = 0.2 * rng.normal(size=40)
    coordinates[4] = 1.0
    for name in ("knee_angle_r", "knee_angle_l"):
        coordinates[COORDINATES.index(name)] = 0.4
    q = np.asarray(pose_from_coordinates(coordinates))
    dynamics = InverseDynamics(body)
    sd = np.zeros(40)
    return dynamics, MotionState(0, q, rng.normal(size=40), np.zeros(40), sd, sd, sd)


def test_parts_of_the_sole_lie_in_order(body: Body) -> None:
    sole = InverseDynamics(body).sole
    parts = sole_parts(sole)
    for foot in range(2):
        assert len(set(parts[foot].ravel().tolist())) == 6
        heel, ball = sole.local[foot][parts[foot][:2], 0].mean(axis=1)
        assert ball - heel > 0.1


def test_observed_centre_of_mass_against_mujoco(body: Body) -> None:
    dynamics, motion = _state(body, 3)
    dynamics.set_motion(motion)
    com, velocity = dynamics.centre_of_mass()
    data = mujoco.MjData(body.mj_model)
    step = 1e-6
    places = []
    for sign in (-1.0, 1.0):
        data.qpos[:] = body.full_qpos(motion.q)
        qvel = np.asarray(body.full_qvel(motion.q, motion.v))
        mujoco.mj_integratePos(body.mj_model, data.qpos, qvel, sign * step)
        mujoco.mj_kinematics(body.mj_model, data)
        mass = body.mj_model.body_mass
        places.append(mass @ data.xipos / mass.sum())
    np.testing.assert_allclose(com, np.mean(places, axis=0), atol=1e-9)
    np.testing.assert_allclose(velocity, (places[1] - places[0]) / (2 * step), atol=1e-6)


def test_observed_feet_are_those_of_the_body(body: Body) -> None:
    dynamics, motion = _state(body, 5)
    dynamics.set_motion(motion)
    sole = dynamics.sole_state()
    speed = np.linalg.norm(sole.velocity, axis=2)
    ground = np.array([0.3, -0.2])
    seen = FeetObserver(dynamics).observe(sole, sole.position[:, :, 2], speed, np.ones((2, 8)), ground)
    parts = sole_parts(dynamics.sole)
    np.testing.assert_allclose(seen.rise[1, 0], sole.velocity[1, parts[1, 0], 2].mean())
    np.testing.assert_allclose(seen.middle, sole.position[:, :, :2].mean(axis=1))
    np.testing.assert_allclose(np.linalg.norm(seen.forward, axis=1), 1.0)
    np.testing.assert_allclose(
        seen.heel + seen.length[:, None] * seen.forward,
        [sole.position[f, parts[f, 2], :2].mean(axis=0) for f in range(2)],
    )
    np.testing.assert_allclose(seen.com_velocity, dynamics.centre_of_mass()[1][:2] - ground)


@pytest.mark.data
@pytest.mark.parametrize("case", ["walking1", "subject01_walk"])
def test_sharing_of_optical_walks(data_dir: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optical angles on a body that is merely scaled: not the input the coefficients were fitted to."""
    from kincast.streaming.kinetics import KineticsConfig, KineticsStream
    from tests.streaming.measured_walk import fit_results, measured_walk

    walk = measured_walk(data_dir, case)
    said: list[float] = []
    honest = KineticsStream._expected

    def noting(self, feet, points, flat):
        said.append(expected_share(feet))
        return honest(self, feet, points, flat)

    monkeypatch.setattr(KineticsStream, "_expected", noting)
    stream = KineticsStream(walk.body, walk.mass_kg, KineticsConfig(muscles=False))
    rows = [
        r
        for fit in fit_results(walk.t_ns, walk.poses, 3)
        for r in stream.step(fit)
        if r.right.force.any() or r.left.force.any()
    ]
    share = np.array(said[-len(rows) :])
    at = np.searchsorted(walk.t_ns, [r.t_ns for r in rows])
    vertical = walk.force[at][:, :, 2]
    use = walk.plate_ok[at].all(axis=1) & (vertical.sum(axis=1) > 0.6 * walk.mass_kg * 9.80665)
    use &= at > 25
    truth = vertical[:, 0] / np.maximum(vertical.sum(axis=1), 1.0)
    assert np.sqrt(np.mean((share - truth)[use] ** 2)) < 0.12
