"""The simulated body: sensors, soles and servos against what C MuJoCo itself says."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from kincast.models.contact_forces import ContactConfig
from kincast.models.inverse_dynamics import sole_geometry
from kincast.models.twin.contact_plan import ContactPlan, ContactPlanConfig
from kincast.models.twin.controller import Command
from kincast.models.twin.expert import Expert, ExpertConfig
from kincast.models.twin.follow import follow
from kincast.models.twin.grounding import GroundingConfig, grounded
from kincast.models.twin.loads import foot_loads
from kincast.models.twin.model import CONTROLS, JOINTS, RESIDUALS, SUBSTEPS, Twin, build_twin, servo_torque
from kincast.models.twin.soles import PRESSED_M, capsules, ground_under
from tests.models.twin_people import lowest_m, person, standing, swaying, twin


class Limp:
    """Servos that want to be where they are, and nothing else."""

    def begin(self) -> None: ...

    def command(self, q: np.ndarray, v: np.ndarray, reference: object, row: int, loads: object) -> Command:
        return Command(np.zeros(6), np.zeros(JOINTS), np.tile(q[7:], (SUBSTEPS, 1)))


def in_pose(twin: Twin, q: np.ndarray, v: np.ndarray | None = None) -> mujoco.MjData:
    data = mujoco.MjData(twin.model)
    data.qpos[:] = twin.body.full_qpos(q)
    if v is not None:
        data.qvel[:] = twin.body.full_qvel(q, v)
    return data


def test_loads_are_the_contact_forces_of_mujoco() -> None:
    made = twin()
    data = in_pose(made, standing(made.body, ankle_angle_r=0.03))
    for _ in range(40):
        mujoco.mj_step(made.model, data)
    feet = capsules(made.model)
    force, moment = np.zeros((2, 3)), np.zeros((2, 3))
    for i, contact in enumerate(data.contact):
        foot = 0 if contact.geom[1] in feet[0] else 1
        wrench = np.zeros(6)
        mujoco.mj_contactForce(made.model, data, i, wrench)
        on_foot = contact.frame.reshape(3, 3).T @ wrench[:3]
        force[foot] += on_foot
        moment[foot] += np.cross(contact.pos, on_foot)
    # the sensors hold the forces before the last step's positions moved on, as the contacts do
    found = foot_loads(data.sensordata)
    assert force[:, 2].min() > 50.0
    np.testing.assert_allclose(found.force, force, rtol=1e-9, atol=1e-9)
    for foot in range(2):
        about_cop = moment[foot] - np.cross(found.cop[foot], force[foot])
        np.testing.assert_allclose(found.free_torque[foot], about_cop[2], atol=1e-6)
        # what is left about horizontal axes is only that contacts lie at slightly different depths
        assert np.abs(about_cop[:2]).max() < 0.01 * force[foot, 2]


def test_soles_are_lowered_where_they_are_told_to_be_and_still_meet_the_floor() -> None:
    drop = np.zeros((2, 8))
    drop[0] = (0.03, 0.01, 0.02, 0.0, -0.01, 0.005, 0.03, 0.03)
    generic, own = person(), build_twin(person(), drop)
    before, after = sole_geometry(generic.mj_model), sole_geometry(own.model)
    np.testing.assert_allclose(after.local[..., 1], before.local[..., 1] - drop, atol=1e-9)
    np.testing.assert_allclose(after.local[..., [0, 2]], before.local[..., [0, 2]], atol=1e-9)
    q = standing(generic)
    q[2] += 0.0005 - lowest_m(own.body, q) - 0.0015
    data = in_pose(own, q)
    mujoco.mj_forward(own.model, data)
    assert data.ncon > 0
    assert data.contact.dist.min() == pytest.approx(-0.001, abs=1e-6)


def test_servos_exert_what_servo_torque_says() -> None:
    made = twin()
    rng = np.random.default_rng(1)
    q = standing(made.body)
    q[7:] += rng.uniform(-0.2, 0.2, JOINTS)
    v = rng.normal(size=40)
    data = in_pose(made, q, v)
    data.ctrl[:] = rng.normal(size=CONTROLS)
    mujoco.mj_forward(made.model, data)
    expected = servo_torque(made.config, data.ctrl[RESIDUALS + JOINTS :], q[7:], v[6:])
    np.testing.assert_allclose(data.actuator_force[RESIDUALS + JOINTS :], expected, atol=1e-9)
    np.testing.assert_allclose(data.actuator_force[: RESIDUALS + JOINTS], data.ctrl[: RESIDUALS + JOINTS])


def test_planned_torques_give_the_wanted_acceleration() -> None:
    """In the air nothing but the controls acts: C's forward dynamics must return what was asked for."""
    made = twin()
    rng = np.random.default_rng(2)
    q = standing(made.body)
    q[2] += 1.0
    q[7:] += rng.uniform(0.05, 0.3, JOINTS)
    v, a = 0.5 * rng.normal(size=40), 3.0 * rng.normal(size=40)
    plan = ContactPlan(made).plan(q, v, a, q, v)
    np.testing.assert_allclose(plan.feet, 0.0, atol=10.0)  # feet a metre up give nothing
    data = in_pose(made, q, v)
    made.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_LIMIT)
    made.model.opt.iterations = 100
    data.ctrl[: RESIDUALS + JOINTS] = plan.demanded
    data.ctrl[RESIDUALS + JOINTS :] = q[7:] + made.config.servo_kd / made.config.servo_kp * v[6:]
    mujoco.mj_forward(made.model, data)
    found = data.qacc[made.body.coupling.independent_dof]
    np.testing.assert_allclose(found, a, atol=0.3)  # equalities that hold the knee are a little soft


