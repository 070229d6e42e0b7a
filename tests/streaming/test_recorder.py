"""A recording survives SIGKILL, cuts, flipped bytes and a full disk; what is whole is read, what is not is counted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType

from kincast.models.camera import Camera
from kincast.streaming import recorder, salvage, wire
from kincast.streaming.messages import Deadline, EndOfStream, KeypointFrame, SessionHeader
from kincast.streaming.recorder import (
    CHUNK_SPAN_NS,
    RecordingExistsError,
    RecordingFailedError,
    RecordingWriter,
)
from kincast.streaming.recording import NotARecordingError, read_recording

START_NS = 1_700_000_000_000_000_000


def header(start_ns: int = 0) -> SessionHeader:
    camera = Camera(
        "cam_01",
        (1280, 720),
        np.diag([900.0, 900.0, 1.0]),
        np.zeros(8),
        np.array([1.2, -1.2, 1.2]),
        np.array([0.0, 1.0, 4.0]),
    )
    return SessionHeader("session", "subject", "HALPE_26", (camera,), start_ns, mass_kg=70.0)


def picture(seq: int, t_ns: int) -> KeypointFrame:
    people = np.random.default_rng(seq).uniform(0, 1000, (1, 26, 3)).astype(np.float32)
    return KeypointFrame("cam_01", seq, t_ns, t_ns, "HALPE_26", people)


def write(path: Path, pictures: int = 120, step_ns: int = 20_000_000) -> list[bytes]:
    frames = []
    with RecordingWriter(path, overwrite=True) as writer:
        writer.input(header(), START_NS)
        frames.append(wire.encode(header()))
        for i in range(pictures):
            t_ns = START_NS + (i + 1) * step_ns
            writer.input(picture(i, t_ns), t_ns + 5)
            frames.append(wire.encode(picture(i, t_ns)))
    return frames


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[bytes]]:
    path = tmp_path_factory.mktemp("recording") / "whole.mcap"
    frames = write(path)
    return path.read_bytes(), frames


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    frames = write(tmp_path / "s.mcap")
    recording = read_recording(tmp_path / "s.mcap")
    back = list(recording.frames())
    assert [r.frame for r in back] == frames
    assert [r.receive_ns for r in back[1:3]] == [START_NS + 20_000_005, START_NS + 40_000_005]
    assert {r.topic for r in back} == {"in/session", "in/camera/cam_01"}
    assert (recording.lost.messages, recording.lost.seconds, recording.lost.unfinished) == (0, 0.0, False)
    assert recording.header.start_ns == START_NS + 20_000_000, "the earliest picture"
    assert recording.header.cameras[0].size_px == (1280, 720)


def test_the_files_open_in_the_mcap_library(tmp_path: Path) -> None:
    frames = write(tmp_path / "s.mcap", pictures=70)
    with open(tmp_path / "s.mcap", "rb") as file:
        reader = make_reader(file)
        messages = list(reader.iter_messages())
        summary = reader.get_summary()
    assert [m.data for _, _, m in messages] == frames
    assert messages[5][1].topic == "in/camera/cam_01"
    assert summary is not None
    spans = [c.message_end_time - c.message_start_time for c in summary.chunk_indexes]
    assert max(spans) <= CHUNK_SPAN_NS + 20_000_000
    assert len(spans) >= 3


def test_the_header_is_on_disk_at_once_and_chunks_are_acknowledged(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "s.mcap")
    writer.input(header(START_NS), START_NS)
    assert writer.through_ns == START_NS
    assert read_recording(tmp_path / "s.mcap").header.subject_id == "subject"
    for i in range(100):
        t_ns = START_NS + i * 10_000_000
        writer.input(picture(i, t_ns), t_ns)
        assert t_ns - writer.through_ns <= CHUNK_SPAN_NS + 10_000_000
        on_disk = [r.receive_ns for r in read_recording(tmp_path / "s.mcap").frames()]
        assert on_disk[-1] == writer.through_ns
    writer.close()
    writer.close()


def test_a_recording_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    write(tmp_path / "s.mcap", pictures=1)
    with pytest.raises(RecordingExistsError, match="exists already"):
        RecordingWriter(tmp_path / "s.mcap")


def test_the_first_message_is_the_header(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "s.mcap") as writer, pytest.raises(ValueError, match="SessionHeader"):
        writer.input(EndOfStream(1), 1)


def test_no_folder_and_a_full_disk_are_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailedError, match="cannot record to"):
        RecordingWriter(tmp_path / "absent" / "s.mcap")
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(RecordingFailedError, match="No space left"):
        RecordingWriter(Path("/dev/full"), overwrite=True)


DISK_FILLS_UP = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
sys.path.insert(0, {tests!r})
from test_recorder import *
writer = RecordingWriter(Path({path!r}))
writer.input(header(), START_NS)
try:
    for i in range(10_000):
        writer.input(picture(i, START_NS + i * 20_000_000), START_NS + i * 20_000_000)
except RecordingFailedError as error:
    assert "File too large" in str(error), error
    writer.close()
    print(writer.through_ns)
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    # -B: a process whose files may not grow would leave a torn .pyc behind for all that come after
    return subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )


def test_a_disk_that_fills_up_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    done = run_python(DISK_FILLS_UP.format(tests=str(Path(__file__).parent), path=str(path)))
    through_ns = int(done.stdout)
    recording = read_recording(path)
    assert [r.receive_ns for r in recording.frames()][-1] >= through_ns > START_NS
    assert recording.lost.unfinished


WRITE_UNTIL_KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_recorder import *
writer = RecordingWriter(Path({path!r}))
writer.input(header(), time.time_ns())
print("ready", flush=True)
i = 0
while True:
    now_ns = time.time_ns()
    writer.input(picture(i, now_ns), now_ns)
    i += 1
    time.sleep(0.002)
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_costs_at_most_the_last_second(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "s.mcap"
    code = WRITE_UNTIL_KILLED.format(tests=str(Path(__file__).parent), path=str(path))
    writer = subprocess.Popen([sys.executable, "-B", "-c", code], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.05, 1.5))
    killed_ns = time.time_ns()
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    recording = read_recording(path)
    back = list(recording.frames())
    assert killed_ns - back[-1].receive_ns < 1_000_000_000
    assert recording.lost.messages == 0
    assert recording.lost.unfinished
    assert 0 < recording.lost.seconds <= 1.0
    seqs = [m.seq for r in back if isinstance(m := r.message(), KeypointFrame)]
    assert seqs == list(range(len(seqs)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_cut_file_gives_all_that_is_whole_before_the_cut(whole, data) -> None:
    content, frames = whole
    cut = data.draw(st.integers(0, len(content) - 1))
    found = [f.frame for f in salvage.walk(content[:cut]) if isinstance(f, salvage.WholeMessage)]
    assert found == frames[: len(found)]
    assert not any(isinstance(f, salvage.Finished) for f in salvage.walk(content[:cut]))
    complete_chunks = sum(end <= cut for end in chunk_ends(content))
    assert len(found) >= min(1, complete_chunks) + 20 * max(0, complete_chunks - 1)


def chunk_ends(content: bytes) -> list[int]:
    ends, at = [], len(salvage.MAGIC)
    while content[at] != 0x0F:
        length = int.from_bytes(content[at + 1 : at + 9], "little")
        if content[at] == 0x06:
            ends.append(at + 9 + length)
        at += 9 + length
    return ends


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_byte_costs_at_most_one_chunk_and_nothing_false_comes_out(whole, data) -> None:
    content, frames = whole
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = [f for f in salvage.walk(bytes(damaged)) if isinstance(f, salvage.WholeMessage)]
    assert {f.frame for f in found} <= set(frames)
    assert len(found) >= len(frames) - 27
    assert len({f.sequence for f in found}) == len(found)


def message_places(content: bytes) -> list[tuple[int, int, bytes]]:
    """(start, end, frame) of every message record of an undamaged file."""
    places, at = [], len(salvage.MAGIC)
    while content[at] != 0x0F:
        length = int.from_bytes(content[at + 1 : at + 9], "little")
        inside = at + 9 + 28 + 4 + 8
        while content[at] == 0x06 and inside < at + 9 + length:
            size = int.from_bytes(content[inside + 1 : inside + 9], "little")
            if content[inside] == 0x05:
                places.append((inside, inside + 9 + size, content[inside + 9 + 22 : inside + 9 + size]))
            inside += 9 + size
        at += 9 + length
    return places


def flipped(content: bytes, data) -> tuple[bytes, list[int]]:
    """Damage by single bits, whole bytes and lost sectors; and the places it touched."""
    damaged = bytearray(content)
    place = st.integers(0, len(content) - 1)
    touched = data.draw(st.lists(place, min_size=1, max_size=60, unique=True))
    for at in touched:
        damaged[at] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        start = data.draw(place)
        hit = range(start, min(len(content), start + data.draw(st.integers(1, 5000))))
        touched += [at for at in hit if damaged[at]]
        damaged[hit.start : hit.stop] = bytes(len(hit))
    return bytes(damaged), sorted(touched)


def untouched(start: int, end: int, touched: list[int]) -> bool:
    return bisect_left(touched, start) == bisect_left(touched, end)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_message_whose_bytes_are_untouched_comes_out(whole, tmp_path_factory, data) -> None:
    """Whatever else is hit: header, index, footer, lengths, checksums of chunks."""
    content, frames = whole
    damaged, touched = flipped(content, data)
    spared = [frame for start, end, frame in message_places(content) if untouched(start, end, touched)]
    found = [f for f in salvage.walk(damaged) if isinstance(f, salvage.WholeMessage)]
    assert set(spared) <= {f.frame for f in found} <= set(frames)
    path = tmp_path_factory.getbasetemp() / "flipped.mcap"
    path.write_bytes(damaged)
    try:
        recording = read_recording(path)
    except NotARecordingError:
        assert frames[0] not in damaged, "a whole header is found"
        return
    back = [r.frame for r in recording.frames()]
    assert set(spared) <= set(back) <= set(frames)
    assert [frames.index(frame) for frame in back] == sorted({frames.index(frame) for frame in back})
    assert len(back) + recording.lost.messages >= len(frames) - 25 * recording.lost.unfinished


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_compressed_chunks_of_earlier_versions_come_out_whole_unless_hit(compressed, data) -> None:
    content, frames, chunks = compressed
    damaged, touched = flipped(content, data)
    found = [f.frame for f in salvage.walk(damaged) if isinstance(f, salvage.WholeMessage)]
    assert set(found) <= set(frames)
    for start, end, held in chunks:
        if untouched(start, end, touched):
            assert set(held) <= set(found)


@pytest.fixture(scope="module")
def compressed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[bytes, list[bytes], list[tuple[int, int, list[bytes]]]]:
    """A recording with zstd chunks: its bytes, its frames, and place and frames of each chunk."""
    path = tmp_path_factory.mktemp("compressed") / "s.mcap"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "CompressionType", SimpleNamespace(NONE=CompressionType.ZSTD))
        frames = write(path)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert all(index.compression == "zstd" for index in summary.chunk_indexes)
    stamped = [(r.receive_ns, r.frame) for r in read_recording(path).frames()]
    assert [frame for _, frame in stamped] == frames
    chunks = []
    for index in summary.chunk_indexes:
        held = [f for t_ns, f in stamped if index.message_start_time <= t_ns <= index.message_end_time]
        start = index.chunk_start_offset
        chunks.append((start, start + index.chunk_length, held))
    return path.read_bytes(), frames, chunks


@pytest.mark.parametrize("sector", [0, 1])
def test_a_lost_sector_at_the_beginning_does_not_cost_the_session(whole, tmp_path: Path, sector: int) -> None:
    """Both first copies of the header lie in it; the last one is at the end."""
    content, frames = whole
    (tmp_path / "s.mcap").write_bytes(bytes(4096 * (1 + sector)) + content[4096 * (1 + sector) :])
    recording = read_recording(tmp_path / "s.mcap")
    assert recording.header.mass_kg == 70.0
    back = [r.frame for r in recording.frames()]
    assert back[0] == frames[0]
    assert len(back) + recording.lost.messages == len(frames)
    assert len(back) > 80


def test_the_header_is_repeated_for_a_recording_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "s.mcap"
    write(path, pictures=60, step_ns=500_000_000)
    content = path.read_bytes()
    found = list(salvage.walk(content[: int(0.8 * len(content))]))
    assert sum(isinstance(f, salvage.WholeAttachment) for f in found) == 3


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_much_damage_raises_nothing_and_hangs_nowhere(whole, data) -> None:
    content, frames = whole
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 40))):
        start = data.draw(st.integers(0, len(content) - 1))
        damaged[start : start + data.draw(st.integers(1, 64))] = data.draw(st.binary(max_size=64))
    found = [f.frame for f in salvage.walk(bytes(damaged)) if isinstance(f, salvage.WholeMessage)]
    assert set(found) <= set(frames)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes_after_the_magic_number(data, as_chunk) -> None:
    body = bytes([0x06]) + len(data).to_bytes(8, "little") + data if as_chunk else data
    assert not any(isinstance(f, salvage.WholeMessage) for f in salvage.walk(salvage.MAGIC + body))


def test_gaps_are_counted_in_messages_and_seconds(whole, tmp_path: Path) -> None:
    content, frames = whole
    ends = chunk_ends(content)
    path = tmp_path / "s.mcap"
    path.write_bytes(content[: ends[1]] + content[ends[2] :])
    recording = read_recording(path)
    back = list(recording.frames())
    assert len(back) + recording.lost.messages == len(frames)
    assert recording.lost.seconds == pytest.approx(0.54, abs=0.03)
    assert not recording.lost.unfinished


def test_a_header_lost_in_its_chunk_is_found_in_the_attachment(whole, tmp_path: Path) -> None:
    content, frames = whole
    first = chunk_ends(content)[0]
    path = tmp_path / "s.mcap"
    path.write_bytes(content[: first - 10] + bytes(5) + content[first - 5 :])
    recording = read_recording(path)
    assert recording.header.mass_kg == 70.0
    assert [r.frame for r in recording.frames()] == frames
    assert recording.lost.messages == 0


@pytest.mark.parametrize("content", [b"", b"not a recording", salvage.MAGIC, bytes(1000)])
def test_what_is_no_recording_is_called_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mcap").write_bytes(content)
    with pytest.raises(NotARecordingError, match=r"x\.mcap"):
        read_recording(tmp_path / "x.mcap")
    with pytest.raises(NotARecordingError, match="no file"):
        read_recording(tmp_path / "absent.mcap")


def test_a_deadline_keeps_its_place_between_pictures(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "s.mcap") as writer:
        writer.input(header(), 1)
        writer.input(picture(0, 5), 5)
        writer.input(Deadline(5, 0), 5)
        writer.input(picture(1, 5), 5)
    topics = [r.topic for r in read_recording(tmp_path / "s.mcap").frames()]
    assert topics == ["in/session", "in/camera/cam_01", "in/deadline", "in/camera/cam_01"]
