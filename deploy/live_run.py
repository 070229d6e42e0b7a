"""A live session with its display: the engine in this process, the display (and a player) beside it."""

from __future__ import annotations

import signal
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from kincast.deploy.children import Child
from kincast.models.body import BodyParameters
from kincast.streaming.engine import EngineConfig
from kincast.streaming.live import Addresses, LiveSession, LiveSettings
from kincast.streaming.messages import SessionHeader


@dataclass(frozen=True)
class DisplayPlace:
    """Where the display listens; ``keys``: folder with the display's key; ``open_browser``: show it."""

    host: str = "127.0.0.1"
    port: int = 7480
    keys: Path | None = None
    open_browser: bool = True


def run_live(
    header: SessionHeader,
    settings: LiveSettings,
    *,
    body: BodyParameters | None = None,
    config: EngineConfig | None = None,
    display: DisplayPlace | None = None,
    play: Path | None = None,
    repeats: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Run until Ctrl-C, SIGTERM, or the end of what ``play`` sends.

    Args:
        display: None for none.
        play: a recording to send through the engine's sockets once it is ready, ``repeats`` times.
        say: hears one sentence per step of the way.

    Returns:
        Exit code: 0 also when interrupted, 2 where the display cannot listen.
    """
    children: list[Child] = []
    ready = threading.Event()

    def opened(line: str) -> None:
        say(f"display: {line}")
        if display is not None and display.open_browser:
            threading.Thread(target=webbrowser.open, args=(line,), daemon=True).start()

    def on_ready(addresses: Addresses) -> None:
        say(f"engine ready: pictures to {addresses.ingest}, frames from {addresses.publish}")
        ready.set()
        if display is not None:
            arguments = [addresses.publish, "--host", display.host, "--port", str(display.port)]
            if display.keys is not None:
                arguments += ["--keys", str(display.keys)]
            children.append(Child("kincast.deploy.display_process", arguments, opened))
        if play is not None:
            arguments = [str(play), addresses.ingest]
            if repeats is not None:
                arguments += ["--repeats", str(repeats)]
            player = Child("kincast.deploy.player", arguments)
            children.append(player)
            threading.Thread(target=_stop_after, args=(player, session), daemon=True).start()

    session = LiveSession(header, settings, body, config, on_ready)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        say("ending ...")
        session.stop()
        if not ready.is_set():
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        say("compiling the fitter (seconds from the cache, up to a minute the first time) ...")
        session.run()
    finally:
        for child in children:
            child.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return max((child.exit_code or 0 for child in children if child.exit_code is not None), default=0)


def _stop_after(player: Child, session: LiveSession) -> None:
    player.wait()
    session.stop()
