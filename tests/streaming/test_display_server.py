"""The display's server: what travels to the page, who may come in, what is counted, who gets what when."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import COORDINATES
from kincast.streaming import wire
from kincast.streaming.display import build
from kincast.streaming.display.access import (
    Access,
    BadPasswordHashError,
    LoginSessions,
    UnprotectedDisplayError,
    check_password,
    hash_password,
    is_loopback,
)
from kincast.streaming.display.feedback import FeedbackTarget, FeedbackTracker, UnknownFeedbackTargetError
from kincast.streaming.display.frame_codec import HEADER, encode_frame
from kincast.streaming.display.person import person_scene
from kincast.streaming.display.scene import Mesh, MusclePath, Scene, encode_scene
from kincast.streaming.display.scene_keeper import measured_scales
from kincast.streaming.display.server import (
    DisplayAddressError,
    DisplayConfig,
    PageNotBuiltError,
    TlsFilesError,
    create_app,
    serve,
)
from kincast.streaming.display.sources import Item, engine_messages, newest, queue_source, with_scenes
from kincast.streaming.messages import BodySwap, EngineHealth, LiveFrame, SessionHeader
from kincast.streaming.transport import address_of, bound
from tests.streaming.running_display import RunningDisplay, running_display
from tests.streaming.synthetic_walk import MASS_KG, Walk, engine_health, frames, live_frame, make_walk

SCENE = Scene(
    session_id="s",
    subject_id="P1",
    bodies=("pelvis", "femur_r"),
    parents=(-1, 0),
    capsules=(),
    ellipsoids=(),
    meshes=(Mesh(1, np.eye(3), np.array([[0, 1, 2]])),),
    muscles=(MusclePath("glut_r", (0, 1), ((0.0, 0.1, 0.2), (0.3, 0.4, 0.5)), 0.01),),
    keypoints=("Nose",),
    body_weight_n=700.0,
)


@pytest.fixture(scope="module")
def walk() -> Walk:
    return make_walk()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A stand-in for the built page: these tests are about the server."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>kincast</title>")
    (tmp_path / "assets" / "a.js").write_text("0")
    return tmp_path


@pytest.fixture
def display(page: Path) -> Iterator[RunningDisplay]:
    with running_display(SCENE, DisplayConfig(static=page)) as running:
        yield running


def screen(display: RunningDisplay, role: str = "therapist", **options: object) -> ClientConnection:
    origin = options.pop("origin", f"http://{display.host}")
    return connect(
        f"ws://{display.host}/live?role={role}",
        origin=origin,  # type: ignore[arg-type]
        compression=None,
        close_timeout=1,
        **options,  # type: ignore[arg-type]
    )


def receive(connection: ClientConnection, kind: str, timeout: float = 5.0) -> dict:
    """The next text message of a kind; others on the way are dropped."""
    deadline = time.monotonic() + timeout
    while True:
        message = connection.recv(timeout=max(0.01, deadline - time.monotonic()))
        if isinstance(message, str) and (found := json.loads(message))["type"] == kind:
            return found


def receive_frames(connection: ClientConnection, timeout: float = 5.0) -> list[int]:
    """Sequence numbers of the frames in the next message of frames."""
    deadline = time.monotonic() + timeout
    while True:
        message = connection.recv(timeout=max(0.01, deadline - time.monotonic()))
        if isinstance(message, bytes) and message[:4] == b"KCLF":
            return [HEADER.unpack_from(message, at)[3] for at in starts_of_frames(message)]


def starts_of_frames(message: bytes) -> list[int]:
    """Where the frames of a message begin."""
    starts, at = [], 0
    while at < len(message):
        starts.append(at)
        _, _, flags, *_, bodies, n, muscles, cameras, _, tail = HEADER.unpack_from(message, at)
        kinematics, kinetics = flags & 1, flags >> 1 & 1
        numbers = 7 * bodies + kinematics * 3 * n + kinetics * (2 * n + 19 + 2 * muscles) + 6 * cameras
        at += HEADER.size + 4 * numbers + tail
    return starts


# ---------------------------------------------------------------- frames and scene


def test_a_frame_reads_back_by_the_documented_layout(walk: Walk) -> None:
    frame = live_frame(walk, 130)
    message = encode_frame(frame, 7)
    (magic, version, flags, seq, revision, t, t_kinematics, t_kinetics, recorded, b, n, m, c, _, tail) = (
        struct.unpack_from("<4sHHIIqqqqHHHHII", message)
    )
    assert (magic, version, seq, revision) == (b"KCLF", 1, 130, 7)
    assert flags == 0b011111
    assert frame.kinematics is not None
    assert frame.kinetics is not None
    assert (t, t_kinematics, t_kinetics) == (frame.t_ns, frame.kinematics.t_ns, frame.kinetics.t_ns)
    assert recorded == frame.recorded_through_ns
    assert (b, n, m, c) == (23, 40, 80, 4)
    numbers = np.frombuffer(message[64 : len(message) - tail], "<f4")
    sizes = [3 * b, 4 * b, n, n, n, n, n, 6, 6, 6, 1, m, m, 6 * c]
    assert numbers.size == sum(sizes)
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    kinematics, kinetics = frame.kinematics, frame.kinetics
    np.testing.assert_array_equal(parts[0].reshape(-1, 3), frame.body_xpos)
    np.testing.assert_array_equal(parts[1].reshape(-1, 4), frame.body_xquat)
    for part, wanted in zip(
        parts[2:13],
        (
            kinematics.angles,
            kinematics.angles_sd,
            kinematics.at_limit,
            kinetics.torques,
            kinetics.torques_sd,
            (*kinetics.right.force, *kinetics.right.cop),
            (*kinetics.left.force, *kinetics.left.cop),
            kinetics.force_sd.ravel(),
            [np.float32(kinetics.residual_pct_bw)],
            kinetics.activations,
            kinetics.activations_sd,
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(part, wanted)
    assert parts[13].reshape(c, 6)[3].tolist() == pytest.approx([1, 14.2, 0.41, 130, 3, 0])
    text = json.loads(message[len(message) - tail :])
    assert text["status"] == "tracking"
    assert text["cameras"][3] == ["cam3", "knocked"]


def test_a_frame_says_how_old_it_was_where_that_makes_sense(walk: Walk) -> None:
    frame = live_frame(walk, 130)
    for waited_ns, age_ms in ((43_900_000, 43), (-1, 0xFFFFFFFF), (10**14, 0xFFFFFFFF)):
        assert HEADER.unpack_from(encode_frame(frame, 1, frame.t_ns + waited_ns))[-2] == age_ms
    assert HEADER.unpack_from(encode_frame(frame, 1))[-2] == 0xFFFFFFFF


def test_a_frame_before_kinematics_and_kinetics_is_short(walk: Walk) -> None:
    message = encode_frame(live_frame(walk, 0), 1)
    header = HEADER.unpack_from(message)
    assert header[2] == 0
    assert len(message) == 64 + 4 * (7 * 23 + 6 * 4) + header[-1]


def test_a_scene_points_into_its_numbers() -> None:
    message = encode_scene(SCENE, 3)
    magic, length = struct.unpack_from("<4sI", message)
    assert magic == b"KCSC"
    assert length % 4 == 0, "the page maps typed arrays straight onto the numbers"
    text = json.loads(message[8 : 8 + length])
    mesh = text["meshes"][0]
    blob = message[8 + length :]
    vertices = np.frombuffer(blob, "<f4", mesh["vertices"][1], mesh["vertices"][0]).reshape(-1, 3)
    triangles = np.frombuffer(blob, "<u4", mesh["triangles"][1], mesh["triangles"][0])
    np.testing.assert_array_equal(vertices, np.eye(3))
    np.testing.assert_array_equal(triangles, [0, 1, 2])
    assert (text["revision"], text["coordinates"]) == (3, list(COORDINATES))


def test_the_person_drawn_is_the_person_fitted(walk: Walk) -> None:
    """Muscle ends land on MuJoCo's sites; bones reach their joints, at other scales too."""
    scales = dict.fromkeys(BodyParameters().scales, 1.0) | {"overall": 0.9, "thigh_r": 1.15, "pelvis": 1.1}
    parameters = BodyParameters(scales=scales, mass_kg=60.0)
    header = SessionHeader("s", "P1", "HALPE_26", (), mass_kg=61.0)
    scene = person_scene(parameters, header)
    assert scene.body_weight_n == pytest.approx(61.0 * 9.80665)
    assert [muscle.name for muscle in scene.muscles] == list(walk.muscles)
    body = build_body(parameters, "muscle")
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = np.asarray(body.full_qpos(walk.poses[10]))
    mujoco.mj_kinematics(body.mj_model, data)
    for name, path in ((m.name, m) for m in scene.muscles):
        tendon = body.mj_model.actuator(name).trnid[0]
        start, count = body.mj_model.tendon_adr[tendon], body.mj_model.tendon_num[tendon]
        ends = [body.mj_model.wrap_objid[start], body.mj_model.wrap_objid[start + count - 1]]
        for k, site in zip((0, -1), ends, strict=True):
            xbody = data.body(scene.bodies[path.bodies[k]])
            drawn = xbody.xpos + xbody.xmat.reshape(3, 3) @ np.array(path.points[k])
            np.testing.assert_allclose(drawn, data.site_xpos[site], atol=1e-9)
    for name, child in (("femur_r", "tibia_r"), ("tibia_l", "talus_l"), ("humerus_r", "ulna_r")):
        # the child's joint lies within 45 mm of the bone that carries it
        inside = data.body(name).xmat.reshape(3, 3).T @ (data.body(child).xpos - data.body(name).xpos)
        vertices = np.concatenate([m.vertices for m in scene.meshes if scene.bodies[m.body] == name])
        assert np.linalg.norm(vertices - inside, axis=1).min() < 0.045, name


