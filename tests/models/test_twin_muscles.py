"""The muscle-driven body: its muscles against finite differences and textbook dynamics, its expert against an independent solver."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scipy.optimize import lsq_linear

from kincast.models.body import build_body
from kincast.models.body.muscles import ARCHITECTURE, rest_lengths
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.differentiation import retract
from kincast.models.twin.bank import bank_of
from kincast.models.twin.environment import EnvironmentConfig
from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.model import CONTROLS, JOINTS, RESIDUALS, SUBSTEPS, build_twin
from kincast.models.twin.muscle_action import MUSCLE_ACTIONS, MuscleActionConfig, muscle_action_of
from kincast.models.twin.muscle_activation import activated, excitation_for, reachable
from kincast.models.twin.muscle_expert import MuscleExpert, MuscleExpertConfig
from kincast.models.twin.muscle_follow import follow_with_muscles
from kincast.models.twin.muscle_model import (
    EXCITATIONS,
    MUSCLE_CONTROLS,
    MUSCLE_JOINTS,
    MUSCLES,
    MuscleTwin,
    build_muscle_twin,
)
from kincast.models.twin.muscle_qp import MuscleQpConfig, least_activations
from kincast.models.twin.observation import ObservationConfig
from kincast.models.twin.observation import size as observation_size
from tests.models.twin_people import PERSON, person, standing, swaying

DROP_M = np.full((2, 8), 0.01)


@pytest.fixture(scope="module")
def twin() -> MuscleTwin:
    return build_muscle_twin(person(), DROP_M)


def bent(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Someone in the air, legs bent somehow, moving."""
    rng = np.random.default_rng(seed)
    q = standing(person())
    q[2] += 1.0
    q[7:21] += rng.uniform(-0.15, 0.15, 14)
    q[[10, 17]] = rng.uniform(0.1, 1.2, 2)
    return q, np.concatenate([np.zeros(6), rng.normal(size=34)])


