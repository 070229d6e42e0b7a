"""Curves of a comparison as a picture: ours, its standard deviation, and the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kincast.offline.angle_errors import MAIN
from kincast.offline.compare import Sides
from kincast.offline.force_errors import our_feet

SHOWN_S = 8.0
"""A long session's curves are shown from where the comparison begins."""
OURS, TRUTH, BLIND = "#0b6e99", "#c0392b", "#bbbbbb"


def plot(sides: Sides, path: Path) -> None:
    """Main angles, ground forces and moments over session time, written as PNG."""
    figure = Figure(figsize=(16, 18), layout="constrained")
    axes = figure.subplots(6, 4)
    for axis, name in zip([axes[j, s] for j in range(4) for s in range(2)], MAIN, strict=True):
        _angle(axis, sides, name)
    for axis, name in zip([axes[j, 2 + s] for j in range(4) for s in range(2)], MAIN, strict=True):
        _moment(axis, sides, f"{name}_moment")
    for foot, side in enumerate(("right", "left")):
        for k, (direction, index) in enumerate((("vertical", 2), ("world x", 0))):
            _force(axes[4, 2 * foot + k], sides, foot, index, f"{side} force, {direction} (N)")
        _force(axes[5, 2 * foot], sides, foot, 1, f"{side} force, world y (N)")
    _residual(axes[5, 1], sides)
    axes[5, 3].axis("off")
    begin, end = sides.ours.kinematics.time_s[[0, -1]]
    for axis in axes.flat:
        axis.set_xlim(begin, min(end, begin + SHOWN_S))
    figure.suptitle(
        f"{sides.truth.name}: kincast (blue, 2 sd) and truth (red); grey: plates do not see the foot"
    )
    figure.savefig(path, dpi=80)


def _angle(axis: Axes, sides: Sides, name: str) -> None:
    time_s = sides.ours.kinematics.time_s
    values = sides.ours.kinematics.column(name)
    sd = sides.ours.kinematics_sd
    if sd is not None and name in sd.columns:
        spread = 2 * sd.column(name)
        axis.fill_between(time_s, values - spread, values + spread, color=OURS, alpha=0.2, linewidth=0)
    axis.plot(time_s, values, color=OURS, linewidth=1)
    if name in sides.truth.motion.columns:
        sign = sides.truth.knee_sign if name.startswith("knee_angle") else 1
        axis.plot(time_s, sign * sides.truth.motion.at(sides.clock_s, [name])[:, 0], color=TRUTH, linewidth=1)
    axis.set_title(f"{name} (deg)", fontsize=9)


def _moment(axis: Axes, sides: Sides, name: str) -> None:
    torques, moments = sides.ours.torques, sides.truth.moments
    if torques is not None and name in torques.columns:
        axis.plot(torques.time_s, torques.column(name), color=OURS, linewidth=1)
    if moments is not None and name in moments.columns:
        sign = sides.truth.knee_sign if name.startswith("knee_angle") else 1
        axis.plot(
            sides.ours.kinematics.time_s,
            sign * moments.at(sides.clock_s, [name])[:, 0],
            color=TRUTH,
            linewidth=1,
        )
    axis.set_title(f"{name} (N m)", fontsize=9)


def _force(axis: Axes, sides: Sides, foot: int, index: int, title: str) -> None:
    grf, plates = sides.ours.ground_forces, sides.truth.forces
    if grf is not None:
        axis.plot(grf.time_s, our_feet(grf)[0][:, foot, index], color=OURS, linewidth=1)
    if plates is not None:
        time_s = plates.time_s - sides.start_s
        shown = (time_s >= -0.1) & (time_s <= sides.ours.kinematics.time_s[-1] + 0.1)
        axis.plot(time_s[shown], plates.force[shown, foot, index], color=TRUTH, linewidth=1)
        blind = shown & ~plates.plates_see[:, foot]
        low, high = axis.get_ylim()
        axis.fill_between(time_s, low, high, where=blind.tolist(), color=BLIND, alpha=0.4, linewidth=0)
    axis.set_title(title, fontsize=9)


def _residual(axis: Axes, sides: Sides) -> None:
    residuals = sides.ours.residuals
    if residuals is not None:
        force = np.linalg.norm(np.stack([residuals.column(c) for c in ("FX", "FY", "FZ")]), axis=0)
        axis.plot(residuals.time_s, force, color=OURS, linewidth=1)
    axis.set_title("pelvis residual force (N)", fontsize=9)
