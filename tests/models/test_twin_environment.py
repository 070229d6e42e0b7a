"""The environment: one definition, the same in C and in MJX; observation, reward and termination by their own properties."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kincast.models.body import BodyParameters, build_body
from kincast.models.rotations import quaternion_multiply
from kincast.models.twin.action import ActionConfig, action_of, residual_of, torque_of
from kincast.models.twin.bank import bank_of, window
from kincast.models.twin.environment import EnvironmentConfig
from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.environment_mjx_batch import MjxBatch
from kincast.models.twin.expert import Expert
from kincast.models.twin.follow import follow
from kincast.models.twin.loads import FootLoads
from kincast.models.twin.model import build_twin
from kincast.models.twin.observation import (
    ObservationConfig,
    ObservationLayoutError,
    fingerprint,
    layout,
    observe,
    require_layout,
    size,
)
from kincast.models.twin.person import Person, person_of
from kincast.models.twin.reference import Reference
from kincast.models.twin.reward import RewardConfig, Target, reward
from kincast.models.twin.termination import TerminationConfig, ended
from tests.models.twin_people import PERSON, swaying

SMALL = BodyParameters(scales={"overall": 0.8}, mass_kg=30.0)


@pytest.fixture(scope="module")
def two():
    """Two people, a clip each, the second twice as long."""
    twins = [build_twin(build_body(p)) for p in (PERSON, SMALL)]
    bank = bank_of([swaying(t.body, s) for t, s in zip(twins, (0.3, 0.6), strict=True)])
    return twins, bank, np.array([0, 1])


def batch(person: Person) -> Person:
    return Person(*(values[None] for values in person))


def turned(q: np.ndarray, yaw: float, shift: tuple[float, float]) -> np.ndarray:
    out = q.copy()
    c, s = np.cos(yaw), np.sin(yaw)
    out[..., 0] = c * q[..., 0] - s * q[..., 1] + shift[0]
    out[..., 1] = s * q[..., 0] + c * q[..., 1] + shift[1]
    half = np.broadcast_to(np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]), q[..., 3:7].shape)
    out[..., 3:7] = quaternion_multiply(half, q[..., 3:7])
    return out


def spun(vector: np.ndarray, yaw: float) -> np.ndarray:
    out = vector.copy()
    c, s = np.cos(yaw), np.sin(yaw)
    out[..., 0], out[..., 1] = (
        c * vector[..., 0] - s * vector[..., 1],
        s * vector[..., 0] + c * vector[..., 1],
    )
    return out


def test_an_observation_does_not_know_where_one_is_or_where_one_goes(two) -> None:
    twins, bank, _ = two
    rng = np.random.default_rng(0)
    q, v = bank.rows.q[5:6].copy(), rng.normal(size=(1, 40))
    q[:, 7:] += 0.01 * rng.normal(size=(1, 34))
    ahead_q, ahead_v = bank.rows.q[None, 5:8], bank.rows.v[None, 5:8] + 0.3 * rng.normal(size=(1, 3, 40))
    loads = FootLoads(rng.normal(size=(1, 2, 3)) * 300, rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2)))
    person, action = batch(person_of(twins[0])), rng.normal(size=(1, 40))
    plain = observe(person, q, v, loads, action, ahead_q, ahead_v)
    yaw = 2.3
    other = observe(
        person,
        turned(q, yaw, (3.0, -7.0)),
        spun(v, yaw),
        loads._replace(force=spun(loads.force, yaw)),
        action,
        turned(ahead_q, yaw, (3.0, -7.0)),
        spun(ahead_v, yaw),
    )
    np.testing.assert_allclose(other, plain, atol=1e-9)
    assert plain.shape == (1, size(ObservationConfig(look_ahead=(0, 1, 2))))


def test_layouts_are_told_apart() -> None:
    config = ObservationConfig()
    assert size(config) == sum(n for _, n in layout(config)) == 133 + 80 * len(config.look_ahead)
    require_layout(config, fingerprint(config))
    with pytest.raises(ObservationLayoutError, match="look-ahead"):
        require_layout(config, fingerprint(ObservationConfig(look_ahead=(0,))))


def test_actions_and_forces_are_inverse_and_the_residual_is_bounded(two) -> None:
    person, config = batch(person_of(two[0][0])), ActionConfig()
    action = np.random.default_rng(1).uniform(-0.3, 0.3, (1, 40))
    residual = residual_of(config, person, action, np.full(1, np.inf))
    np.testing.assert_allclose(action_of(config, person, residual, torque_of(person, action)), action)
    bounded, residual = residual_of(config, person, action, np.full(1, 0.05))[0], residual[0]
    assert np.linalg.norm(bounded[:3]) == pytest.approx(0.05 * person.weight_N[0])
    np.testing.assert_allclose(np.cross(bounded[:3], residual[:3]), 0.0, atol=1e-6)
    assert np.linalg.norm(bounded[3:]) <= 0.05 * 0.15 * person.weight_N[0] + 1e-6


def test_the_reward_is_greatest_on_the_reference_and_each_term_sees_its_own_error(two) -> None:
    twins, bank, _ = two
    person, config = batch(person_of(twins[0])), RewardConfig()
    q, v = bank.rows.q[3:4], bank.rows.v[3:4]
    force = np.zeros((1, 2, 3))
    force[..., 2] = 0.5 * twins[0].weight_N
    cop = np.tile(q[:, None, :3] * (1, 1, 0), (1, 2, 1))
    yes = np.ones((1, 2), bool)
    target = Target(q, v, force, cop, yes, yes)
    loads = FootLoads(force, cop, np.zeros((1, 2)))
    still, up = np.zeros((1, 40)), np.array([False])
    best = reward(config, person, q, v, loads, still, still, target, up)
    assert best.total[0] == config.alive
    bent, off = q.copy(), 0.1 * np.eye(40)[20:21]
    bent[0, 10] += 0.1
    heavy = loads._replace(force=force * (1.0, 1.0, 1.4))
    aside = loads._replace(cop=cop + np.array([0.05, 0.0, 0.0]))
    swing = target._replace(force=force * np.array([[0.0], [2.0]]))
    for term, value, found in (
        ("pose", -config.pose * 0.01, reward(config, person, bent, v, loads, still, still, target, up)),
        ("joint_velocity", -config.joint_velocity * 0.01, reward(config, person, q, v + off, loads, still, still, target, up)),
        ("force", -config.force * 2 * 0.2**2, reward(config, person, q, v, heavy, still, still, target, up)),
        ("pressure", -config.pressure * 2, reward(config, person, q, v, aside, still, still, target, up)),
        ("contact", -config.contact, reward(config, person, q, v, loads, still, still, swing, up)),
        ("action", -config.action * 0.01, reward(config, person, q, v, loads, off, off, target, up)),
        ("fallen", config.fallen, reward(config, person, q, v, loads, still, still, target, ~up)),
    ):  # fmt: skip
        assert getattr(found, term)[0] == pytest.approx(value)
        assert found.total[0] < best.total[0]
    unknown = target._replace(force_known=~yes, measured=~yes)
    assert reward(config, person, q, v, heavy, still, still, unknown, up).total[0] == config.alive


def test_episodes_end_on_a_fall_on_getting_lost_and_on_what_is_no_number(two) -> None:
    q, v, config = two[1].rows.q[0], np.zeros(40), TerminationConfig()
    low, lost, broken = q.copy(), q.copy(), q.copy()
    low[2], broken[12] = 0.25, np.nan
    lost[1] += 1.5
    found = ended(config, np.stack([q, low, lost, broken]), np.zeros((4, 40)), np.broadcast_to(q, (4, 41)))
    assert found.tolist() == [False, True, True, True]
    assert bool(ended(config, jnp.asarray(low), jnp.asarray(v), jnp.asarray(q)))


def test_windows_stay_in_their_clip(two) -> None:
    bank = two[1]
    seen = window(bank, np.array([0, 1]), np.array([35, 0]), (0, 5))
    np.testing.assert_array_equal(seen.q[0, 1], bank.rows.q[bank.length[0] - 1])
    np.testing.assert_array_equal(seen.q[1, 1], bank.rows.q[bank.start[1] + 5])


def expert_actions(
    environment: CEnvironments, experts: list[Expert], references: list[Reference]
) -> np.ndarray:
    q, v = environment.state()
    people = environment.people()
    found = []
    for i, clip in enumerate(environment.place.clip):
        command = experts[clip].command(q[i], v[i], references[clip], int(environment.place.row[i]))
        person = Person(*(values[i : i + 1] for values in people))
        config = environment.config.action
        found.append(action_of(config, person, command.residual[None], command.torque[None])[0])
    return np.stack(found)


def test_c_and_mjx_are_the_same_environment(two) -> None:
    """Same state, same actions: the same observations, rewards and ends, two people in one batch."""
    twins, bank, owner = two
    config = EnvironmentConfig(observation=ObservationConfig(look_ahead=(0, 4)))
    references = [swaying(t.body, s) for t, s in zip(twins, (0.3, 0.6), strict=True)]
    experts = [Expert(t) for t in twins]
    ours = CEnvironments(twins, bank, owner, config)
    clip, row = np.array([0, 1]), np.array([0, 10])
    seen = ours.reset(clip, row, residual_limit=0.5)
    theirs = MjxBatch(twins, bank, owner, config)
    with jax.numpy_rank_promotion("raise"):
        np.testing.assert_allclose(theirs.reset(clip, row, residual_limit=0.5), seen, atol=1e-4)
        done: list[np.ndarray] = []
        for step in range(4):
            if step == 2:  # one of them begins anew, under another limit for both
                which = np.array([True, False])
                mine, its = (e.reset_some(which, np.array([1, 1]), np.array([5, 5])) for e in (ours, theirs))
                np.testing.assert_allclose(its[0], mine[0], atol=1e-4)
                assert theirs.place.row.tolist() == ours.place.row.tolist() == [5, 12]
                ours.limit_residual(0.2)
                theirs.limit_residual(0.2)
                kept = theirs.snapshot()
            action = expert_actions(ours, experts, references)
            mine, its = ours.step(action), theirs.step(action)
            np.testing.assert_allclose(theirs.snapshot()["qpos"][:, :7], ours.state()[0][:, :7], atol=1e-4)
            np.testing.assert_allclose(its.loads.force, mine.loads.force, atol=0.02 * twins[0].weight_N)
            difference = np.abs(its.observation - mine.observation)
            assert np.median(difference) < 1e-4
            assert difference.max() < 0.05
            np.testing.assert_allclose(its.reward.total, mine.reward.total, atol=0.02)
            assert its.ended.tolist() == mine.ended.tolist() == [False, False]
            done = [*done, action][-2:]
        after = theirs.snapshot()
        theirs.restore(kept)
        for action in done:
            theirs.step(action)
        for name, values in theirs.snapshot().items():
            np.testing.assert_array_equal(values, after[name])
    ours.close()


def test_rollout_is_plain_stepping(two) -> None:
    """The batched environment on the expert's actions goes where the expert's own closed loop went."""
    twins, bank, owner = two
    reference = swaying(twins[1].body, 0.6)
    expert = Expert(twins[1])
    followed = follow(twins[1], expert, reference)
    ours = CEnvironments(twins, bank, owner, threads=2)
    ours.reset(np.array([1, 1]), np.zeros(2, int))
    ends = []
    for row in range(12):
        np.testing.assert_allclose(ours.state()[0][1], followed.q[row], atol=1e-5)
        found = ours.step(expert_actions(ours, [expert, expert], [reference, reference]))
        ends.append(found.finished.any())
    assert not any(ends)
    seen = ours.reset_some(np.array([True, False]), np.array([0, 0]), np.array([3, 0]))
    assert (ours.place.clip.tolist(), ours.place.row.tolist()) == ([0, 1], [3, 12])
    assert seen.shape == (2, size(ours.config.observation))
    np.testing.assert_allclose(ours.state()[0][0], bank.rows.q[3], atol=1e-12)
    ours.close()


def test_an_instance_at_the_clips_end_has_finished_not_failed(two) -> None:
    twins, bank, owner = two
    config = replace(EnvironmentConfig(), observation=ObservationConfig(look_ahead=(0, 8)))
    ours = CEnvironments(twins, bank, owner, config)
    last = int(bank.length[0]) - 1
    ours.reset(np.array([0]), np.array([last - 1]))
    found = ours.step(np.zeros((1, 40)))
    assert (found.finished.tolist(), found.ended.tolist()) == ([True], [False])
    ours.close()
