"""``kincast live``: engine, recorder and display for real camera nodes."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from kincast.models.errors import UserMistakeError


class NotExposedError(UserMistakeError):
    """The rig asks for an address that other computers can reach, and nobody said that it may."""


@dataclass(frozen=True)
class Live:
    """Run a session on a rig until Ctrl-C; every message in and out is recorded."""

    rig: Positional[Path]
    """The rig file (RIG.toml)."""
    session: str = ""
    """Session identifier (never a name); date and time without it."""
    torques: bool = False
    """Joint torques alone, no muscles."""
    expose: str = ""
    """Host name under which other computers may reach the engine; everything stays on this computer without it."""
    no_browser: bool = False
    """Do not open the page."""
    no_record: bool = False
    """Do not record."""

    def run(self) -> int:
        from kincast.deploy.environment import keep_to_one_core

        keep_to_one_core()
        from rich.console import Console

        from kincast.deploy.live_run import DisplayPlace, run_live
        from kincast.deploy.rig import read_rig
        from kincast.streaming.engine import EngineConfig
        from kincast.streaming.transport import is_loopback

        console = Console(stderr=True, highlight=False)
        rig = read_rig(self.rig)
        now = datetime.datetime.now().astimezone()
        session = self.session or now.strftime("%Y%m%d-%H%M%S")
        settings = rig.live_settings(
            None if self.no_record else rig.recordings / f"{session}.mcap", exposed=bool(self.expose)
        )
        if not is_loopback(settings.ingest) and not self.expose:
            raise NotExposedError(
                f"{self.rig}: network.host {rig.network.host} can be reached by other computers; say --expose NAME"
                " if that is wanted, or listen on 127.0.0.1"
            )
        if settings.recording is not None:
            settings.recording.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.expose:
            console.print(
                f"  [bold]exposed as {self.expose}[/bold]: nodes with keys may connect from the network"
            )
            with (rig.recordings / "audit.log").open("a", encoding="utf-8") as audit:
                audit.write(f"{now.isoformat()} exposed {settings.ingest} as {self.expose}\n")
        return run_live(
            rig.header(session),
            settings,
            body=rig.body(),
            config=EngineConfig(muscles=not self.torques),
            display=DisplayPlace(
                port=rig.network.display_port, keys=rig.keys, open_browser=not self.no_browser
            ),
            say=lambda sentence: console.print(f"  {sentence}"),
        )
