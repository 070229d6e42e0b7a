"""What goes into and comes out of a refit, per recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.observations import Observations
from kincast.offline.live_start import LivePoses
from kincast.offline.noise import NoiseEstimate
from kincast.offline.trajectory.interface import FittedTrajectory
from kincast.offline.trajectory.problem import FitProblem, Pictures
from kincast.streaming.messages import SessionHeader


@dataclass(frozen=True)
class Trial:
    """One recording of the person and the live fit of it."""

    path: Path
    header: SessionHeader
    observations: Observations
    pictures: Pictures
    live: LivePoses


@dataclass(frozen=True)
class RefittedTrial:
    """One recording with its trajectory. ``tracked``: rows at which the person was followed.

    ``border``: covariance of (8 log scales, 3 S offsets, 36 mean posture angles) by all the person's recordings, without the
    posture where that was not learned; None where the body was given or comes from single instants.
    """

    trial: Trial
    problem: FitProblem
    fit: FittedTrajectory
    noise: NoiseEstimate
    tracked: Bool[np.ndarray, " row"]
    border: Float64[np.ndarray, "border border"] | None = None
