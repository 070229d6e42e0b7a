"""The display beyond this computer, as its own process: https with the rig's authority, login, and nothing without them."""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kincast.deploy.cli import main
from kincast.streaming.display import build

NAME = "localhost"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def built() -> None:
    try:
        build.build()
    except build.PageBuildError as error:
        pytest.skip(f"the page cannot be built here: {error}")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rig") / "keys"
    assert main(["keys", "init", str(folder), "cam_01"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
        assert main(["keys", "login", str(folder), "therapist"]) == 0
    return folder


@dataclass(frozen=True)
class Exposed:
    """The running display, and a browser's TLS context that trusts the rig's authority."""

    port: int
    trusting: ssl.SSLContext

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(NAME, self.port, context=self.trusting, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def log_in(self, user: str, password: str) -> http.client.HTTPResponse:
        form = urllib.parse.urlencode({"user": user, "password": password})
        return self.ask("POST", "/login", form)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kincast.deploy.display_process", "tcp://127.0.0.1:9", *arguments]


@pytest.fixture(scope="module")
def display(built: None, keys: Path) -> Iterator[Exposed]:
    arguments = ("--host", "0.0.0.0", "--port", "0", "--keys", str(keys), "--expose", NAME)
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith(f"https://{NAME}:")
        port = urllib.parse.urlsplit(address).port
        assert port is not None
        yield Exposed(port, ssl.create_default_context(cafile=keys / "ca.pem"))
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_browser_without_the_authority_is_warned(display: Exposed) -> None:
    with (
        socket.create_connection((NAME, display.port), timeout=20) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname=NAME)


def test_nothing_is_seen_without_logging_in(display: Exposed) -> None:
    answer = display.ask("GET", "/")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    origin = f"https://{NAME}:{display.port}"
    with pytest.raises(InvalidStatus):
        connect(f"wss://{NAME}:{display.port}/live", ssl=display.trusting, origin=origin)  # type: ignore[arg-type]


def test_a_wrong_password_is_refused_and_the_right_one_opens_page_and_stream(display: Exposed) -> None:
    for user, password in (("therapist", "wrong"), ("nobody", PASSWORD), ("therapist", "")):
        refused = display.log_in(user, password)
        assert refused.status == 401
        assert refused.headers["Set-Cookie"] is None
    answer = display.log_in("therapist", PASSWORD)
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"]
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    token = cookie.split(";")[0]
    assert display.ask("GET", "/", Cookie=token).status == 200
    origin = f"https://{NAME}:{display.port}"
    with connect(
        f"wss://{NAME}:{display.port}/live",
        ssl=display.trusting,
        origin=origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": token},
    ) as stream:
        first = stream.recv(timeout=20)
        assert isinstance(first, str)
        assert json.loads(first)["type"] == "control"


def test_it_does_not_answer_to_other_names(display: Exposed) -> None:
    assert display.ask("GET", "/login", Host="evil.example").status == 421


@pytest.mark.parametrize(
    ("expose", "said"), [("", "refusing to listen on 0.0.0.0"), ("lab.example", "certificate is not for lab")]
)
def test_without_protection_it_refuses(keys: Path, expose: str, said: str) -> None:
    arguments = ["--host", "0.0.0.0", "--port", "0", "--keys", str(keys)]
    arguments += ["--expose", expose] if expose else []
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
