"""Inverse dynamics against mj_inverse, Newton-Euler on the whole body, OpenSim's axes and a forward simulation."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
import pytest

from kincast.models.body.body import Body, build_body
from kincast.models.body.parameters import BodyParameters
from kincast.models.coordinates import coordinates_from_pose, pose_from_coordinates
from kincast.models.differentiation import MotionState, retract
from kincast.models.inverse_dynamics import InverseDynamics, opensim_generalised_forces

GRAVITY = np.array([0.0, 0.0, -9.81])


@pytest.fixture(scope="module")
def body() -> Body:
    scales = {"overall": 0.95, "thigh_r": 1.05, "pelvis": 0.9}
    return build_body(BodyParameters(scales=scales, mass_kg=61.0), "torque")


def _motion(rng: np.random.Generator, speed: float = 1.0) -> MotionState:
    coordinates = rng.uniform(-0.3, 0.3, 40)
    coordinates[3:6] = (0.2, 0.95, -0.1)
    coordinates[[9, 16]] = rng.uniform(0.1, 1.2, 2)
    nothing = np.zeros(40)
    return MotionState(
        0,
        pose_from_coordinates(coordinates),
        rng.normal(size=40) * speed,
        rng.normal(size=40) * 5.0 * speed,
        nothing,
        nothing,
        nothing,
    )


def _bare(model: mujoco.MjModel) -> mujoco.MjModel:
    """The model's rigid bodies alone: no armature, damping, springs, contacts, equalities or limits."""
    bare = copy.deepcopy(model)
    for name in ("dof_armature", "dof_damping", "dof_frictionloss", "jnt_stiffness"):
        getattr(bare, name)[:] = 0.0
    bare.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    return bare


