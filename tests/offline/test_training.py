"""Training runs: cut and gone on with, stopped by numbers that are none, and that they learn."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kincast.models.twin.observation import ObservationLayoutError
from kincast.models.twin.policy import Normalisation
from kincast.models.twin.policy_file import read_policy
from kincast.offline.training.clone import Clone
from kincast.offline.training.config import PpoConfig, TrainingConfigError, read_config
from kincast.offline.training.networks import Perceptron, begin
from kincast.offline.training.ppo import Ppo, residual_limit
from kincast.offline.training.ppo_learning import (
    ActorCritic,
    Learned,
    Networks,
    Steps,
    advantages,
    learn,
    log_probability,
)
from kincast.offline.training.run import CURVES, FAILED, POLICY, STATE, TrainingFailedError, replay, run
from kincast.offline.training.state_file import StateFileError, read_state
from kincast.offline.training.visited import LabelsMissingError
from tests.offline.training_people import TINY, tiny, two_people

CURVE = Path(__file__).parent / "clone_curve.csv"


@pytest.fixture(scope="module")
def people():
    return two_people()


def curve(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(one: Path, other: Path) -> None:
    mine, its = read_state(one), read_state(other)
    assert mine.keys() == its.keys()
    for name, values in mine.items():
        np.testing.assert_array_equal(values, its[name], err_msg=name)


@pytest.fixture(scope="module")
def cloned(people, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cloned")
    task = Clone(TINY, people)
    assert run(task, TINY.updates, folder) == TINY.updates
    task.close()
    return folder


def test_a_clone_that_was_cut_goes_on_to_the_same_weights(people, cloned: Path, tmp_path: Path) -> None:
    for upto in (1, 5, TINY.updates):
        task = Clone(TINY, people)
        assert run(task, upto, tmp_path) == upto
        task.close()
    same(cloned / STATE, tmp_path / STATE)
    assert (cloned / POLICY).read_bytes() == (tmp_path / POLICY).read_bytes()
    assert (cloned / CURVES).read_bytes() == (tmp_path / CURVES).read_bytes()
    labels = sorted((tmp_path / "labels").iterdir())
    assert len(labels) == 3
    labels[1].unlink()
    task = Clone(TINY, people)
    with pytest.raises(LabelsMissingError, match="begin anew"):
        run(task, TINY.updates, tmp_path)
    with pytest.raises(StateFileError, match="other settings"):
        run(Clone(replace(TINY, hidden=(12,)), people), TINY.updates, tmp_path)
    task.close()


def test_ppo_that_was_cut_goes_on_to_the_same_weights(people, cloned: Path, tmp_path: Path) -> None:
    first = read_policy(cloned / POLICY)
    for folder, ends in ((tmp_path / "whole", (5,)), (tmp_path / "cut", (2, 5))):
        for upto in ends:
            task = Ppo(replace(TINY, updates=5), people, first)
            assert run(task, upto, folder) == upto
            task.close()
    same(tmp_path / "whole" / STATE, tmp_path / "cut" / STATE)
    found = read_policy(tmp_path / "cut" / POLICY)
    assert (found.facts.method, found.facts.step) == ("ppo", 5)
    before, after = (np.asarray(p.layers[0].weight) for p in (first, found))
    assert 0.0 < np.abs(after - before).max() < 0.1
    limits = [float(row["residual_limit"]) for row in curve(tmp_path / "cut" / CURVES)]
    assert limits == sorted(limits, reverse=True)
    with pytest.raises(ObservationLayoutError):
        Ppo(replace(TINY, look_ahead=(0,)), people, first)


def test_a_number_that_is_none_stops_the_run_with_the_last_good_state(people, tmp_path: Path) -> None:
    wild = tiny(learning_rate=1e38)
    task = Clone(wild, people)
    with pytest.raises(TrainingFailedError, match="loss is no number"):
        run(task, wild.updates, tmp_path)
    task.close()
    good = read_state(tmp_path / STATE)
    assert int(good["update"]) >= wild.clone.warm_updates
    assert all(np.all(np.isfinite(x)) for name, x in good.items() if name.startswith("learned"))
    again = Clone(wild, people)
    assert not np.isfinite(replay(again, tmp_path)["loss"])
    again.close()
    assert (tmp_path / FAILED).exists()


@pytest.mark.slow
def test_the_curve_of_the_committed_seed(people, tmp_path: Path) -> None:
    """A hundred updates from the seed: what was learned then is learned now, and it is learned."""
    config = tiny(100)
    task = Clone(config, people)
    run(task, 100, tmp_path)
    task.close()
    committed, found = curve(CURVE), curve(tmp_path / CURVES)
    assert [row["labels"] for row in found[:10]] == [row["labels"] for row in committed[:10]]
    for name, tolerance in (("loss", 0.05), ("reward", 0.02)):
        mine, its = (np.array([float(row[name]) for row in rows if row[name]]) for rows in (found, committed))
        # processors round differently and the rollouts amplify it: single updates at first, then means of many
        np.testing.assert_allclose(mine[:5], its[:5], rtol=1e-3)
        blocks = len(mine) // 20 * 20
        np.testing.assert_allclose(
            mine[:blocks].reshape(-1, 20).mean(axis=1),
            its[:blocks].reshape(-1, 20).mean(axis=1),
            rtol=tolerance,
        )
    loss = np.array([float(row["fresh_loss"]) for row in found if row["fresh_loss"]])
    assert loss[-20:].mean() < 0.5 * loss[5:30].mean()  # from the fifth on the policy drives alone


def test_advantages_are_the_sums_that_define_them() -> None:
    rng = np.random.default_rng(0)
    reward, value, after = rng.normal(size=(3, 7, 2)).astype(np.float32)
    ended, cut = np.zeros((7, 2), bool), np.zeros((7, 2), bool)
    ended[2, 0], cut[4, 1] = True, True
    discount, trace = 0.9, 0.8
    wanted = np.zeros((7, 2))
    for n in range(2):
        for t in range(7):
            weight = 1.0
            for k in range(t, 7):
                gone = 0.0 if ended[k, n] else after[k, n]
                wanted[t, n] += weight * (reward[k, n] + discount * gone - value[k, n])
                if ended[k, n] or cut[k, n]:
                    break
                weight *= discount * trace
    arrays = (jnp.asarray(x) for x in (reward, value, after, ended, cut))
    np.testing.assert_allclose(advantages(*arrays, discount, trace), wanted, atol=1e-5)


def test_ppo_learns_what_paid_and_stops_when_it_has_moved_enough() -> None:
    rng = np.random.default_rng(1)
    networks = Networks(Perceptron((8,), 2), Perceptron((8,), 1))
    one, two = (begin(n, 3, jnp.asarray([0, k], jnp.uint32)) for k, n in enumerate(networks))
    both = ActorCritic(one, jnp.full(2, -1.0), two)
    optimiser = optax.adam(3e-3)
    plain = Normalisation(*(jnp.asarray(x) for x in (np.zeros(3), np.ones(3), np.zeros(2), np.ones(2))))
    seen = jnp.asarray(rng.normal(size=(256, 3)), jnp.float32)
    action = jnp.asarray(np.exp(-1.0) * rng.normal(size=(256, 2)), jnp.float32)
    pays = action[:, 0]  # the first number should grow
    mean = jnp.asarray(networks.actor.apply(one, seen))
    steps = Steps(seen, action, log_probability(mean, both.log_spread, action), 0.0 * pays, pays, pays)
    order = jnp.asarray(np.stack([rng.permutation(256).reshape(4, 64) for _ in range(10)]))
    started = Learned(both, optimiser.init(both))

    def moved(config: PpoConfig, critic_only: bool) -> tuple[np.ndarray, dict]:
        found, said = learn(
            networks, optimiser, config, plain, started, steps, order, jnp.asarray(critic_only)
        )
        return np.asarray(networks.actor.apply(found.networks.actor, seen) - mean).mean(axis=0), said

    free, said = moved(PpoConfig(stop_kl=1e9), critic_only=False)
    assert free[0] > 0.05
    assert abs(free[1]) < 0.3 * free[0]
    assert float(said["stopped"]) == 0.0
    held, said = moved(PpoConfig(stop_kl=1e-3), critic_only=False)
    assert 0.0 < held[0] < 0.5 * free[0]
    assert float(said["stopped"]) > 0.5
    still, said = moved(PpoConfig(), critic_only=True)
    np.testing.assert_array_equal(still, 0.0)


def test_the_residual_is_tightened_to_its_last_value_before_the_end() -> None:
    config = PpoConfig(residual_limit=1.0, residual_limit_last=0.1, tighten_share=0.5)
    found = [residual_limit(config, k, 100) for k in (0, 25, 50, 99)]
    np.testing.assert_allclose(found, [1.0, 0.1**0.5, 0.1, 0.1])


def test_settings_are_read_back_and_mistakes_in_them_are_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(TINY.to_json(), encoding="utf-8")
    assert read_config(path) == TINY
    for text, match in (
        ('{"clone": {"bach": 3}}', "bach"),
        ('{"method": "sac"}', "valid: clone, ppo"),
        ('{"hidden": [1.5]}', "whole numbers"),
        ('{"updates": true}', "number"),
        ("[", "not readable"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(TrainingConfigError, match=match):
            read_config(path)
