"""A comparison of two results folders as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from kincast.offline.angle_errors import MAIN
from kincast.offline.compare_cycles import CycleComparison
from kincast.offline.compare_difference import Difference
from kincast.offline.compare_folders import FolderComparison, Reprojection, RowComparison, body_weight_N
from kincast.offline.compare_lines import NOTE, WIDTH, difference_lines, numbers, reversed_names
from kincast.offline.report.motion import GROUPS

STRIDE_UNITS = {"_m_s": ("m/s", 1.0), "_m": ("mm", 1e3), "_pct": ("% cycle", 1.0), "_min": ("1/min", 1.0)}
SMALL = 1e-3
"""Differences up to this (in the shown unit) are left out of the tables as none."""


def folders_table(c: FolderComparison) -> str:
    """The figures, one per line; what could not be compared is said so."""
    return "\n".join(_lines(c))


def _lines(c: FolderComparison) -> Iterator[str]:
    yield f"first:  {c.first}"
    yield f"second: {c.second}"
    how = "row by row" if c.clock.by == "time" else "by the gait cycle"
    shifted = f", second's times {c.clock.offset_s:+.3f} s" if abs(c.clock.offset_s) > 1e-9 else ""
    yield f"compared {how} ({c.clock.reason}{shifted}); first minus second"
    for flag, shares in c.valid_share.items():
        if any(s is not None for s in shares):
            yield f"valid, {flag:10s}  first {_share(shares[0])}, second {_share(shares[1])}"
    if c.time is not None:
        yield from _rows(c, c.time)
    if c.cycles is not None:
        yield from _cycles(c.cycles)
    yield from _fits(c.reprojection)
    if c.scales:
        worst = max(c.scales.items(), key=lambda item: abs(item[1][0] / item[1][1] - 1.0))
        yield f"body scales: largest difference {100 * (worst[1][0] / worst[1][1] - 1.0):+.1f} % ({worst[0]}: {worst[1][0]:.3f} and {worst[1][1]:.3f})"
    for line in c.absent:
        yield f"not compared: {line}"


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


def _fits(fits: tuple[Reprojection, Reprojection]) -> Iterator[str]:
    if all(f.median_px is None for f in fits):
        return
    texts = [
        f"GC_5 {f.gc5:.3f}, {f.median_px:.1f} px"
        if f.gc5 is not None and f.median_px is not None
        else "unknown"
        for f in fits
    ]
    yield f"reprojection: first {texts[0]}; second {texts[1]}"


def _rows(c: FolderComparison, r: RowComparison) -> Iterator[str]:
    if not r.rows:
        yield "no common time"
        return
    yield f"{r.rows} common rows; {r.rows_angles} count for angles, {r.rows_forces} for forces (valid on both sides)"
    if r.shift_s is not None:
        later = "later" if r.shift_s >= 0 else "earlier"
        yield f"the second shows the same motion {1e3 * abs(r.shift_s):.0f} ms {later}"
    yield NOTE
    main = [r.angles_deg[n] for n in MAIN if n in r.angles_deg]
    if main:
        yield (
            f"main angles, median of {len(main)} (deg RMSE)      mean removed {np.median([d.sd for d in main]):5.2f}"
            f"   raw {np.median([d.rmse for d in main]):5.2f}"
        )
    yield from difference_lines("angles", "deg", _moving(r.angles_deg))
    for name in reversed_names(r.angles_deg):
        yield f"  {name}: the two run against each other; one of the files counts it with the other sign"
    yield from difference_lines("pelvis place", "mm", r.pelvis_mm)
    moments = {n.removesuffix("_moment"): d for n, d in r.moments_Nm.items() if n.endswith("_moment")}
    yield from difference_lines("joint moments", "N m", _moving(moments))
    if c.mass_kg and c.height_m and moments:
        scale = 100.0 / ((body_weight_N(c) or 1.0) * c.height_m)
        main_moments = [moments[n].rmse * scale for n in MAIN if n in moments]
        if main_moments:
            yield f"  median of the main ones: {np.median(main_moments):.2f} % body weight x height RMSE"
    yield from difference_lines("force on the feet", "N", r.forces_N)
    weight = body_weight_N(c)
    if weight and r.forces_N:
        by_axis = {
            axis: float(np.sqrt(np.mean([r.forces_N[f"{s} {axis}"].rmse ** 2 for s in ("right", "left") if f"{s} {axis}" in r.forces_N])))
            for axis in ("vertical", "fore-aft", "mediolateral")
        }  # fmt: skip
        yield "  % body weight RMSE: " + ", ".join(f"{a} {100 * v / weight:.2f}" for a, v in by_axis.items())
    yield from difference_lines("centre of pressure, loaded feet", "mm", r.cop_mm)
    yield from difference_lines("pelvis residual", "N, N m", r.residual_N)
    yield from _activations(r.activations)
    if r.markers_mm:
        values = list(r.markers_mm.values())
        worst = max(r.markers_mm, key=lambda n: r.markers_mm[n])
        yield f"markers: {len(values)} common, median distance {np.median(values):.1f} mm, largest {r.markers_mm[worst]:.1f} mm ({worst})"
    for kind, e in r.events.items():
        timing = (
            ""
            if e.mean_ms is None
            else f", median abs {e.median_abs_ms:.1f} ms, mean {e.mean_ms:+.1f} +- {e.sd_ms:.1f} ms"
        )
        yield f"{kind.replace('_', ' ')}s: {e.both} in both, {e.only_first} only in the first, {e.only_second} only in the second{timing}"
    yield from _strides(r.strides)


def _moving(table: Mapping[str, Difference]) -> Mapping[str, Difference]:
    """Without the coordinates that do not differ at all (nobody measured them)."""
    return {n: d for n, d in table.items() if d.largest > SMALL}


def _activations(table: Mapping[str, Difference]) -> Iterator[str]:
    """By muscle group: the mean over its muscles of both legs."""
    groups: dict[str, list[Difference]] = {}
    for group, muscles in GROUPS.items():
        found = [table[f"{m}_{s}"] for m in muscles for s in "rl" if f"{m}_{s}" in table]
        if found:
            groups[group] = found
    if not groups:
        return
    yield f"{'activations, mean over the muscles (0..1)':{WIDTH}s} {'mean':>9s} {'':8s} {'RMSE':>8s} {'max':>8s} {'r':>6s}"
    for group, found in groups.items():
        r = [d.correlation for d in found if d.correlation is not None]
        mean, rmse = np.mean([d.mean for d in found]), np.mean([d.rmse for d in found])
        largest = max(d.largest for d in found)
        text = f"{np.mean(r):6.3f}" if r else f"{'-':>6s}"
        yield f"  {group:{WIDTH - 2}s} {mean:9.3f} {'':8s} {rmse:8.3f} {largest:8.3f} {text}"


def _strides(table: Mapping[str, Difference]) -> Iterator[str]:
    if not table:
        return
    yield f"{f'strides ({max(d.rows for d in table.values())} in both)':{WIDTH}s} {'mean':>9s} {'sd':>8s} {'RMSE':>8s} {'max':>8s} {'r':>6s}"
    for name, d in table.items():
        unit, scale = next(v for suffix, v in STRIDE_UNITS.items() if name.endswith(suffix))
        label = next(name.removesuffix(s) for s in STRIDE_UNITS if name.endswith(s)).replace("_", " ")
        yield f"  {f'{label} ({unit})':{WIDTH - 2}s} {numbers(d, scale)}"


def _cycles(c: CycleComparison) -> Iterator[str]:
    if any(c.subjects) and c.subjects[0] != c.subjects[1]:
        yield f"subjects: first {c.subjects[0] or 'not stated'}, second {c.subjects[1] or 'not stated'}: check that both are the same person's"
    counts = ", ".join(f"{side} {n[0]} and {n[1]}" for side, n in c.strides.items())
    yield f"counted strides: {counts}"
    if not c.curves and not c.measures:
        yield "nothing to compare: one of the sessions has no stride that counts"
        yield "if both are of the same moments, --by time compares them row by row"
        return
    yield NOTE
    table = {f"{d.label}, {d.side} ({d.unit})": d.difference for d in c.curves}
    yield from difference_lines("mean curves over the gait cycle", "unit in brackets", table)
    if c.measures:
        yield f"{'gait measures (mean +- sd of strides)':{WIDTH}s} {'first':>17s} {'second':>17s} {'difference':>11s} {'95 % error':>11s}"
    for m in c.measures:
        values = [
            f"{v:.2f}" + (f" +- {sd:.2f}" if sd is not None else "")
            for v, sd in zip(m.means, m.sds, strict=True)
        ]
        label = f"{m.label}{'' if m.side == 'both' else ', ' + m.side} ({m.unit})"
        error = "-" if m.detectable is None else f"{m.detectable:.2f}"
        yield f"  {label:{WIDTH - 2}s} {values[0]:>17s} {values[1]:>17s} {m.difference:+11.2f} {error:>11s}"
