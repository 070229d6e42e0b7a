"""The report's plots, from ensembles of curves: left is a solid line with dots, right a dashed one with squares.

So they can be told apart on a black and white print too. Each stride is a thin line, mean and one standard deviation
are thick line and band, the end of stance a vertical line per side; invalid stretches of time are grey.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64

from kincast.offline.report.curves import PERCENT, Ensemble
from kincast.offline.report.norm_bands import Band, Norms
from kincast.offline.report.strides import SIDES, ReportStride
from kincast.offline.report.svg import Plot, limits, nice_ticks

DRAWN_STRIDES = 30
"""Of more strides than this every so many-th is drawn; mean and sd are always over all."""
BINS = 700
LONG, THIRD = (760.0, 120.0), (250.0, 130.0)
"""Sizes of plots over time: across the page, and three beside each other."""
DENSE_S = 20.0
"""Longer sessions are drawn with thin lines, or the strides run together."""
MARKED = {"left": np.arange(5, 100, 20), "right": np.arange(15, 100, 20)}
LEAST_RANGE = {"deg": 20.0, "cm": 5.0, "N m/kg": 0.6, "W/kg": 1.0, "% BW": 20.0, "0..1": 0.5}


def ensemble_plot(
    ensemble: Ensemble,
    stance_pct: Mapping[str, float],
    norm: Band | None = None,
    spread: Ensemble | None = None,
    empty: str = "no valid stride",
) -> str:
    """One panel over the gait cycle. ``spread``: the band is this instead of the sd between strides.

    Where the curve states its measurement error, a pale wide band is that of one stride.
    """
    kind = ensemble.kind
    bands = {side: _band(ensemble, spread, side) for side in SIDES}
    wide = {side: _around(ensemble, ensemble.error(side), side) for side in SIDES}
    shown = [ensemble.strides[s] for s in SIDES]
    shown += [b for pair in (*bands.values(), *wide.values()) if pair for b in pair]
    if norm is not None:
        shown += [norm.mean - norm.sd, norm.mean + norm.sd]
    low, high = limits(shown)
    if kind.unit == "0..1":
        low, high = 0.0, max(0.5, min(1.0, high))
    else:
        lack = max(0.0, LEAST_RANGE.get(kind.unit, 0.0) - (high - low)) / 2
        low, high = low - lack, high + lack
    plot = Plot(
        kind.label, (0.0, 100.0), (low, high), unit=kind.unit if kind.unit != "0..1" else "", up=kind.up, down=kind.down,
        x_ticks=(0.0, 20.0, 40.0, 60.0, 80.0, 100.0),
    )  # fmt: skip
    if norm is not None:
        known = np.isfinite(norm.mean)
        plot.band(PERCENT[known], (norm.mean - norm.sd)[known], (norm.mean + norm.sd)[known], "norm")
    for side in SIDES:
        if side in stance_pct and len(ensemble.strides[side]):
            plot.vertical(stance_pct[side], f"off {side}")
    for side in SIDES:
        for pair, css in ((wide[side], "wide"), (bands[side], "sd")):
            if pair is not None:
                plot.band(PERCENT, *pair, f"{css} {side}")
        if spread is None:
            for curve in _some(ensemble.strides[side]):
                plot.line(PERCENT[::2], curve[::2], f"thin {side}")
    for side in SIDES:
        mean = ensemble.mean(side)
        if mean is not None:
            plot.line(PERCENT, mean, "halo")
            plot.line(PERCENT, mean, f"mean {side}")
            at = MARKED[side]
            plot.markers(PERCENT[at], mean[at], f"mark {side}", square=side == "right")
    if not any(len(ensemble.strides[side]) for side in SIDES):
        plot.note(empty)
    return plot.render()


def _band(ensemble: Ensemble, spread: Ensemble | None, side: str) -> tuple[np.ndarray, np.ndarray] | None:
    return _around(ensemble, ensemble.sd(side) if spread is None else spread.mean(side), side)


def _around(ensemble: Ensemble, width: np.ndarray | None, side: str) -> tuple[np.ndarray, np.ndarray] | None:
    mean = ensemble.mean(side)
    if mean is None or width is None:
        return None
    low, high = mean - width, mean + width
    return (np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)) if ensemble.kind.unit == "0..1" else (low, high)


def _some(curves: Float64[np.ndarray, "stride 101"]) -> Float64[np.ndarray, "drawn 101"]:
    step = -(-len(curves) // DRAWN_STRIDES) if len(curves) else 1
    return curves[::step]


def stance_ends(strides: Sequence[ReportStride]) -> Mapping[str, float]:
    """Mean end of stance (% of the cycle) of the counted strides, per side that has one."""
    ends = {}
    for side in SIDES:
        values = [
            100.0 * (s.off_s - s.start_s) / (s.end_s - s.start_s)
            for s in strides
            if s.side == side and s.counted
        ]
        if values:
            ends[side] = float(np.mean(values))
    return ends


def ensemble_plots(
    curves: Mapping[str, Ensemble],
    keys: Iterable[str],
    stance_pct: Mapping[str, float],
    norms: Norms | None,
    empty: str = "no valid stride",
) -> list[str]:
    """Panels of the curves that there are, in the order of ``keys``."""
    return [
        ensemble_plot(curves[key], stance_pct, None if norms is None else norms.curves.get(key), empty=empty)
        for key in keys
        if key in curves
    ]


def change_plot(before: Ensemble, now: Ensemble, side: str) -> str:
    """One side's mean curves of the session before (grey, dashed) and of this one, each with its sd between strides."""
    kind = now.kind
    pairs = [(before, "before"), (now, side)]
    bands = [(_around(e, e.sd(side), side), css) for e, css in pairs]
    means = [(e.mean(side), css) for e, css in pairs]
    shown = [m for m, _ in means if m is not None] + [b for pair, _ in bands if pair for b in pair]
    low, high = limits(shown)
    lack = max(0.0, LEAST_RANGE.get(kind.unit, 0.0) - (high - low)) / 2
    plot = Plot(
        f"{kind.label}, {side}", (0.0, 100.0), (low - lack, high + lack), unit=kind.unit,
        x_ticks=(0.0, 20.0, 40.0, 60.0, 80.0, 100.0),
    )  # fmt: skip
    for pair, css in bands:
        if pair is not None:
            plot.band(PERCENT, *pair, f"sd {css}")
    for mean, css in means:
        if mean is not None:
            plot.line(PERCENT, mean, f"mean {css} whole")
    if any(m is None for m, _ in means):
        plot.note("not in both sessions")
    return plot.render()


