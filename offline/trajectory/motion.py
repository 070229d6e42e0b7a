"""A motion at some instants, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True)
class Motion:
    """Poses with velocities and accelerations, as in :mod:`kincast.models.coordinates` (pelvis rates in pelvis axes)."""

    t_ns: Int64[np.ndarray, " time"]
    q: Float64[np.ndarray, "time 41"]
    v: Float64[np.ndarray, "time 40"]
    a: Float64[np.ndarray, "time 40"]


@dataclass(frozen=True)
class MotionCovariance:
    """Marginal covariance of the pose by the 40 velocities, and sd of velocity and acceleration, per instant.

    Conditional on body and cameras, in the sense of the noise the fit assumed (see :mod:`kincast.offline.posterior`).
    """

    pose: Float64[np.ndarray, "time 40 40"]
    velocity_sd: Float64[np.ndarray, "time 40"]
    acceleration_sd: Float64[np.ndarray, "time 40"]
