"""A library out of a data folder: whose is what, what was done is not done again, what is no use is named."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kincast.deploy.cli.library import Library as Command
from kincast.deploy.cli.library import LibraryOptionsError
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.offline.live_start import LivePoses
from kincast.offline.motion_library import build, trials
from kincast.offline.motion_library.build_data import build_data
from kincast.offline.motion_library.catalogue import (
    CATALOGUE,
    DEVELOPMENT,
    Catalogue,
    CatalogueError,
    read_catalogue,
)
from kincast.offline.motion_library.fitting import Sight
from kincast.offline.motion_library.index import Library, Split
from kincast.offline.motion_library.writer import REPORT
from tests.offline.test_motion_library import LOPSIDED, swaying

TOML = """
schema = "kincast motion catalogue"
version = 1

[people.P01]
split = "train"
mass_kg = 81.0
licence = "own"
[[people.P01.motions]]
kind = "bvh"
files = ["P01/*.bvh"]
without = ["P01/rest.bvh"]
first_frame = 1

[people.P02]
split = "test"
[[people.P02.motions]]
kind = "acclaim"
files = ["P02/*.amc", "P02/none.amc"]
skeleton = "P02/P02.asf"
belt_speed_m_s = 0.0

[[left_out]]
files = ["notes.txt"]
reason = "no motion"
"""


class Fits:
    """In place of reading and fitting: every file is the same person swaying; ``made`` lists what was fitted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        monkeypatch.setattr(trials, "of_bvh", lambda path, first: self.sight(path))
        monkeypatch.setattr(trials, "of_acclaim", lambda asf, path: self.sight(path))
        monkeypatch.setattr(trials, "fitted_body", lambda sights, mass, height: LOPSIDED)
        monkeypatch.setattr(trials, "fitted_poses", self.poses)
        # half of the time of judging; its own test is beside the other gates
        monkeypatch.setattr(build, "support_reasons", lambda clip, config: ())

    def sight(self, path: Path) -> Sight:
        if path.read_text() == "damaged":
            raise UserMistakeError(f"{path.name}: damaged")
        nothing = np.zeros((1, 0), np.int64), np.zeros((1, 0, 1, 3), np.float32)
        self.last = path.stem
        return Sight(path.stem, Observations(path.read_text(), (), *nothing))

    def poses(self, body, observations: Observations) -> LivePoses:
        self.made.append(observations.keypoint_set)
        motion = swaying(3.0)
        tracked = np.ones(len(motion.t_ns), bool)
        if observations.keypoint_set == "gap":
            tracked[60:90] = False
        return LivePoses(motion.t_ns, motion.q, tracked)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name, text in {
        "P01/a.bvh": "one",
        "P01/b.bvh": "gap",
        "P01/rest.bvh": "rest",
        "P02/P02.asf": "bones",
        "P02/c.amc": "two",
        "P02/d.amc": "damaged",
        "notes.txt": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / CATALOGUE).write_text(TOML)
    return folder


def built(data: Path, folder: Path) -> list[str]:
    said: list[str] = []
    build_data(read_catalogue(data), folder, variants=False, tell=said.append)
    return said


def test_a_library_is_built_once_and_says_what_is_in_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, folder = Fits(monkeypatch), tmp_path / "library"
    said = built(data, folder)
    assert fits.made == ["one", "gap", "two"]
    found = {(e.person, e.name, e.split) for e in Library(folder).entries()}
    assert found == {
        ("P01", "a", "train"),
        ("P01", "b-1", "train"),
        ("P01", "b-2", "train"),
        ("P02", "c", "test"),
    }
    clip = Library(folder).clip(next(e for e in Library(folder).entries() if e.name == "a"))
    assert (clip.origin.method, clip.origin.licence, clip.origin.source) == ("skeleton", "own", "P01/a.bvh")
    with (folder / REPORT).open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows["a"]["kept"] == "1"
    assert rows["d"]["reasons"] == "unfit: d.amc: damaged."
    assert rows["notes.txt"]["reasons"] == "catalogue: no motion."
    assert any("P02/none.amc: no such file" in line for line in said)
    assert "rest" not in rows

    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    built(data, folder)
    assert fits.made == ["one", "gap", "two"]
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


