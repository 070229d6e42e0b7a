"""Settings of the refit."""

from __future__ import annotations

from dataclasses import dataclass, field

from kincast.models.body_fit import BodyFitConfig
from kincast.offline.trajectory.interface import TrajectoryFitter
from kincast.offline.trajectory.posture import PostureLearning
from kincast.offline.trajectory.problem import MotionPrior
from kincast.offline.trajectory.spline import SplineFitter


@dataclass(frozen=True)
class RefitConfig:
    """What is estimated in turn, and how often.

    Attributes:
        rounds: trajectories, then what they say of detector, posture and body, as often as this; trajectories last.
        iterations: of the trajectory solver per round, at most.
        view_bias, posture: learn the detector's error by view and how the person's joints move together.
        body_rounds: after these rounds the body takes a step with all trajectories answering, unless one was given.
    """

    prior: MotionPrior = field(default_factory=MotionPrior)
    fitter: TrajectoryFitter = field(default_factory=SplineFitter)
    learning: PostureLearning = field(default_factory=PostureLearning)
    rounds: int = 4
    iterations: int = 12
    view_bias: bool = True
    posture: bool = True
    body_rounds: tuple[int, ...] = (1, 2, 3)
    body: BodyFitConfig = field(default_factory=BodyFitConfig)
