"""Sampled poses as a smooth motion: the spline that the refit's kinetics use, through poses of any origin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from kincast.offline.live_start import LivePoses
from kincast.offline.trajectory.bspline import PoseSpline
from kincast.offline.trajectory.smoothing import smoothed


def smooth_motion(
    t_ns: Int64[np.ndarray, " time"], q: Float64[np.ndarray, "time 41"], cutoff_hz: float
) -> PoseSpline:
    """Spline of the poses without what is faster than ``cutoff_hz`` (zero phase, analytic derivatives)."""
    seen = np.ones(len(t_ns), bool)
    return smoothed(LivePoses(t_ns, q, seen), int(t_ns[0]), int(t_ns[-1]), cutoff_hz, t_ns, seen)
