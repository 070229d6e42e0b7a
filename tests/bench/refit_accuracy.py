"""The offline path on every multi-view case, through the same functions as import, refit and compare.

    python -m tests.bench.refit_accuracy [--only walks ...] [--keep DIR]

All recordings of one person are refitted together (``SAME_PERSON``), the body estimated from them; the bilevel fit of the papers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.bench.live_accuracy import FOUR, TWO, WALKS, Run, recording, row

SAME_PERSON = (("walking1", "walkingTI1", "walkingTS2", "STS1"),)


def people(cases: Sequence[str]) -> list[tuple[str, ...]]:
    """The cases grouped by person."""
    groups: list[tuple[str, ...]] = []
    left = list(cases)
    while left:
        own = next((g for g in SAME_PERSON if left[0] in g), (left[0],))
        groups.append(tuple(c for c in left if c in own))
        left = [c for c in left if c not in own]
    return groups


def sets() -> dict[str, list[Run]]:
    """Sets of runs; a set's figures are medians over its walks, sit-to-stand on its own."""
    all_cases = [Run(c) for c in (*WALKS, "STS1")]
    walks = [Run(c) for c in WALKS]
    return {
        "walks": all_cases,
        "clean": [replace(r, stream="pose_clean") for r in walks],
        "4 cameras": [replace(r, cameras=FOUR) for r in walks],
        "2 cameras": [replace(r, cameras=TWO) for r in walks],
    }


def refitted(data: Path, folder: Path, runs: Sequence[Run]) -> dict[str, dict]:
    """Documents of ``kincast compare`` by case."""
    from kincast.deploy.cli.refit import Refit
    from kincast.offline.compare import compare

    documents = {}
    by_case = {r.case: r for r in runs}
    for group in people([r.case for r in runs]):
        paths = tuple(recording(data, folder, by_case[c], c) for c in group)
        out = folder / f"refit-{by_case[group[0]].name}"
        with contextlib.redirect_stdout(io.StringIO()):
            Refit(paths, out, fix_cameras=True).run()
        for case, path in zip(group, paths, strict=True):
            results = out if len(group) == 1 else out / path.stem
            documents[case] = compare(results, data / "multiview" / case).document()
            summary = json.loads((results / "summary.json").read_text())
            documents[case]["seconds"] = summary["config"]["seconds"]
            (folder / f"{by_case[case].name}.refit.json").write_text(json.dumps(documents[case], indent=1))
            print(row(by_case[case].name, documents[case]), flush=True)
    return documents


_FIGURES = (
    ("median_mean_removed_deg", "angles", "angles mean removed"),
    ("median_raw_deg", "angles", "angles raw"),
    ("ece_within", "angles", "ECE within"),
    ("vertical_pct_bw", "forces", "force vertical"),
    ("ap_pct_bw", "forces", "force AP"),
    ("ml_pct_bw", "forces", "force ML"),
    ("median_pct_bwh", "moments", "moments"),
)


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """Medians over the walks of each set, and the worst trial; sit-to-stand apart."""
    if data is None:
        return {}
    figures: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for name, runs in sets().items():
            if only and name not in only:
                continue
            documents = refitted(data, folder, runs)
            for key, part, label in _FIGURES:
                if part != "angles" and name != "walks":
                    continue
                values = {
                    c: d[part][key] for c, d in documents.items() if d[part] and d[part][key] is not None
                }
                walks = [v for c, v in values.items() if c in WALKS]
                if walks:
                    figures[f"refit {name}: {label}"] = float(np.median(walks))
                    figures[f"refit {name}: {label}, worst trial"] = float(np.max(walks))
                if part == "angles" and "STS1" in values:
                    figures[f"refit STS1: {label}"] = float(values["STS1"])
    return figures


def main() -> None:
    from tests.bench.__main__ import data_dir

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="sets: " + ", ".join(sets()))
    parser.add_argument("--keep", type=Path, help="keep recordings and results here")
    options = parser.parse_args()
    for figure, value in measure(data_dir(), options.only, options.keep).items():
        print(f"{figure:50s} {value:8.3f}")


if __name__ == "__main__":
    main()
