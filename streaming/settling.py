"""Handing out poses for good, each once and in order, as soon as they are ``settle_lag_s`` old."""

from __future__ import annotations

import numpy as np

from kincast.models.coordinates import VELOCITY_SIZE
from kincast.models.fit_result import SettledPose
from kincast.models.pose_uncertainty import coordinate_sd, pose_uncertainty
from kincast.models.residuals import Number
from kincast.models.window_solver import WindowSolution
from kincast.streaming.fitter_config import FitterConfig
from kincast.streaming.instant import Instant

INTERVALS = 8
"""So many first intervals tell the frame rate."""


class Settling:
    """State: the snapshots not yet answered for good, and the frame rate seen so far."""

    def __init__(self, config: FitterConfig) -> None:
        self._config = config
        self._unsettled: list[tuple[int, int]] = []
        self._intervals: list[float] = []
        self._last_t_ns: int | None = None

    def add(self, seq: int, t_ns: int) -> float:
        """A new snapshot; returns the time (s) since the one before."""
        self._unsettled.append((seq, t_ns))
        previous, self._last_t_ns = self._last_t_ns, t_ns
        if previous is None:
            return self._config.frame_period_s
        interval_s = max((t_ns - previous) * 1e-9, 1e-4)
        if len(self._intervals) < INTERVALS:
            self._intervals.append(interval_s)
        return interval_s

    @property
    def lag(self) -> int:
        """Snapshots between a picture and the final word on it: ``settle_lag_s`` at the frame rate seen so far."""
        solver = self._config.solver
        if not self._intervals:
            return solver.window - 2
        period_s = float(np.median(self._intervals))
        return int(np.clip(np.floor(self._config.settle_lag_s / period_s), 0, solver.window - 2))

    def due(self) -> tuple[tuple[int, int], ...]:
        """(seq, t_ns) of the snapshots whose time has come; each is given once."""
        return self._taken(max(len(self._unsettled) - self.lag, 0))

    def rest(self) -> tuple[tuple[int, int], ...]:
        """Those still lagging at the end of the stream."""
        return self._taken(len(self._unsettled))

    def _taken(self, count: int) -> tuple[tuple[int, int], ...]:
        taken = tuple(self._unsettled[:count])
        del self._unsettled[:count]
        return taken


def settled_pose(
    instant: Instant, place: int, solution: WindowSolution, correlation_time_s: Number | None, tracked: bool
) -> SettledPose:
    """The pose at a place of the window with its standard deviations.

    Args:
        solution: its uncertainty is that of ``place``.
        correlation_time_s: of the detector's errors; None for markers.
    """
    q, v = solution.q[place].astype(np.float64), solution.v[place].astype(np.float64)
    share = 1.0  # of the pictures' information that was counted as new
    if correlation_time_s is not None:
        share = float(np.tanh(0.5 * instant.interval_s / float(correlation_time_s)))
    uncertainty = pose_uncertainty(solution.covariance, solution.seen, solution.unsure, share)
    within, total = coordinate_sd(q, np.stack([uncertainty.within, uncertainty.total]))
    return SettledPose(instant.seq, instant.t_ns, q, v, total, within, tracked)


def unknown_pose(seq: int, t_ns: int, qpos: np.ndarray) -> SettledPose:
    """The last known pose in place of one that the window does not hold."""
    wide = np.full(VELOCITY_SIZE, 1.0)
    return SettledPose(seq, t_ns, qpos, np.zeros(VELOCITY_SIZE), wide, wide, False)