# ---------------------------------------------------------------- feedback


def fed(tracker: FeedbackTracker, stream: Iterator[LiveFrame] | list[LiveFrame]) -> FeedbackTracker:
    for frame in stream:
        tracker.step(frame)
    return tracker


def test_valid_strides_are_counted_with_their_peak(walk: Walk) -> None:
    state = fed(FeedbackTracker(), frames(walk, 0, 5 * walk.n)).state
    peak = np.rad2deg(walk.poses[:, 7 + COORDINATES[6:].index("knee_angle_r")]).max()
    assert state.counted >= 3
    assert state.not_counted == 0
    assert all(stride.value == pytest.approx(peak, abs=1e-3) for stride in state.strides)
    assert state.in_band == sum(50 <= stride.value <= 70 for stride in state.strides if stride.value)


@pytest.mark.parametrize("which", ["kinematics", "kinetics", "untracked", "uncertain"])
def test_one_invalid_sample_takes_its_stride_out_and_no_other(walk: Walk, which: str) -> None:
    stream = list(frames(walk, 0, 6 * walk.n))
    spoiled = 2 * walk.n + 20
    frame = stream[spoiled]
    assert frame.kinematics is not None
    assert frame.kinetics is not None
    stream[spoiled] = {
        "kinematics": replace(frame, kinematics=replace(frame.kinematics, valid=False)),
        "kinetics": replace(frame, kinetics=replace(frame.kinetics, valid=False)),
        "uncertain": replace(
            frame, kinematics=replace(frame.kinematics, angles_sd=3.2 * frame.kinematics.angles_sd)
        ),
        "untracked": replace(frame, kinematics=replace(frame.kinematics, tracked=False)),
    }[which]
    before, state = (
        fed(FeedbackTracker(), frames(walk, 0, 6 * walk.n)).state,
        fed(FeedbackTracker(), stream).state,
    )
    assert state.not_counted == 1
    assert state.counted == before.counted - 1
    assert ("uncertain" if which == "uncertain" else "valid") in next(
        s.reason for s in state.strides if s.value is None
    )


