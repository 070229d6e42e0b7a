"""How long each stage took: percentiles over the last second for the screen, over the whole run for the summary."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter_ns

Percentiles = tuple[float, float, float]
"""p50, p99, maximum, in milliseconds."""

_BINS_PER_DECADE = 100
_LOWEST_MS = 1e-3
_BINS = 8 * _BINS_PER_DECADE
"""1 microsecond to 100 seconds in steps of 2.3 percent."""


@dataclass
class _Histogram:
    """Bounded memory however long the session: counts on a logarithmic scale."""

    counts: list[int] = field(default_factory=lambda: [0] * _BINS)
    total: int = 0
    max_ms: float = 0.0

    def add(self, ms: float) -> None:
        place = int(math.log10(max(ms, _LOWEST_MS) / _LOWEST_MS) * _BINS_PER_DECADE)
        self.counts[min(place, _BINS - 1)] += 1
        self.total += 1
        self.max_ms = max(self.max_ms, ms)

    def percentile(self, share: float) -> float:
        wanted, seen = share * self.total, 0
        for place, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                upper_ms = _LOWEST_MS * 10 ** ((place + 1) / _BINS_PER_DECADE)
                return min(upper_ms, self.max_ms)
        return self.max_ms


class StageTimes:
    """Durations by stage name. One writer per stage (threads may share the object)."""

    def __init__(self) -> None:
        self._recent: defaultdict[str, list[float]] = defaultdict(list)
        self._whole: defaultdict[str, _Histogram] = defaultdict(_Histogram)

    def add(self, stage: str, duration_ns: int) -> None:
        """One run of ``stage``."""
        ms = duration_ns * 1e-6
        self._recent[stage].append(ms)
        self._whole[stage].add(ms)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure a block."""
        start_ns = perf_counter_ns()
        try:
            yield
        finally:
            self.add(stage, perf_counter_ns() - start_ns)

    def recent(self) -> Mapping[str, Percentiles]:
        """Since the last call."""
        taken = {stage: self._recent.pop(stage) for stage in sorted(self._recent)}
        return {stage: _percentiles(sorted(values)) for stage, values in taken.items() if values}

    def whole(self) -> Mapping[str, Percentiles]:
        """Since the beginning, to 2.3 percent."""
        return {
            stage: (h.percentile(0.5), h.percentile(0.99), h.max_ms)
            for stage, h in sorted(self._whole.items())
        }


def _percentiles(ordered: list[float]) -> Percentiles:
    last = len(ordered) - 1
    return ordered[last // 2], ordered[math.ceil(0.99 * last)], ordered[last]
