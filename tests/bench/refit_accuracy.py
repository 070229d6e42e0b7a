"""The offline path on every multi-view case, through the same functions as import, refit and compare.

    python -m tests.bench.refit_accuracy [--only walks ...] [--keep DIR]

All recordings of one person are refitted together (``SAME_PERSON``), the body estimated from them; the bilevel fit of the papers.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench.kept_folder import kept_folder
from tests.bench.live_accuracy import (
    FIGURES,
    FOUR,
    TWO,
    WALKS,
    Run,
    main_of,
    median_and_worst,
    recording,
    row,
    values_of,
)

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


def measure(data: Path | None, only: Sequence[str] = (), keep: Path | None = None) -> dict[str, float]:
    """Medians over the walks of each set, and the worst trial; sit-to-stand apart."""
    if data is None:
        return {}
    figures: dict[str, float] = {}
    with kept_folder(keep) as folder:
        for name, runs in sets().items():
            if only and name not in only:
                continue
            documents = refitted(data, folder, runs)
            walks = [d for case, d in documents.items() if case in WALKS]
            sitting = [d for case, d in documents.items() if case == "STS1"]
            for key, part, label in FIGURES:
                if part != "angles" and name != "walks":
                    continue
                figures |= median_and_worst(f"refit {name}: {label}", values_of(walks, part, key))
                if part == "angles":
                    figures |= {f"refit STS1: {label}": float(v) for v in values_of(sitting, part, key)}
    return figures


if __name__ == "__main__":
    main_of(measure, sets(), __doc__)
