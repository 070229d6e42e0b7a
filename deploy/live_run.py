"""A live session with its display: the engine in this process, the display (and a player) beside it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from kincast.deploy.children import Child
from kincast.models.body import BodyParameters
from kincast.streaming.engine import EngineConfig
from kincast.streaming.live import Addresses, LiveSession, LiveSettings
from kincast.streaming.messages import SessionHeader

STILL_COMPILING_S = 10.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class DisplayPlace:
    """Where the display listens.

    ``keys``: folder with the display's key, certificate and logins; ``expose``: the name by which browsers on other
    computers reach it (needs ``keys``); ``open_browser``: show it here.
    """

    host: str = "127.0.0.1"
    port: int = 7480
    keys: Path | None = None
    expose: str = ""
    open_browser: bool = True

    def arguments(self, publish: str) -> list[str]:
        """Of ``kincast.deploy.display_process``."""
        arguments = [publish, "--host", self.host, "--port", str(self.port)]
        if self.keys is not None:
            arguments += ["--keys", str(self.keys)]
        if self.expose:
            arguments += ["--expose", self.expose]
        return arguments


def run_live(
    header: SessionHeader,
    settings: LiveSettings,
    *,
    body: BodyParameters | None = None,
    config: EngineConfig | None = None,
    display: DisplayPlace | None = None,
    play: Path | None = None,
    repeats: int | None = None,
    say: Say = lambda _: None,
) -> int:
    """Run until Ctrl-C, SIGTERM, or the end of what ``play`` sends.

    Args:
        display: None for none. It starts while the engine compiles, and says so.
        play: a recording to send through the engine's sockets once it is ready, ``repeats`` times.
        say: hears one sentence per step of the way.

    Returns:
        Exit code: 0 also when interrupted, 2 where the display cannot listen.
    """
    children: list[Child] = []
    windows: list[subprocess.Popen[bytes]] = []
    ready = threading.Event()

    def opened(address: str) -> None:
        say(f"display: {address}")
        if display is not None and display.open_browser:
            window = _browser(address)
            windows.append(window)
            threading.Thread(target=_said_if_none, args=(window, say), daemon=True).start()

    def on_listening(addresses: Addresses) -> None:
        if display is None:
            return
        child = Child("kincast.deploy.display_process", display.arguments(addresses.publish), opened)
        children.append(child)
        threading.Thread(target=_stop_where_refused, args=(child, session), daemon=True).start()

    def on_ready(addresses: Addresses) -> None:
        say(f"engine ready: pictures to {addresses.ingest}, frames from {addresses.publish}")
        ready.set()
        if play is None:
            return
        arguments = [str(play), addresses.ingest]
        if repeats is not None:
            arguments += ["--repeats", str(repeats)]
        player = Child("kincast.deploy.player", arguments)
        children.append(player)
        threading.Thread(target=_stop_after, args=(player, session), daemon=True).start()

    session = LiveSession(header, settings, body, config, on_ready, on_listening)
    ending = threading.Event()

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        again = ending.is_set()
        ending.set()
        say("ending ...")
        session.stop()
        # who asks twice does not want to wait for what is still to be written
        if again or not ready.is_set():
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        say("compiling the fitter (seconds from the cache, up to a minute the first time) ...")
        threading.Thread(target=_still_compiling, args=(ready, say), daemon=True).start()
        session.run()
    finally:
        ready.set()
        for child in children:
            child.stop()
        for window in windows:
            # a browser that it started lives on: it is the user's
            window.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                window.wait(1.0)
        for number, handler in before.items():
            signal.signal(number, handler)
    return max([0, *(child.exit_code or 0 for child in children)])


def _browser(address: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "kincast.deploy.browser", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _said_if_none(window: subprocess.Popen[bytes], say: Say) -> None:
    if window.wait() == 1:
        say("no browser could be opened here: open the address above in one")


def _still_compiling(ready: threading.Event, say: Say) -> None:
    began_s = time.monotonic()
    while not ready.wait(STILL_COMPILING_S):
        say(f"still compiling, {time.monotonic() - began_s:.0f} s so far ...")


def _stop_after(player: Child, session: LiveSession) -> None:
    player.wait()
    session.stop()


def _stop_where_refused(display: Child, session: LiveSession) -> None:
    """A display that must not or cannot listen has said why; a session without it helps nobody."""
    display.wait()
    if display.exit_code == 2:
        session.stop()
