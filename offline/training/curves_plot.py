"""Curves of a training run as one picture, one panel per figure."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

PICTURE = "curves.png"
PANELS_PER_ROW = 3
SMOOTHED = 0.05
"""Share of the run over which the thick line averages."""


def plot_curves(path: Path, output: Path) -> bool:
    """Draw ``curves.csv``; false while there is nothing to draw."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else ()) if name != "update"]
    if len(rows) < 2 or not names:
        return False
    update = np.array([float(row["update"]) for row in rows])
    down = -(-len(names) // PANELS_PER_ROW)
    figure = Figure(figsize=(4.0 * PANELS_PER_ROW, 2.4 * down), layout="constrained")
    for k, name in enumerate(names):
        values = np.array([float(row[name] or "nan") for row in rows])
        panel = figure.add_subplot(down, PANELS_PER_ROW, k + 1)
        panel.plot(update, values, color="0.75", linewidth=0.8)
        panel.plot(update, _smooth(values, max(1, int(SMOOTHED * len(values)))), color="tab:blue")
        panel.set_title(name.replace("_", " "), fontsize=9)
        panel.set_xlabel("update", fontsize=8)
        panel.tick_params(labelsize=8)
        if "loss" in name and np.nanmin(values) > 0.0:
            panel.set_yscale("log")
    figure.savefig(output, dpi=100)
    return True


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    known = np.isfinite(values).astype(float)
    sums = np.convolve(np.where(known > 0.0, values, 0.0), np.ones(width), "same")
    counts = np.convolve(known, np.ones(width), "same")
    return np.where(counts > 0.0, sums / np.maximum(counts, 1.0), np.nan)