def test_a_stride_with_a_gap_is_not_counted(walk: Walk) -> None:
    hole = range(2 * walk.n + 10, 2 * walk.n + 24)
    stream = [frame for i, frame in enumerate(frames(walk, 0, 5 * walk.n)) if i not in hole]
    state = fed(FeedbackTracker(), stream).state
    assert [s.reason for s in state.strides if s.value is None] == ["kinematics had a gap"]


def test_a_recording_that_starts_again_does_not_join_its_end_to_its_start(walk: Walk) -> None:
    tracker = fed(FeedbackTracker(), frames(walk, 0, 3 * walk.n + 20))
    counted = tracker.state.counted
    fed(tracker, frames(walk, 0, walk.n // 2))
    assert tracker.state.counted == counted


def test_a_target_must_name_a_coordinate_and_a_band() -> None:
    for wrong in ({"coordinate": "knee"}, {"low": 70.0}, {"high": float("nan")}):
        with pytest.raises(UnknownFeedbackTargetError, match="feedback target"):
            FeedbackTarget(**wrong)


# ---------------------------------------------------------------- who may come in


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "clinic-pc"])
def test_listening_on_the_network_needs_tls_login_and_a_name(host: str, tmp_path: Path) -> None:
    with pytest.raises(UnprotectedDisplayError, match="TLS certificate and key and at least one login"):
        Access(host=host)
    pem = tmp_path / "x.pem"
    with pytest.raises(UnprotectedDisplayError, match="login"):
        Access(host=host, tls_certificate=pem, tls_key=pem, names=("gait.local",))
    with pytest.raises(UnprotectedDisplayError, match="TLS"):
        Access(host=host, logins={"anna": hash_password("x")}, names=("gait.local",))
    Access(host=host, tls_certificate=pem, tls_key=pem, logins={"anna": "scrypt$a$b"}, names=("gait.local",))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.evil.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) == local


