"""Durations between gait events: what a walk too short for whole strides still tells."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from kincast.offline.report.session import ReportSession
from kincast.offline.report.strides import SIDES, STRIDE_S


@dataclass(frozen=True)
class Phase:
    """A stretch between two events (seconds), seen ``n`` times on a side; ``error``: sd of one, nan where not stated."""

    label: str
    side: str
    n: int
    mean: float
    error: float


def phases(session: ReportSession) -> tuple[Phase, ...]:
    """Step, stance, swing and stride times of each side, as far as the events tell; within valid rows alone."""
    events = _events(session)
    found: list[Phase] = []
    for side in SIDES:
        own = [(t, kind, sd) for t, s, kind, sd in events if s == side]
        strikes = [(t, s, sd) for t, s, kind, sd in events if kind == "foot_strike"]
        pairs = {
            "Step time": [(a, b) for a, b in itertools.pairwise(strikes) if a[1] != side and b[1] == side],
            "Stance time": [
                (a, b) for a, b in itertools.pairwise(own) if (a[1], b[1]) == ("foot_strike", "foot_off")
            ],
            "Swing time": [
                (a, b) for a, b in itertools.pairwise(own) if (a[1], b[1]) == ("foot_off", "foot_strike")
            ],
            "Stride time": list(itertools.pairwise([s for s in strikes if s[1] == side])),
        }
        for label, ends in pairs.items():
            lasting = [(b[0] - a[0], float(np.hypot(a[2], b[2]))) for a, b in ends if _followed(session, a[0], b[0])]  # fmt: skip
            if lasting:
                seconds, sds = (np.array(v) for v in zip(*lasting, strict=True))
                error = float(np.sqrt(np.mean(sds**2)))
                found.append(Phase(label, side, len(seconds), float(seconds.mean()), error))
    order = list(dict.fromkeys(p.label for p in found))
    return tuple(sorted(found, key=lambda p: order.index(p.label)))


def _events(session: ReportSession) -> list[tuple[float, str, str, float]]:
    table = session.results.events
    if table is None or any(c not in table.columns for c in ("time_s", "side", "event")):
        return []
    sds = table.numbers("sd_s") if "sd_s" in table.columns else np.full(len(table.rows), np.nan)
    rows = zip(table.numbers("time_s"), table.text("side"), table.text("event"), sds, strict=True)
    return sorted((float(t), s, e, abs(float(sd))) for t, s, e, sd in rows if np.isfinite(t) and s in SIDES)


def _followed(session: ReportSession, start_s: float, end_s: float) -> bool:
    """The stretch is as long as a phase of gait can be, and the person was tracked all through it."""
    inside = (session.time_s >= start_s) & (session.time_s <= end_s)
    return 0.1 < end_s - start_s < 0.5 * STRIDE_S[1] and bool(session.valid.kinematics[inside].all())
