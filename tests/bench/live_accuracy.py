"""The live path on every multi-view case, through the same functions as import, body, replay and compare.

    python -m tests.bench.live_accuracy [--only walking1 ...] [--keep DIR]

Body from another trial of the person where there is one, else from the same trial; ``cold`` runs without any.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.bench.kept_folder import kept_folder

WALKS = ("walking1", "walkingTI1", "walkingTS2", "subject01_walk", "camargo_levelground", "treadmill60")
BODY_FROM = {"walking1": "walkingTI1", "walkingTI1": "walking1", "walkingTS2": "walking1", "STS1": "walking1"}
FOUR, TWO = (0, 2, 4, 6), (0, 2)


@dataclass(frozen=True)
class Run:
    case: str
    stream: str = "pose"
    cameras: tuple[int, ...] = ()
    cold: bool = False
    skip_s: float = 0.0

    @property
    def name(self) -> str:
        cameras = f"-{len(self.cameras)}cams" if self.cameras else ""
        return f"{self.case}-{self.stream}{cameras}{'-cold' if self.cold else ''}"


def recording(data: Path, folder: Path, run: Run, case: str) -> Path:
    """The case as a recording, with the run's stream and cameras."""
    from kincast.streaming.importers.options import ImportOptions
    from kincast.streaming.importers.record import write_recording
    from kincast.streaming.importers.source import import_source

    path = folder / f"{replace(run, case=case, cold=False).name}.mcap"
    if not path.exists():
        source = data / "multiview" / case
        subject = json.loads((source / "truth" / "subject.json").read_text())
        options = ImportOptions(
            stream=run.stream, mass_kg=subject["mass_kg"], belt_speed_m_s=subject["belt_speed_m_s"]
        )
        imported = import_source(source, options)
        if run.cameras:
            cameras = tuple(imported.header.cameras[i] for i in run.cameras)
            names = {camera.name for camera in cameras}
            imported = replace(
                imported,
                header=replace(imported.header, cameras=cameras),
                messages=[m for m in imported.messages if getattr(m, "camera", None) in names],
            )
        write_recording(imported, path, overwrite=True)
    return path


def compared(data: Path, folder: Path, run: Run) -> dict:
    """One run, compared with the truth: the document of ``kincast compare --json``."""
    from kincast.deploy.cli.body import Body
    from kincast.deploy.cli.replay import Replay
    from kincast.offline.compare import compare

    body = None
    if not run.cold:
        body_of = BODY_FROM.get(run.case, run.case)
        body = folder / f"{replace(run, case=body_of).name}.body.json"
        if not body.exists():
            Body((recording(data, folder, run, body_of),), body).run()
    out = folder / run.name
    Replay(recording(data, folder, run, run.case), out, body=body).run()
    document = compare(out, data / "multiview" / run.case, run.skip_s).document()
    (folder / f"{run.name}.json").write_text(json.dumps(document, indent=1))
    return document


def row(name: str, d: dict) -> str:
    a, f, m, e = d["angles"], d["forces"], d["moments"], d["events"]
    cells = [f"{name:36s}"]
    cells.append(f"{a['median_mean_removed_deg']:5.2f} {a['median_raw_deg']:5.2f}  ece {a['ece_within']:.3f}")
    if f:
        cells.append(f"force {f['vertical_pct_bw']:5.2f} {f['ap_pct_bw']:5.2f} {f['ml_pct_bw']:5.2f}")
    if m:
        cells.append(f"moment {m['median_pct_bwh']:4.2f}")
    if e and e.get("all"):
        every = e["all"]
        cells.append(f"events {every['median_abs_ms'] or 0:4.1f} ms F1 {every['f1']:.2f}")
    if d["strides"]:
        cells.append(
            "strides " + " ".join(f"{v:.0f}" for v in d["strides"]["median_abs_mm"].values()) + " mm"
        )
    return "  ".join(cells)


FIGURES = (
    ("median_mean_removed_deg", "angles", "angles mean removed"),
    ("median_raw_deg", "angles", "angles raw"),
    ("ece_within", "angles", "ECE within"),
    ("vertical_pct_bw", "forces", "force vertical"),
    ("ap_pct_bw", "forces", "force AP"),
    ("ml_pct_bw", "forces", "force ML"),
    ("median_pct_bwh", "moments", "moments"),
)
"""Of a document of ``kincast compare``: key, part, and the name of the figure."""


def values_of(documents: Iterable[dict], part: str, key: str) -> list[float]:
    """One figure of every trial that has it."""
    return [d[part][key] for d in documents if d[part] and d[part][key] is not None]


def median_and_worst(figure: str, values: Sequence[float]) -> dict[str, float]:
    """Over trials; empty without any."""
    if not values:
        return {}
    return {figure: float(np.median(values)), f"{figure}, worst trial": float(np.max(values))}


def main_of(measure: Callable[..., dict[str, float]], names: Iterable[str], description: str | None) -> None:
    """Command line of a bench over named sets: ``measure(data, only, keep)``."""
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", nargs="*", default=[], help="sets: " + ", ".join(names))
    parser.add_argument("--keep", type=Path, help="keep what was made on the way here")
    options = parser.parse_args()
    for figure, value in measure(data_dir(), options.only, options.keep).items():
        print(f"{figure:50s} {value:8.3f}")


def sets() -> dict[str, list[Run]]:
    walks = [Run(c) for c in WALKS]
    return {
        "walks": walks,
        "clean": [replace(r, stream="pose_clean") for r in walks],
        "STS1": [Run("STS1")],
        "4 cameras": [replace(r, cameras=FOUR) for r in walks],
        "2 cameras": [replace(r, cameras=TWO) for r in walks],
        "cold": [Run("treadmill60", cold=True, skip_s=5.0)],
    }


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """Medians over trials of each set, and the worst trial."""
    if data is None:
        return {}
    figures: dict[str, float] = {}
    with kept_folder(keep) as folder:
        for name, runs in sets().items():
            if only and name not in only:
                continue
            documents = []
            for run in runs:
                with contextlib.redirect_stdout(io.StringIO()):
                    documents.append(compared(data, folder, run))
                print(row(run.name, documents[-1]), flush=True)
            for key, part, label in FIGURES:
                if name in ("walks", "cold") or part == "angles":
                    figures |= median_and_worst(f"live {name}: {label}", values_of(documents, part, key))
    return figures


if __name__ == "__main__":
    main_of(measure, sets(), __doc__)
