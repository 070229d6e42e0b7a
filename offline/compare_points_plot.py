"""Methods beside each other where a trial has detections and no measured truth: bars per camera."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kincast.offline.compare_panels import PictureError, check_picture
from kincast.offline.pose2sim_baseline import CameraFit

SHADES = ("#1f4fbf", "#c8201f", "#6b717b", "#16181d", "#b9bec6")
HATCHES = ("", "///", "...", "xxx", "\\\\\\")


def plot_points(trial: str, baselines: Mapping[str, Mapping[str, CameraFit]], path: Path) -> None:
    """Share of detections within 5 px and median distance, per camera and method; written as the suffix says.

    Raises:
        PictureError: an unknown format, nothing to draw, or the file cannot be written.
    """
    check_picture(path)
    if not baselines:
        raise PictureError(f"--plot {path}: no method has points here, so there is nothing to draw")
    cameras = list(dict.fromkeys(name for fits in baselines.values() for name in fits))
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    for axis, what, label in zip(
        figure.subplots(1, 2),
        ("gc5", "median_px"),
        ("share within 5 px", "median distance (px)"),
        strict=True,
    ):
        width = 0.8 / len(baselines)
        for i, (method, fits) in enumerate(baselines.items()):
            heights = [getattr(fits[c], what) if c in fits else 0.0 for c in cameras]
            axis.bar(
                np.arange(len(cameras)) + (i - 0.5 * (len(baselines) - 1)) * width,
                heights, width, label=method, color=SHADES[i % 5], hatch=HATCHES[i % 5], edgecolor="white",
            )  # fmt: skip
        axis.set_xticks(np.arange(len(cameras)), cameras)
        axis.set_title(f"{trial}: {label}, common keypoints", fontsize=10)
        axis.grid(axis="y", color="#e3e6ea", linewidth=0.5)
        axis.set_axisbelow(True)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=80)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written ({error.strerror or error})") from None