@given(st.text(max_size=40))
@settings(deadline=None)
def test_no_host_header_but_the_known_is_allowed(text: str) -> None:
    name = text.rsplit(":", 1)[0].lower()
    if name not in ("localhost", "127.0.0.1", "[::1]", "[::1"):
        allowed = Access().host_allowed(text)
        assert not allowed or name.rpartition("@")[2] in ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(display: RunningDisplay, method: str, path: str, body: str = "", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", display.port, timeout=5)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


def test_pages_come_with_a_strict_policy_and_only_under_known_names(display: RunningDisplay) -> None:
    answer = ask(display, "GET", "/patient")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert f"ws://{display.host}" in policy
    assert ask(display, "GET", "/assets/a.js").status == 200
    for path in ("/assets/../server.py", "/assets/%2e%2e/index.html", "/nothing"):
        assert ask(display, "GET", path).status == 404
    for name in ("evil.org", "evil.org:80", "127.0.0.1.evil.org", ""):
        assert ask(display, "GET", "/", Host=name).status == 421


def test_sockets_of_other_sites_are_refused(display: RunningDisplay) -> None:
    other_port = f"http://127.0.0.1:{display.port + 1}"
    for origin in ("http://evil.org", other_port, "null", None):
        with pytest.raises(InvalidStatus):
            screen(display, origin=origin)
    rebound = connect  # the name of another site that resolves to this computer
    with pytest.raises(InvalidStatus), socket.create_connection(("127.0.0.1", display.port)) as raw:
        rebound(f"ws://evil.org:{display.port}/live", sock=raw, origin=f"http://evil.org:{display.port}")  # type: ignore[arg-type]


def test_login_opens_the_page_and_the_socket(page: Path) -> None:
    access = Access(logins={"anna": hash_password("correct horse")})
    with running_display(SCENE, DisplayConfig(access=access, static=page)) as display:
        answer = ask(display, "GET", "/")
        assert (answer.status, answer.headers["location"]) == (303, "/login")
        with pytest.raises(InvalidStatus):
            screen(display)
        assert b"<form" in ask(display, "GET", "/login").body

        def post(user: str, password: str) -> Answer:
            return ask(display, "POST", "/login", f"user={user}&password={password}")

        assert post("anna", "wrong").status == 401
        assert post("bob", "correct+horse").status == 401
        entered = post("anna", "correct+horse")
        assert entered.status == 303
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        token = cookie.split(";")[0]
        assert ask(display, "GET", "/", Cookie=token).status == 200
        assert ask(display, "GET", "/", Cookie=token[:-1] + "~").status == 303
        with screen(display, additional_headers={"Cookie": token}) as connection:
            assert isinstance(connection.recv(timeout=5), bytes | str)


def test_over_tls_the_cookie_is_for_tls_only(page: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *files, *names], check=True, capture_output=True
    )
    access = Access(tls_certificate=certificate, tls_key=key, logins={"anna": hash_password("x")})
    trust = ssl.create_default_context(cafile=certificate)
    with running_display(SCENE, DisplayConfig(access=access, static=page)) as display:
        assert display.url.startswith("https://")
        client = http.client.HTTPSConnection("127.0.0.1", display.port, timeout=5, context=trust)
        client.request("POST", "/login", "user=anna&password=x")
        answer = client.getresponse()
        cookie = answer.headers["Set-Cookie"]
        client.close()
        assert "secure" in cookie.lower()
        assert "Strict-Transport-Security" in answer.headers
        with connect(
            f"wss://{display.host}/live",
            origin=f"https://{display.host}",  # type: ignore[arg-type]
            ssl=trust,
            additional_headers={"Cookie": cookie.split(";")[0]},
            close_timeout=1,
        ) as connection:
            assert connection.recv(timeout=5)
    wrong = replace(access, tls_key=certificate)
    with (
        pytest.raises(TlsFilesError, match="cannot be used"),
        running_display(SCENE, DisplayConfig(wrong, static=page)),
    ):
        pass


