"""From a results folder to a library to the expert's figures, through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kincast.deploy.cli import main
from kincast.models.coordinates import COORDINATES
from tests.models.twin_people import PERSON
from tests.offline.test_motion_library import swaying
from tests.offline.written_session import Walk, results, write


def standing_session(folder: Path, subject: str = "P017") -> Path:
    """Results of somebody who stands and sways, feet on the floor."""
    walk = Walk(subject=subject)
    session = results(walk)
    motion = swaying(len(session.t_ns) / 60.0 + 1.0, 60.0, PERSON)
    from kincast.models.coordinates import coordinates_from_pose

    rows = np.stack([np.asarray(coordinates_from_pose(q)) for q in motion.q[: len(session.t_ns)]])
    turning = [not name.endswith(("_tx", "_ty", "_tz")) for name in COORDINATES]
    session.coordinates[:] = np.where(turning, np.rad2deg(rows), rows)
    return write(folder, walk, session)


def test_a_library_is_made_and_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = standing_session(tmp_path / "visit")
    library = tmp_path / "library"
    assert (
        main(["library", "results", str(folder), "-o", str(library), "--test", "P017", "--licence", "own"])
        == 0
    )
    out = tmp_path / "out"
    assert main(["evaluate", str(library), "--longest", "0.6", "--plot", "-o", str(out)]) == 0
    document = json.loads((out / "evaluation.json").read_text())
    assert list(document["clips"]) == ["P017: visit-1"]
    assert document["fell"] == {}
    total = document["total"]
    assert total["failed_trials_pct"] == 0.0
    assert 0.0 < total["all_joints_deg"] < 1.0
    assert 0.0 < total["residual_pct_bw"] < 30.0
    assert (out / "P017_visit-1.png").stat().st_size > 1000
    assert "| P017 |" in (out / "evaluation.md").read_text()
    said = capsys.readouterr().out
    assert "KinTwin torque" in said
    assert "1 clips" in said
    assert main(["evaluate", str(library), "--split", "train"]) == 2
    assert "no clip in split train" in capsys.readouterr().err


def test_results_are_followed_without_a_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = standing_session(tmp_path / "visit")
    assert main(["evaluate", str(folder), "--longest", "0.5"]) == 0
    assert "P017: visit-1: followed to the end" in capsys.readouterr().out
    assert main(["evaluate", str(folder), "--truth", "a", "b"]) == 2
    assert "one each" in capsys.readouterr().err
    assert main(["evaluate", str(folder), "--plot"]) == 2
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "neither a motion library" in capsys.readouterr().err


def test_results_without_a_subject_need_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = standing_session(tmp_path / "visit", subject="")
    assert main(["library", "results", str(folder), "-o", str(tmp_path / "library")]) == 2
    assert "--person" in capsys.readouterr().err
    assert main(["library", "results", str(folder), "-o", str(tmp_path / "x"), "--truth", "a", "b", "c"]) == 2
    assert main(["evaluate", str(tmp_path / "nowhere")]) == 2
