"""What a recording that is known to its end tells about who carried the load, beyond what each instant shows.

* **Steps too small to see**: a foot that stands elsewhere afterwards carried nothing on the way, for a loaded sole does not
  slip. A foot set anew, lifted by a centimetre, passes for standing at every single instant; before and after tell.
* **How well the demanded wrench is known here**: while one foot stands alone, the centre of pressure that the motion demands
  must lie where that foot carries its load. It misses by 2 to 6 cm (median) where the whole body is seen, by 14 cm where
  nothing of the trunk is: its share in the wrench is then a guess, and the expectation from the feet must count for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from kincast.models.feet_motion import FeetMotion


@dataclass(frozen=True)
class HindsightConfig:
    """When a foot rests, when it was set anew, and what misses are usual.

    Attributes:
        lift_m, slip_m_s: scales of the evidence ``(height / lift_m)^2 + (speed / slip_m_s)^2`` of the part of a sole
            (heel, ball, toe tip) that is nearest to resting on the ground: twice to four times the noise of a refitted foot.
        rest_evidence, rest_s: below that, for so long, the foot rests.
        left_evidence, seen_evidence: at least the one in between, or the foot did not leave the ground; beyond the other
            every instant shows that it did.
        moved_m: an end of the sole (heel, toe tip) that is further away at the next rest has moved; one must.
        leaving_m: the load goes while all that moves is once to twice as far from its place (a rolling foot, as fitted, slips by
            as much), and comes between twice the evidence of rest and rest.
        pause_s: two rests further apart are not joined.
        usual_miss_m: median miss of the centre of pressure up to which the wrench is as good as usual; ``worst`` bounds the
            ratio, ``alone_share`` is the expected share of a foot that stands alone, ``alone_s`` the least time of it.
    """

    lift_m: float = 0.01
    slip_m_s: float = 0.15
    rest_evidence: float = 0.7
    rest_s: float = 0.08
    left_evidence: float = 2.0
    seen_evidence: float = 60.0
    moved_m: float = 0.025
    leaving_m: float = 0.01
    pause_s: float = 1.5
    usual_miss_m: float = 0.06
    worst: float = 3.0
    alone_share: float = 0.97
    alone_s: float = 0.5


@dataclass(frozen=True)
class Hindsight:
    """``wrench_error``: how much larger than usual the error of the demanded wrench is (1 and more); ``unloaded``: by instant
    (ns), 1 for a foot (right first) on its way between two places, 0 for one that may be loaded."""

    wrench_error: float = 1.0
    unloaded: Mapping[int, Float64[np.ndarray, "2"]] = field(default_factory=dict)

    def unloaded_at(self, t_ns: int) -> Float64[np.ndarray, "2"]:
        return self.unloaded.get(t_ns, _LOADABLE)


_LOADABLE = np.zeros(2)


class FeetDiary:
    """Collects what :class:`Hindsight` needs, instant by instant, in order of time; grows with the recording."""

    def __init__(self, config: HindsightConfig | None = None) -> None:
        self._config = config or HindsightConfig()
        self._t_ns: list[int] = []
        self._place: list[Float64[np.ndarray, "2 end 2"]] = []
        self._evidence: list[Float64[np.ndarray, "2"]] = []
        self._drift = np.zeros(2)
        self._alone_ns: list[int] = []
        self._miss_m: list[float] = []

    def note_feet(self, t_ns: int, feet: FeetMotion, ground_velocity: Float64[np.ndarray, "2"]) -> None:
        """How the feet move against the ground, which moves with ``ground_velocity`` itself."""
        c = self._config
        if self._t_ns:
            self._drift = self._drift + ground_velocity * (t_ns - self._t_ns[-1]) * 1e-9
        self._t_ns.append(t_ns)
        ends = np.stack([feet.heel, feet.heel + feet.forward * feet.length[:, None]], axis=1)
        self._place.append(ends - self._drift)
        parts = (np.maximum(feet.height, 0.0) / c.lift_m) ** 2 + (feet.speed / c.slip_m_s) ** 2
        self._evidence.append(parts.min(axis=1))

    def note_pressure(self, t_ns: int, right_share: float, miss: Float64[np.ndarray, "2"]) -> None:
        """How far (m) the demanded centre of pressure lies from the expected one."""
        if max(right_share, 1.0 - right_share) > self._config.alone_share:
            self._alone_ns.append(t_ns)
            self._miss_m.append(float(np.hypot(*miss)))

    def hindsight(self) -> Hindsight:
        """All that was noted, read together."""
        if len(self._t_ns) < 3:
            return Hindsight()
        t_ns = np.array(self._t_ns, dtype=np.int64)
        unloaded = np.stack(
            [
                on_the_way(
                    t_ns,
                    np.array([p[f] for p in self._place]),
                    np.array([e[f] for e in self._evidence]),
                    self._config,
                )
                for f in range(2)
            ],
            axis=1,
        )
        rows = np.flatnonzero(unloaded.any(axis=1))
        return Hindsight(self._wrench_error(t_ns), {int(t_ns[i]): unloaded[i] for i in rows})

    def _wrench_error(self, t_ns: Int64[np.ndarray, " row"]) -> float:
        c = self._config
        if len(self._miss_m) * float(np.median(np.diff(t_ns))) * 1e-9 < c.alone_s:
            return 1.0
        return float(np.clip(np.median(self._miss_m) / c.usual_miss_m, 1.0, c.worst))


def on_the_way(
    t_ns: Int64[np.ndarray, " row"],
    place: Float64[np.ndarray, "row point 2"],
    evidence: Float64[np.ndarray, " row"],
    config: HindsightConfig,
) -> Float64[np.ndarray, " row"]:
    """1 while one foot is between two places of rest, 0 at rest, in between while it leaves the one and comes down on the other.

    ``place``: where its points are on the ground (m); ``evidence``: that it does not rest on it.
    """
    found = np.zeros(len(t_ns))
    settled = rests(t_ns, evidence < config.rest_evidence, config.rest_s)
    for (first, leaves), (returns, last) in pairwise(settled):
        if (t_ns[returns] - t_ns[leaves - 1]) * 1e-9 > config.pause_s:
            continue
        between = slice(leaves, returns)
        before = _resting(t_ns, place, slice(first, leaves), int(t_ns[leaves - 1]), config.rest_s)
        after = _resting(t_ns, place, slice(returns, last), int(t_ns[returns]), config.rest_s)
        moved = np.hypot(*(after - before).T) > config.moved_m
        most = float(evidence[between].max())
        if not moved.any() or not config.left_evidence < most < config.seen_evidence:
            continue
        gone_m = np.linalg.norm((place[between] - before)[:, moved], axis=2)
        left = gone_m.min(axis=1) / config.leaving_m - 1.0  # a foot rolls off: what leaves last counts
        lands = evidence[between] / config.rest_evidence - 1.0
        found[between] = np.clip(np.minimum(left, lands), 0.0, 1.0)
    return found


def rests(
    t_ns: Int64[np.ndarray, " row"], still: Bool[np.ndarray, " row"], least_s: float
) -> list[tuple[int, int]]:
    """First row and the one after the last of every stretch in which the foot is ``still`` for ``least_s`` or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
    stretches = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(a, b) for a, b in stretches if (t_ns[b - 1] - t_ns[a]) * 1e-9 >= least_s]


def _resting(
    t_ns: Int64[np.ndarray, " row"],
    place: Float64[np.ndarray, "row point 2"],
    rest: slice,
    near_ns: int,
    within_s: float,
) -> Float64[np.ndarray, "point 2"]:
    """Mean place over the part of a rest that is closest to ``near_ns``."""
    near = np.abs(t_ns[rest] - near_ns) <= within_s * 1e9
    return place[rest][near].mean(axis=0)