def test_a_taken_port_is_a_clear_error(display: RunningDisplay, page: Path) -> None:
    config = DisplayConfig(access=Access(port=display.port), static=page)
    with pytest.raises(DisplayAddressError, match=f"port {display.port}"):
        asyncio.run(serve(queue_source(asyncio.Queue()), SCENE, config))


def test_guessing_passwords_is_slowed_down() -> None:
    sessions = LoginSessions({"anna": hash_password("secret")}, max_failures=3)
    for now in (0.0, 1.0, 2.0):
        assert sessions.login("anna", "guess", now) is None
    assert sessions.locked(3.0)
    assert sessions.login("anna", "secret", 3.0) is None
    token = sessions.login("anna", "secret", 70.0)
    assert token is not None
    assert sessions.valid(token, 71.0)
    assert not sessions.valid(token, 70.0 + 13 * 3600)


def test_an_unreadable_password_hash_is_named() -> None:
    for stored in ("", "plain", "scrypt$?$?", "md5$YQ==$YQ=="):
        with pytest.raises(BadPasswordHashError, match="password hash"):
            check_password("x", stored)


# ---------------------------------------------------------------- who gets what when


def test_a_new_screen_gets_the_scene_once_then_frames(display: RunningDisplay, walk: Walk) -> None:
    def next_kinds(connection: ClientConnection, count: int) -> list[bytes]:
        """Magic words of the next binary messages."""
        kinds: list[bytes] = []
        while len(kinds) < count:
            message = connection.recv(timeout=5)
            kinds += [message[:4]] if isinstance(message, bytes) else []
        return kinds

    with screen(display) as connection:
        assert next_kinds(connection, 1) == [b"KCSC"]
        receive(connection, "feedback")
        display.put(live_frame(walk, 1))
        assert next_kinds(connection, 1) == [b"KCLF"]
        display.put(engine_health(1))
        assert receive(connection, "health")["stages_ms"]["fit"] == [4.1, 6.3, 9.0]
        connection.send(json.dumps({"type": "ack", "seq": 1}))
        display.put(replace(SCENE, subject_id="P2"), live_frame(walk, 2))
        assert next_kinds(connection, 2) == [b"KCSC", b"KCLF"]


def test_a_slow_screen_is_told_less_often_but_everything(display: RunningDisplay, walk: Walk) -> None:
    stream = list(frames(walk, 0, 4 * walk.n))
    wanted = [(e.side, e.event, str(e.t_ns)) for frame in stream for e in frame.events]
    with screen(display) as slow, screen(display) as quick:
        for connection in (slow, quick):
            receive(connection, "feedback")
        display.put(stream[0])
        assert receive_frames(slow) == [0]
        assert receive_frames(quick) == [0]
        quick.send(json.dumps({"type": "ack", "seq": 0}))
        got: list[int] = []

        def keep_up() -> None:
            while not got or got[-1] < len(stream) - 1:
                got.extend(receive_frames(quick))
                quick.send(json.dumps({"type": "ack", "seq": got[-1]}))

        reader = threading.Thread(target=keep_up)
        reader.start()
        for frame in stream[1:]:
            display.put(frame)
        reader.join(20)
        assert not reader.is_alive()
        assert got == list(range(1, len(stream))), "every frame, in order"
        # the slow one has not acknowledged: it was sent no second message of frames, but all events
        events = []
        while len(events) < len(wanted):
            message = slow.recv(timeout=5)
            assert isinstance(message, str), "a frame was sent without acknowledgement"
            if (event := json.loads(message))["type"] == "event":
                events.append((event["side"], event["event"], event["t_ns"]))
        assert events == wanted
        slow.send(json.dumps({"type": "ack", "seq": 0}))
        assert receive_frames(slow) == list(range(1, len(stream))), "then all that waited, in one message"


