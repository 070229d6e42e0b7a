"""``make bench``: run every measurement, print it beside the committed baseline, say what got worse.

A measurement is a module of this folder with ``measure(data) -> dict[str, float]`` (``data``: the folder of
the real recordings, or None). ``baseline.json`` holds, per figure: value, unit, direction (``lower`` or
``higher`` is better) and the tolerance (share of the value) within which a change is noise; where the value may
be about zero, ``slack`` says it in the figure's unit.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"


def data_dir() -> Path | None:
    root = Path(os.environ.get("KINCAST_DATA", HERE.parents[2] / "shared" / "data"))
    return root if root.is_dir() else None


def measurements(only: list[str]) -> list[str]:
    names = [path.stem for path in sorted(HERE.glob("*.py")) if not path.stem.startswith("_")]
    names = [name for name in names if "def measure(" in (HERE / f"{name}.py").read_text()]
    unknown = set(only) - set(names)
    if unknown:
        sys.exit(f"unknown measurement {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    return only or names


USUAL: tuple[tuple[str, dict], ...] = (
    ("GC_5", {"unit": "", "direction": "higher", "tolerance": 0.0, "slack": 0.01}),
    ("CPU seconds", {"unit": "s", "direction": "lower", "tolerance": 0.5}),
    ("MB", {"unit": "MB", "direction": "lower", "tolerance": 0.2}),
    ("median px", {"unit": "px", "direction": "lower", "tolerance": 0.05}),
    ("acceleration", {"unit": "rad/s^2", "direction": "lower", "tolerance": 0.05}),
    ("angles", {"unit": "deg", "direction": "lower", "tolerance": 0.05}),
    ("force", {"unit": "%BW", "direction": "lower", "tolerance": 0.05}),
    ("moments", {"unit": "%BWh", "direction": "lower", "tolerance": 0.05}),
    ("ECE", {"unit": "", "direction": "lower", "tolerance": 0.05, "slack": 0.01}),
)
"""Unit, direction and noise of a figure that has no baseline yet, by what its name holds; CPU seconds vary with what else runs."""


def usual(figure: str) -> dict:
    kind = next((dict(kind) for part, kind in USUAL if part in figure), None)
    kind = kind or {"unit": "", "direction": "lower", "tolerance": 0.1}
    if figure.endswith("worst trial"):
        kind["tolerance"] = max(kind["tolerance"], 0.1)
    return kind


def verdict(value: float, base: dict) -> str:
    change = value - base["value"]
    worse = change if base["direction"] == "lower" else -change
    noise = max(base["tolerance"] * abs(base["value"]), base.get("slack", 0.0))
    if worse > noise:
        return (
            f"WORSE {change / max(abs(base['value']), 1e-12):+.0%}"
            if "slack" not in base
            else f"WORSE {change:+.3g}"
        )
    return "better" if worse < -noise else "same"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="measurements to run (default: all)")
    parser.add_argument("--update", action="store_true", help="write what came out as the new values")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a figure got worse")
    options = parser.parse_args()
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    worse = 0
    for name in measurements(options.names):
        start = time.monotonic()
        figures = importlib.import_module(f"tests.bench.{name}").measure(data_dir())
        print(
            f"\n{name}  ({time.monotonic() - start:.0f} s)" + ("" if figures else "  skipped: no data here")
        )
        for figure, value in figures.items():
            base = baseline.get(figure)
            said = verdict(value, base) if base else "no baseline"
            worse += said.startswith("WORSE")
            unit = base["unit"] if base else ""
            before = f"{base['value']:10.3f}" if base else " " * 10
            print(f"  {figure:58s} {value:10.3f} {before} {unit:8s} {said}")
            if options.update:
                kept = base or usual(figure)
                baseline[figure] = {**kept, "value": round(value, 4)}
    if options.update:
        BASELINE.write_text(json.dumps(baseline, indent=1, sort_keys=True) + "\n")
    return 1 if options.gate and worse else 0


if __name__ == "__main__":
    sys.exit(main())
