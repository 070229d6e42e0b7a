"""Learning a base body: whose recordings are whose, refusals, and a small generated cohort with a common displacement."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kincast.deploy.cli.meta import read_base
from kincast.models.base_body import BaseBodyError, generic_base
from kincast.models.body_fit import BodyFitConfig
from kincast.models.body_prior import POSTURE, posture_table
from kincast.models.body_problem import MeasuredAngles
from kincast.models.coordinates import COORDINATES
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.models.pose_fit import posture
from kincast.offline import meta as module
from kincast.offline.meta import (
    MetaConfig,
    Person,
    TooFewPeopleError,
    meta_fit,
    people_of,
)
from kincast.offline.meta_check import (
    LENGTHS,
    MEAN_REMOVED,
    RAW,
    REPROJECTION,
    LeftOut,
    Trial,
    bases_of_others,
    lengths_of,
    live_figures,
)
from kincast.offline.meta_report import check_lines, report_lines
from kincast.offline.people_file import PeopleFileError, measured_angles
from kincast.offline.population import Evidence, PopulationConfig
from tests.bench.cohort import CohortConfig, common_offsets, generated_person


def walk():
    """Columns of a walking-like motion of 2 s: time, then the 40 coordinates."""
    t = np.arange(0.0, 2.0, 0.01)
    usual = dict(zip(POSTURE, posture_table()[0], strict=True))
    columns = {name: np.full(len(t), usual.get(name, 0.0)) for name in COORDINATES}
    columns["pelvis_ty"] = 0.93 + 0.02 * np.cos(4 * np.pi * t / 1.1)
    columns["pelvis_tx"] = 1.1 * t
    for side, phase in (("r", 0.0), ("l", np.pi)):
        swing = 2 * np.pi * t / 1.1 + phase
        for name, depth, lead in (
            ("hip_flexion", 22, 0.0),
            ("hip_adduction", 4, 0.5),
            ("knee_angle", 18, -1.4),
            ("ankle_angle", 9, 0.8),
            ("arm_flex", 15, np.pi),
        ):
            columns[f"{name}_{side}"] = usual[f"{name}_{side}"] + np.radians(depth * np.cos(swing + lead))
    return np.column_stack([t, *columns.values()])


@pytest.mark.slow
def test_a_common_displacement_is_partly_found_again():
    """Partly: what a changed posture explains as well, no keypoint shows."""
    config = CohortConfig(common_sd_m=0.015, duration_s=1.9, cameras=5, seed=5)
    people = [generated_person(config, i, [("walk", walk())]).person for i in range(6)]
    settings = MetaConfig(rounds=1, check=False, fit=BodyFitConfig(max_frames=12))
    said = []
    found = meta_fit(people, settings, said.append)
    common = common_offsets(config)
    got = found.base.mean[8:].reshape(-1, 3)
    together = float((got * common).sum() / (common * common).sum())
    assert 0.1 < together < 1.0
    assert found.base.people == found.base.recordings == 6
    assert not found.unused
    assert "6 people" in said[0]
    lines = report_lines(found.base, None, {"P9": "not seen"})
    assert "6 people" in lines[0]
    assert "few" in lines[-2]
    assert "P9" in lines[-1]


def nothing_seen(keypoint_set="HALPE_26"):
    return Observations(keypoint_set, (), np.zeros((0, 0), np.int64), np.zeros((0, 0, 26, 3), np.float32))


def fake_observe(monkeypatch, subjects):
    seen = nothing_seen()
    monkeypatch.setattr(
        module,
        "observe",
        lambda path: (
            SimpleNamespace(session_id="s", subject_id=subjects[path.name], mass_kg=None, height_m=1.7),
            seen,
        ),
    )


def test_recordings_belong_to_the_subjects_of_their_headers(monkeypatch, tmp_path):
    fake_observe(monkeypatch, {"a.mcap": "P1", "b.mcap": "", "c.mcap": "P1"})
    paths = [tmp_path / name for name in ("a.mcap", "b.mcap", "c.mcap")]
    assert told(people_of(paths)) == [("P1", 2, 1.7), ("recording b", 1, 1.7)]
    listed = tmp_path / "people.toml"
    listed.write_text('[people]\nQ = ["a.mcap", "b.mcap"]\n')
    assert told(people_of(paths, listed)) == [("Q", 2, 1.7), ("P1", 1, 1.7)]


def told(people):
    return [(person.name, len(person.observations), person.height_m) for person in people]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[people", "cannot be read"),
        ("people = 3", "table"),
        ("optical = 3", "table"),
        ('[optical]\n"z.mcap" = "a.mot"', "z.mcap"),
        ('[people]\nP = ["z.mcap"]', "z.mcap"),
        ('[people]\nP = ["a.mcap"]\nQ = ["a.mcap"]', "both P and Q"),
    ],
)
def test_a_people_file_that_does_not_fit_is_refused(tmp_path, text, message):
    listed = tmp_path / "people.toml"
    listed.write_text(text)
    with pytest.raises(PeopleFileError, match=message):
        people_of([tmp_path / "a.mcap"], listed)


def test_too_few_people_are_refused_and_named(monkeypatch):
    person = Person("P1", (nothing_seen(),))

    def fails(*_args):
        raise UserMistakeError("hardly seen")

    monkeypatch.setattr(module, "person_fit", fails)
    with pytest.raises(TooFewPeopleError, match=r"there are 0; P1: hardly seen"):
        meta_fit([person])
    with pytest.raises(TooFewPeopleError, match="no recordings"):
        meta_fit([])
    other = Person("P2", (nothing_seen("COCO_133"),))
    with pytest.raises(TooFewPeopleError, match="COCO_133, HALPE_26"):
        meta_fit([person, other])
    assert generic_base("HALPE_26").people == 0


def test_the_verdict_is_that_of_measured_angles():
    better = {RAW: 3.0, MEAN_REMOVED: 2.0}, {RAW: 2.0, MEAN_REMOVED: 2.0}
    worse = better[1], better[0]
    blind = {REPROJECTION: 3.0}, {REPROJECTION: 1.0}

    def found(*people):
        names = [str(i) for i in range(len(people))]
        return LeftOut(
            dict(zip(names, (b for b, _ in people), strict=True)),
            dict(zip(names, (a for _, a in people), strict=True)),
        )

    assert found(better, better, better, worse).verdict() == "better"
    assert found(better, worse, worse, worse).verdict() == "worse"
    assert found(better, better, blind, blind).verdict() == "unverified"
    mixed = found(better, better, better, blind)
    assert mixed.medians() == {RAW: (3.0, 2.0), MEAN_REMOVED: (2.0, 2.0), REPROJECTION: (3.0, 1.0)}
    assert mixed.better(RAW) == (3, 3)
    assert "recommended" in check_lines(mixed)[-1]


def test_everyone_is_judged_with_a_base_of_others():
    information = np.eye(122) / 0.005**2
    generic = generic_base("HALPE_26")
    usual = np.zeros(122)
    usual[:86] = generic.mean
    other = usual.copy()
    other[8:86] += 0.02
    said = {str(i): Evidence(information, information @ (other if i == 0 else usual)) for i in range(5)}
    bases = bases_of_others(generic, said, PopulationConfig())
    np.testing.assert_allclose(bases["0"].mean, generic.mean, atol=1e-9)
    assert bases["4"] is bases["0"]
    assert np.abs(bases["1"].mean - generic.mean).max() > 1e-3


@pytest.mark.slow
def test_live_figures_of_the_true_body_are_small():
    made = generated_person(CohortConfig(duration_s=1.5, cameras=5), 0, [("walk", walk())])
    measured = MeasuredAngles(made.t_ns, posture(made.q)[0])
    trial = Trial(made.person.observations[0], measured, lengths_of(made.body))
    found = live_figures(trial, made.body)
    assert found[RAW] < 4.0
    assert found[MEAN_REMOVED] < found[RAW]
    assert found[REPROJECTION] < 6.0
    assert found[LENGTHS] == pytest.approx(0.0, abs=1e-9)


def test_a_base_that_made_people_worse_is_refused(tmp_path):
    place = tmp_path / "base.json"
    place.write_text(replace(generic_base("HALPE_26"), verdict="worse").to_json())
    with pytest.raises(BaseBodyError, match="left out"):
        read_base(place)
    place.write_text(generic_base("HALPE_26").to_json())
    assert read_base(place) is not None


@pytest.mark.data
def test_optical_angles_are_read_with_our_signs(data_dir):
    found = measured_angles(data_dir / "multiview" / "camargo_levelground", "camargo_levelground")
    knee = found.angles[:, POSTURE.index("knee_angle_r")]
    assert 0.2 < np.nanmean(knee) < 1.0
    assert np.isnan(found.angles[:, POSTURE.index("lumbar_extension")]).all()  # held at 0 by the source
    assert np.isnan(found.at(found.t_ns[[0]] - 1_000_000)).all()
