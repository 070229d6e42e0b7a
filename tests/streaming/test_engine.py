"""The engine: a pure function of its messages, one row per snapshot, and nothing a node sends can break it."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from kincast.models.body import BodyParameters
from kincast.streaming import wire
from kincast.streaming.engine import Engine, EngineConfig
from kincast.streaming.messages import (
    BodySwap,
    ClockOffset,
    Deadline,
    Dropped,
    EndOfStream,
    EngineHealth,
    KeypointFrame,
    LiveFrame,
    Message,
    RecordedThrough,
    SessionHeader,
)
from kincast.streaming.session_body import built_for_session, for_session, generic_body
from tests.streaming.swaying_person import START_NS, marker_frames, marker_session, pictures, session

CONFIG = EngineConfig(muscles=False)
KNOWN = BodyParameters(mass_kg=70.0)
SECONDS = 1.4
Stream = list[tuple[Message, int]]


@pytest.fixture(scope="module")
def header() -> SessionHeader:
    return session()


@pytest.fixture(scope="module")
def stream(header: SessionHeader) -> Stream:
    shown: Stream = list(pictures(header, SECONDS))
    return [*shown, (EndOfStream(shown[-1][1]), shown[-1][1])]


def run(engine: Engine, stream: Iterable[tuple[Message, int]]) -> list[Message]:
    return [said for message, receive_ns in stream for said in engine.process(message, receive_ns)]


def live(said: Iterable[Message]) -> list[LiveFrame]:
    return [m for m in said if isinstance(m, LiveFrame)]


@pytest.fixture(scope="module")
def reference(header: SessionHeader, stream: Stream) -> list[LiveFrame]:
    return live(run(Engine(header, KNOWN, CONFIG), stream))


def test_the_same_messages_give_the_same_bytes(header, stream, reference) -> None:
    again = live(run(Engine(header, KNOWN, CONFIG), stream))
    assert [wire.encode(f) for f in again] == [wire.encode(f) for f in reference]


def test_every_snapshot_has_one_row_of_each_stream_stamped_with_its_instant(reference) -> None:
    instants = [f.t_ns for f in reference if not f.flush]
    assert instants == [START_NS + i * 10**9 // 30 for i in range(int(SECONDS * 30))]
    assert [f.seq for f in reference] == list(range(len(reference)))
    assert [k.t_ns for f in reference if (k := f.kinematics)] == instants
    assert [k.t_ns for f in reference if (k := f.kinetics)] == instants
    delays = [f.t_ns - k.t_ns for f in reference if not f.flush and (k := f.kinetics)]
    assert max(delays) <= 50_000_000
    assert [f.flush for f in reference] == sorted(f.flush for f in reference)


def test_the_person_is_where_the_cameras_see_it(reference) -> None:
    settled = [k for f in reference if (k := f.kinematics)][15:]
    assert all(k.tracked for k in settled)
    pelvis_x = np.array([k.qpos[0] for k in settled])
    t_s = np.array([(k.t_ns - START_NS) * 1e-9 for k in settled])
    assert np.abs(pelvis_x - 0.05 * np.sin(2 * np.pi * t_s)).max() < 0.02
    drawn = np.array([f.body_xpos[0] for f in reference[20:30]])
    assert np.isfinite(drawn).all()
    assert all(np.isfinite(k.angles).all() and np.isfinite(k.angles_sd).all() for k in settled)
    knee = settled[-1].sites[[13, 14]]  # LKnee, RKnee
    assert knee[0, 1] > knee[1, 1], "x is forward, so left is at larger y"


def test_cutting_the_recording_changes_no_earlier_frame(header, stream, reference) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    early = live(run(engine, stream[: len(stream) // 2]))
    assert len(early) > 10
    assert [wire.encode(f) for f in early] == [wire.encode(f) for f in reference[: len(early)]]


def test_after_the_end_nothing_is_said(header, stream) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    run(engine, stream[:8])
    assert live(run(engine, [(EndOfStream(1), START_NS)]))
    assert run(engine, stream[8:16]) == []
    assert run(Engine(header, KNOWN, CONFIG), [(EndOfStream(1), 1)]) == []


def without(stream: Stream, camera: str, from_ns: int, until_ns: int) -> Stream:
    return [
        (m, r)
        for m, r in stream
        if not (isinstance(m, KeypointFrame) and m.camera == camera and from_ns <= m.t_ns < until_ns)
    ]


def test_a_camera_that_dies_is_flagged_and_the_rest_goes_on(header, stream) -> None:
    dead = without(stream, "cam_2", START_NS + 500_000_000, START_NS + 10**10)
    frames = live(run(Engine(header, KNOWN, CONFIG), dead))
    last = [f for f in frames if not f.flush][-1]
    health = {c.name: c for c in last.cameras}
    assert (health["cam_2"].flag, health["cam_2"].present) == ("silent", False)
    assert health["cam_2"].missed == pytest.approx(27, abs=2)
    assert health["cam_1"].present
    assert last.status == "tracking"


def test_a_deadline_closes_the_snapshot_that_misses_a_camera(header, stream) -> None:
    holed = without(stream, "cam_2", START_NS + 500_000_000, START_NS + 530_000_000)
    engine = Engine(header, KNOWN, CONFIG)
    said: list[Message] = []
    for message, receive_ns in holed:
        if engine.due_ns is not None and receive_ns >= engine.due_ns:
            before = len(live(said))
            said += engine.process(Deadline(engine.due_ns, engine.open_seq), engine.due_ns)
            assert len(live(said)) == before + 1
        said += engine.process(message, receive_ns)
    told = [f for f in live(said) if not f.flush]
    assert len(told) == int(SECONDS * 30)
    untold = [f for f in live(run(Engine(header, KNOWN, CONFIG), holed)) if not f.flush]
    assert [(f.t_ns, [c.present for c in f.cameras]) for f in told] == [
        (f.t_ns, [c.present for c in f.cameras]) for f in untold
    ], "without being told, the next message's stamp closes it"


def damaged(stream: Stream) -> Stream:
    """Everything a broken node does, mixed into a good session."""
    bad: Stream = []
    for message, receive_ns in stream:
        if isinstance(message, KeypointFrame) and message.camera == "cam_0" and message.seq >= 20:
            people = message.people.copy()
            people[0, 3] = np.nan
            people[0, 4] = 1e9, -1e9, 1.0
            people[0, 5, 2] = 7.0
            message = replace(message, people=people)
        bad.append((message, receive_ns))
        if isinstance(message, KeypointFrame) and message.camera == "cam_3" and message.seq >= 20:
            future = message.t_ns + 3_600 * 10**9
            bad += [
                (message, receive_ns),
                (replace(message, t_ns=message.t_ns - 10**9), receive_ns),
                (replace(message, t_ns=future), receive_ns),
                (replace(message, camera="cam_9"), receive_ns),
                (replace(message, keypoint_set="BODY_25"), receive_ns),
                (replace(message, people=message.people[:, :20]), receive_ns),
                (replace(message, people=np.repeat(message.people, 40, axis=0)), receive_ns),
            ]
    return bad


def test_a_broken_node_is_refused_piece_by_piece_and_told(header, stream, reference) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    frames = live(run(engine, damaged(stream)))
    assert [f.t_ns for f in frames] == [f.t_ns for f in reference]
    assert frames[-1].status == "tracking"
    told = " | ".join(engine.health().findings)
    for part in (
        "camera cam_0: 22 keypoints that are not finite",
        "camera cam_0: 22 keypoints far outside",
        "camera cam_3: 22 messages that came twice",
        "camera cam_3: 22 messages whose time runs backwards",
        "camera cam_3: 22 pictures from the future",
        "camera cam_3: 22 pictures of another keypoint set",
        "camera cam_3: 22 messages with the wrong number",
        "22 messages of a camera that is not in this session",
    ):
        assert part in told, told
    now = {c.name: c for c in frames[-1].cameras}
    assert now["cam_0"].frames == int(SECONDS * 30)
    assert np.abs(frames[-1].now_qpos - reference[-1].now_qpos).max() < 0.1


def test_a_body_swap_takes_effect_with_the_next_snapshot_and_loses_no_row(header, stream) -> None:
    swap = BodyParameters(scales={"overall": 1.02}, mass_kg=50.0).to_json()
    half = len(stream) // 2
    at_ns = stream[half][1]
    swapped = [*stream[:half], (BodySwap(at_ns, swap), at_ns), *stream[half:]]
    frames = live(run(Engine(header, KNOWN, CONFIG), swapped))
    hashes = [f.body_sha256 for f in frames]
    assert len(set(hashes)) == 2
    assert hashes == sorted(hashes, key=hashes.index)
    instants = [f.t_ns for f in frames if not f.flush]
    assert [k.t_ns for f in frames if (k := f.kinematics)] == instants
    assert [k.t_ns for f in frames if (k := f.kinetics)] == instants
    prepared = Engine(header, KNOWN, CONFIG)
    made_aside = pickle.loads(pickle.dumps(built_for_session(BodyParameters.from_json(swap), header, False)))
    prepared.prepare(swap, made_aside)
    assert [wire.encode(f) for f in live(run(prepared, swapped))] == [wire.encode(f) for f in frames]
    expected = for_session(BodyParameters.from_json(swap), header)
    assert expected.mass_kg == 70.0, "the measured mass wins"
    assert frames[-1].body_sha256 == expected.sha256


def test_a_body_that_is_none_is_ignored(header, stream) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    before = engine.parameters
    assert run(engine, [(BodySwap(1, "nonsense"), 1)]) == []
    assert engine.parameters == before


def test_an_unknown_person_is_marked_and_a_body_asked_for(header, stream) -> None:
    engine = Engine(header, None, CONFIG)
    wanted_at = None
    frames: list[LiveFrame] = []
    for message, receive_ns in stream:
        frames += live(engine.process(message, receive_ns))
        if wanted_at is None and engine.body_wanted:
            wanted_at = receive_ns
            observations = engine.take_body_request()
    assert wanted_at is not None
    assert 0.0 <= (wanted_at - START_NS) * 1e-9 - EngineConfig().body_after_s[0] < 0.1
    assert observations.keypoints.shape[1:] == (4, 26, 3)
    assert observations.keypoints[..., 2].all()
    assert not engine.body_wanted
    assert "body is still unknown" in frames[-1].status
    assert not any(k.valid for f in frames if (k := f.kinematics))
    assert generic_body(replace(header, height_m=1.36)).scales["overall"] == pytest.approx(0.8)


def test_what_the_recorder_nodes_and_clocks_say_is_passed_on(header, stream) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    extra: Stream = [
        (RecordedThrough(1, 1234), START_NS),
        (Dropped(1, "cam_1", 3), START_NS),
        (ClockOffset(1, "cam_1", 8_000_000, 100), START_NS),
    ]
    said = run(engine, [*extra, *stream])
    frame = live(said)[-1]
    assert frame.recorded_through_ns == 1234
    assert {c.name: c.dropped for c in frame.cameras} == {"cam_0": 0, "cam_1": 3, "cam_2": 0, "cam_3": 0}
    (health,) = [m for m in said if isinstance(m, EngineHealth)]
    assert health.clock_offsets_ns == {"cam_1": 8_000_000}
    assert any("cam_1: its clock differs by 8.0 ms" in f for f in health.findings)
    assert {"align", "fit", "kinetics", "events", "frame"} <= set(health.stages_ms)


def test_free_running_cameras_are_followed_as_well(header, stream, reference) -> None:
    phase_ns = {"cam_0": 0, "cam_1": 7_000_000, "cam_2": 15_000_000, "cam_3": 26_000_000}
    shifted = [
        (replace(m, t_ns=m.t_ns + phase_ns[m.camera]), r + phase_ns[m.camera])
        for m, r in stream
        if isinstance(m, KeypointFrame)
    ]
    shifted.sort(key=lambda p: p[1])
    frames = live(run(Engine(header, KNOWN, CONFIG), [*shifted, (EndOfStream(1), shifted[-1][1])]))
    snapshots = [f for f in frames if not f.flush]
    assert len(snapshots) == pytest.approx(SECONDS * 30, abs=2)
    assert snapshots[-1].status == "tracking"


def test_markers_go_through_the_same_engine() -> None:
    header = marker_session()
    shown = list(marker_frames(header, 0.7))
    engine = Engine(header, KNOWN, CONFIG)
    frames = live(run(engine, [*shown, (EndOfStream(1), shown[-1][1])]))
    instants = [f.t_ns for f in frames if not f.flush]
    assert instants == [m.t_ns for m, _ in shown]
    assert [k.t_ns for f in frames if (k := f.kinematics)] == instants
    last = frames[-1].kinematics
    assert last is not None
    assert last.tracked
    assert frames[-1].cameras == ()


def test_markers_are_found_by_the_names_of_the_recording() -> None:
    """Recorded in another order, without two of the set, with two that the set does not know (any more)."""
    header = marker_session()
    names = header.marker_names
    rng = np.random.default_rng(4)
    missing = {names[3], names[17]}
    kept = [int(i) for i in rng.permutation(len(names)) if names[i] not in missing]
    recorded = ("once known", *(names[i] for i in kept), names[kept[0]])
    nonsense = np.array([[9.0, -9.0, 9.0, 1.0]], np.float32)
    of_today, as_recorded = [], []
    for message, receive_ns in marker_frames(header, 0.7):
        shown = message.markers.copy()
        shown[[names.index(name) for name in missing]] = 0.0
        of_today.append((replace(message, markers=shown), receive_ns))
        rows = np.concatenate([nonsense, message.markers[kept], nonsense])
        as_recorded.append((replace(message, markers=rows), receive_ns))
    expected = live(run(Engine(header, KNOWN, CONFIG), of_today))
    engine = Engine(replace(header, marker_names=recorded), KNOWN, CONFIG)
    engine.warm()
    frames = live(run(engine, as_recorded))
    assert [wire.encode(f) for f in frames] == [wire.encode(f) for f in expected]
    assert frames[-1].status == "tracking"
    told = [f for f in engine.health().findings if "markers" in f]
    assert told == [
        f"2 of the recording's markers are not in its marker set and not used: once known, {names[kept[0]]}"
    ]


def test_a_frame_with_another_number_of_markers_is_refused_and_told() -> None:
    header = marker_session()
    engine = Engine(header, KNOWN, CONFIG)
    shown = [(replace(m, markers=m.markers[:-10]), r) for m, r in marker_frames(header, 0.1)]
    assert live(run(engine, shown)) == []
    assert any(f.startswith("6 messages with the wrong number") for f in engine.health().findings)


def test_what_nobody_thought_of_is_told_with_its_place_and_the_session_goes_on(
    header, stream, monkeypatch
) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    kinematics, calls = engine._poses.kinematics, []

    def fails_thrice(*arguments):
        calls.append(arguments)
        if 20 <= len(calls) < 23:
            raise IndexError(f"planted {len(calls)}")
        return kinematics(*arguments)

    monkeypatch.setattr(engine._poses, "kinematics", fails_thrice)
    frames = live(run(engine, stream))
    assert len([f for f in frames if not f.flush]) == int(SECONDS * 30) - 3
    told = [f for f in engine.health().findings if "planted" in f]
    assert len(told) == 1
    assert told[0].startswith("3 x a KeypointFrame could not be processed (IndexError in test_engine.py:")


@pytest.mark.parametrize("stage", ["fitter", "kinetics", "gait"])
def test_a_stage_that_fails_is_started_anew_and_no_row_is_missing(header, stream, stage, monkeypatch) -> None:
    engine = Engine(header, KNOWN, CONFIG)
    failing = getattr(engine._streams, f"_{stage}")
    step, calls = failing.step, []

    def fails_once(*arguments):
        calls.append(arguments)
        if len(calls) == 20:
            raise FloatingPointError("planted")
        return step(*arguments)

    monkeypatch.setattr(failing, "step", fails_once)
    frames = live(run(engine, stream))
    instants = [f.t_ns for f in frames if not f.flush]
    assert len(instants) == int(SECONDS * 30)
    assert [k.t_ns for f in frames if (k := f.kinematics)] == instants
    assert [k.t_ns for f in frames if (k := f.kinetics)] == instants
    assert frames[-1].status == "tracking"
    assert any("planted" in finding for finding in engine.health().findings)
