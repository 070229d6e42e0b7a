"""Gait events against those of the force plates, judged only where the plates could see the foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.offline.truth import SIDES, Truth, TruthEvent, TruthForces
from kincast.streaming.results.csv_table import CsvTable

MATCH_S = 0.15
EDGE_S = 0.05
"""Events this close to either end of the common time are not counted: one side may not have seen them."""
SIGHT_S = 0.05
"""The plates must have seen the foot this long before and after an event of ours for it to count as extra."""
KINDS = ("foot_strike", "foot_off")


@dataclass(frozen=True)
class EventErrors:
    """Ours minus plates, milliseconds. ``emitted_ms``: plate event to the frame that told it, median and largest."""

    matched: int
    missed: int
    extra: int
    f1: float
    median_abs_ms: float | None
    bias_ms: float | None
    sd_ms: float | None
    emitted_median_ms: float | None
    emitted_max_ms: float | None


@dataclass(frozen=True)
class OurEvent:
    """A row of events.csv, times on the truth's clock."""

    time_s: float
    side: str
    event: str
    emitted_s: float


def our_events(table: CsvTable, start_s: float) -> list[OurEvent]:
    """Rows of events.csv with finite times; ``emitted_s`` is NaN where the file does not say it."""
    known = "emitted_s" in table.columns
    emitted = table.numbers("emitted_s") if known else np.full(len(table.rows), np.nan)
    rows = zip(table.numbers("time_s"), table.text("side"), table.text("event"), emitted, strict=True)
    return [OurEvent(float(t) + start_s, s, e, float(m) + start_s) for t, s, e, m in rows if np.isfinite(t)]


def event_errors(
    table: CsvTable, start_s: float, clock_s: Float64[np.ndarray, " row"], truth: Truth
) -> Mapping[str, EventErrors] | None:
    """Per kind and for ``all``; None without plate events or without an overlap."""
    if truth.events is None or truth.forces is None or len(clock_s) == 0:
        return None
    begin = float(max(clock_s[0], truth.forces.time_s[0])) + EDGE_S
    end = float(min(clock_s[-1], truth.forces.time_s[-1])) - EDGE_S
    if begin >= end:
        return None
    ours = our_events(table, start_s)
    found: dict[str, EventErrors] = {}
    pooled: list[tuple[list[tuple[OurEvent, TruthEvent]], int, int]] = []
    for kind in KINDS:
        pairs: list[tuple[OurEvent, TruthEvent]] = []
        missed = extra = 0
        for foot, side in enumerate(SIDES):
            mine = [e for e in ours if e.side == side and e.event == kind]
            theirs = [e for e in truth.events if e.side == side and e.event == kind]
            matches = match(mine, theirs)
            pairs += [(m, t) for m, t in matches if begin <= t.time_s <= end]
            got = {id(t) for _, t in matches}
            used = {id(m) for m, _ in matches}
            missed += sum(id(t) not in got and begin <= t.time_s <= end for t in theirs)
            extra += sum(
                id(m) not in used and begin <= m.time_s <= end and plates_saw(truth.forces, foot, m.time_s)
                for m in mine
            )
        pooled.append((pairs, missed, extra))
        found[kind] = _figures(pairs, missed, extra)
    found["all"] = _figures(
        [pair for pairs, _, _ in pooled for pair in pairs],
        sum(m for _, m, _ in pooled),
        sum(x for _, _, x in pooled),
    )
    return found


def match(ours: Sequence[OurEvent], theirs: Sequence[TruthEvent]) -> list[tuple[OurEvent, TruthEvent]]:
    """One to one, the closest pairs first, at most 150 ms apart."""
    candidates = sorted(
        ((abs(o.time_s - t.time_s), i, j) for i, o in enumerate(ours) for j, t in enumerate(theirs)),
        key=lambda c: c[0],
    )
    used: set[int] = set()
    taken: set[int] = set()
    pairs = []
    for distance, i, j in candidates:
        if distance > MATCH_S:
            break
        if i not in used and j not in taken:
            used.add(i)
            taken.add(j)
            pairs.append((ours[i], theirs[j]))
    return pairs


def plates_saw(forces: TruthForces, foot: int, time_s: float) -> bool:
    """Whether the plates saw the foot throughout the moments around an instant."""
    near = np.abs(forces.time_s - time_s) <= SIGHT_S
    return bool(near.any() and forces.plates_see[near, foot].all())


def _figures(pairs: Sequence[tuple[OurEvent, TruthEvent]], missed: int, extra: int) -> EventErrors:
    difference = np.array([(o.time_s - t.time_s) * 1e3 for o, t in pairs])
    emitted = np.array([(o.emitted_s - t.time_s) * 1e3 for o, t in pairs if np.isfinite(o.emitted_s)])
    total = 2 * len(pairs) + missed + extra
    some = len(pairs) > 0
    return EventErrors(
        matched=len(pairs),
        missed=missed,
        extra=extra,
        f1=2 * len(pairs) / total if total else 1.0,
        median_abs_ms=float(np.median(np.abs(difference))) if some else None,
        bias_ms=float(np.mean(difference)) if some else None,
        sd_ms=float(np.std(difference)) if some else None,
        emitted_median_ms=float(np.median(emitted)) if len(emitted) else None,
        emitted_max_ms=float(np.max(emitted)) if len(emitted) else None,
    )
