"""How well the live path and the refit explain the detections of every case: GC_5 and median px, side by side.

    python -m tests.bench.live_vs_refit [--only walking1 ...] [--keep DIR]

Live without a known body, refit with the body it estimates itself (all recordings of one person together); both as their
``summary.json`` says it, over detections with confidence >= 0.5. The synthetic rigs are exact and only the real one
(pose2sim_balancing) lets cameras move. With ``--keep`` what is there already is not run again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.kept_folder import kept_folder
from tests.bench.live_accuracy import WALKS, Run
from tests.bench.live_accuracy import recording as multiview_recording
from tests.bench.refit_accuracy import people

REAL = "pose2sim_balancing"
CASES = (*WALKS, "STS1", REAL)


@dataclass(frozen=True)
class Explained:
    """Share of detections within 5 px and median distance, all cameras; share in the worst camera."""

    gc5: float
    median_px: float
    worst_gc5: float

    @staticmethod
    def of(results: Path) -> Explained:
        summary = json.loads((results / "summary.json").read_text())
        worst = min(camera["gc5"] for camera in summary["cameras"].values())
        return Explained(summary["gc"]["5"], summary["reprojection_px"]["median"], worst)


def recording(data: Path, folder: Path, case: str) -> Path:
    if case != REAL:
        return multiview_recording(data, folder, Run(case), case)
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    path = folder / f"{REAL}.mcap"
    if not path.exists():
        write_recording(import_source(data / REAL, ImportOptions()), path)
    return path


def explained(data: Path, folder: Path, cases: Sequence[str]) -> dict[str, tuple[Explained, Explained]]:
    """Case -> live, refit."""
    from kincast.deploy.cli.refit import Refit
    from kincast.deploy.cli.replay import Replay

    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for group in people(cases):
        paths = {case: recording(data, folder, case) for case in group}
        refit = folder / f"refit-{'+'.join(group)}"
        refitted = {case: refit if len(group) == 1 else refit / paths[case].stem for case in group}
        with contextlib.redirect_stdout(io.StringIO()):
            if not all((results / "summary.json").exists() for results in refitted.values()):
                Refit(tuple(paths.values()), refit, fix_cameras=group[0] != REAL).run()
            for case, path in paths.items():
                live = folder / f"live-{case}"
                if not (live / "summary.json").exists():
                    Replay(path, live, torques=True).run()
                found[case] = Explained.of(live), Explained.of(refitted[case])
        for case in group:
            print(row(case, *found[case]), flush=True)
    return found


HEADER = f"{'GC_5, px (worst camera)':24s}{'live':>24s}{'refit':>24s}"


def row(case: str, *both: Explained) -> str:
    cells = [f"{e.gc5:.3f} {e.median_px:6.2f} ({e.worst_gc5:.3f})" for e in both]
    return f"{case:24s}" + "".join(f"{cell:>24s}" for cell in cells)


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """Per case: share within 5 px, live and refit."""
    if data is None:
        return {}
    print(HEADER)
    with kept_folder(keep) as folder:
        found = explained(data, folder, [c for c in CASES if not only or c in only])
    figures = {}
    for case, both in found.items():
        for path, one in zip(("live", "refit"), both, strict=True):
            figures[f"explained {case}, {path}: GC_5"] = one.gc5
            figures[f"explained {case}, {path}: median px"] = one.median_px
    return figures


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], choices=CASES)
    parser.add_argument("--keep", type=Path, help="keep recordings and results here")
    options = parser.parse_args()
    measure(data_dir(), options.only, options.keep)


if __name__ == "__main__":
    main()
