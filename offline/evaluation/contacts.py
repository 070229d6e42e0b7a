"""When simulated feet meet and leave the floor, and how far they step, against force plates.

Both sides by one rule: a foot is loaded while its vertical force exceeds 20 N (:func:`kincast.offline.plates.contacts`), and it stands
where its load-weighted mean centre of pressure lies. A stride is the way from one such place to the foot's next.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from kincast.offline.event_errors import MATCH_S, plates_saw
from kincast.offline.plates import contacts
from kincast.offline.truth import TruthForces

REACH_S = 0.3
"""Events further apart are not of the same step. (KinTwin's spreads of 40 to 185 ms need a wide reach.)"""
FINE_S = 0.001
"""Forces are interpolated to this step, so that the threshold is not met a sample late."""
EDGE_S = 0.1
"""Events so close to either end of the common time are not counted."""


@dataclass(frozen=True)
class Steps:
    """Errors (simulated minus plates) of the events and strides that the plates saw."""

    strike_s: tuple[float, ...] = ()
    off_s: tuple[float, ...] = ()
    stride_m: tuple[float, ...] = ()
    missed: int = 0
    extra: int = 0

    @property
    def hits(self) -> int:
        """Events within 150 ms, as ``kincast compare`` counts them."""
        return sum(abs(e) <= MATCH_S for e in (*self.strike_s, *self.off_s))

    @property
    def wrong(self) -> int:
        """Events of either side without one of the other within 150 ms."""
        return self.missed + self.extra + 2 * (len(self.strike_s) + len(self.off_s) - self.hits)


@dataclass(frozen=True)
class Loads:
    """Force (N) on and centre of pressure (m) under the right and left foot over time; an unloaded foot's place is any number."""

    time_s: Float64[np.ndarray, " row"]
    force: Float64[np.ndarray, "row 2 3"]
    cop: Float64[np.ndarray, "row 2 3"]


@dataclass
class _Found:
    strike_s: list[float] = field(default_factory=list)
    off_s: list[float] = field(default_factory=list)
    stride_m: list[float] = field(default_factory=list)
    missed: int = 0
    extra: int = 0


def steps_of(ours: Loads, plates: TruthForces, skip_s: float) -> Steps:
    """Compare on a common clock and in a common frame, from ``skip_s`` after our first row on."""
    if len(ours.time_s) < 2 or len(plates.time_s) < 2:
        return Steps()
    begin = max(ours.time_s[0] + skip_s, plates.time_s[0] + EDGE_S)
    end = min(ours.time_s[-1], plates.time_s[-1]) - EDGE_S
    found = _Found()
    theirs = Loads(plates.time_s, plates.force, plates.cop)
    for foot in range(2):
        mine, true = (_stances(loads, foot) for loads in (ours, theirs))
        for kind, errors in ((0, found.strike_s), (1, found.off_s)):
            _events(
                _edges(mine, kind),
                _edges(true, kind),
                (begin, end),
                plates,
                foot,
                errors,
                found,
            )
        found.stride_m += _strides(mine, true, plates, foot, begin)
    return Steps(tuple(found.strike_s), tuple(found.off_s), tuple(found.stride_m), found.missed, found.extra)


@dataclass(frozen=True, eq=False)
class _Stance:
    edges: tuple[float | None, float | None]
    place: Float64[np.ndarray, "2"]

    @property
    def whole(self) -> bool:
        return self.edges[0] is not None and self.edges[1] is not None and bool(np.isfinite(self.place).all())

    @property
    def begin_s(self) -> float:
        return -np.inf if self.edges[0] is None else self.edges[0]

    @property
    def end_s(self) -> float:
        return np.inf if self.edges[1] is None else self.edges[1]


def _stances(loads: Loads, foot: int) -> list[_Stance]:
    fine_s = np.arange(loads.time_s[0], loads.time_s[-1], FINE_S)
    vertical = np.interp(fine_s, loads.time_s, loads.force[:, foot, 2])
    found = []
    for begin, end in contacts(fine_s, vertical):
        inside = np.ones(len(loads.time_s), bool)
        inside &= loads.time_s >= (-np.inf if begin is None else begin)
        inside &= loads.time_s <= (np.inf if end is None else end)
        inside &= (loads.force[:, foot, 2] > 0.0) & np.isfinite(loads.cop[:, foot, :2]).all(axis=1)
        weight = loads.force[inside, foot, 2]
        place = np.full(2, np.nan)
        if weight.sum() > 0.0:
            place = weight @ loads.cop[inside, foot, :2] / weight.sum()
        found.append(_Stance((begin, end), place))
    return found


def _edges(stances: list[_Stance], kind: int) -> list[float]:
    return [t for s in stances if (t := s.edges[kind]) is not None]


def _events(
    mine: list[float],
    true: list[float],
    span: tuple[float, float],
    plates: TruthForces,
    foot: int,
    errors: list[float],
    found: _Found,
) -> None:
    pairs = _paired(mine, true)
    for i, j in pairs.items():
        if span[0] <= true[j] <= span[1] and plates_saw(plates, foot, true[j]):
            errors.append(mine[i] - true[j])
    matched = set(pairs.values())
    found.missed += sum(
        j not in matched and span[0] <= t <= span[1] and plates_saw(plates, foot, t)
        for j, t in enumerate(true)
    )
    found.extra += sum(
        i not in pairs and span[0] <= t <= span[1] and plates_saw(plates, foot, t) for i, t in enumerate(mine)
    )


def _paired(mine: list[float], true: list[float]) -> dict[int, int]:
    """One to one, the closest first, at most :data:`REACH_S` apart."""
    candidates = sorted((abs(m - t), i, j) for i, m in enumerate(mine) for j, t in enumerate(true))
    pairs: dict[int, int] = {}
    for apart, i, j in candidates:
        if apart <= REACH_S and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _strides(
    mine: list[_Stance], true: list[_Stance], plates: TruthForces, foot: int, begin_s: float
) -> list[float]:
    """Errors of the strides between consecutive stances, where plates saw the foot from the first one's begin to the second's end."""
    errors = []
    for first, second in itertools.pairwise(true):
        if not (first.whole and second.whole) or first.begin_s < begin_s:
            continue
        during = (plates.time_s >= first.begin_s) & (plates.time_s <= second.end_s)
        if not plates.plates_see[during, foot].all():
            continue
        before, after = (_same(mine, s) for s in (first, second))
        if before is None or after is None or before is after:
            continue
        ways = [b.place - a.place for a, b in ((before, after), (first, second))]
        errors.append(float(np.linalg.norm(ways[0]) - np.linalg.norm(ways[1])))
    return errors


def _same(mine: list[_Stance], stance: _Stance) -> _Stance | None:
    """Ours that begins nearest to one of the plates'."""
    near = [s for s in mine if s.whole and abs(s.begin_s - stance.begin_s) <= REACH_S]
    return min(near, key=lambda s: abs(s.begin_s - stance.begin_s), default=None)
