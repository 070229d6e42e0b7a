"""A live session over real sockets, recorded, replays to the same LiveFrames byte for byte."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zmq

from kincast.models.body import BodyParameters
from kincast.streaming import wire
from kincast.streaming.engine import EngineConfig
from kincast.streaming.live import Addresses, LiveSession, LiveSettings
from kincast.streaming.messages import EngineHealth, LiveFrame
from kincast.streaming.recording import read_recording
from kincast.streaming.replay import Replay
from kincast.streaming.transport import connected
from tests.streaming.swaying_person import session as session_header

SECONDS = 2.0
CONFIG = EngineConfig(muscles=False)
"""Nothing here depends on the speed of the machine: what cannot be processed in time is skipped and told."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory):
    """(recording, LiveFrames as a subscriber received them) of one short session with a known body."""
    folder = tmp_path_factory.mktemp("live")
    recording = folder / "session.mcap"
    header = session_header(start_ns=0)
    (folder / "header").write_bytes(wire.encode(header))
    received: list[bytes] = []
    settings = LiveSettings(
        "tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0", recording, key_id=b"engine01"
    )

    def nodes(addresses: Addresses) -> None:
        context = zmq.Context()
        subscriber = connected(context, zmq.SUB, addresses.publish)
        subscriber.subscribe(b"out/live")
        sender = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.system.sender",
                str(folder / "header"),
                addresses.ingest,
                addresses.clock,
                str(SECONDS),
            ],
            cwd=Path(__file__).resolve().parents[2],
        )
        quiet_s = time.monotonic() + 60
        while time.monotonic() < quiet_s:
            if subscriber.poll(200):
                received.append(subscriber.recv())
            elif sender.poll() is not None:
                break
        running.stop()
        while subscriber.poll(500):
            received.append(subscriber.recv())
        context.destroy(linger=0)

    threads: list[threading.Thread] = []

    def ready(addresses: Addresses) -> None:
        threads.append(threading.Thread(target=nodes, args=(addresses,)))
        threads[0].start()

    running = LiveSession(header, settings, BodyParameters(mass_kg=70.0), CONFIG, ready)
    running.run()
    threads[0].join()
    return recording, received


def test_a_replay_gives_the_live_frames_byte_for_byte(session) -> None:
    recording, _ = session
    live = [r.frame for r in read_recording(recording).frames() if r.topic == "out/live"]
    replayed = [said.frame for said in Replay(recording, None, CONFIG) if isinstance(said.message, LiveFrame)]
    assert len(live) > 3
    assert replayed == live


def test_the_subscriber_heard_what_was_recorded(session) -> None:
    recording, received = session
    live = [r.frame for r in read_recording(recording).frames() if r.topic == "out/live"]
    assert len(received) > 3
    assert [f for f in received if f not in set(live)] == []


def test_the_recording_is_whole_and_acknowledged(session) -> None:
    recording, _ = session
    opened = read_recording(recording)
    back = list(opened.frames())
    assert (opened.lost.messages, opened.lost.unfinished) == (0, False)
    topics = Counter(r.topic.split("/")[1] for r in back)
    assert topics["session"] == 1
    assert topics["body"] == 1
    assert topics["end"] == 1
    assert topics["clock"] >= 2
    assert topics["recorded"] >= 2
    pictures = topics["camera"] + sum(r.topic.startswith("skipped/") for r in back)
    assert pictures == 4 * SECONDS * 30
    frames = [m for r in back if isinstance(m := r.message(), LiveFrame)]
    assert max(f.recorded_through_ns for f in frames) > opened.header.start_ns
    assert opened.key_id == b"engine01"


def test_the_person_is_tracked_and_every_snapshot_has_its_rows(session) -> None:
    recording, _ = session
    frames = [
        m for r in read_recording(recording).frames() if isinstance(m := wire.decode(r.frame), LiveFrame)
    ]
    snapshots = [f for f in frames if not f.flush]
    assert [f.seq for f in frames] == list(range(len(frames)))
    for stream in ("kinematics", "kinetics"):
        rows = [row.t_ns for f in frames if (row := getattr(f, stream)) is not None]
        assert rows == [f.t_ns for f in snapshots], stream
    tracked = [k for f in frames if (k := f.kinematics) is not None and k.tracked]
    if len(snapshots) > 0.9 * SECONDS * 30:  # a machine too busy for that skips pictures and starts anew
        assert len(tracked) > 0.9 * len(snapshots)
        assert snapshots[-1].status == "tracking"
    pelvis = np.array([k.qpos[:3] for k in tracked])
    assert np.abs(pelvis[:, 1]).max(initial=0.0) < 0.05


def test_what_is_no_message_is_refused_and_told(session) -> None:
    recording, _ = session
    health = [
        m for r in read_recording(recording).frames() if isinstance(m := wire.decode(r.frame), EngineHealth)
    ]
    assert any("4 messages refused: not_a_message" in finding for h in health for finding in h.findings)
    assert abs(health[-1].clock_offsets_ns["cam_0"]) < 50_000_000
    assert {"align", "fit", "kinetics", "events", "record", "decode"} <= {
        s for h in health for s in h.stages_ms
    }
