"""Gait events and strides of two results folders of one recording, matched in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kincast.offline.compare_difference import Difference, difference
from kincast.offline.event_errors import KINDS, MATCH_S, OurEvent, match
from kincast.offline.truth import TruthEvent
from kincast.streaming.results.columns import STRIDE_MEASURES
from kincast.streaming.results.csv_table import CsvTable

SIDES = ("right", "left")
MEASURES = tuple(name for name in STRIDE_MEASURES if not name.endswith("_s") or name == "speed_m_s")


@dataclass(frozen=True)
class EventAgreement:
    """Events that both name, and those that one does; first minus second in milliseconds."""

    both: int
    only_first: int
    only_second: int
    median_abs_ms: float | None
    mean_ms: float | None
    sd_ms: float | None


def agreed_events(first: CsvTable, second: CsvTable, offset_s: float) -> Mapping[str, EventAgreement]:
    """Per kind, matched one to one within 150 ms. ``offset_s`` is added to the second's times."""
    if any({"time_s", "side", "event"} - set(t.columns) for t in (first, second)):
        return {}
    ours, theirs = _events(first, 0.0), _events(second, offset_s)
    found = {}
    for kind in KINDS:
        pairs: list[tuple[OurEvent, TruthEvent]] = []
        counts = [0, 0]
        for side in SIDES:
            mine = [e for e in ours if (e.side, e.event) == (side, kind)]
            others = [TruthEvent(e.time_s, side, kind) for e in theirs if (e.side, e.event) == (side, kind)]
            pairs += match(mine, others)
            counts[0] += len(mine)
            counts[1] += len(others)
        ms = np.array([(a.time_s - b.time_s) * 1e3 for a, b in pairs])
        some = len(ms) > 0
        found[kind] = EventAgreement(
            both=len(pairs),
            only_first=counts[0] - len(pairs),
            only_second=counts[1] - len(pairs),
            median_abs_ms=float(np.median(np.abs(ms))) if some else None,
            mean_ms=float(ms.mean()) if some else None,
            sd_ms=float(ms.std()) if some else None,
        )
    return found


def _events(table: CsvTable, offset_s: float) -> list[OurEvent]:
    rows = zip(table.numbers("time_s"), table.text("side"), table.text("event"), strict=True)
    return [OurEvent(float(t) + offset_s, s, e, np.nan) for t, s, e in rows if np.isfinite(t)]


def stride_differences(first: CsvTable, second: CsvTable, offset_s: float) -> Mapping[str, Difference]:
    """Per measure of gait.csv, over the strides whose two strikes both folders have within 150 ms."""
    needed = {"side", "foot_strike_s", "next_foot_strike_s"}
    if any(needed - set(t.columns) for t in (first, second)):
        return {}
    pairs = _pairs(first, second, offset_s)
    found = {}
    for name in MEASURES:
        if pairs and name in first.columns and name in second.columns:
            a, b = first.numbers(name), second.numbers(name)
            compared = difference(np.array([a[i] for i, _ in pairs]), np.array([b[j] for _, j in pairs]))
            if compared is not None:
                found[name] = compared
    return found


def _pairs(first: CsvTable, second: CsvTable, offset_s: float) -> list[tuple[int, int]]:
    sides = first.text("side"), second.text("side")
    ours, theirs = (
        np.stack([t.numbers("foot_strike_s"), t.numbers("next_foot_strike_s")], axis=1) + shift
        for t, shift in ((first, 0.0), (second, offset_s))
    )
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for i, side in enumerate(sides[0]):
        near = [
            (float(np.abs(theirs[j] - ours[i]).max()), j)
            for j in range(len(theirs))
            if sides[1][j] == side and j not in taken
        ]
        best = min((n for n in near if np.isfinite(n[0])), default=None)
        if best is not None and best[0] <= MATCH_S:
            taken.add(best[1])
            pairs.append((i, best[1]))
    return pairs
