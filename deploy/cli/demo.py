"""``kincast demo``: a live run of the bundled session, or of any importable recording."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Demo:
    """A live run through real sockets with the display in a browser. Ctrl-C ends it."""

    source: Path | None = None
    """A recording (.mcap) or anything `kincast import` understands; the bundled generated walk without it."""
    body: Path | None = None
    """Body of the person (body.json); without it the body is estimated from the first seconds."""
    port: int = 7480
    """Port of the display on this computer (0: any free one)."""
    mass: float | None = None
    """Body mass in kg, where the source does not say."""
    repeats: int | None = None
    """How often the session is played (until Ctrl-C without it)."""
    no_browser: bool = False
    """Do not open the page."""
    record: Path | None = None
    """Keep a recording of the live run here (.mcap)."""

    def run(self) -> int:
        from kincast.deploy.environment import keep_to_one_core

        keep_to_one_core()
        from rich.console import Console

        from kincast.deploy.cli.run_options import read_body
        from kincast.deploy.demo.session import RECORDING
        from kincast.deploy.live_run import DisplayPlace, run_live
        from kincast.streaming.live import LiveSettings
        from kincast.streaming.recording import read_recording

        console = Console(stderr=True, highlight=False)
        with tempfile.TemporaryDirectory(prefix="kincast-demo-") as folder:
            recording = RECORDING
            if self.source is not None:
                recording = self._imported(Path(folder) / "session.mcap")
            header = read_recording(recording).header
            seen = (
                f"{len(header.cameras)} cameras" if header.cameras else f"{len(header.marker_names)} markers"
            )
            console.print(f"kincast: {header.source or recording.name}, {seen}", soft_wrap=True)
            if self.source is None:
                console.print("  a generated person with a stiff right knee, not a patient")
            loopback = "tcp://127.0.0.1:*"
            return run_live(
                header,
                LiveSettings(ingest=loopback, publish=loopback, clock=loopback, recording=self.record),
                body=read_body(self.body),
                display=DisplayPlace(port=self.port, open_browser=not self.no_browser),
                play=recording,
                repeats=self.repeats,
                say=lambda sentence: console.print(f"  {sentence}", soft_wrap=True),
            )

    def _imported(self, path: Path) -> Path:
        from kincast.streaming.importers.options import ImportOptions
        from kincast.streaming.importers.record import write_recording
        from kincast.streaming.importers.source import import_source

        assert self.source is not None
        if self.source.suffix == ".mcap":
            return self.source
        write_recording(import_source(self.source, ImportOptions(mass_kg=self.mass)), path)
        return path
