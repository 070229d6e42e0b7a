"""From a library to a run in a folder: what is trained on, and what a folder refuses to go on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kincast.deploy.cli.verbs import parse
from kincast.models.body import build_body
from kincast.models.twin.model import build_twin
from kincast.models.twin.policy_file import read_policy
from kincast.offline.motion_library.clip import Clip, ClipForces, Origin, Support
from kincast.offline.motion_library.index import INDEX, Index, Library, entry_of
from kincast.offline.motion_library.storage import write_clip
from kincast.offline.training.config import MotionsConfig, TrainingConfigError
from kincast.offline.training.motions import heavier, motions_of, seen_at, variation
from kincast.offline.training.start import RunFolderError, train
from tests.models.twin_people import PERSON, swaying
from tests.offline.training_people import TINY

RUN = replace(TINY, updates=4, motions=MotionsConfig(copies=0))


def clip(seconds: float = 1.1, rate_hz: float = 60.0) -> Clip:
    body = build_body(PERSON)
    reference = swaying(body, seconds)
    rows = np.arange(0, len(reference.q), round(120 / rate_hz))
    count = len(rows)
    force = np.zeros((count, 2, 3), np.float32)
    force[..., 2] = 300.0
    yes = np.ones((count, 2), bool)
    return Clip(
        name="sway",
        person="someone",
        body=PERSON,
        t_ns=np.round(rows * (1e9 / 120)).astype(np.int64),
        q=reference.q[rows].astype(np.float32),
        sole_drop_m=np.zeros((2, 8)),
        ground_velocity_m_s=np.zeros(2),
        origin=Origin("test", "0" * 64, "markers"),
        forces=ClipForces(force, np.zeros((count, 2, 3), np.float32), yes, yes),
        support=Support("cane", "r", np.linspace(0.0, 0.2, count, dtype=np.float32)),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    alone = replace(clip(), support=None)
    write_clip(folder / "sway.npz", alone)
    entry = entry_of(alone, "sway.npz", folder, "train", key="k")
    (folder / INDEX).write_text(Index((entry,)).to_json(), encoding="utf-8")
    return folder


def test_a_run_goes_on_in_its_folder_and_nowhere_else(library: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "run"
    settings = tmp_path / "tiny.json"
    settings.write_text(RUN.to_json(), encoding="utf-8")
    command = ["train", str(library), "-o", str(folder)]
    assert parse([*command, "--config", str(settings), "--minutes", "0"]).run() == 0
    assert "0 of 4" in capsys.readouterr().out
    assert parse(command).run() == 0
    said = capsys.readouterr().out
    assert "4 of 4" in said
    assert "left" in said
    assert {p.name for p in folder.iterdir()} >= {
        "config.json",
        "state.npz",
        "policy.npz",
        "curves.csv",
        "curves.png",
    }
    policy = read_policy(folder / "policy.npz")
    assert (policy.facts.step, policy.facts.config["seed"]) == (4, RUN.seed)
    with pytest.raises(RunFolderError, match="other settings"):
        parse([*command, "--seed", "9"]).run()
    (folder / "library.sha256").write_text("1" * 64, encoding="utf-8")
    with pytest.raises(RunFolderError, match="keeps to one library"):
        parse(command).run()
    with pytest.raises(TrainingConfigError, match="--first"):
        train(Library(library), tmp_path / "ppo", replace(RUN, method="ppo"))


def test_a_split_without_motions_is_refused(library: Path) -> None:
    with pytest.raises(TrainingConfigError, match="split test"):
        motions_of(Library(library), "test", MotionsConfig(), 0)


def test_a_slower_camera_sees_fewer_of_the_same_poses() -> None:
    whole = clip()
    found = seen_at(whole, 20.0, np.random.default_rng(3))
    assert 20.0 <= len(found.t_ns) / whole.seconds < 60.0
    at = np.searchsorted(whole.t_ns, found.t_ns)
    np.testing.assert_array_equal(whole.t_ns[at], found.t_ns)
    np.testing.assert_array_equal(whole.q[at], found.q)
    assert found.forces is not None
    assert found.support is not None
    assert len(found.forces.known) == len(found.support.share) == len(found.t_ns)


def test_the_same_motion_of_someone_heavier_takes_as_much_more_force() -> None:
    found = heavier(clip(), 1.2)
    assert found.forces is not None
    np.testing.assert_allclose(found.forces.force[0, 0, 2], 360.0)
    weights = [build_twin(build_body(b)).weight_N for b in (PERSON, found.body)]
    assert weights[1] == pytest.approx(1.2 * weights[0], rel=1e-6)


def test_variations_differ_in_what_they_are_to_and_come_again_from_their_seed() -> None:
    config = MotionsConfig()
    one, again, other = (variation(clip(), config, np.random.default_rng(k)) for k in (1, 1, 2))
    assert one.body == again.body
    np.testing.assert_array_equal(one.q, again.q)
    assert one.body.mass_kg != other.body.mass_kg
    assert one.body.scales["overall"] != PERSON.scales["overall"]
    assert np.abs(one.sole_drop_m).max() > 1e-4
    assert len(one.t_ns) <= len(clip().t_ns)