def in_pose(twin: MuscleTwin, q: np.ndarray, v: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(twin.model)
    data.qpos[:] = twin.body.full_qpos(q)
    data.qvel[:] = twin.body.full_qvel(q, v)
    return data


def test_only_the_legs_drive_differs_from_the_torque_driven_body(twin: MuscleTwin) -> None:
    plain = build_twin(person(), DROP_M)
    assert twin.muscles == build_body(PERSON, "muscle").muscles
    assert len(twin.muscles) == MUSCLES
    names = [twin.model.actuator(i).name for i in range(twin.model.nu)]
    plain_names = [plain.model.actuator(i).name for i in range(plain.model.nu)]
    assert names[: EXCITATIONS.start] + names[EXCITATIONS.stop :] == plain_names
    assert twin.model.nu == MUSCLE_CONTROLS == CONTROLS + MUSCLES
    for field in (
        "body_mass",
        "body_ipos",
        "body_inertia",
        "body_pos",
        "dof_armature",
        "dof_damping",
        "jnt_range",
    ):
        np.testing.assert_array_equal(getattr(twin.model, field), getattr(plain.model, field))
    # in the same place the floor pushes the same, and above the legs the same controls do the same
    q = standing(plain.body)
    states = []
    for made in (twin, plain):
        data = mujoco.MjData(made.model)
        data.qpos[:] = made.body.full_qpos(q)
        data.qpos[2] -= 0.012
        mujoco.mj_forward(made.model, data)
        assert data.ncon > 0
        states.append([data.M, data.qfrc_bias, data.contact.dist, data.contact.pos])
    for mine, other in zip(*states, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)


def test_servos_are_silent_where_muscles_move(twin: MuscleTwin) -> None:
    q, v = bent(0)
    data = in_pose(twin, q, v)
    data.ctrl[EXCITATIONS.stop :] = 1.0
    mujoco.mj_forward(twin.model, data)
    servo = data.actuator_force[EXCITATIONS.stop :]
    loud = np.setdiff1d(np.arange(JOINTS), MUSCLE_JOINTS)
    assert not servo[MUSCLE_JOINTS].any()
    expected = twin.config.servo_kp * (1.0 - q[7:]) - twin.config.servo_kd * v[6:]
    np.testing.assert_allclose(servo[loud], expected[loud], atol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_moment_arms_are_how_lengths_change(twin: MuscleTwin, seed: int) -> None:
    q, v = bent(seed)
    data = in_pose(twin, q, v)
    data.act[:] = np.random.default_rng(seed).random(MUSCLES)
    mujoco.mj_forward(twin.model, data)
    arms = np.zeros((twin.model.nu, twin.model.nv))
    mujoco.mju_sparse2dense(
        arms, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
    )
    arms = (arms @ twin.body.coupling.velocity_map(q))[EXCITATIONS]

    def lengths(dv: np.ndarray) -> np.ndarray:
        other = in_pose(twin, retract(q, dv), v)
        mujoco.mj_fwdPosition(twin.model, other)
        return other.actuator_length[EXCITATIONS].copy()

    step = 1e-5
    for joint in MUSCLE_JOINTS:
        dv = np.zeros(40)
        dv[6 + joint] = step
        slope = (lengths(dv) - lengths(-dv)) / (2 * step)
        np.testing.assert_allclose(arms[:, 6 + joint], slope, atol=2e-6)
    assert np.abs(arms[:, 6 + JOINT_COORDINATES.index("knee_angle_r")]).max() > 0.03
    rate = (lengths(step * v) - lengths(-step * v)) / (2 * step)
    np.testing.assert_allclose(data.actuator_velocity[EXCITATIONS], rate, atol=1e-4)


def test_activation_rises_and_decays_with_its_time_constants(twin: MuscleTwin) -> None:
    """Against the closed forms of Millard's dynamics: from a third, where both time constants are the nominal ones' slope."""
    timing = twin.timing
    data = mujoco.MjData(twin.model)
    third = 1.0 / 3.0
    for excitation, tau in ((third + 0.01, timing.activation_s), (third - 0.01, timing.deactivation_s)):
        data.act[:] = third
        data.ctrl[EXCITATIONS] = excitation
        mujoco.mj_forward(twin.model, data)
        np.testing.assert_allclose(data.act_dot, (excitation - third) / tau, rtol=1e-9)
    # decay to nothing: da/dt = -a (0.5 + 1.5 a) / tau has a solution in closed form
    data.act[:] = 1.0
    data.ctrl[:] = 0.0
    steps = 24
    for _ in range(steps):
        mujoco.mj_step(twin.model, data)
    grown = np.exp(0.5 * steps / 480.0 / timing.deactivation_s)
    np.testing.assert_allclose(data.act, 0.5 / (2.0 * grown - 1.5), rtol=0.06)  # Euler's steps are 1/480 s


def test_passive_force_is_that_of_stretched_fibres(twin: MuscleTwin) -> None:
    q, _ = bent(3)
    data = in_pose(twin, q, np.zeros(40))
    mujoco.mj_forward(twin.model, data)
    fibre, tendon = rest_lengths(twin.model)
    stretch = (data.actuator_length[EXCITATIONS] - tendon) / fibre
    strength = twin.model.actuator_gainprm[EXCITATIONS, 2]
    force = -data.actuator_force[EXCITATIONS] / strength
    # as documented: a parabola from the optimal length to halfway to the longest (2.1), then straight on
    half = 0.5 * (1.0 + 2.1)
    x = (stretch - 1.0) / (half - 1.0)
    expected = np.where(stretch <= 1.0, 0.0, np.where(stretch <= half, 0.5 * x**2, x - 0.5))
    np.testing.assert_allclose(force, expected, atol=1e-9)
    assert (stretch > 1.05).any()
    assert (force[stretch < 1.0] == 0.0).all()
    soleus = twin.muscles.index("soleus_r")
    generic = ARCHITECTURE["soleus"][1] * np.cos(np.deg2rad(ARCHITECTURE["soleus"][2]))
    assert 0.7 < strength[soleus] / generic < 1.3  # a person of 66 kg


def test_excitations_lead_where_mujoco_says_they_do(twin: MuscleTwin) -> None:
    rng = np.random.default_rng(4)
    now, wanted = rng.random(MUSCLES), rng.random(MUSCLES)
    low, high = reachable(twin.timing, now)
    wanted = low + (high - low) * wanted
    excitation = excitation_for(twin.timing, now, wanted)
    assert excitation.min() >= 0.0
    assert excitation.max() <= 1.0
    data = mujoco.MjData(twin.model)
    data.act[:] = now
    data.ctrl[EXCITATIONS] = excitation
    for _ in range(SUBSTEPS):
        mujoco.mj_step(twin.model, data)
    np.testing.assert_allclose(data.act, wanted, atol=1e-6)
    beyond = excitation_for(twin.timing, now, np.where(wanted > now, 2.0, -1.0))
    np.testing.assert_allclose(
        activated(twin.timing, now, beyond), np.where(wanted > now, high, low), atol=1e-9
    )


@pytest.mark.parametrize("strength_Nm", [20.0, 150.0, 600.0])
def test_least_activations_are_those_of_bounded_least_squares(strength_Nm: float) -> None:
    """SciPy's active-set solver on the primal problem; demands from easy to hopeless."""
    rng = np.random.default_rng(5)
    count = 12
    gain = 50.0 * rng.normal(size=(count, 6, 40)) * (rng.random((count, 6, 40)) < 0.4)
    moment = strength_Nm * rng.normal(size=(count, 6))
    low = rng.uniform(0.0, 0.2, (count, 40))
    high = low + rng.uniform(0.02, 0.8, (count, 40))
    found = least_activations(gain, moment, low, high)
    assert found.solved.all()
    for k in range(count):
        a = np.vstack([np.eye(40), gain[k]])
        b = np.concatenate([np.zeros(40), moment[k]])
        truth = lsq_linear(a, b, (low[k], high[k]), method="bvls", tol=1e-14, max_iter=1000).x
        np.testing.assert_allclose(found.activation[k], truth, atol=1e-7)
    np.testing.assert_allclose(
        found.reserve, moment - np.einsum("nij,nj->ni", gain, found.activation), atol=1e-9
    )
    again = least_activations(gain, moment + 1.0, low, high, found.multiplier)
    fresh = least_activations(gain, moment + 1.0, low, high)
    np.testing.assert_allclose(again.activation, fresh.activation, atol=1e-7)


def test_a_problem_without_numbers_is_told_and_harms_no_other() -> None:
    rng = np.random.default_rng(6)
    gain, moment = 50.0 * rng.normal(size=(2, 6, 40)), 20.0 * rng.normal(size=(2, 6))
    alone = least_activations(gain[:1], moment[:1], np.zeros((1, 40)), np.ones((1, 40)))
    moment[1, 0] = np.nan
    both = least_activations(gain, moment, np.zeros((2, 40)), np.ones((2, 40)))
    assert list(both.solved) == [True, False]
    np.testing.assert_allclose(both.activation[0], alone.activation[0], atol=1e-9)
    assert np.isfinite(both.activation).all()
    assert not least_activations(
        gain[:1], moment[:1], np.zeros((1, 40)), np.ones((1, 40)), config=MuscleQpConfig(iterations=1)
    ).solved.any()


def demanded(twin: MuscleTwin, q: np.ndarray, v: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """Moments (N m) of all muscles at the joints they move, as C MuJoCo's forward dynamics has them."""
    data = in_pose(twin, q, v)
    data.act[:] = activation
    data.ctrl[EXCITATIONS.stop :] = q[7:] + twin.config.servo_kd / twin.config.servo_kp * v[6:]  # servos rest
    mujoco.mj_forward(twin.model, data)
    force = data.qfrc_actuator
    return np.asarray(twin.body.coupling.project_forces(q, force)[6 + MUSCLE_JOINTS])


def test_the_expert_asks_muscles_for_what_is_wanted(twin: MuscleTwin) -> None:
    """In the air: the excitations' activations at the step's end give the wanted torques by C's own forward dynamics."""
    reference = swaying(twin.body, 0.1)
    reference = reference._replace(q=reference.q + np.eye(41)[2])  # a metre up
    q, v = np.array(reference.q[0]), np.array(reference.v[0])
    expert = MuscleExpert(twin, MuscleExpertConfig(ahead=0))
    begin = expert.begin(q, v, reference)
    assert begin.min() >= 0.0
    assert begin.max() < 0.5
    command = expert.command(q, v, begin, reference, 0)
    assert command.excitation.min() >= 0.0
    assert command.excitation.max() <= 1.0
    reserve = command.torque[MUSCLE_JOINTS]
    assert np.abs(reserve).max() < 0.05
    after = activated(twin.timing, begin, command.excitation)
    given = demanded(twin, q, v, np.asarray(after))
    np.testing.assert_allclose(given + reserve, command.wanted, atol=0.05)
    # too much in too short a time: what cannot be reached is said, and bounded
    jolted = reference._replace(
        a=reference.a + 400.0 * np.eye(40)[6 + JOINT_COORDINATES.index("knee_angle_r")]
    )
    free = expert.command(q, v, begin, jolted, 0)
    assert np.abs(free.torque[MUSCLE_JOINTS]).max() > 5.0
    bounded = MuscleExpert(twin, MuscleExpertConfig(ahead=0, reserve_limit=0.001)).command(
        q, v, begin, jolted, 0
    )
    assert np.abs(bounded.torque[MUSCLE_JOINTS]).max() <= 0.001 * twin.weight_N + 1e-9
    np.testing.assert_allclose(bounded.excitation, free.excitation, atol=1e-6)


def test_muscles_keep_a_swaying_person_up(twin: MuscleTwin) -> None:
    reference = swaying(twin.body, 0.6)
    found = follow_with_muscles(twin, MuscleExpert(twin), reference)
    motion = found.motion
    assert not motion.fell
    assert len(motion.q) == len(reference.q)
    assert found.activation.min() >= 0.0
    assert found.activation.max() <= 1.0
    off_deg = np.rad2deg(np.abs(motion.q[30:, 7:] - reference.q[30:, 7:]))
    assert off_deg.mean() < 0.6
    assert np.abs(found.reserve[30:]).max() < 1.0
    assert not motion.servo[:, MUSCLE_JOINTS].any()
    np.testing.assert_allclose(found.muscle[30:] + found.reserve[30:], found.wanted[30:], atol=8.0)
    np.testing.assert_allclose(motion.torque[:, MUSCLE_JOINTS], found.muscle + found.reserve, atol=1e-9)
    np.testing.assert_allclose(motion.force[30:, :, 2].sum(axis=1).mean(), twin.weight_N, rtol=0.02)
    # someone whose muscles do nothing and who has no reserve falls
    limp = MuscleExpert(twin, MuscleExpertConfig(reserve_limit=0.0))
    weak = build_muscle_twin(person(), DROP_M)
    weak.model.actuator_gainprm[EXCITATIONS, 2] *= 0.001
    weak.model.actuator_biasprm[EXCITATIONS, 2] *= 0.001
    fallen = follow_with_muscles(weak, limp, swaying(twin.body, 0.8)).motion
    assert np.abs(fallen.q[-1, 7:] - reference.q[0, 7:]).max() > 0.3


def test_the_environment_takes_excitations(twin: MuscleTwin) -> None:
    """The expert's commands as actions: C's environment does with them what the expert's own loop does."""
    reference = swaying(twin.body, 0.1)
    config = MuscleActionConfig()
    environment = CEnvironments(
        [twin],
        bank_of([reference]),
        np.zeros(1, int),
        EnvironmentConfig(observation=ObservationConfig(actions=MUSCLE_ACTIONS), action=config),
    )
    environment.reset(np.zeros(1, int), np.zeros(1, int))
    data = mujoco.MjData(twin.model)
    q, v = np.array(reference.q[0]), np.array(reference.v[0])
    data.qpos[:], data.qvel[:] = twin.body.full_qpos(q), twin.body.full_qvel(q, v)
    expert = MuscleExpert(twin, MuscleExpertConfig(reserve_limit=0.0))
    person_ = environment.people()
    for row in range(3):
        command = expert.command(q, v, data.act.copy(), reference, row)
        found = environment.step(
            np.asarray(
                muscle_action_of(
                    config, person_, command.residual[None], command.torque[None], command.excitation[None]
                )
            )
        )
        for control in command.controls():
            data.ctrl[:] = control
            mujoco.mj_step(twin.model, data)
        q, v = data.qpos[twin.body.coupling.independent_qpos], data.qvel[twin.body.coupling.independent_dof]
        state = environment.state()
        np.testing.assert_allclose(state[0][0], q, atol=1e-9)
        np.testing.assert_allclose(state[1][0], v, atol=1e-7)
        assert found.observation.shape == (1, observation_size(environment.config.observation))
    assert data.act.max() > 0.01
    held = np.asarray(config.held(person_, np.full((1, MUSCLE_ACTIONS), 2.0), np.array([0.02])))[0]
    assert np.linalg.norm(held[:3]) <= 0.02 * twin.weight_N + 1e-9
    assert not held[RESIDUALS + MUSCLE_JOINTS].any()
    np.testing.assert_array_equal(held[EXCITATIONS], 1.0)
    with pytest.raises(ValueError, match="108"):
        EnvironmentConfig(action=config)
    environment.close()
