"""kincast beside Pose2Sim on the same real detections: time of every stage, and how well either explains the pictures.

    make bench-peers        (or: python -m tests.bench.peers --pose2sim PYTHON [--seconds 10] [--keep DIR])

``PYTHON`` is the interpreter of an environment with Pose2Sim in it (``make bench-peers`` makes one in build/peers). Each program
runs as its own process, one after the other, from 2D keypoints to joint angles; kincast goes on to forces, torques, muscles and
gait. ``--seconds`` also times both on the trial played forwards and backwards for so long.
All detections with confidence >= 0.5 of the keypoints that every method has; each method with the calibration it ended with.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TRIAL = "pose2sim_balancing"
RUNNER = Path(__file__).with_name("peer_pose2sim.py")


@dataclass(frozen=True)
class Timed:
    """Of one process and its children."""

    wall_s: float
    cpu_s: float


def timed(command: list[str], log: Path) -> Timed:
    """Run to its end on one thread per numerical library."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("w") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, check=False, cwd=log.parent
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{log.read_text()[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(time.perf_counter() - wall, cpu)


def lengthened(trial: Path, place: Path, seconds: float, rate_hz: float = 60.0) -> Path:
    """The trial forwards and backwards until it lasts so long."""
    place.mkdir(parents=True)
    for entry in trial.iterdir():
        if entry.is_file() or entry.name == "calibration":
            (place / entry.name).symlink_to(entry)
    for folder in sorted((trial / "pose").iterdir()):
        pictures = sorted(folder.glob("*.json"))
        there_and_back = [*pictures, *pictures[-2:0:-1]]
        (place / "pose" / folder.name).mkdir(parents=True)
        for i in range(round(seconds * rate_hz)):
            name = f"{folder.name.removesuffix('_json')}.{i:05d}.json"
            shutil.copy(there_and_back[i % len(there_and_back)], place / "pose" / folder.name / name)
    return place


def kincast(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from kincast.deploy.cli import main; raise SystemExit(main())", *arguments]


def ours(trial: Path, work: Path) -> dict[str, Timed]:
    """Import, refit and live path of a trial; results in ``work``."""
    recording = work / "trial.mcap"
    found = {"import": timed(kincast("import", str(trial), "-o", str(recording)), work / "import.log")}
    for verb in ("refit", "replay"):
        again = ["--again"] if verb == "refit" else []
        command = kincast(verb, str(recording), "-o", str(work / verb), *again)
        found[verb] = timed(command, work / f"{verb}.log")
    return found


def judged(trial: Path, work: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Method -> camera (or ``all``) -> GC_5, median px."""
    from kincast.offline.pose2sim_baseline import baseline_points
    from kincast.streaming.results.reader import read_results
    from kincast.streaming.results.trc import write_trc

    place = work / "judged"
    shutil.rmtree(place, ignore_errors=True)
    (place / "pose-3d").mkdir(parents=True)
    for entry in trial.iterdir():
        if entry.name != "pose-3d":
            (place / entry.name).symlink_to(entry)
    for points in (work / "project" / "pose-3d").glob("*.trc"):
        kind = "filtered points" if "filt" in points.name else "points"
        shutil.copy(points, place / "pose-3d" / f"Pose2Sim {kind}.trc")
    with np.load(work / "ik_markers.npz") as ik:
        path = place / "pose-3d" / "Pose2Sim IK.trc"
        write_trc(path, ik["time_s"], [str(name) for name in ik["names"]], ik["points_m"])
    found = {}
    for name, folder in (("kincast refit", "refit"), ("kincast live", "replay")):
        methods = baseline_points(read_results(work / folder), place)
        found[name] = methods.pop("kincast")
        found |= methods
    return {m: {c: (f.gc5, f.median_px) for c, f in fits.items()} for m, fits in found.items()}


def told(name: str, mine: dict[str, Timed], work: Path) -> None:
    """Seconds of both, a table."""
    theirs = json.loads((work / "pose2sim.json").read_text())
    versions = ", ".join(f"{k} {v}" for k, v in theirs["versions"].items())
    print(f"\n{name}  ({versions}; load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)")
    print(f"  {'':42s}{'wall s':>8s}{'CPU s':>8s}")
    for step, took in theirs["stages"].items():
        print(f"  Pose2Sim {step:33s}{took['wall_s']:8.1f}{took['cpu_s']:8.1f}")
    total = {k: sum(t[k] for t in theirs["stages"].values()) for k in ("wall_s", "cpu_s")}
    print(f"  {'Pose2Sim in all':42s}{total['wall_s']:8.1f}{total['cpu_s']:8.1f}")
    for step, label in (
        ("import", "kincast import"),
        ("refit", "kincast refit, with kinetics and gait"),
        ("replay", "kincast replay (the live path)"),
    ):
        print(f"  {label:42s}{mine[step].wall_s:8.1f}{mine[step].cpu_s:8.1f}")


def run(trial: Path, work: Path, python: Path) -> dict[str, Timed]:
    """Both programs over one trial."""
    work.mkdir(parents=True, exist_ok=True)
    timed([str(python), str(RUNNER), str(trial), str(work)], work / "pose2sim.log")
    return ours(trial, work)


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pose2sim", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--keep", type=Path, help="keep projects, recordings and results here")
    options = parser.parse_args()
    data = data_dir()
    if data is None or not (data / TRIAL).is_dir():
        sys.exit(f"no {TRIAL} here: KINCAST_DATA names the folder of the recordings")
    trial = (data / TRIAL).resolve()
    python = Path(os.path.abspath(options.pose2sim))
    with tempfile.TemporaryDirectory(prefix="kincast-peers-") as temporary:
        work = Path(os.path.abspath(options.keep or temporary))
        mine = run(trial, work / "as_is", python)
        told(f"{TRIAL} as it is (1.7 s, 4 cameras)", mine, work / "as_is")
        found = judged(trial, work / "as_is")
        cameras = list(next(iter(found.values())))
        print(f"\n  {'GC_5 / median px':24s}" + "".join(f"{c:>14s}" for c in cameras))
        for method, fits in found.items():
            print(f"  {method:24s}" + "".join(f"{fits[c][0]:7.2f} /{fits[c][1]:5.1f}" for c in cameras))
        if options.seconds:
            place = work / "long"
            shutil.rmtree(place, ignore_errors=True)
            long = lengthened(trial, place / "trial", options.seconds)
            told(f"{TRIAL} there and back, {options.seconds:g} s", run(long, place, python), place)


if __name__ == "__main__":
    main()
