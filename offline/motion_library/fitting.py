"""Our body fitted to what a motion file shows: one body per person and marker set, poses by the refit's spline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.body_fit import fit_body
from kincast.models.observations import Observations
from kincast.offline.live_start import LivePoses, live_poses, row_times
from kincast.offline.noise import assumed_noise
from kincast.offline.tracked import tracked_rows
from kincast.offline.trajectory.problem import FitProblem, pictures_of
from kincast.offline.trajectory.spline import SplineFitter

ITERATIONS = 12
BODY_TRIALS = 6
"""Of a person's trials so many tell the body; a body moves little with more."""


@dataclass(frozen=True)
class Sight:
    """What one trial shows: 3D points of a marker or keypoint set; mass and height where the file says them."""

    name: str
    observations: Observations
    mass_kg: float | None = None
    height_m: float | None = None


def fitted_body(
    sights: Sequence[Sight], mass_kg: float | None = None, height_m: float | None = None
) -> BodyParameters:
    """The body behind all of them; mass and height as given, else as the files say.

    Raises:
        TooLittleSeenError, UnlikePersonError: see :func:`kincast.models.body_fit.fit_body`.
    """
    chosen = [sight.observations for sight in sights]
    mass_kg = mass_kg or next((s.mass_kg for s in sights if s.mass_kg), None)
    height_m = height_m or next((s.height_m for s in sights if s.height_m), None)
    return fit_body(chosen, mass_kg=mass_kg, height_m=height_m).parameters


def fitted_poses(parameters: BodyParameters, observations: Observations) -> LivePoses:
    """Poses at the rows of the observations: the window fitter's, then the spline through all of the trial at once."""
    body = build_body(parameters, "torque", observations.keypoint_set)
    start = live_poses(body, observations)
    pictures = pictures_of(observations)
    noise = assumed_noise(pictures, len(observations.cameras))
    problem = FitProblem(observations.keypoint_set, observations.cameras, pictures, noise.information)
    fit = SplineFitter().fit(problem, parameters, start, ITERATIONS)
    t_ns = row_times(observations)
    tracked = tracked_rows(pictures, fit.errors, problem.information, t_ns) & start.tracked
    return LivePoses(t_ns, fit.trajectory.motion(t_ns).q, tracked)


def points_seen(keypoint_set: str, t_ns: np.ndarray, points: np.ndarray, every: int = 1) -> Observations:
    """3D points (time, site, 4: metres and confidence) as observations, every n-th row."""
    points = points[::every].astype(np.float32)
    rows, sites = points.shape[:2]
    nothing = np.zeros((rows, 0, sites, 3), np.float32)
    return Observations(
        keypoint_set, (), np.zeros((rows, 0), np.int64), nothing, points, np.asarray(t_ns[::every], np.int64)
    )