@pytest.mark.parametrize("seed", range(5))
def test_equals_mj_inverse_of_the_bare_skeleton(body: Body, seed: int) -> None:
    motion = _motion(np.random.default_rng(seed))
    dynamics = InverseDynamics(body)
    found = dynamics.set_motion(motion)
    bare = _bare(body.mj_model)
    data = mujoco.MjData(bare)
    data.qpos[:] = body.full_qpos(motion.q)
    data.qvel[:] = body.full_qvel(motion.q, motion.v)
    data.qacc[:] = body.full_qacc(motion.q, motion.v, motion.a)
    mujoco.mj_inverse(bare, data)
    np.testing.assert_allclose(found, body.project_forces(motion.q, data.qfrc_inverse), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_total_wrench_is_the_rate_of_momentum(body: Body, seed: int) -> None:
    """Force = m (a_com - g) and moment = dH/dt, by finite differences of MuJoCo's positions and momenta."""
    motion = _motion(np.random.default_rng(seed))
    dynamics = InverseDynamics(body)
    wrench = dynamics.demanded_wrench(dynamics.set_motion(motion))
    model = body.mj_model
    data = mujoco.MjData(model)
    h = 1e-4

    def momentum(t: float) -> tuple[np.ndarray, np.ndarray]:
        q = retract(motion.q, motion.v * t + 0.5 * motion.a * t * t)
        v = motion.v + motion.a * t
        data.qpos[:], data.qvel[:] = body.full_qpos(q), body.full_qvel(q, v)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_subtreeVel(model, data)
        mass = model.body_subtreemass[1]
        linear = mass * data.subtree_linvel[1]
        return linear, data.subtree_angmom[1] + np.cross(data.subtree_com[1] - motion.q[:3], linear)

    (p0, h0), (p1, h1) = momentum(-h), momentum(h)
    weight = 61.0 * GRAVITY
    momentum(0.0)
    np.testing.assert_allclose(wrench[:3], (p1 - p0) / (2 * h) - weight, atol=0.02)
    lever = np.cross(data.subtree_com[1] - motion.q[:3], weight)
    np.testing.assert_allclose(wrench[3:], (h1 - h0) / (2 * h) - lever, atol=0.05)


def test_mass_matrix_is_the_change_of_force_by_acceleration(body: Body) -> None:
    motion = _motion(np.random.default_rng(1))
    dynamics = InverseDynamics(body)
    base = dynamics.set_motion(motion)
    matrix = dynamics.mass_matrix()
    for k in range(40):
        a = motion.a.copy()
        a[k] += 1.0
        changed = dynamics.set_motion(MotionState(0, motion.q, motion.v, a, *(np.zeros(40),) * 3)) - base
        np.testing.assert_allclose(matrix[:, k], changed, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_opensim_forces_do_the_same_work(body: Body, seed: int) -> None:
    """Virtual work: forces on the 40 OpenSim coordinates times their rates = MuJoCo's forces times ``v``."""
    rng = np.random.default_rng(seed)
    motion = _motion(rng)
    dynamics = InverseDynamics(body)
    qfrc = dynamics.set_motion(motion)
    forces = opensim_generalised_forces(qfrc, dynamics.pelvis_rotation)
    for _ in range(6):
        v = rng.normal(size=40)
        h = 1e-6
        rates = (
            coordinates_from_pose(retract(motion.q, h * v)) - coordinates_from_pose(retract(motion.q, -h * v))
        ) / (2 * h)
        np.testing.assert_allclose(forces @ rates, qfrc @ v, rtol=1e-5, atol=1e-3)


def test_foot_forces_do_the_work_of_the_contact(body: Body) -> None:
    rng = np.random.default_rng(0)
    motion = _motion(rng)
    dynamics = InverseDynamics(body)
    dynamics.set_motion(motion)
    sole = dynamics.sole_state()
    loads = rng.uniform(0, 100, sole.position.shape[:2])
    force = np.column_stack([rng.normal(size=(2, 2)) * 20, loads.sum(axis=1)])
    cop = np.einsum("fp,fpi->fi", loads, sole.position) / loads.sum(axis=1)[:, None]
    qfrc = dynamics.foot_forces(loads, sole.position, force, cop, np.array([3.0, -2.0]))
    wrench = dynamics.demanded_wrench(qfrc)
    np.testing.assert_allclose(wrench[:3], force.sum(axis=0), atol=1e-9)
    moment = sum(np.cross(cop[f] - motion.q[:3], force[f]) for f in range(2)) + np.array([0, 0, 1.0])
    np.testing.assert_allclose(wrench[3:], moment, atol=1e-9)


def test_sole_velocities_are_the_derivatives_of_positions(body: Body) -> None:
    motion = _motion(np.random.default_rng(2))
    dynamics = InverseDynamics(body)
    h = 1e-6
    seen = []
    for t in (-h, h):
        dynamics.set_motion(MotionState(0, retract(motion.q, motion.v * t), *(motion.v,) * 5))
        # the capsule's lowest point changes as it rolls: compare its centre
        seen.append(dynamics.sole_state().position)
    dynamics.set_motion(motion)
    np.testing.assert_allclose(
        dynamics.sole_state().velocity[:, :, :2],
        ((seen[1] - seen[0]) / (2 * h))[:, :, :2],
        atol=0.02 * 4.0 * 3.0,
    )


def test_recovers_the_contact_wrench_of_a_forward_simulation(body: Body) -> None:
    """A body held by joint springs falls on its feet: the pelvis rows are the sum of MuJoCo's contact forces."""
    model = copy.deepcopy(body.mj_model)
    joints = body.coupling.independent_dof[6:]
    for dof in joints:
        model.jnt_stiffness[model.dof_jntid[dof]] = 400.0
        model.dof_damping[dof] = 20.0
    data = mujoco.MjData(model)
    mujoco.mj_resetData(model, data)
    q = pose_from_coordinates(np.concatenate([np.zeros(3), [0.0, 0.98, 0.0], np.zeros(34)]))
    data.qpos[:] = body.full_qpos(q)
    dynamics = InverseDynamics(body)
    zero = np.zeros(40)
    compared = 0
    for step in range(400):
        mujoco.mj_step1(model, data)
        mujoco.mj_step2(model, data)
        mujoco.mj_forward(model, data)
        # during the impact itself the soft knee equalities let the coupled joints lag the 40 coordinates
        if step < 130 or step % 20 or not data.ncon:
            continue
        independent = body.coupling.independent_dof
        motion = MotionState(
            0,
            data.qpos[body.coupling.independent_qpos].copy(),
            data.qvel[independent].copy(),
            data.qacc[independent].copy(),
            zero,
            zero,
            zero,
        )
        wrench = dynamics.demanded_wrench(dynamics.set_motion(motion))
        total = np.zeros(6)
        local = np.zeros(6)
        for k in range(data.ncon):
            mujoco.mj_contactForce(model, data, k, local)
            contact = data.contact[k]
            force = contact.frame.reshape(3, 3).T @ local[:3]
            if model.geom_bodyid[contact.geom[1]] == 0:
                force = -force
            total[:3] += force
            total[3:] += np.cross(contact.pos - data.qpos[:3], force)
        compared += 1
        np.testing.assert_allclose(wrench, total, atol=0.01 * 61.0 * 9.81)
    assert compared > 5
