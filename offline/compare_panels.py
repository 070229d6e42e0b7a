"""Pictures of comparisons: panels that hold two curves each, told apart in colour and in grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kincast.models.errors import UserMistakeError

SUFFIXES = (".png", ".pdf", ".svg")
FIRST, SECOND, BLIND = "#1f4fbf", "#c8201f", "#bbbbbb"
SPREAD = 2.0
"""Bands show this many standard deviations."""


class PictureError(UserMistakeError):
    """A picture that cannot be written as asked for."""


@dataclass(frozen=True)
class Trace:
    """A curve; ``sd`` for a band around it."""

    x: Float64[np.ndarray, " point"]
    y: Float64[np.ndarray, " point"]
    sd: Float64[np.ndarray, " point"] | None = None


@dataclass(frozen=True)
class Panel:
    """Two curves on one axis; either may be absent. ``grey``: where the points of ``grey_x`` do not count."""

    title: str
    first: Trace | None
    second: Trace | None
    grey_x: Float64[np.ndarray, " row"] | None = None
    grey: Bool[np.ndarray, " row"] | None = None
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    """Instants with a line: of the ``first`` or the ``second``."""


def check_picture(path: Path) -> None:
    """Before the work is done.

    Raises:
        PictureError: not a format that pictures are written in.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise PictureError(f"--plot {path}: pictures are written as {', '.join(SUFFIXES)}")


def draw(
    panels: Sequence[Panel],
    path: Path,
    *,
    names: tuple[str, str],
    note: str,
    x_label: str,
    x_range: tuple[float, float] | None = None,
    across: int = 4,
) -> None:
    """Write the picture (.png, .pdf or .svg by its suffix).

    Raises:
        PictureError: an unknown format, no panel to draw, or the file cannot be written.
    """
    check_picture(path)
    shown = [p for p in panels if p.first is not None or p.second is not None]
    if not shown:
        raise PictureError(f"--plot {path}: there is no curve that both sides have, so nothing to draw")
    down = -(-len(shown) // across)
    width, height = 4.0 * across, 1.1 + 2.7 * down
    figure = Figure(figsize=(width, height))
    grid = {
        "left": 0.5 / width, "right": 1 - 0.15 / width, "top": 1 - 0.65 / height, "bottom": 0.45 / height,
        "wspace": 0.16, "hspace": 0.24,
    }  # fmt: skip
    axes = figure.subplots(down, across, squeeze=False, gridspec_kw=grid)
    for axis, panel in zip(axes.flat, shown, strict=False):
        _panel(axis, panel, x_range)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis in axes.flat[max(0, len(shown) - across) : len(shown)]:
        axis.set_xlabel(x_label, fontsize=8)
    handles = [
        Line2D([], [], color=FIRST, linewidth=1.4, label=names[0]),
        Line2D([], [], color=SECOND, linewidth=1.4, linestyle=(0, (4, 2)), label=names[1]),
    ]
    figure.legend(handles=handles, loc="upper left", ncols=2, fontsize=10, frameon=False)
    figure.text(1 - 0.15 / width, 1 - 0.25 / height, note, fontsize=9, ha="right", va="center")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=80)
    except OSError as error:
        raise PictureError(f"{path}: cannot be written ({error.strerror or error})") from None


def _panel(axis: Axes, panel: Panel, x_range: tuple[float, float] | None) -> None:
    for trace, colour, style in ((panel.second, SECOND, (0, (4, 2))), (panel.first, FIRST, "-")):
        if trace is None:
            continue
        keep = np.ones(len(trace.x), bool)
        if x_range is not None:
            keep = (trace.x >= x_range[0] - 0.1) & (trace.x <= x_range[1] + 0.1)
        x, y = trace.x[keep], trace.y[keep]
        if trace.sd is not None:
            spread = SPREAD * trace.sd[keep]
            axis.fill_between(x, y - spread, y + spread, color=colour, alpha=0.18, linewidth=0)
        axis.plot(x, y, color=colour, linewidth=1.1, linestyle=style)
    low, high = axis.get_ylim()
    if panel.grey is not None and panel.grey_x is not None:
        axis.fill_between(panel.grey_x, low, high, where=panel.grey.tolist(), color=BLIND, alpha=0.4, linewidth=0)  # fmt: skip
    for x, which in panel.marks:
        colour, style = (FIRST, "-") if which == "first" else (SECOND, (0, (4, 2)))
        axis.axvline(x, color=colour, linewidth=0.7, linestyle=style, alpha=0.7)
    axis.set_ylim(low, high)
    if x_range is not None:
        axis.set_xlim(*x_range)
    axis.set_title(panel.title, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(color="#e3e6ea", linewidth=0.5)
