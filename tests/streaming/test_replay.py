"""Replays: the same bytes from run to run and at any speed; damaged and foreign frames are counted, never fatal."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from kincast.models.body import BodyParameters
from kincast.streaming import wire
from kincast.streaming.engine import EngineConfig
from kincast.streaming.messages import EndOfStream, LiveFrame
from kincast.streaming.recorder import RecordingWriter
from kincast.streaming.replay import Replay
from tests.streaming.swaying_person import pictures, session

CONFIG = EngineConfig(muscles=False)
KNOWN = BodyParameters(mass_kg=70.0)
SECONDS = 0.7


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "session.mcap"
    header = session()
    with RecordingWriter(path, sync=False) as writer:
        writer.input(header, header.start_ns)
        last_ns = header.start_ns
        for message, last_ns in pictures(header, SECONDS):
            writer.input(message, last_ns)
        writer.input(EndOfStream(last_ns), last_ns)
    return path


def live_frames(replay: Replay) -> list[bytes]:
    return [said.frame for said in replay if isinstance(said.message, LiveFrame)]


def test_runs_are_equal_byte_for_byte_at_any_speed(recording: Path) -> None:
    first = live_frames(Replay(recording, KNOWN, CONFIG))
    assert len(first) >= SECONDS * 30
    assert live_frames(Replay(recording, KNOWN, CONFIG)) == first
    assert live_frames(Replay(recording, KNOWN, CONFIG, speed=1.0)) == first


def test_a_cut_recording_replays_up_to_the_cut_and_says_what_is_lost(recording: Path, tmp_path: Path) -> None:
    whole = live_frames(Replay(recording, KNOWN, CONFIG))
    content = recording.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(content[: int(len(content) * 0.9)])
    replay = Replay(tmp_path / "cut.mcap", KNOWN, CONFIG)
    frames = [wire.decode(f) for f in live_frames(replay)]
    snapshots = [f for f in frames if isinstance(f, LiveFrame) and not f.flush]
    assert 0 < len(snapshots) < len(whole)
    assert replay.lost.unfinished
    assert replay.lost.seconds > 0
    assert [wire.encode(f) for f in snapshots][:-1] == whole[: len(snapshots) - 1]


def test_frames_of_another_schema_are_counted(recording: Path, tmp_path: Path) -> None:
    header = session()
    path = tmp_path / "odd.mcap"
    with RecordingWriter(path, sync=False) as writer:
        writer.input(header, header.start_ns)
        good = wire.encode(next(iter(pictures(header, 0.1)))[0])
        body = wire.peek(good).body_start
        odd = wire.retopic(good, "in/camera/cam_0")
        broken = odd[:body] + b"\x91\xc0"
        writer.frame(broken + struct.pack("<I", zlib.crc32(broken)), header.start_ns)
    replay = Replay(path, KNOWN, CONFIG)
    assert live_frames(replay) == []
    assert replay.refused == {"body": 1}
