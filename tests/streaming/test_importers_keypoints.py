"""Importing keypoints: timestamped cases, OpenPose folders and zips, Pose2Sim trials; and what is refused."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kincast.streaming.importers.cameras import canonical
from kincast.streaming.importers.errors import (
    CalibrationMissingError,
    FrameRateMissingError,
    KeypointSetError,
    NothingReadableError,
    ProjectConfigError,
    SourceKindError,
    StreamChoiceError,
    SubjectError,
    TruthFolderError,
)
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.record import write_recording
from kincast.streaming.importers.source import import_source
from kincast.streaming.messages import Dropped, EndOfStream, KeypointFrame
from kincast.streaming.recording import read_recording
from kincast.streaming.results.errors import DuplicateCameraError, FileMissingError
from kincast.streaming.results.time_order import rising

CAMERA = """[{key}]
name = "{name}"
size = [1000, 800]
matrix = [[900.0, 0.0, 500.0], [0.0, 900.0, 400.0], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0]
rotation = [1.5, 0.0, 0.0]
translation = [0.0, 1.0, 4.0]
"""


def person(n: int = 26, at: float = 100.0) -> dict[str, list[float]]:
    return {"pose_keypoints_2d": [v for i in range(n) for v in (at + i, 200.0 + i, 0.9)]}


def calibration(folder: Path, *names: str) -> None:
    text = "\n".join(CAMERA.format(key=n, name=n) for n in names)
    folder.joinpath("Calib.toml").write_text(text + "\n[metadata]\nadjusted = false\n")


def lines(n: int, start_ns: int = 1_000_000_000, **people: object) -> list[str]:
    return [
        json.dumps(
            {"frame": i, "t_ns": start_ns + i * 20_000_000, "people": people.get("people", [person()])}
        )
        for i in range(n)
    ]


def write_camera(folder: Path, name: str, content: list[str] | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl.gz"
    path.write_bytes(
        content if isinstance(content, bytes) else gzip.compress(("\n".join(content) + "\n").encode())
    )
    return path


@pytest.fixture
def case(tmp_path) -> Path:
    folder = tmp_path / "case"
    folder.mkdir()
    calibration(folder, "cam_01", "cam_02")
    for name in ("cam_01", "cam_02"):
        write_camera(folder / "pose", name, lines(10))
    return folder


def test_a_case_becomes_sorted_messages_and_a_recording(case, tmp_path) -> None:
    got = import_source(case, ImportOptions(mass_kg=62.6, height_m=1.7, belt_speed_m_s=1.2, subject_id="p7"))
    assert len(got.messages) == 20
    assert [m.t_ns for m in got.messages] == sorted(m.t_ns for m in got.messages)
    assert got.header.start_ns == 1_000_000_000
    assert (got.header.mass_kg, got.header.height_m, got.header.belt_speed_m_s) == (62.6, 1.7, 1.2)
    assert got.header.subject_id == "p7"
    assert got.header.keypoint_set == "HALPE_26"
    assert got.lost.messages == 0
    first = got.messages[0]
    assert isinstance(first, KeypointFrame)
    np.testing.assert_allclose(first.people[0, 3], [103, 203, 0.9], rtol=1e-6)
    path = tmp_path / "s.mcap"
    write_recording(got, path)
    recorded = list(read_recording(path).frames())
    messages = [r.message() for r in recorded]
    assert messages[0].session_id == "case-pose"  # type: ignore[union-attr]
    assert isinstance(messages[-1], EndOfStream)
    assert [r.receive_ns for r in recorded] == sorted(r.receive_ns for r in recorded)
    pictures = [m for m in messages if isinstance(m, KeypointFrame)]
    for a, b in zip(got.messages, pictures, strict=True):
        assert isinstance(a, KeypointFrame)
        assert (a.camera, a.t_ns, a.seq) == (b.camera, b.t_ns, b.seq)
        np.testing.assert_array_equal(a.people, b.people)
    other = tmp_path / "again.mcap"
    write_recording(got, other)
    assert other.read_bytes() == path.read_bytes()


def test_streams_are_chosen_and_truth_is_never_opened(case) -> None:
    write_camera(case / "pose_clean", "cam_01", lines(3))
    write_camera(case / "truth", "cam_01", lines(3))
    assert len(import_source(case, ImportOptions(stream="pose_clean")).messages) == 3
    for stream in ("truth", "pose_30hz"):
        with pytest.raises(StreamChoiceError, match="pose, pose_clean"):
            import_source(case, ImportOptions(stream=stream))
    with pytest.raises(TruthFolderError):
        import_source(case / "truth", ImportOptions())
    assert len(import_source(case / "pose_clean", ImportOptions()).messages) == 3
    shutil.rmtree(case / "pose")
    assert len(import_source(case, ImportOptions()).messages) == 3
    write_camera(case / "other", "cam_01", lines(3))
    with pytest.raises(StreamChoiceError, match="--stream"):
        import_source(case, ImportOptions())


def test_truncated_gzip_keeps_what_is_whole_and_counts_the_rest(case) -> None:
    rng = np.random.default_rng(0)
    noisy = [
        json.dumps(
            {"frame": i, "t_ns": 10**9 + i * 20_000_000, "people": [person(at=float(rng.uniform(100, 200)))]}
        )
        for i in range(200)
    ]
    write_camera(case / "pose", "cam_01", noisy)
    whole = write_camera(case / "pose", "cam_02", noisy).read_bytes()
    write_camera(case / "pose", "cam_02", whole[: len(whole) // 2])
    got = import_source(case, ImportOptions())
    kept = sum(m.camera == "cam_02" for m in got.messages if isinstance(m, KeypointFrame))
    assert 20 < kept < 180
    assert got.lost.messages == 200 - kept
    assert got.lost.seconds == pytest.approx((200 - kept) * 0.02, abs=0.001)


def test_bad_lines_stamps_and_numbers_are_counted_not_fatal(case, tmp_path) -> None:
    content = lines(30)
    content[3] = content[3][:50]  # truncated line
    content[5] = json.dumps(
        {"frame": 5, "t_ns": 10**9 + 20_000_000 * 2 + 7, "people": [person()]}
    )  # backwards
    content[7] = json.dumps({"frame": 7, "t_ns": 5 * 10**15, "people": [person()]})  # far ahead
    content[9] = json.dumps({"frame": 9, "t_ns": "x", "people": [person()]})
    content[11] = json.dumps({"frame": 11, "t_ns": 10**9 + 220_000_000, "people": 3})
    bad = person()
    bad["pose_keypoints_2d"][0] = float("nan")
    bad["pose_keypoints_2d"][4] = 1e6
    content[13] = json.dumps(
        {"frame": 13, "t_ns": 10**9 + 260_000_000, "people": [bad, person(25), {}, {"pose_keypoints_2d": []}]}
    )
    write_camera(case / "pose", "cam_01", content)
    got = import_source(case, ImportOptions())
    mine = [m for m in got.messages if isinstance(m, KeypointFrame) and m.camera == "cam_01"]
    assert len(mine) == 25
    assert got.lost.by_camera == {"cam_01": 5}
    thirteenth = next(m for m in mine if m.seq == 13)
    assert thirteenth.people.shape == (1, 26, 3)
    assert thirteenth.people[0, :2].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert got.lost.reasons["keypoints that are not finite"] == 1
    assert got.lost.reasons["keypoints outside the picture"] == 1
    assert got.lost.reasons["people whose keypoints are not of the set"] == 1
    write_recording(got, tmp_path / "s.mcap")
    said = [r.message() for r in read_recording(tmp_path / "s.mcap").frames()]
    assert [(m.camera, m.count) for m in said if isinstance(m, Dropped)] == [("cam_01", 5)]


def test_a_camera_without_calibration_is_left_out_and_counted(case) -> None:
    write_camera(case / "pose", "cam_07", lines(6))
    got = import_source(case, ImportOptions())
    assert [c.name for c in got.header.cameras] == ["cam_01", "cam_02"]
    assert got.lost.by_camera == {"cam_07": 6}
    assert any("cam_07" in note for note in got.notes)


def test_refusals_of_a_case(case, tmp_path) -> None:
    with pytest.raises(KeypointSetError, match="BODY_25B"):
        import_source(case, ImportOptions(keypoint_set="BODY_25B"))
    with pytest.raises(KeypointSetError, match="choose from"):
        import_source(case, ImportOptions(keypoint_set="BODY_99"))
    write_camera(case / "pose", "cam_01", lines(5, people=[person(25)]))
    write_camera(case / "pose", "cam_02", lines(5, people=[person(25)]))
    with pytest.raises(KeypointSetError, match="BODY_25 or BODY_25B"):
        import_source(case, ImportOptions())
    assert import_source(case, ImportOptions(keypoint_set="BODY_25")).header.keypoint_set == "BODY_25"
    (case / "pose" / "cam_01.jsonl").write_text("{}")
    with pytest.raises(DuplicateCameraError):
        import_source(case, ImportOptions())
    (case / "pose" / "cam_01.jsonl").unlink()
    calibration(case, "left", "right")
    with pytest.raises(CalibrationMissingError, match="cam_01"):
        import_source(case, ImportOptions())
    (case / "Calib.toml").unlink()
    with pytest.raises(CalibrationMissingError, match="--calib"):
        import_source(case, ImportOptions())
    calibration(tmp_path, "cam_01", "cam_02")
    elsewhere = ImportOptions(calibration=tmp_path / "Calib.toml", keypoint_set="BODY_25B")
    assert len(import_source(case, elsewhere).header.cameras) == 2
    for camera in ("cam_01", "cam_02"):
        write_camera(case / "pose", camera, b"garbage")
    with pytest.raises(NothingReadableError):
        import_source(case, elsewhere)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mass_kg": 0.0},
        {"mass_kg": float("nan")},
        {"height_m": 17.0},
        {"belt_speed_m_s": 99.0},
        {"frame_rate_hz": 0.0},
    ],
)
def test_impossible_people_are_refused(wrong) -> None:
    with pytest.raises(SubjectError, match="between"):
        ImportOptions(**wrong)


def test_unknown_sources_are_refused_with_the_kinds(tmp_path) -> None:
    with pytest.raises(FileMissingError):
        import_source(tmp_path / "nothing", ImportOptions())
    with pytest.raises(SourceKindError, match="Pose2Sim"):
        import_source(tmp_path, ImportOptions())
    (tmp_path / "walk.mp4").write_bytes(b"x")
    for source in (tmp_path, tmp_path / "walk.mp4"):
        with pytest.raises(SourceKindError, match="camera nodes"):
            import_source(source, ImportOptions())
    (tmp_path / "a.mcap").write_bytes(b"")
    with pytest.raises(SourceKindError, match="replay"):
        import_source(tmp_path / "a.mcap", ImportOptions())


def openpose(folder: Path, n: int = 5, points: int = 26) -> None:
    for camera in ("cam01_json", "cam02_json"):
        (folder / camera).mkdir(parents=True)
        for i in range(n):
            name = f"walk_{i + 3:012d}_keypoints.json"
            (folder / camera / name).write_text(json.dumps({"version": 1.3, "people": [person(points)]}))


def test_openpose_folders_and_zip(tmp_path) -> None:
    source = tmp_path / "session"
    openpose(source / "pose")
    calibration(source, "cam_01", "cam_02")
    with pytest.raises(FrameRateMissingError, match="--fps"):
        import_source(source, ImportOptions())
    options = ImportOptions(frame_rate_hz=50.0)
    got = import_source(source, options)
    assert [m.t_ns for m in got.messages[::2]] == [60_000_000 + 20_000_000 * i for i in range(5)]
    assert [c.name for c in got.header.cameras] == ["cam_01", "cam_02"]
    (source / "pose/cam01_json/walk_000000000004_keypoints.json").write_text('{"people": [')
    got = import_source(source, options)
    assert got.lost.by_camera == {"cam_01": 1}
    archive = source / "pose.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(source.rglob("*.json")):
            file.write(path, path.relative_to(source))
        file.write(path, "truth/cam01_json/x_000000000001.json")
    zipped = import_source(archive, options)
    assert len(zipped.messages) == len(got.messages)
    assert zipped.lost.by_camera == got.lost.by_camera


def test_openpose_25_points_are_ambiguous(tmp_path) -> None:
    openpose(tmp_path, points=25)
    calibration(tmp_path, "cam_01", "cam_02")
    with pytest.raises(KeypointSetError, match="--keypoints"):
        import_source(tmp_path, ImportOptions(frame_rate_hz=60.0))


def test_a_missing_camera_is_never_replaced_by_another(tmp_path) -> None:
    openpose(tmp_path)
    (tmp_path / "cam02_json").rename(tmp_path / "cam03_json")
    calibration(tmp_path, "cam_01", "cam_02")
    got = import_source(tmp_path, ImportOptions(frame_rate_hz=60.0))
    assert [c.name for c in got.header.cameras] == ["cam_01"]
    assert got.lost.messages == 5


def test_two_cameras_in_one_folder_are_refused(tmp_path) -> None:
    openpose(tmp_path)
    (tmp_path / "cam01_json" / "other_000000000004_keypoints.json").write_text("{}")
    calibration(tmp_path, "cam_01", "cam_02")
    with pytest.raises(DuplicateCameraError, match="own folder"):
        import_source(tmp_path, ImportOptions(frame_rate_hz=60.0))


@pytest.fixture
def project(tmp_path) -> Path:
    """A session with a participant and two trials, settings spread over the levels as Pose2Sim allows."""
    session = tmp_path / "S01"
    for trial in ("T01", "T02"):
        openpose(session / "P01" / trial / "pose", points=25)
    (session / "Config.toml").write_text("[project]\nframe_rate = 60\n[pose]\npose_model = 'BODY_25'\n")
    (session / "P01" / "Config.toml").write_text(
        "[markerAugmentation]\nparticipant_mass = 70.0\nparticipant_height = [1.72]\n"
    )
    (session / "P01" / "T01" / "Config.toml").write_text("[pose]\npose_model = 'BODY_25B'\n")
    (session / "Calibration").mkdir()
    calibration(session / "Calibration", "front", "side")
    return session


def test_pose2sim_cascade(project) -> None:
    got = import_source(project / "P01" / "T01", ImportOptions())
    assert got.header.keypoint_set == "BODY_25B"
    assert (got.header.mass_kg, got.header.height_m) == (70.0, 1.72)
    assert got.messages[2].t_ns - got.messages[0].t_ns == round(4e9 / 60) - round(3e9 / 60)
    assert any("matched in order" in note for note in got.notes)
    assert len(import_source(project / "P01" / "T01" / "pose", ImportOptions()).messages) == len(got.messages)
    other = import_source(project / "P01" / "T02", ImportOptions(mass_kg=80.0))
    assert other.header.keypoint_set == "BODY_25"
    assert other.header.mass_kg == 80.0
    with pytest.raises(SourceKindError, match=r"P01/T01, P01/T02"):
        import_source(project, ImportOptions())


def test_pose2sim_refusals(project) -> None:
    trial = project / "P01" / "T01"
    with pytest.raises(StreamChoiceError, match="pose"):
        import_source(trial, ImportOptions(stream="pose-sync"))
    (trial / "Config.toml").write_text("[pose]\npose_model = 'BLAZEPOSE'\n")
    with pytest.raises(KeypointSetError, match="BLAZEPOSE"):
        import_source(trial, ImportOptions())
    (trial / "Config.toml").write_text("[pose\n")
    with pytest.raises(ProjectConfigError, match=r"Config\.toml"):
        import_source(trial, ImportOptions())
    (trial / "Config.toml").write_text("")
    (project / "Config.toml").write_text("[project]\nframe_rate = 'auto'\n")
    with pytest.raises(FrameRateMissingError):
        import_source(trial, ImportOptions())


def test_one_wrong_stamp_costs_one_picture() -> None:
    assert rising([1, 2, 99, 3, 4, 5]) == [0, 1, 3, 4, 5]
    assert rising([5, 1, 2, 3]) == [1, 2, 3]
    assert rising([]) == []
    assert rising([3, 3, 3]) == [2] or rising([3, 3, 3]) == [0]


def test_camera_names_meet() -> None:
    assert canonical("cam01_json") == canonical("cam_01") == canonical("Cam1")
    assert canonical("cam_01") != canonical("cam_10")


@pytest.mark.data
def test_real_cases(data_dir) -> None:
    walk = import_source(data_dir / "multiview" / "walking1", ImportOptions())
    assert len(walk.messages) == 8 * 79
    assert walk.lost.messages == 0
    assert walk.header.mass_kg is None
    zipped = import_source(
        data_dir / "multiview/walking1/pose_openpose.zip", ImportOptions(frame_rate_hz=60.0)
    )
    for a, b in zip(walk.messages, zipped.messages, strict=True):
        assert isinstance(a, KeypointFrame)
        assert isinstance(b, KeypointFrame)
        np.testing.assert_allclose(a.people, b.people, atol=0.01)
        assert abs(a.t_ns - b.t_ns) < 2000
    free = import_source(data_dir / "multiview" / "walkingTS2", ImportOptions(stream="pose_clean"))
    assert free.header.start_ns == 2_914_000
    balance = import_source(data_dir / "pose2sim_balancing", ImportOptions())
    assert balance.header.keypoint_set == "BODY_25B"
    assert [len(m.people) for m in balance.messages[:4] if isinstance(m, KeypointFrame)] == [2, 2, 1, 1]
