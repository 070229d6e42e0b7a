"""Time and memory of ``kincast refit`` against the length of the recording, on a generated walker.

    python -m tests.bench.refit_scale [--cameras 8] [--points 87] [--fps 60] [--seconds 10 60 300 1200] [--keep DIR]

Every refit runs as a process of its own, from the recording to the results folder (kinetics, muscles and gait included).
Wall seconds need an idle computer; CPU seconds say what the work is. Beyond ``--walk`` seconds the walk is played forwards and backwards: the
cost is of interest here, not the gait. Without options: 4 cameras x 26 points x 30 fps, 10 and 40 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.kept_folder import kept_folder

if TYPE_CHECKING:
    from kincast.streaming.recording import Recording

ONE_REFIT = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from kincast.deploy.cli import main
code = main(["refit", sys.argv[1], "-o", sys.argv[2], "--again"])
used = resource.getrusage(resource.RUSAGE_SELF)
children = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu_s = used.ru_utime + used.ru_stime + children.ru_utime + children.ru_stime
figures = {"wall_s": time.perf_counter() - start, "cpu_s": cpu_s, "peak_mb": used.ru_maxrss / 1024}
Path(sys.argv[3]).write_text(json.dumps(figures))
raise SystemExit(code)
"""


@dataclass(frozen=True)
class Cost:
    """Of one refit. ``steps_s``: wall seconds of its steps."""

    seconds: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    recording_mb: float
    steps_s: dict[str, float]


def walk(folder: Path, cameras: int, points: int, fps: float, seconds: float, walk_s: float) -> Path:
    """A recording of so many seconds, made once."""
    from kincast.deploy.bench_load import make_load
    from kincast.streaming.recording import read_recording

    path = folder / f"{cameras}x{points}x{fps:g}_{seconds:g}s.mcap"
    if path.exists():
        return path
    once = folder / f"walk_{cameras}x{points}x{fps:g}_{min(seconds, walk_s):g}s"
    if not (once / "load.mcap").exists():
        once.mkdir(exist_ok=True)
        make_load(once, cameras, points, fps, min(seconds, walk_s), False)
    if seconds <= walk_s:
        path.symlink_to(once.relative_to(folder) / "load.mcap")
    else:
        unfinished = path.with_suffix(".part")
        there_and_back(read_recording(once / "load.mcap"), unfinished, seconds)
        unfinished.replace(path)
    return path


def there_and_back(walked: Recording, path: Path, seconds: float) -> None:
    """The walk's pictures forwards and backwards until they last so long."""
    from kincast.streaming.messages import KeypointFrame
    from kincast.streaming.recorder import RecordingWriter

    pictures = [(m, ns) for m, ns in walked.inputs() if isinstance(m, KeypointFrame)]
    instants = sorted({m.t_ns for m, _ in pictures})
    at: dict[int, list] = {}
    for m, ns in pictures:
        at.setdefault(m.t_ns, []).append((m, ns - m.t_ns))
    period_ns = (instants[-1] - instants[0]) / (len(instants) - 1)
    order = [*range(len(instants)), *range(len(instants) - 2, 0, -1)]
    with RecordingWriter(path, sync=False) as writer:
        writer.input(walked.header, walked.header.start_ns)
        for i in range(round(seconds * 1e9 / period_ns)):
            t_ns = instants[0] + round(i * period_ns)
            for picture, delay_ns in at[instants[order[i % len(order)]]]:
                writer.input(replace(picture, t_ns=t_ns, seq=i), t_ns + delay_ns)


def cost(recording: Path, seconds: float, folder: Path) -> Cost:
    """One refit in a process of its own."""
    out, figures = folder / f"refit_{recording.stem}", folder / f"{recording.stem}.json"
    command = [sys.executable, "-c", ONE_REFIT, str(recording), str(out), str(figures)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    steps = json.loads((out / "summary.json").read_text())["config"]["seconds"]
    size_mb = recording.stat().st_size / 1e6
    return Cost(seconds, **json.loads(figures.read_text()), recording_mb=size_mb, steps_s=steps)


def costs(
    cameras: int, points: int, fps: float, lengths: Sequence[float], keep: Path | None, walk_s: float = 60.0
) -> list[Cost]:
    """Of every length, printed as they come."""
    print(f"{cameras} cameras x {points} points x {fps:g} fps; {os.cpu_count()} cores")
    print(
        f"{'recording s':>12s}{'MB':>7s}{'wall s':>9s}{'CPU s':>8s}{'CPU s/s':>9s}{'peak MB':>9s}  steps (wall s)"
    )
    found = []
    with kept_folder(keep) as folder:
        for seconds in lengths:
            one = cost(walk(folder, cameras, points, fps, seconds, walk_s), seconds, folder)
            steps = "  ".join(f"{name} {s:.1f}" for name, s in one.steps_s.items())
            print(
                f"{seconds:12g}{one.recording_mb:7.0f}{one.wall_s:9.1f}{one.cpu_s:8.1f}{one.cpu_s / seconds:9.2f}"
                f"{one.peak_mb:9.0f}  {steps}",
                flush=True,
            )
            found.append(one)
    return found


def measure(data: Path | None) -> dict[str, float]:
    """Marginal cost of a second of recording and memory, at a small rig."""
    short, long = costs(4, 26, 30.0, (10.0, 40.0), None)
    return {
        "refit scale: CPU seconds per second of recording beyond 10 s": (long.cpu_s - short.cpu_s) / 30.0,
        "refit scale: peak MB at 40 s": long.peak_mb,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--points", type=int, default=26)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 40.0])
    parser.add_argument(
        "--walk", type=float, default=60.0, help="seconds that are generated; longer ones repeat them"
    )
    parser.add_argument(
        "--keep", type=Path, help="keep recordings and results here; recordings there are used again"
    )
    o = parser.parse_args()
    costs(o.cameras, o.points, o.fps, o.seconds, o.keep, o.walk)


if __name__ == "__main__":
    main()
