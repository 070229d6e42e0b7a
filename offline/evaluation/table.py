"""An evaluation as text, Markdown, CSV and JSON; KinTwin's published rows under the same names, empty where it reports nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kincast.offline.evaluation.evaluate import Evaluation, Figures
from kincast.offline.evaluation.published import CITATION, PUBLISHED

SPREAD_COLUMNS = ("n", "median", "nIQR", "MAE", "RMS")
ORDER = ("trials", "failed_trials_pct", "lost_trials_pct")
DEFINITIONS = (
    "Errors are simulated minus fitted motion (before its soles were made to respect the floor), rows from 0.2 s on, of the trials"
    " followed to their end. failed: pelvis outside 0.3 to 2 m of height, or the simulation diverged; lost: failed, or further than"
    " 1 m from the motion. pelvis_mm: horizontal distance. Forces: each foot against plates where they saw it, swing included;"
    " RMS is the usual figure. foot_strike, foot_off: vertical force crosses 20 N, paired within 0.3 s; events_f1 counts 150 ms."
    " stride: between the load-weighted mean centres of pressure of a foot's consecutive stances. Moments: RMS against the"
    " laboratory's inverse dynamics, % body weight x height. nIQR = 0.7413 IQR."
)


def rows_of(figures: Figures) -> dict[str, tuple[float | None, ...]]:
    """Name -> n, median, nIQR, MAE, RMS; a figure that is one number stands under MAE alone."""
    spreads: dict[str, tuple[float | None, ...]] = {
        name: (float(s.count), s.median, s.niqr, s.mae, s.rms) for name, s in figures.spreads.items()
    }
    shares: dict[str, tuple[float | None, ...]] = {
        name: (None, None, None, value, None) for name, value in figures.shares.items()
    }
    first = {name: shares.pop(name) for name in ORDER if name in shares}
    return {**first, **spreads, **shares}


def text_table(evaluation: Evaluation) -> str:
    """For a terminal."""
    lines = [
        f"{evaluation.driver:32s}"
        + "".join(f"{c:>10s}" for c in SPREAD_COLUMNS)
        + " |"
        + "".join(f"{c:>16s}" for c in PUBLISHED)
    ]
    for name, values in rows_of(evaluation.total).items():
        cells = "".join(f"{_number(v):>10s}" for v in values)
        published = "".join(f"{_number(column.get(name)):>16s}" for column in PUBLISHED.values())
        lines.append(f"{name:32s}{cells} |{published}".rstrip())
    return "\n".join(lines)


def markdown(evaluation: Evaluation) -> str:
    """A page: the table over all, then a row per person, what failed, what was kept out, definitions."""
    head = ("figure", *SPREAD_COLUMNS, *PUBLISHED)
    lines = [f"# {evaluation.driver}", "", _row(head), _row(["---"] + ["---:"] * (len(head) - 1))]
    for name, values in rows_of(evaluation.total).items():
        published = [_number(column.get(name)) for column in PUBLISHED.values()]
        lines.append(_row([name, *map(_number, values), *published]))
    lines += ["", "Headline figures by person:", ""]
    names = [n for n in _HEADLINES if n in evaluation.total.headline()]
    lines += [_row(["person", *names]), _row(["---"] + ["---:"] * len(names))]
    for person, figures in evaluation.people.items():
        headline = figures.headline()
        lines.append(_row([person, *(_number(headline.get(n)) for n in names)]))
    for title, found in (("Failed", evaluation.fell), ("Kept out", evaluation.kept_out)):
        if found:
            lines += ["", f"{title}:", ""]
            lines += [f"- {k}: {v if isinstance(v, str) else '; '.join(v)}" for k, v in found.items()]
    lines += ["", DEFINITIONS, "", f"Published, not measured here: {CITATION}", ""]
    return "\n".join(lines)


_HEADLINES = (
    "trials", "failed_trials_pct", "pelvis_mm", "all_joints_deg", "hip_deg", "knee_deg", "ankle_deg", "residual_pct_bw",
    "force_vertical_pct_bw", "force_fore_aft_pct_bw", "force_lateral_pct_bw", "moment_median_pct_bwh", "foot_strike_ms", "foot_off_ms",
    "stride_mm",
)  # fmt: skip


def csv_text(evaluation: Evaluation) -> str:
    """One line per scope (all, person, clip) and figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("scope", "name", "figure", *SPREAD_COLUMNS))
    scopes: tuple[tuple[str, Mapping[str, Figures]], ...] = (
        ("all", {evaluation.driver: evaluation.total}),
        ("person", evaluation.people),
        ("clip", evaluation.clips),
    )
    for scope, found in scopes:
        for name, figures in found.items():
            for figure, values in rows_of(figures).items():
                writer.writerow((scope, name, figure, *("" if v is None else f"{v:.6g}" for v in values)))
    for name, column in PUBLISHED.items():
        for figure, value in column.items():
            writer.writerow(("published", name, figure, "", "", "", f"{value:g}", ""))
    return out.getvalue()


def document(evaluation: Evaluation, facts: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values. ``facts``: what else the reader should know (split, limits, what the policy was trained on)."""
    return {
        "driver": evaluation.driver,
        **facts,
        "total": evaluation.total.headline(),
        "spreads": {k: asdict(v) for k, v in evaluation.total.spreads.items()},
        "people": {k: v.headline() for k, v in evaluation.people.items()},
        "clips": {k: v.headline() for k, v in evaluation.clips.items()},
        "fell": dict(evaluation.fell),
        "kept_out": {k: list(v) for k, v in evaluation.kept_out.items()},
        "published": PUBLISHED,
        "citation": CITATION,
        "definitions": DEFINITIONS,
    }


def json_text(evaluation: Evaluation, facts: Mapping[str, Any]) -> str:
    return json.dumps(document(evaluation, facts), indent=1, allow_nan=False) + "\n"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.2f}"


def _row(cells: Any) -> str:
    return "| " + " | ".join(str(c) for c in cells) + " |"
