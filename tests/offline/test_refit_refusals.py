"""What cannot be refitted is refused with what to do; what is of no use among useful recordings is left out and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kincast.deploy.cli import main
from kincast.models.body import KEYPOINT_SETS
from kincast.models.observations import Observations
from kincast.offline import refit_refusals as module
from kincast.offline.calibrate import DifferentPeopleError
from kincast.offline.observe import NothingRecordedError
from kincast.offline.refit import NothingToRefitError, refit
from kincast.offline.refit_refusals import (
    DifferentKeypointSetsError,
    TooFewViewsError,
    require_no_change,
    require_one_body,
    require_one_person,
    require_views,
    usable,
)
from kincast.offline.same_person import ShapeEvidence
from kincast.streaming.messages import KeypointFrame, SessionHeader
from kincast.streaming.recorder import RecordingWriter
from tests.models.rig import ring_of_cameras

PERIOD_NS = 16_666_667
CAMERAS = ring_of_cameras(3)


def _seen_by(count: int, confidence: float = 0.9) -> Observations:
    keypoints = np.zeros((20, 3, 26, 3), np.float32)
    keypoints[:, :count] = (900.0, 500.0, confidence)
    t_ns = np.tile(np.arange(20)[:, None] * PERIOD_NS, (1, 3))
    return Observations("HALPE_26", CAMERAS, t_ns, keypoints)


def _header(subject: str = "", mass_kg: float | None = None) -> SessionHeader:
    return SessionHeader("session", subject, "HALPE_26", CAMERAS, mass_kg=mass_kg)


def _recording(
    path: Path, seen_by: int = 3, keypoint_set: str = "HALPE_26", sent_set: str | None = None
) -> Path:
    points = len(KEYPOINT_SETS[sent_set or keypoint_set])
    person = np.full((1, points, 3), (900.0, 500.0, 0.9), np.float32)
    nobody = np.zeros((0, points, 3), np.float32)
    with RecordingWriter(path, sync=False) as writer:
        writer.input(SessionHeader("session", "", keypoint_set, CAMERAS), 0)
        for i in range(20):
            for c, camera in enumerate(CAMERAS):
                people = person if c < seen_by else nobody
                t_ns = 1 + i * PERIOD_NS
                frame = KeypointFrame(camera.name, i, t_ns, t_ns, sent_set or keypoint_set, people)
                writer.input(frame, t_ns)
    return path


def test_no_view_and_one_view_are_refused_with_what_to_do() -> None:
    with pytest.raises(TooFewViewsError, match=r"nobody was detected by cam_0, cam_1, cam_2; check"):
        require_views("trial", _seen_by(0))
    with pytest.raises(TooFewViewsError, match=r"confidence of 0\.20 .* check light"):
        require_views("trial", _seen_by(3, confidence=0.2))
    with pytest.raises(TooFewViewsError, match=r"only camera cam_0 .* two or more cameras"):
        require_views("trial", _seen_by(1))
    require_views("trial", _seen_by(2))


def test_views_one_after_the_other_tell_no_depth() -> None:
    seen = _seen_by(2)
    seen.keypoints[:10, 0] = 0.0
    seen.keypoints[10:, 1] = 0.0
    with pytest.raises(TooFewViewsError, match="never do two cameras see the person at the same time"):
        require_views("trial", seen)


def test_markers_need_no_cameras() -> None:
    markers = np.ones((20, 26, 4), np.float32)
    require_views("trial", replace(_seen_by(0), markers=markers, marker_t_ns=np.arange(20)))


def test_headers_of_different_people_are_refused() -> None:
    with pytest.raises(DifferentPeopleError, match="A, B"):
        require_one_person([_header("A"), _header("B")])
    with pytest.raises(DifferentPeopleError, match="mass"):
        require_one_person([_header("A", 60.0), _header("A", 80.0)])
    require_one_person([_header("A", 60.0), _header("", 60.5)])


def _evidence(scale: float) -> ShapeEvidence:
    """Sure of every scale and of nothing else."""
    information = np.zeros(8 + 3 * 26)
    information[:8] = 1e4
    vector = np.zeros(8 + 3 * 26)
    vector[:8] = 1e4 * np.array([np.log(scale), *7 * [-0.5 * np.log(scale)]])
    return ShapeEvidence(np.diag(information), vector, scale)


def test_different_bodies_are_told_apart_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = _seen_by(2), _seen_by(3)
    monkeypatch.setattr(module, "shape_evidence", lambda seen, base: _evidence(1.1 if seen is two else 0.95))
    require_one_body([one, one, one], ["a", "b", "c"])
    with pytest.raises(DifferentPeopleError, match=r"a, c against b differ in size by 15%.*one by one"):
        require_one_body([one, two, one], ["a", "b", "c"])
    monkeypatch.setattr(module, "shape_evidence", lambda seen, base: None)
    require_one_body([one, two], ["a", "b"])


def test_a_person_who_takes_over_is_said_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _seen_by(3)
    sizes = iter((1.0, 1.12, 1.0, 1.01))
    monkeypatch.setattr(module, "change_row", lambda observations: 12)
    monkeypatch.setattr(module, "shape_evidence", lambda part, base: _evidence(next(sizes)))
    with pytest.raises(DifferentPeopleError, match=r"from about 0\.2 s on .*\(11% larger"):
        require_no_change("trial", _header(), seen)
    require_no_change("trial", _header(), seen)


def test_useless_recordings_are_left_out_and_said(tmp_path: Path) -> None:
    good, alone = _recording(tmp_path / "good.mcap"), _recording(tmp_path / "alone.mcap", seen_by=1)
    empty = tmp_path / "empty.mcap"
    empty.write_bytes(b"")
    found = usable([alone, good, empty])
    assert found.paths == (good,)
    assert found.notes == {good: ()}
    assert set(found.left_out) == {alone, empty}
    assert "only camera cam_0" in found.left_out[alone]
    with pytest.raises(TooFewViewsError, match=r"none of the recordings .*only camera cam_0.*is empty"):
        usable([alone, empty])


def test_recordings_through_several_keypoint_sets_are_refused(tmp_path: Path) -> None:
    paths = [_recording(tmp_path / "a.mcap"), _recording(tmp_path / "b.mcap", keypoint_set="BODY_25")]
    with pytest.raises(DifferentKeypointSetsError, match="HALPE_26: a; BODY_25: b"):
        usable(paths)


def test_keypoints_of_another_set_than_the_session_s_are_said(tmp_path: Path) -> None:
    with pytest.raises(NothingRecordedError, match="camera cam_0: 20 pictures of another keypoint set"):
        usable([_recording(tmp_path / "a.mcap", sent_set="BODY_25")])


def test_what_is_missing_at_the_end_is_said(tmp_path: Path) -> None:
    whole = _recording(tmp_path / "whole.mcap")
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = usable([torn])
    assert found.notes[torn] == ("torn.mcap was never closed (crash, or copy cut short): its end is missing",)


def test_nothing_to_refit() -> None:
    with pytest.raises(NothingToRefitError, match="at least one recording"):
        refit([])


@pytest.mark.parametrize(
    ("seen_by", "message"), [(0, "nobody was detected"), (1, "only camera cam_0"), (None, "is empty")]
)
def test_the_command_says_it_and_exits_with_2(
    seen_by: int | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trial.mcap"
    if seen_by is None:
        path.write_bytes(b"")
    else:
        _recording(path, seen_by)
    assert main(["refit", str(path), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("kincast: ")
    assert not list((tmp_path / "out").iterdir())


def test_many_people_of_whom_nobody_can_be_refitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(2):
        _recording(tmp_path / f"trial{i}.mcap", seen_by=i)
    assert main(["refit", str(tmp_path), "-o", str(tmp_path / "out"), "--by-subject"]) == 2
    captured = capsys.readouterr()
    assert "[2 of 2 done] trial1: refused: trial1: only camera cam_0" in captured.out
    assert "kincast: trial0: trial0: no camera sees a person" in captured.err
    assert "nobody was detected" in (tmp_path / "out" / "jobs.json").read_text()
