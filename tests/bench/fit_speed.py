"""Milliseconds that the live fit takes for one snapshot of a generated walker, without the stages around it.

    python -m tests.bench.fit_speed [--cameras 8] [--points MOVI_87] [--snapshots 300]

Run it pinned to one core (``taskset -c 1``), as the engine keeps to one; the least time tells most on a busy machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from kincast.models.body.sites import sites_of
from kincast.streaming.fitter import WindowFitter
from tests.streaming.stepping_walker import recording, the_body

RIGS = ((8, "MOVI_87"), (4, "HALPE_26"))
SETTLED_AFTER = 20
"""Snapshots of search and start that are not counted."""


def step_times_ms(cameras: int, keypoint_set: str, snapshots: int = 200) -> np.ndarray:
    """Of every snapshot once a person is followed."""
    rig, seen = recording(cameras, frames=snapshots, keypoint_set=keypoint_set)
    fitter = WindowFitter(the_body(1.0, keypoint_set), rig, keypoint_set)
    fitter.warm()
    times = []
    for snapshot in seen:
        start = time.perf_counter()
        fitter.step(snapshot)
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times[SETTLED_AFTER:])


def measure(data: Path | None) -> dict[str, float]:
    figures = {}
    for cameras, keypoint_set in RIGS:
        times = step_times_ms(cameras, keypoint_set)
        label = f"fit {cameras} cameras x {len(sites_of(keypoint_set))} points"
        figures[f"{label}: least ms"] = float(times.min())
        figures[f"{label}: p50 ms"] = float(np.median(times))
        figures[f"{label}: p99 ms"] = float(np.percentile(times, 99))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--points", default="MOVI_87", help="keypoint set")
    parser.add_argument("--snapshots", type=int, default=300)
    options = parser.parse_args()
    times = step_times_ms(options.cameras, options.points, options.snapshots)
    shares = {"least": 0, "p10": 10, "p50": 50, "p90": 90, "p99": 99, "most": 100}
    print("  ".join(f"{name} {np.percentile(times, share):.2f} ms" for name, share in shares.items()))


if __name__ == "__main__":
    main()
