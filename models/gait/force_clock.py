"""Setting the kinematic clocks by the forces: a person's own delay between motion and load, learned stride by stride.

People differ in when their foot motion says "contact" (some 10 ms between people, 5 ms within one). The forces
of inverse dynamics see the load itself but come later than an event should be said. So each event is said from
motion at once, and the forces, when they arrive, correct the clocks for the steps that follow.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from kincast.models.gait.clocks import OFF, STRIKE, Reading

LOADED_SHARE = 0.05
"""Of body weight. Forces from motion come and go over some 40 ms where a plate sees 10. They pass this level about when a plate passes 20 N: medians of
four measured walks -5, -6, -5, -16 ms at strike and 3, -4, -5, -6 ms at foot off (at 20 N itself -13 to -26 and up to 12)."""


@dataclass(frozen=True)
class ForceClockConfig:
    """Standard deviations in seconds.

    ``person``: of a person's delay before anything is known; ``observation``: of one comparison of motion and force;
    ``sides``: how much a person's two sides may differ; ``drift``: per step; ``floor``: what forces and motion
    get wrong together. Comparisons further apart than ``reach`` are of something else; ``limit`` bounds the correction.
    """

    person: float = 0.010
    observation: float = 0.010
    sides: float = 0.008
    drift: float = 0.001
    floor: float = 0.006
    reach: float = 0.060
    limit: float = 0.030


@dataclass(frozen=True)
class _Delay:
    mean_s: float
    variance: float

    def seen(self, value_s: float, variance: float, drift: float) -> _Delay:
        prior = self.variance + drift**2
        gain = prior / (prior + variance)
        return _Delay(self.mean_s + gain * (value_s - self.mean_s), (1 - gain) * prior)


class ForceClock:
    """Delays per side and event, and the recent load on both feet. Loads come in the order of time."""

    def __init__(self, config: ForceClockConfig | None = None) -> None:
        self.config = config or ForceClockConfig()
        start = _Delay(0.0, self.config.person**2)
        self._delay = {(side, event): start for side in (0, 1) for event in (STRIKE, OFF)}
        self._loads: deque[tuple[float, float, float, bool]] = deque(maxlen=256)
        self._waiting: list[tuple[int, str, float]] = []

    def correct(self, side: int, event: str, reading: Reading) -> Reading:
        """The reading with this person's delay taken off; its deviation shrinks as the delay becomes known."""
        delay = self._delay[side, event]
        known = delay.variance + self.config.floor**2
        rest = max(reading.sd_s**2 - reading.person_sd_s**2, 0.0)
        person_sd = min(reading.person_sd_s, float(np.sqrt(known)))
        shift = float(np.clip(delay.mean_s, -self.config.limit, self.config.limit))
        return replace(
            reading,
            t_s=reading.t_s - shift,
            sd_s=float(np.hypot(np.sqrt(rest), person_sd)),
            person_sd_s=person_sd,
        )

    def expect(self, side: int, event: str, uncorrected_s: float) -> None:
        """An event was said; it will be compared with the load once that has come in."""
        self._waiting.append((side, event, uncorrected_s))

    def load(self, t_s: float, right_share: float, left_share: float, valid: bool) -> None:
        """Vertical force on both feet at an instant (shares of body weight), and whether the kinetics stand behind it."""
        if self._loads and t_s <= self._loads[-1][0]:
            return
        self._loads.append((t_s, right_share, left_share, valid))
        c = self.config
        ready = [w for w in self._waiting if t_s >= w[2] + c.reach]
        self._waiting = [w for w in self._waiting if t_s < w[2] + c.reach]
        for side, event, said_s in ready:
            crossing = self._crossing(side, event, said_s)
            if crossing is None:
                continue
            error = said_s - crossing
            own, other = (side, event), (1 - side, event)
            self._delay[own] = self._delay[own].seen(error, c.observation**2, c.drift)
            self._delay[other] = self._delay[other].seen(error, c.observation**2 + c.sides**2, c.drift)

    def _crossing(self, side: int, event: str, near_s: float) -> float | None:
        """Instant at which the load passed its level in the right direction, within reach; None unless valid throughout."""
        best: float | None = None
        loads = [x for x in self._loads if abs(x[0] - near_s) <= self.config.reach + 0.02]
        if len(loads) < 3 or not all(x[3] for x in loads):
            return None
        for before, after in pairwise(loads):
            a, b = before[1 + side], after[1 + side]
            if (a > LOADED_SHARE) == (b > LOADED_SHARE) or (b > a) != (event == STRIKE):
                continue
            at = before[0] + (LOADED_SHARE - a) / (b - a) * (after[0] - before[0])
            if abs(at - near_s) <= self.config.reach and (
                best is None or abs(at - near_s) < abs(best - near_s)
            ):
                best = at
        return best

    def forget(self) -> None:
        """Tracking was interrupted: loads and open comparisons go, what was learned of the person stays."""
        self._loads.clear()
        self._waiting.clear()