def test_the_blank_key_reaches_every_screen_past_waiting_frames(display: RunningDisplay, walk: Walk) -> None:
    with screen(display) as therapist, screen(display, "patient") as patient:
        receive(patient, "feedback")
        display.put(*frames(walk, 0, 100))
        therapist.send(json.dumps({"type": "blank", "on": True, "request": 1}))
        while not receive(patient, "control")["blank"]:
            pass
        with screen(display, "patient") as late:
            assert receive(late, "control")["blank"], "a patient screen that joins later is blank too"
        patient.send(json.dumps({"type": "blank", "on": False, "request": 1}))
        while receive(therapist, "control")["blank"]:
            pass


def test_a_page_is_told_which_of_its_own_requests_were_obeyed(display: RunningDisplay) -> None:
    with screen(display) as one:
        receive(one, "feedback")
        for request in range(1, 6):
            one.send(json.dumps({"type": "blank", "on": request % 2 == 1, "request": request}))
        with screen(display, "patient") as other:
            assert receive(other, "control")["obeyed"] == 0, "requests of another page are not this one's"
            told = [(0, False)]
            while told[-1][0] < 5:
                control = receive(one, "control")
                told.append((control["obeyed"], control["blank"]))
    assert all(blank == (request % 2 == 1) for request, blank in told)


def test_only_the_therapist_sets_the_target_and_nonsense_is_ignored(display: RunningDisplay) -> None:
    target = {"type": "target", "coordinate": "knee_angle_l", "statistic": "max", "low": 40, "high": 60.5}
    with screen(display) as therapist, screen(display, "patient") as patient:
        assert receive(therapist, "feedback")["target"]["coordinate"] == "knee_angle_r"
        patient.send(json.dumps(target | {"low": 1}))
        for nonsense in (
            "",
            "{",
            "[]",
            "null",
            "7",
            '{"type":"blank","on":1,"request":1}',
            '{"type":"blank","on":true}',
            '{"type":"ack","seq":"x"}',
            "[" * 3000,
        ):
            therapist.send(nonsense)
        for wrong in ({"coordinate": "elbow"}, {"low": 80}, {"high": float("nan")}, {"statistic": "mean"}):
            therapist.send(json.dumps(target | wrong))
        therapist.send(json.dumps(target))
        told = receive(therapist, "feedback")
        assert told["target"] == {"coordinate": "knee_angle_l", "statistic": "max", "low": 40.0, "high": 60.5}
        assert receive(patient, "feedback")["target"]["low"] == 50.0
        assert receive(patient, "feedback")["target"]["low"] == 40.0


def test_a_broken_message_is_said_on_the_screen_until_the_next_good_frame(
    display: RunningDisplay, walk: Walk
) -> None:
    with screen(display) as connection:
        receive(connection, "feedback")
        display.put(live_frame(walk, 1), "not a message")  # type: ignore[arg-type]
        while "Error" not in receive(connection, "control")["source_error"]:
            pass
        display.put(live_frame(walk, 2))
        assert receive(connection, "control")["source_error"] == ""


def test_what_is_not_a_number_is_no_end_of_the_display(display: RunningDisplay, walk: Walk) -> None:
    frame = live_frame(walk, 2 * walk.n + 3)
    nan = float("nan")
    assert frame.events
    assert frame.strides
    odd = replace(
        frame,
        events=(replace(frame.events[0], sd_s=nan),),
        strides=(replace(frame.strides[0], values={"stride_length_m": nan}, sd={"stride_length_m": nan}),),
        cameras=(replace(frame.cameras[0], median_px=nan, inlier_share=nan),),
    )
    with screen(display) as connection:
        receive(connection, "feedback")
        display.put(odd)
        assert receive(connection, "event")["sd_s"] is None
        assert receive(connection, "stride")["values"] == {"stride_length_m": None}
        assert receive_frames(connection) == [frame.seq]
        display.put(replace(engine_health(1), stages_ms={"fit": (nan, nan, nan)}))
        assert receive(connection, "health")["stages_ms"] == {"fit": [None, None, None]}


# ---------------------------------------------------------------- from the engine


