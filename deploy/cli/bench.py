"""``kincast bench``: measurements that anybody can repeat."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class Bench:
    """Measure the live system: senders, engine and a subscriber as separate processes on this computer."""

    what: Positional[Literal["live"]]
    """live: latency from the last camera's send to the LiveFrame's arrival."""
    cameras: int = 8
    """How many cameras send."""
    points: int = 87
    """Keypoints per person: 25, 26, 87 or 133."""
    fps: float = 60.0
    """Pictures per second of each camera."""
    seconds: float = 60.0
    """How long."""
    json: bool = False
    """One JSON object and nothing else."""
    save: Path | None = None
    """Keep the load, the recording of the run and the logs in this folder."""
    known_body: bool = False
    """Start with the person's body; without it the body is estimated and swapped in meanwhile."""
    free_running: bool = False
    """Cameras with their own phase and jitter instead of synchronous ones."""
    torques: bool = False
    """No muscles."""
    cold_cache: bool = False
    """Also say how long the engine takes to be ready when nothing is compiled yet (in an empty cache of its own)."""

    real_time: bool = False
    """Real-time scheduling of engine, senders and subscriber, where the system allows it."""

    def run(self) -> int:
        from kincast.deploy.live_bench import LiveBench, run

        bench = LiveBench(
            self.cameras,
            self.points,
            self.fps,
            self.seconds,
            self.known_body,
            self.free_running,
            self.torques,
            self.cold_cache,
            self.real_time,
        )
        with tempfile.TemporaryDirectory(prefix="kincast-bench-") as temporary:
            folder = self.save or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            figures = run(bench, folder)
            if self.save is not None:
                (folder / "bench.json").write_text(json.dumps(figures, indent=1))
        if self.json:
            print(json.dumps(figures))
            return 0
        print(f"{self.cameras} cameras x {self.points} points x {self.fps:g} fps x {self.seconds:g} s")
        print(
            f"  latency p50 {figures['p50_ms']:.2f} ms  p99 {figures['p99_ms']:.2f} ms  max {figures['max_ms']:.1f} ms;"
            f" {figures['frames']} frames, {figures['dropped']} dropped, {figures['body_swaps']} body swaps"
        )
        for stage, times in figures["stages"].items():
            print(f"  {stage:10s} p50 {times['p50_ms']:7.3f}  p99 {times['p99_ms']:7.3f} ms")
        print(
            f"  angles against the sent motion: {figures['rmse_deg']:.2f} deg"
            f" ({figures['rmse_mean_removed_deg']:.2f} mean removed)"
        )
        cold = f" ({figures['ready_cold_s']:.1f} s with nothing compiled)" if self.cold_cache else ""
        print(
            f"  ready after {figures['ready_s']:.1f} s{cold}, engine peak {figures['engine_peak_mb']:.0f} MB"
        )
        return 0
