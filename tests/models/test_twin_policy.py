"""A learned policy: what runs is what was trained, its file, and what it refuses to drive."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kincast.models.twin.bank import bank_of
from kincast.models.twin.controller import Controller, unloaded
from kincast.models.twin.environment import EnvironmentConfig
from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.expert import Expert
from kincast.models.twin.fingerprint import body_fingerprint
from kincast.models.twin.follow import follow
from kincast.models.twin.model import TwinConfig
from kincast.models.twin.observation import ObservationConfig, ObservationLayoutError, fingerprint, size
from kincast.models.twin.policy import (
    Normalisation,
    OtherActionError,
    OtherBodyError,
    Policy,
    PolicyController,
    PolicyFacts,
)
from kincast.models.twin.policy_file import PolicyFileError, read_policy, write_policy
from kincast.offline.training.networks import Perceptron, begin, normalised, parameters_of, policy_of
from tests.models.twin_people import swaying, twin

SEEN = ObservationConfig(look_ahead=(0, 3))


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Untrained, with small actions of all kinds."""
    rng = np.random.default_rng(0)
    inputs = size(SEEN)
    network = Perceptron((8, 6), 40)
    parameters = jax.tree.map(
        lambda x: x + 0.1 * jnp.asarray(rng.normal(size=x.shape), x.dtype),
        begin(network, inputs, jax.random.key(1)),
    )
    normalisation = Normalisation(
        *(np.asarray(x, np.float32) for x in (
            rng.normal(size=inputs), rng.uniform(0.5, 2.0, inputs), 0.01 * rng.normal(size=40), np.full(40, 0.02)
        ))
    )  # fmt: skip
    facts = PolicyFacts(
        body=body_fingerprint(TwinConfig()),
        observation=fingerprint(SEEN),
        look_ahead=SEEN.look_ahead,
        actions=40,
        library="0" * 64,
        method="clone",
        step=3,
        residual_limit=0.4,
    )
    return policy_of(facts, normalisation, parameters, jnp.full(40, -10.0))


def test_what_runs_is_what_was_trained(policy: Policy) -> None:
    seen = np.random.default_rng(2).normal(size=(5, size(SEEN))) * 3.0
    n = Normalisation(*(jnp.asarray(x) for x in policy.normalisation))
    said = Perceptron((8, 6), 40).apply(parameters_of(policy), normalised(n, jnp.asarray(seen, jnp.float32)))
    wanted = n.action_mean[None] + n.action_spread[None] * jnp.asarray(said)
    np.testing.assert_allclose(policy.mean(seen), wanted, atol=1e-6)


def test_a_file_holds_the_same_policy_and_what_is_none_is_refused(policy: Policy, tmp_path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    write_policy(first, policy)
    again = read_policy(first)
    write_policy(second, again)
    assert first.read_bytes() == second.read_bytes()
    assert again.facts == policy.facts
    seen = np.random.default_rng(3).normal(size=(2, size(SEEN)))
    np.testing.assert_array_equal(again.mean(seen), policy.mean(seen))
    second.write_bytes(first.read_bytes()[:-200])
    with pytest.raises(PolicyFileError, match="not readable"):
        read_policy(second)
    with np.load(first) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(second, **(arrays | {"weight_1": arrays["weight_1"][:, :-1]}))
    with pytest.raises(PolicyFileError, match="damaged"):
        read_policy(second)
    np.savez(second, **(arrays | {"bias_0": np.full_like(arrays["bias_0"], np.nan)}))
    with pytest.raises(PolicyFileError, match="bias_0"):
        read_policy(second)


def test_a_policy_drives_only_what_it_was_made_for(policy: Policy) -> None:
    made = twin()
    assert isinstance(PolicyController(policy, made), Controller)
    assert isinstance(Expert(made), Controller)
    with pytest.raises(OtherBodyError, match="train it anew"):
        PolicyController(replace_facts(policy, body="f" * 64), made)
    other = replace_facts(policy, actions=39)
    with pytest.raises(OtherActionError, match="39"):
        other.require(made, SEEN, 40)
    with pytest.raises(OtherActionError, match="90 Hz"):
        PolicyController(replace_facts(policy, control_hz=90), made)
    with pytest.raises(ObservationLayoutError):
        PolicyController(replace_facts(policy, look_ahead=(0, 4)), made)


def test_bodies_are_told_apart_and_people_are_not() -> None:
    assert body_fingerprint(TwinConfig()) == body_fingerprint()
    assert body_fingerprint(TwinConfig(servo_kp=120.0)) != body_fingerprint()


def test_alone_it_does_what_it_does_among_many(policy: Policy) -> None:
    """The controller over plain stepping goes where the batched environment goes on the same policy's actions."""
    made = twin()
    reference = swaying(made.body, 0.4)
    followed = follow(made, PolicyController(policy, made), reference)
    many = CEnvironments([made], bank_of([reference]), np.array([0]), EnvironmentConfig(observation=SEEN))
    seen = many.reset(np.array([0, 0]), np.array([0, 0]), policy.facts.residual_limit)
    for row in range(10):
        np.testing.assert_allclose(many.state()[0][1], followed.q[row], atol=1e-6)
        seen = many.step(policy.mean(seen).astype(float)).observation
    many.close()
    assert np.abs(followed.torque[0] - followed.servo[0]).max() > 0.1


def test_what_was_done_in_an_earlier_run_is_forgotten(policy: Policy) -> None:
    made = twin()
    reference = swaying(made.body, 0.2)
    controller = PolicyController(policy, made)
    asked = (reference.q[0], reference.v[0], reference, 0, unloaded())
    first = controller.command(*asked)
    second = controller.command(*asked)
    assert np.abs(first.torque - second.torque).max() > 1e-6  # it is told what it did before
    controller.begin()
    np.testing.assert_array_equal(controller.command(*asked).torque, first.torque)


def replace_facts(policy: Policy, **changes: object) -> Policy:
    return replace(policy, facts=replace(policy.facts, **changes))
