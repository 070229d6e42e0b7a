"""Moments of the leg muscles against finite differences of tendon length and MuJoCo's muscle functions."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import JOINT_COORDINATES, pose_from_coordinates
from kincast.models.differentiation import MotionState, retract
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.leg_muscles import LEG_COORDINATES, LegMuscleModel


@pytest.fixture(scope="module")
def body() -> Body:
    return build_body(BodyParameters(mass_kg=70.0, scales={"overall": 1.03}), "muscle")


def _motion(seed: int) -> MotionState:
    rng = np.random.default_rng(seed)
    coordinates = rng.uniform(-0.2, 0.2, 40)
    coordinates[4] = 0.95
    for side in "rl":
        coordinates[6 + JOINT_COORDINATES.index(f"knee_angle_{side}")] = rng.uniform(0.1, 1.0)
    nothing = np.zeros(40)
    v = np.concatenate([np.zeros(6), rng.normal(size=34)])
    return MotionState(0, pose_from_coordinates(coordinates), v, nothing, nothing, nothing, nothing)


@pytest.mark.parametrize("seed", range(3))
def test_moments_are_force_times_change_of_length(body: Body, seed: int) -> None:
    motion = _motion(seed)
    dynamics = InverseDynamics(body)
    muscles = LegMuscleModel(dynamics)
    assert len(muscles.names) == 80
    dynamics.set_motion(motion)
    active, passive = muscles.moments()

    model = body.mj_model
    data = mujoco.MjData(model)
    ids = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_ACTUATOR, name) for name in muscles.names]

    def lengths(dv: np.ndarray) -> np.ndarray:
        data.qpos[:] = body.full_qpos(retract(motion.q, dv))
        mujoco.mj_fwdPosition(model, data)
        return data.actuator_length[ids].copy()

    at_rest = lengths(np.zeros(40))
    speed = (lengths(1e-6 * motion.v) - lengths(-1e-6 * motion.v)) / 2e-6
    gain = np.empty(80)
    bias = np.empty(80)
    for k, i in enumerate(ids):
        reach, acc0 = model.actuator_lengthrange[i], model.actuator_acc0[i]
        gain[k] = mujoco.mju_muscleGain(at_rest[k], speed[k], reach, acc0, model.actuator_gainprm[i][:9])
        bias[k] = mujoco.mju_muscleBias(at_rest[k], reach, acc0, model.actuator_biasprm[i][:9])
    for name in (*LEG_COORDINATES, "mtp_angle"):
        for side in "rl":
            row = 6 + JOINT_COORDINATES.index(f"{name}_{side}")
            step = np.zeros(40)
            step[row] = 1e-5
            arm = (lengths(step) - lengths(-step)) / 2e-5
            np.testing.assert_allclose(active[row], arm * gain, atol=0.3)
            np.testing.assert_allclose(passive[row], (arm * bias).sum(), atol=0.3)


def test_muscles_give_the_torques_they_can_and_say_what_they_cannot(body: Body) -> None:
    dynamics = InverseDynamics(body)
    muscles = LegMuscleModel(dynamics)
    dynamics.set_motion(_motion(0))
    active, passive = muscles.moments()
    activations = np.random.default_rng(0).uniform(0, 0.4, 80)
    wanted = active @ activations + passive
    found = muscles.solve(wanted, np.zeros(40))
    leg = [6 + JOINT_COORDINATES.index(f"{name}_{side}") for name in LEG_COORDINATES for side in "rl"]
    np.testing.assert_allclose(
        (active @ found.activations + passive + found.reserve)[leg], wanted[leg], atol=1e-6
    )
    assert np.abs(found.reserve).max() < 0.5
    assert found.activations @ found.activations <= activations @ activations + 1e-6
    too_much = wanted.copy()
    too_much[6 + JOINT_COORDINATES.index("ankle_angle_r")] = -3000.0
    assert np.abs(muscles.solve(too_much, np.zeros(40)).reserve).max() > 1000.0