def test_the_engine_is_heard_over_zeromq_and_the_scene_follows_the_body(walk: Walk) -> None:
    context = zmq.Context()
    engine = bound(context, zmq.PUB, "tcp://127.0.0.1:0")
    parameters = BodyParameters(scales={"overall": 1.07}, mass_kg=MASS_KG)
    header = SessionHeader("s9", "P9", "HALPE_26", (), mass_kg=MASS_KG)
    first = person_scene(BodyParameters(), None, "0" * 64)
    swapped = replace(live_frame(walk, 5), body_sha256=parameters.sha256)
    said = [header, live_frame(walk, 4), BodySwap(1, parameters.to_json()), swapped, engine_health(1)]

    def femur_m(scene: Scene) -> float:
        bone = next(mesh for mesh in scene.meshes if scene.bodies[mesh.body] == "femur_r")
        return float(np.linalg.norm(np.ptp(bone.vertices, axis=0)))

    def wanted(scene: Scene) -> bool:
        of_session = (scene.session_id, scene.body_sha256) == ("s9", parameters.sha256)
        return of_session and abs(femur_m(scene) / femur_m(first) - 1.07) < 1e-6

    async def hear() -> list[Item]:
        heard: list[Item] = []
        source = with_scenes(engine_messages(address_of(engine)), first)
        announced = asyncio.create_task(announce())
        async for item in source:
            heard.append(item)
            if isinstance(item, Scene) and wanted(item):
                break
        announced.cancel()
        await source.aclose()
        return heard

    async def announce() -> None:
        while True:  # a subscriber hears nothing until its subscription has arrived
            for message in said:
                engine.send(wire.encode(message))
            engine.send(b"out/live\0 not a message")
            await asyncio.sleep(0.1)

    try:
        heard = asyncio.run(asyncio.wait_for(hear(), 30))
    finally:
        engine.close(linger=0)
        context.term()
    scene = heard[-1]
    assert isinstance(scene, Scene)
    assert scene.subject_id == "P9"
    assert scene.body_weight_n == pytest.approx(MASS_KG * 9.80665)
    live = next(item for item in heard if isinstance(item, LiveFrame))
    np.testing.assert_array_equal(live.body_xpos, live_frame(walk, live.seq).body_xpos)
    assert any(isinstance(item, EngineHealth) for item in heard)


@pytest.mark.parametrize("pose", [0, 20, 41])
def test_a_display_that_missed_the_body_reads_the_scales_off_the_frames(walk: Walk, pose: int) -> None:
    scales = {"overall": 0.93, "pelvis": 1.12, "thigh_r": 0.9, "shank_foot_l": 1.08, "arm_r": 1.2}
    body = build_body(BodyParameters(scales=scales), "muscle")
    data = mujoco.MjData(body.mj_model)
    data.qpos[:] = np.asarray(body.full_qpos(walk.poses[pose]))
    mujoco.mj_kinematics(body.mj_model, data)
    found = measured_scales(walk.bodies, data.xpos[1:].astype(np.float32))
    for name, scale in body.parameters.scales.items():
        assert found[name] == pytest.approx(scale, rel=0.02 if "thigh" in name else 1e-4), name


def test_a_display_that_fell_behind_goes_on_with_the_present_and_keeps_events(walk: Walk) -> None:
    waiting: list = [*frames(walk, 0, 80), engine_health(1), *frames(walk, 80, 160)]
    kept = newest(waiting)
    assert kept[-1] is waiting[-1]
    assert [m.events for m in kept if isinstance(m, LiveFrame) and m.events] == [
        m.events for m in waiting if isinstance(m, LiveFrame) and m.events
    ]
    assert len(kept) < 30
    assert newest(waiting[:10]) == waiting[:10]


# ---------------------------------------------------------------- the page's build


def test_without_a_page_the_server_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(PageNotBuiltError, match="make install"):
        create_app(queue_source(None), SCENE, DisplayConfig(static=tmp_path))  # type: ignore[arg-type]


def test_an_up_to_date_page_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web, static = tmp_path / "web", tmp_path / "static"
    (web / "node_modules").mkdir(parents=True)
    static.mkdir()
    for path, text in ((web / "package.json", "{}"), (web / "a.ts", "1"), (static / "index.html", "")):
        path.write_text(text)
    (static / ".sources").write_text(build.sources_hash(web))
    monkeypatch.setattr(build, "find_node", lambda folder: pytest.fail("looked for node"))
    assert build.build(tmp_path) is False
    (web / "node_modules" / "x").write_text("packages are not sources")
    assert build.build(tmp_path) is False
    (web / "a.ts").write_text("2")
    assert (static / ".sources").read_text() != build.sources_hash(web)


def test_no_node_at_all_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(build, "NODE_WHEEL", "./no-such-file.whl")
    with pytest.raises(build.PageBuildError, match=r"no Node.js 20.19 or newer"):
        build.find_node(tmp_path)
