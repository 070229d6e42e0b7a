"""Jobs are known by content; result folders are complete or not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kincast.models.body import BodyParameters
from kincast.offline.job_folder import FolderInUseError, filled, held, is_complete
from kincast.offline.jobs import (
    RefitOptions,
    ResultFoldersError,
    person_folders,
    program_sha256,
    recordings_by_person,
    recordings_in,
    refit_job,
    result_folders,
)
from kincast.streaming.messages import SessionHeader
from kincast.streaming.recorder import RecordingWriter
from kincast.streaming.recording import NotARecordingError
from tests.models.rig import ring_of_cameras
from tests.offline.refit_jobs import jobs_of


def _recording(path: Path, subject: str) -> Path:
    with RecordingWriter(path, sync=False) as writer:
        writer.input(SessionHeader("session", subject, "HALPE_26", ring_of_cameras(2)), 0)
    return path


def test_a_job_is_its_content_options_and_program(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, {"P1": 2})
    moved = [p.rename(tmp_path / f"other-{p.name}") for p in job.recordings]
    program = "program"
    assert refit_job("X", moved, tmp_path, RefitOptions(), program).sha256 == job.sha256
    assert refit_job("X", moved, tmp_path, RefitOptions(names={"body": "b"}), program).sha256 == job.sha256
    others = [
        refit_job("P1", moved, tmp_path, RefitOptions(), "another program"),
        refit_job("P1", moved, tmp_path, RefitOptions(fix_cameras=True), program),
        refit_job("P1", moved, tmp_path, RefitOptions(muscles=False), program),
        refit_job("P1", moved, tmp_path, RefitOptions(body=BodyParameters(mass_kg=70.0)), program),
        refit_job("P1", moved[:1], tmp_path, RefitOptions(), program),
    ]
    moved[0].write_bytes(b"one byte more")
    others.append(refit_job("P1", moved, tmp_path, RefitOptions(), program))
    assert len({job.sha256, *(o.sha256 for o in others)}) == 1 + len(others)


def test_the_program_hash_is_stable() -> None:
    assert program_sha256() == program_sha256()


def test_recordings_go_to_people_by_subject_or_file(tmp_path: Path) -> None:
    a, b, c = (_recording(tmp_path / f"{n}.mcap", s) for n, s in (("a", "P1"), ("b", "P1"), ("c", "")))
    assert recordings_by_person([a, b, c]) == {"P1": [a, b], "c": [c]}
    people = tmp_path / "people.toml"
    people.write_text('[people]\nP2 = ["b.mcap", "c.mcap"]\n')
    assert recordings_by_person([a, b, c], people) == {"P1": [a], "P2": [b, c]}
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(b"nothing")
    assert recordings_by_person([torn, a]) == {"torn": [torn], "P1": [a]}


def test_folders_of_recordings(tmp_path: Path) -> None:
    a, b = (_recording(tmp_path / f"{n}.mcap", "P1") for n in "ab")
    assert recordings_in([b, tmp_path]) == (b, a)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotARecordingError, match="no recordings"):
        recordings_in([tmp_path / "empty"])
    assert result_folders([a], tmp_path) == (tmp_path,)
    assert result_folders([a, Path("x/a.mcap")], tmp_path) == (tmp_path / "a", tmp_path / "a-2")


def test_person_folders_are_valid_names_and_apart(tmp_path: Path) -> None:
    folders = person_folders(["P1", "../../etc", "a b"], tmp_path)
    assert [f.parent for f in folders.values()] == [tmp_path] * 3
    assert folders["a b"].name == "a_b"
    with pytest.raises(ResultFoldersError, match="a/b and a b"):
        person_folders(["a/b", "a b"], tmp_path)


def test_results_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, {"P1": 1})
    (folder,) = job.folders

    def interrupted() -> None:
        with filled(folder, job) as aside:
            (aside / "summary.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(folder.iterdir()) == []
    assert not is_complete(folder, job)

    (folder / "report.html").write_text("somebody's own")
    (folder / "activations.sto").write_text("of an earlier run")
    with filled(folder, job) as aside:
        (aside / "summary.json").write_text("{}")
        (aside / "valid.csv").write_text("time_s\n")
    assert {p.name for p in folder.iterdir()} == {"job.json", "summary.json", "valid.csv", "report.html"}
    assert is_complete(folder, job)
    assert not is_complete(folder, replace(job, sha256="another"))
    (folder / "valid.csv").write_text("changed")
    assert not is_complete(folder, job)
    (folder / "valid.csv").unlink()
    assert not is_complete(folder, job)


def test_one_run_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, {"P1": 1})
    left = job.folders[0] / ".unfinished-1234"
    left.mkdir(parents=True)
    with held(job):
        assert not left.exists()
        with pytest.raises(FolderInUseError, match="another refit"), held(job):
            pass
    with held(job):
        pass
