"""``kincast live``: engine, recorder and display for real camera nodes."""

from __future__ import annotations

import datetime
import getpass
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from kincast.deploy.cli.meta import read_base
from kincast.models.errors import UserMistakeError

if TYPE_CHECKING:
    from kincast.deploy.rig import Rig


class NotExposedError(UserMistakeError):
    """The rig's address and --expose contradict each other: only both together let other computers in."""


@dataclass(frozen=True)
class Live:
    """Run a session on a rig until Ctrl-C; every message in and out is recorded."""

    rig: Positional[Path]
    """The rig file (RIG.toml)."""
    session: str = ""
    """Session identifier (never a name); date and time without it."""
    torques: bool = False
    """Joint torques alone, no muscles."""
    base: Path | None = None
    """What is known of people (a base body of `kincast meta`) when the body is estimated; without it the literature."""
    expose: str = ""
    """Host name under which other computers may reach engine and display; all stays on this computer without it."""
    no_browser: bool = False
    """Do not open the page."""
    no_record: bool = False
    """Do not record."""
    real_time: bool = False
    """Schedule the session before all else on this computer (needs the right: LimitRTPRIO=20 in a service unit)."""

    def run(self) -> int:
        from kincast.deploy.environment import keep_to_one_core

        keep_to_one_core()
        from rich.console import Console

        from kincast.deploy.live_run import DisplayPlace, run_live
        from kincast.deploy.rig import read_rig
        from kincast.streaming.engine import EngineConfig

        console = Console(stderr=True, highlight=False)
        rig = read_rig(self.rig)
        now = datetime.datetime.now().astimezone()
        session = self.session or now.strftime("%Y%m%d-%H%M%S")
        settings = rig.live_settings(
            None if self.no_record else rig.recordings / f"{session}.mcap", exposed=bool(self.expose)
        )
        settings = replace(settings, real_time=self.real_time)
        self._check_exposure(rig)
        if settings.recording is not None:
            settings.recording.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.expose:
            console.print(
                f"  [bold]exposed as {self.expose}[/bold]: nodes with keys and people with a login may connect from the network",
                soft_wrap=True,
            )
            _audit(
                rig,
                now,
                f"exposed engine {settings.ingest} and display port {rig.network.display_port} as {self.expose}",
            )
        return run_live(
            rig.header(session),
            settings,
            body=rig.body(),
            config=EngineConfig(muscles=not self.torques, base=read_base(self.base)),
            display=DisplayPlace(
                host=rig.network.host if self.expose else "127.0.0.1",
                port=rig.network.display_port,
                keys=rig.keys,
                expose=self.expose,
                open_browser=not self.no_browser,
            ),
            say=lambda sentence: console.print(f"  {sentence}", soft_wrap=True),
        )

    def _check_exposure(self, rig: Rig) -> None:
        """Before anything listens.

        Raises:
            NotExposedError, AuthorityError, LoginsError
        """
        from kincast.deploy.display_process import access_for
        from kincast.streaming.display.access import is_loopback

        host = rig.network.host
        if is_loopback(host) and self.expose:
            raise NotExposedError(
                f"{self.rig}: network.host is {host}, which no other computer can reach; give the address to listen"
                " at in [network], or leave out --expose"
            )
        if not is_loopback(host) and not self.expose:
            raise NotExposedError(
                f"{self.rig}: network.host {host} can be reached by other computers; say --expose NAME"
                " if that is wanted, or listen on 127.0.0.1"
            )
        if self.expose:
            access_for(host, rig.network.display_port, rig.keys, self.expose)


def _audit(rig: Rig, now: datetime.datetime, what: str) -> None:
    """One line per event in ``audit.log`` beside the recordings; it says who, not about whom."""
    rig.recordings.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(rig.recordings / "audit.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as audit:
        audit.write(f"{now.isoformat()} {_user()} {what}\n")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"
