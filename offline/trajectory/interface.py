"""What every trajectory representation offers, so that the refit does not know which one it uses."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from kincast.models.body import BodyParameters
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.offline.trajectory.problem import FitProblem, ViewErrors


@runtime_checkable
class Trajectory(Protocol):
    """A fitted motion. Instants outside the recording are answered with those of its ends."""

    def motion(self, t_ns: Int64[np.ndarray, " time"]) -> Motion:
        """Pose and its derivatives, analytic."""
        ...


@runtime_checkable
class FittedTrajectory(Protocol):
    """What a representation's fit returns."""

    @property
    def trajectory(self) -> Trajectory: ...

    @property
    def errors(self) -> ViewErrors:
        """What the pictures say to it: per picture and keypoint."""
        ...

    @property
    def loss(self) -> float: ...

    @property
    def iterations(self) -> int: ...

    def covariance(self, t_ns: Int64[np.ndarray, " time"]) -> MotionCovariance:
        """Laplace posterior of the motion."""
        ...


@runtime_checkable
class TrajectoryFitter(Protocol):
    """Fits one recording with body and cameras held; called again as those are refined, from its last result."""

    def fit(
        self, problem: FitProblem, body: BodyParameters, start: Trajectory, iterations: int
    ) -> FittedTrajectory:
        """Most likely trajectory near ``start``."""
        ...
