"""Change since the person's earlier sessions, beside the least change that the measurement can tell from none.

The minimal detectable change at 95 % is 1.96 sqrt(SE1^2 + SE2^2) with the standard errors of both sessions' means
(Weir 2005, J Strength Cond Res 19, 231, with each session's own error instead of a group's). It covers what a session
knows of its own error: strides and measurement; not that a person walks a little differently every day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kincast.offline.report.curves import Ensemble
from kincast.offline.report.measure_kinds import Measure
from kincast.offline.report.measures import Z95, Row, Statistics
from kincast.offline.report.session import ReportInputError, ReportSession


@dataclass(frozen=True)
class Visit:
    """One session of the person: its gait table and its curves."""

    session: ReportSession
    rows: tuple[Row, ...]
    curves: Mapping[str, Ensemble] = field(default_factory=dict)

    @property
    def when(self) -> str:
        """The date, or the session's own name where its clock was no date."""
        started = self.session.started
        return f"{started:%Y-%m-%d}" if started else self.session.session_id


@dataclass(frozen=True)
class Change:
    """One measure of one side (left, right or both) over the visits, oldest first; the last is today's."""

    measure: Measure
    side: str
    visits: tuple[Statistics | None, ...]

    @property
    def previous(self) -> Statistics | None:
        """The newest earlier visit that has the measure."""
        return next((v for v in reversed(self.visits[:-1]) if v is not None), None)

    @property
    def change(self) -> float:
        """Today minus the previous; nan where either is missing."""
        before, now = self.previous, self.visits[-1]
        return now.mean - before.mean if before is not None and now is not None else math.nan

    @property
    def detectable(self) -> float:
        """Minimal detectable change (95 %); nan where an error is not known."""
        before, now = self.previous, self.visits[-1]
        return Z95 * math.hypot(before.se, now.se) if before is not None and now is not None else math.nan

    @property
    def beyond(self) -> bool:
        """The change is larger than that; never said where the measurement error is not known."""
        ends = (self.previous, self.visits[-1])
        known = all(e is not None and math.isfinite(e.error) for e in ends)
        return known and abs(self.change) > self.detectable


def in_order(visits: Sequence[Visit]) -> tuple[Visit, ...]:
    """By date where all have one, else as given."""
    dates = [v.session.started for v in visits]
    if any(d is None for d in dates):
        return tuple(visits)
    return tuple(sorted(visits, key=lambda v: v.session.started.timestamp() if v.session.started else 0.0))


def changes(visits: Sequence[Visit]) -> tuple[Change, ...]:
    """Of all measures that today (the last visit) has; whole-body measures once, the others per side.

    Raises:
        ReportInputError: sessions of different people.
    """
    people = {v.session.subject_id for v in visits if v.session.subject_id}
    if len(people) > 1:
        raise ReportInputError(
            f"the sessions are of different people ({', '.join(sorted(people))}); --earlier takes one person's sessions"
        )
    by_key = [{row.measure.key: row for row in visit.rows} for visit in visits]
    found = []
    for row in visits[-1].rows:
        sides = ("both",) if row.measure.whole_body else tuple(row.sides)
        for side in sides:
            found.append(
                Change(
                    row.measure,
                    side,
                    tuple(_of(rows.get(row.measure.key), side) for rows in by_key),
                )
            )
    return tuple(c for c in found if c.previous is not None)


def _of(row: Row | None, side: str) -> Statistics | None:
    if row is None:
        return None
    return row.both if side == "both" else row.sides.get(side)