def test_the_expert_keeps_a_swaying_person_up_with_the_feet_alone() -> None:
    made = twin(0.01)
    reference = swaying(made.body, 0.8)
    # without a preference for where on the sole the load is, the feet can give all of it
    bare = ContactPlanConfig(
        ContactConfig(gate_height_m=0.012, spread_weight=1e-4), place_weight=0.0, still_place_weight=0.0
    )
    followed = follow(made, Expert(made, ExpertConfig(contacts=bare)), reference)
    assert not followed.fell
    assert len(followed.q) == len(reference.q)
    off_deg = np.rad2deg(np.abs(followed.q[30:, 7:] - reference.q[30:, 7:]))
    assert off_deg.mean() < 0.3
    residual = np.linalg.norm(followed.residual[30:, :3], axis=1) / made.weight_N
    assert residual.mean() < 0.02
    vertical = followed.force[30:, :, 2].sum(axis=1)
    np.testing.assert_allclose(vertical.mean(), made.weight_N, rtol=0.01)
    soles = np.abs(followed.cop[30:, :, :2] - followed.q[30:, None, :2])
    assert soles.max() < 0.35


def test_a_bound_on_the_residual_is_kept_and_a_fall_is_told() -> None:
    made = twin()
    reference = swaying(made.body, 0.3)
    pushed = reference._replace(
        a=reference.a + np.eye(40)[0] * 4.0
    )  # wants to accelerate forward all the time
    config = ExpertConfig(residual_limit=0.01)
    followed = follow(made, Expert(made, config), pushed)
    assert np.linalg.norm(followed.residual[:, :3], axis=1).max() <= 0.01 * made.weight_N + 1e-9

    fallen = follow(made, Limp(), swaying(made.body, 2.0))
    assert "above the floor" in fallen.fell
    assert len(fallen.q) < 2.0 * 120


def test_grounding_lifts_a_foot_out_of_the_floor_with_the_least_likely_joints_last() -> None:
    made = twin()
    q = standing(made.body, ankle_angle_r=-0.15)  # toes down: they carry, heels are up
    q[2] -= 0.004
    still = np.zeros(40)
    config = GroundingConfig(sink_m=0.001, clearance_m=0.01, iterations=5)
    lifted = grounded(made, q[None], still[None], config)[0]
    assert lowest_m(made.body, q) < -0.004
    assert lowest_m(made.body, lifted) > -0.0015
    changed = np.flatnonzero(np.abs(lifted - q) > 1e-9)
    assert len(changed) > 0
    assert set(changed) <= {7 + 3, 7 + 4, 7 + 5, 7 + 6}
    assert np.rad2deg(np.abs(lifted - q)[[10, 11, 12]]).max() < 1.0
    moving = np.zeros(40)
    moving[0] = 1.5  # the whole person flies forward: a swinging foot keeps clear
    swung = grounded(made, q[None], moving[None], config)[0]
    assert lowest_m(made.body, swung) > 0.006


def test_a_foot_that_caught_on_the_floor_is_not_loaded_when_it_should_swing() -> None:
    made = twin()
    q = standing(made.body)
    stepping = standing(made.body, hip_flexion_l=0.5, knee_angle_l=0.6)
    still = np.zeros(40)
    plan = ContactPlan(made)
    both = plan.plan(q, still, still, q, still).force[:, 2] / made.weight_N
    one = plan.plan(q, still, still, stepping, still).force[:, 2] / made.weight_N
    np.testing.assert_allclose(both, 0.5, atol=0.03)
    assert one[1] < 0.2
    assert one[0] > 0.8


def test_unloaded_soles_hang_as_much_lower_as_they_are_pressed_in_stance() -> None:
    body = person()
    q = np.tile(standing(body), (120, 1))
    q[:, 2] += 0.02 - lowest_m(body, q[0])
    t_ns = np.arange(120) * 10_000_000
    found = ground_under(body, t_ns, q, np.zeros((120, 40)), 0.0)
    assert found.height_m == pytest.approx(0.02, abs=1e-6)
    made = build_twin(body, found.drop_m)
    assert found.drop_m.min() >= PRESSED_M - 1e-9
    assert lowest_m(made.body, q[0]) == pytest.approx(0.02 - PRESSED_M, abs=1e-6)
    np.testing.assert_allclose(found.least_m, 0.0, atol=1e-6)
