"""What it costs that cameras run free instead of being synchronous, on the same walks with the same noise.

    python -m tests.bench.free_running [--only walking1 ...]

Every camera's own stream is resampled by linear interpolation between its pictures. Free-running: every other camera a
quarter of a period after its picture, the rest three quarters, so neighbours are half a period (8 ms) apart.
Synchronous: all a quarter after. Interpolation at 1/4 and at 3/4 averages the noise of two pictures to the same
variance, so both versions have detections of the same quality (some 7 % better than the recorded ones) and the same gaps.
Both get their body from their own version, as in the live accuracy bench.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.bench.kept_folder import kept_folder

CASES = ("walking1", "walkingTI1", "subject01_walk", "camargo_levelground")
QUARTER = 0.25


def resampled(imported, shares: Sequence[float]):
    """The recording with camera c's pictures moved by ``shares[c]`` of the way to its next picture."""
    order = {camera.name: i for i, camera in enumerate(imported.header.cameras)}
    by_camera: dict[str, list] = {name: [] for name in order}
    for message in imported.messages:
        by_camera[message.camera].append(message)
    messages = []
    for name, pictures in by_camera.items():
        share = shares[order[name]]
        for first, second in itertools.pairwise(pictures):
            t_ns = round(first.t_ns + share * (second.t_ns - first.t_ns))
            people = np.zeros((0, *first.people.shape[1:]), np.float32)
            if len(first.people) and len(second.people):
                a, b = first.people[:1], second.people[:1]
                people = ((1 - share) * a + share * b).astype(np.float32)
                people[..., 2] = np.minimum(a[..., 2], b[..., 2])
                people[people[..., 2] <= 0] = 0.0
            messages.append(replace(first, t_ns=t_ns, sent_ns=t_ns, people=people))
    messages.sort(key=lambda m: (m.t_ns, order[m.camera]))
    return replace(
        imported, header=replace(imported.header, start_ns=messages[0].t_ns), messages=tuple(messages)
    )


def error_deg(data: Path, folder: Path, case: str, kind: str) -> tuple[float, float]:
    """Median joint-angle RMSE, mean removed and raw."""
    from kincast.deploy.cli.body import Body
    from kincast.deploy.cli.replay import Replay
    from kincast.offline.compare import compare
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source
    from tests.bench.live_accuracy import BODY_FROM

    def recording(of: str) -> Path:
        path = folder / f"{of}-{kind}.mcap"
        if not path.exists():
            source = data / "multiview" / of
            subject = json.loads((source / "truth" / "subject.json").read_text())
            imported = import_source(source, ImportOptions(stream="pose", mass_kg=subject["mass_kg"]))
            odd = QUARTER if kind == "synchronous" else 1.0 - QUARTER
            shares = [QUARTER if c % 2 == 0 else odd for c in range(len(imported.header.cameras))]
            write_recording(resampled(imported, shares), path, overwrite=True)
        return path

    body_of = BODY_FROM.get(case, case)
    body, out = folder / f"{body_of}-{kind}.body.json", folder / f"{case}-{kind}"
    with contextlib.redirect_stdout(io.StringIO()):
        if not body.exists():
            Body((recording(body_of),), body).run()
        Replay(recording(case), out, body=body, torques=True).run()
    angles = compare(out, data / "multiview" / case).document()["angles"]
    return angles["median_mean_removed_deg"], angles["median_raw_deg"]


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """Median over the walks of free-running minus synchronous, degrees."""
    if data is None:
        return {}
    costs = []
    with kept_folder(keep) as folder:
        for case in only or CASES:
            synchronous, free = (error_deg(data, folder, case, k) for k in ("synchronous", "free"))
            costs.append(np.subtract(free, synchronous))
            print(
                f"{case:24s} mean removed {synchronous[0]:5.2f} -> {free[0]:5.2f} ({costs[-1][0]:+.2f})"
                f"   raw {synchronous[1]:5.2f} -> {free[1]:5.2f} ({costs[-1][1]:+.2f}) deg",
                flush=True,
            )
    removed, raw = np.median(costs, axis=0)
    return {
        "free-running cameras: cost, mean removed": float(removed),
        "free-running cameras: cost, raw": float(raw),
        "free-running cameras: cost, mean removed, worst trial": float(np.max(costs, axis=0)[0]),
    }


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="cases: " + ", ".join(CASES))
    parser.add_argument("--keep", type=Path, help="keep recordings, bodies and results here")
    options = parser.parse_args()
    for figure, value in measure(data_dir(), options.only, options.keep).items():
        print(f"{figure:60s} {value:8.3f}")


if __name__ == "__main__":
    main()