def time_plot(
    title: str,
    unit: str,
    time_s: Float64[np.ndarray, " row"],
    lines: Mapping[str, Float64[np.ndarray, " row"]],
    valid: Bool[np.ndarray, " row"],
    *,
    hide_invalid: bool = False,
    limit: float | None = None,
    events: Iterable[tuple[float, str]] = (),
    y_least: tuple[float, float] | None = None,
    size: tuple[float, float] = LONG,
    sds: Mapping[str, Float64[np.ndarray, " row"]] | None = None,
) -> str:
    """Values over the whole session; ``lines`` by CSS class (left, right or single). Grey: not valid.

    ``sds``: standard deviations of the lines, drawn as pale bands where valid and not too many to be seen.

    Long sessions are drawn as the least and greatest value of some hundred stretches of time.
    """
    if not len(time_s):
        plot = Plot(title, (0.0, 1.0), (0.0, 1.0), unit=unit, size=size)
        plot.note("nothing was recorded")
        return plot.render()
    start, end = float(time_s[0]), float(time_s[-1])
    end = end if end > start else start + 1.0
    shown = {css: np.where(valid, v, np.nan) if hide_invalid else v for css, v in lines.items()}
    judged = [v[valid] for v in shown.values()] if valid.any() else list(shown.values())
    for css, sd in (sds or {}).items() if valid.any() else ():
        judged += [(lines[css] - sd)[valid], (lines[css] + sd)[valid]]
    y = limits(judged, at_least=y_least)
    plot = Plot(
        title,
        (start, end),
        y,
        unit=unit,
        x_ticks=nice_ticks(start, end, 12 if size[0] > 500 else 5),
        x_unit="s",
        size=size,
        y_ticks=5 if size[1] > 130 else 4,
    )
    for a, b in stretches(time_s, ~valid):
        plot.span(a, b, "invalid")
    if limit is not None:
        plot.horizontal(limit, "limit")
    for t, side in events:
        plot.vertical(t, f"strike {side}")
    for css, sd in (sds or {}).items() if len(time_s) <= 2 * BINS else ():
        for a, b in _runs(valid & np.isfinite(lines[css]) & np.isfinite(sd)):
            plot.band(time_s[a:b], lines[css][a:b] - sd[a:b], lines[css][a:b] + sd[a:b], f"wide {css}")
    dense = " dense" if end - start > DENSE_S else ""
    for css, values in shown.items():
        plot.line(*_thinned(time_s, values), f"trace {css}{dense}")
    return plot.render()


def _thinned(time_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(time_s) <= 2 * BINS:
        return time_s, values
    edges = np.linspace(0, len(time_s), BINS + 1).astype(int)
    t, v = [], []
    for a, b in itertools.pairwise(edges):
        part = values[a:b]
        if np.isfinite(part).any():
            t += [time_s[a], time_s[b - 1]]
            v += [np.nanmin(part), np.nanmax(part)]
        else:
            t.append(time_s[a])
            v.append(np.nan)
    return np.array(t), np.array(v)


def stretches(
    time_s: Float64[np.ndarray, " row"], flag: Bool[np.ndarray, " row"]
) -> list[tuple[float, float]]:
    """Start and end of the runs of true rows; a run reaches to the next row's instant."""
    last = len(time_s) - 1
    return [(float(time_s[a]), float(time_s[min(b, last)])) for a, b in _runs(flag)]


def _runs(flag: Bool[np.ndarray, " row"]) -> list[tuple[int, int]]:
    """First row of each run of true rows, and the row after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]]).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def gc_plot(curves: Mapping[str, Mapping[int, float]]) -> str:
    """GC_x: share of detections within x pixels of the model, one line per run (class ``run0``, ``run1``)."""
    plot = Plot(
        "Detections within x px of the body (GC_x)", (0.0, 50.0), (0.0, 1.0), x_ticks=(0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0), x_unit="px",
        size=(370.0, 190.0), y_ticks=5,
    )  # fmt: skip
    plot.vertical(5.0, "off")
    for i, points in enumerate(curves.values()):
        levels = np.array(sorted(points), dtype=np.float64)
        shares = np.array([points[int(level)] for level in levels], dtype=np.float64)
        plot.line(levels, shares, f"mean run{i}")
        marked = np.isin(levels, (5.0, 10.0, 20.0, 30.0, 40.0))
        plot.markers(levels[marked], shares[marked], f"mark run{i}", square=i % 2 == 1)
    if not curves:
        plot.note("no detections to compare with")
    return plot.render()
