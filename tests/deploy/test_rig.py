"""RIG.toml: a good one becomes a session header; each mistake is named with the valid choices."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kincast.deploy.keys import create_keys
from kincast.deploy.rig import (
    RigCalibrationError,
    RigCameraNameError,
    RigFileError,
    RigKeypointSetError,
    RigSubjectError,
    read_rig,
)
from kincast.models.body import BodyParametersError
from kincast.models.camera import Camera
from kincast.models.errors import UserMistakeError
from kincast.streaming.results.cameras_toml import write_cameras

RIG = """
name = "gait lab"
keypoint_set = "HALPE_26"
calibration = "Calib.toml"
belt_speed_m_s = 1
[subject]
id = "S1"
mass_kg = 70
[network]
ingest_port = 9000
[[cameras]]
name = "left"
[[cameras]]
name = "right"
fps = 30
"""


def camera(name: str) -> Camera:
    matrix = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    return Camera(
        name, (1280, 720), matrix, np.zeros(8), np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 3.0])
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cameras(tmp_path / "Calib.toml", (camera("right"), camera("left"), camera("spare")))
    return tmp_path


def rig_of(folder: Path, text: str):
    (folder / "RIG.toml").write_text(text)
    return read_rig(folder / "RIG.toml")


def test_a_rig_becomes_a_header(folder: Path) -> None:
    rig = rig_of(folder, RIG)
    header = rig.header("session")
    assert [c.name for c in header.cameras] == ["left", "right"]
    assert (header.subject_id, header.mass_kg, header.belt_speed_m_s) == ("S1", 70.0, 1.0)
    assert rig.recordings == folder / "sessions"
    settings = rig.live_settings(None)
    assert settings.ingest == "tcp://127.0.0.1:9000"
    assert settings.keys is None
    assert rig.body() is None


def test_keys_of_the_rig_let_its_cameras_in(folder: Path) -> None:
    create_keys(folder / "keys", ["engine", "display", "left", "right"])
    rig = rig_of(folder, 'keys = "keys"\n' + RIG)
    keys = rig.live_settings(None).keys
    assert keys is not None
    assert sorted(keys.clients.values()) == ["display", "left", "right"]
    assert rig.live_settings(None).key_id != bytes(8)


MISTAKES = [
    (
        'name = "left"',
        'name = "middle"',
        RigCalibrationError,
        "no calibration of camera 'middle'; it holds: right",
    ),
    ('calibration = "Calib.toml"', "", RigCalibrationError, "camera 'left' has no calibration"),
    ("HALPE_26", "HALPE_27", RigKeypointSetError, "valid: .*HALPE_26.*BODY_25"),
    ('name = "right"', 'name = "left"', RigCameraNameError, "2 cameras are called 'left'"),
    ("mass_kg = 70", "mass_kg = 0", RigSubjectError, "mass_kg is 0; a person's lies between 2 and 400 kg"),
    ("mass_kg = 70", "mass_kg = nan", RigFileError, "must be a number"),
    ("mass_kg = 70", 'mass_kg = "70"', RigFileError, "subject: mass_kg must be a number, is '70'"),
    ("ingest_port = 9000", "ingest_port = 9000.5", RigFileError, "must be a whole number"),
    ("mass_kg = 70", "weight = 70", RigFileError, "unknown entry 'weight'; valid: id, mass_kg"),
    ("fps = 30", "fps = 0", RigFileError, "fps is 0; valid: 1 to 1000"),
    ('name = "right"', "", RigFileError, "'name' is missing"),
    ("mass_kg = 70", 'external_support = "balloon"', BodyParametersError, "none, cane, rail"),
    ("[[cameras]]", "[[cameras", RigFileError, "not valid TOML"),
    ('name = "left"', 'name = "a/b"', RigCameraNameError, "cannot name a camera"),
]


@pytest.mark.parametrize(("good", "bad", "error", "message"), MISTAKES)
def test_a_mistake_is_named(folder: Path, good: str, bad: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        rig_of(folder, RIG.replace(good, bad)).header("session")
    assert issubclass(error, UserMistakeError)


def test_no_file_no_cameras(folder: Path) -> None:
    with pytest.raises(RigFileError, match="no rig file"):
        read_rig(folder / "ABSENT.toml")
    with pytest.raises(RigFileError, match="'cameras' is missing"):
        rig_of(folder, "")
    with pytest.raises(RigFileError, match="0 cameras"):
        rig_of(folder, "cameras = []")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_rig_files_are_user_mistakes(folder: Path, data) -> None:
    damaged = bytearray(RIG.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (folder / "RIG.toml").write_bytes(bytes(damaged))
    with contextlib.suppress(UserMistakeError):
        read_rig(folder / "RIG.toml").header("session")