def test_what_changed_is_fitted_again_and_what_is_gone_goes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, folder = Fits(monkeypatch), tmp_path / "library"
    built(data, folder)
    (data / "P02/c.amc").write_text("other")
    (data / "P01/b.bvh").unlink()
    fits.made.clear()
    built(data, folder)
    # the body of P01 was estimated from b too
    assert fits.made == ["one", "other"]
    assert {e.name for e in Library(folder).entries()} == {"a", "c"}
    assert len(list(folder.glob("*.npz"))) == 2


def test_an_interrupted_build_goes_on_where_it_ended(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, folder = Fits(monkeypatch), tmp_path / "library"
    going = fits.poses

    def cut(body, observations: Observations) -> LivePoses:
        if observations.keypoint_set == "two":
            raise KeyboardInterrupt
        return going(body, observations)

    monkeypatch.setattr(trials, "fitted_poses", cut)
    with pytest.raises(KeyboardInterrupt):
        built(data, folder)
    assert {e.name for e in Library(folder).entries()} == {"a", "b-1", "b-2"}
    monkeypatch.setattr(trials, "fitted_poses", going)
    built(data, folder)
    assert fits.made == ["one", "gap", "two"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('schema = "kincast motion catalogue"', 'schema = "other"', "not a catalogue"),
        ('split = "test"', 'split = "tested"', "split 'tested'; valid: train, validation, test"),
        ('kind = "bvh"', 'kind = "fbx"', "kind 'fbx'; valid: markers, cameras, acclaim, bvh"),
        ('skeleton = "P02/P02.asf"\n', "", "need their skeleton"),
        ('files = ["P01/*.bvh"]', 'files = ["../*.bvh"]', "outside the data folder"),
        ("first_frame = 1", "first = 1", "'first' is unknown"),
        ("first_frame = 1", 'support = "rope"', "support 'rope'; valid: cane, seat, rail"),
        ('files = ["P01/*.bvh"]\n', "", "'files' is missing"),
        ("[people.P01]", "[people.P01", "cannot be read"),
    ],
)
def test_mistakes_in_a_catalogue_are_named(data: Path, old: str, new: str, said: str) -> None:
    assert TOML.count(old) == 1
    (data / CATALOGUE).write_text(TOML.replace(old, new))
    with pytest.raises(CatalogueError, match=said):
        read_catalogue(data)


def test_a_folder_without_a_catalogue_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"write a motions\.toml"):
        read_catalogue(tmp_path)
    with pytest.raises(CatalogueError, match="no such folder"):
        read_catalogue(tmp_path / "nowhere")


@pytest.mark.data
def test_the_development_data_is_split_by_person(data_dir: Path) -> None:
    catalogue: Catalogue = read_catalogue(data_dir, DEVELOPMENT)
    assert catalogue.absent == ()
    owner: dict[Path, str] = {}
    for person in catalogue.people:
        for motions in person.motions:
            for file in motions.files:
                assert owner.setdefault(file, person.name) == person.name
    split: dict[str, Split] = {p.name: p.split for p in catalogue.people}
    cases = [f for f in owner if f.parent.name == "multiview"]
    assert len(cases) == 7
    assert {split[owner[f]] for f in cases} == {"test"}
    # CMU's numbers may be one person: they stand on one side
    assert {s for name, s in split.items() if name.startswith("cmu")} == {"train"}
    assert set(split.values()) == {"train", "validation", "test"}


def test_the_command_builds_and_names_options_that_do_not_go_together(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Fits(monkeypatch)
    folder = tmp_path / "library"
    assert Command("build", (data,), folder, no_variants=True).run() == 0
    said = capsys.readouterr().out
    assert "[1/4] P01, a: 3.0 s, train" in said
    assert "4 clips of 2 people, 0.1 min; 2 kept out" in said
    for options in (
        Command("build", (data, data), folder),
        Command("build", (data,), folder, person="P01"),
        Command("results", (data,), folder, catalogue=data / CATALOGUE),
    ):
        with pytest.raises(LibraryOptionsError):
            options.run()
