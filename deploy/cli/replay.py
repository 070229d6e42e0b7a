"""``kincast replay``: the live path over a recording, into a results folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kincast.deploy.cli.meta import read_base
from kincast.deploy.cli.run_options import check_options, read_body, said_of


@dataclass(frozen=True)
class Replay:
    """Run the live path over a recording: same bytes in, same results out."""

    recording: Positional[Path]
    """The recording (.mcap), finished or cut off."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """Folder for the results."""
    speed: Literal["max", "1"] = "max"
    """As fast as it goes, or at the pace of the recording."""
    body: Path | None = None
    """Body of the person (body.json); without it the body is estimated from the first seconds."""
    base: Path | None = None
    """What is known of people (a base body of `kincast meta`) when the body is estimated; without it the literature."""
    kinetics: Literal["twin", "optimisation"] = "optimisation"
    """Which kinetics feed the results. Only optimisation exists in this version."""
    muscles: bool = False
    """Muscle activations too (the default)."""
    torques: bool = False
    """Joint torques alone, no muscles."""

    def run(self) -> int:
        import hashlib

        from kincast.streaming.engine import EngineConfig
        from kincast.streaming.health import aim_findings
        from kincast.streaming.messages import LiveFrame
        from kincast.streaming.recording import read_recording
        from kincast.streaming.replay import Replay as Run
        from kincast.streaming.results.collect import Collector
        from kincast.streaming.results.session import RunFacts
        from kincast.streaming.results.writer import write_results

        check_options(self)
        run = Run(
            self.recording,
            read_body(self.body),
            EngineConfig(muscles=not self.torques, base=read_base(self.base)),
            speed=None if self.speed == "max" else 1.0,
        )
        collector = Collector(run.engine.body.sites, run.engine.muscle_names)
        for said in run:
            if isinstance(said.message, LiveFrame):
                collector.add(said.message)
        results = collector.results()
        findings = run.engine.health().findings
        facts = RunFacts(
            header=run.header,
            body=run.body,
            cameras=run.engine.cameras,
            cameras_adjusted=bool(aim_findings(run.header.cameras, run.engine.cameras)),
            kinetics=self.kinetics,
            input_sha256=hashlib.sha256(self.recording.read_bytes()).hexdigest(),
            lost_messages=run.lost.messages,
            lost_seconds=run.lost.seconds,
            findings=findings,
            stages_ms=run.times.whole(),
            config={
                "speed": self.speed,
                "muscles": not self.torques,
                "body": str(self.body or ""),
                "base": str(self.base or ""),
            },
        )
        inputs = (message for message, _ in read_recording(self.recording).inputs())
        write_results(self.output, results, facts, inputs)
        rows = len(results.t_ns)
        valid_share = float(results.kinematics_valid.mean()) if rows else 0.0
        print(said_of(self.output, rows, valid_share, len(results.events), len(results.strides)))
        for finding in findings:
            print(f"  {finding}")
        for failure in run.body_failures:
            print(f"  body: {failure}")
        for reason, count in run.refused.items():
            print(f"  refused: {count} x {reason}")
        if run.lost.messages or run.lost.seconds:
            print(f"  lost: {run.lost.messages} messages, {run.lost.seconds:g} s")
        return 0
