"""``kincast live`` lets other computers in only when rig and command line both say so, and writes it down."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from kincast.deploy import live_run
from kincast.deploy.cli import main
from kincast.models.camera import Camera
from kincast.streaming.live import LiveSettings
from kincast.streaming.results.cameras_toml import write_cameras


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """A rig that listens on every network card, without keys."""
    matrix = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    write_cameras(
        tmp_path / "Calib.toml", (Camera("cam", (1280, 720), matrix, np.zeros(8), np.zeros(3), np.ones(3)),)
    )
    (tmp_path / "RIG.toml").write_text(
        'calibration = "Calib.toml"\nkeys = "keys"\n[network]\nhost = "0.0.0.0"\n[[cameras]]\nname = "cam"\n'
    )
    assert main(["keys", "init", str(tmp_path / "keys"), "cam"]) == 0
    return tmp_path / "RIG.toml"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LiveSettings, live_run.DisplayPlace]]:
    """What a session would have been started with."""
    sessions: list[tuple[LiveSettings, live_run.DisplayPlace]] = []

    def run_live(
        header: object, settings: LiveSettings, *, display: live_run.DisplayPlace, **_: object
    ) -> int:
        sessions.append((settings, display))
        return 0

    monkeypatch.setattr(live_run, "run_live", run_live)
    monkeypatch.setattr("kincast.deploy.environment.keep_to_one_core", lambda: None)
    return sessions


def test_both_must_say_so(
    rig: Path, started: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", str(rig)]) == 2
    assert "say --expose NAME" in capsys.readouterr().err
    assert main(["live", str(rig), "--expose", "lab.example"]) == 2
    assert "kincast keys certificate" in capsys.readouterr().err
    assert main(["keys", "certificate", str(rig.parent / "keys"), "lab.example"]) == 0
    assert main(["live", str(rig), "--expose", "lab.example"]) == 2
    assert "nobody can log in" in capsys.readouterr().err
    rig.write_text(rig.read_text().replace("0.0.0.0", "127.0.0.1"))
    assert main(["live", str(rig), "--expose", "lab.example"]) == 2
    assert "no other computer can reach" in capsys.readouterr().err
    assert started == []
    assert not (rig.parent / "sessions" / "audit.log").exists()


def test_an_exposed_session_is_warned_of_and_audited(
    rig: Path, started: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert main(["keys", "login", str(rig.parent / "keys"), "therapist"]) == 0
    assert main(["keys", "certificate", str(rig.parent / "keys"), "lab.example"]) == 0
    assert main(["live", str(rig), "--expose", "lab.example", "--no-browser"]) == 0
    assert "exposed as lab.example" in capsys.readouterr().err
    ((settings, display),) = started
    assert settings.exposed
    assert settings.keys is not None
    assert (display.host, display.expose, display.keys) == ("0.0.0.0", "lab.example", rig.parent / "keys")
    audit = rig.parent / "sessions" / "audit.log"
    assert "as lab.example" in audit.read_text()
    assert audit.stat().st_mode & 0o077 == 0


def test_without_exposure_the_display_stays_here(rig: Path, started: list) -> None:
    rig.write_text(rig.read_text().replace("0.0.0.0", "127.0.0.1"))
    assert main(["live", str(rig), "--no-record"]) == 0
    ((_, display),) = started
    assert (display.host, display.expose) == ("127.0.0.1", "")
