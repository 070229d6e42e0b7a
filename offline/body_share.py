"""How uncertain a refitted motion is because the body is: the border's covariance sent through the trajectory's answer.

The posterior of a trajectory alone is that of poses with the body held, ``H^-1``. Body and trajectory together have the
bordered matrix ``[H B; B' N]``, whose inverse has ``H^-1 + A C A'`` over the poses: ``A = -H^-1 B`` is how the poses answer
to the body (:mod:`.trajectory.bordered`), ``C`` the covariance of the body (:class:`.joint_body.JointBody`). Only the diagonal
of ``A C A'`` is made, for stretches of the recording, so time is linear in the duration and memory is not.

What the body is wrong shifts a whole trial and moves a little within it: the part of ``A`` that departs from its mean
over the trial belongs to the sd around the trial's own mean, the rest to the total sd alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.body import BodyParameters
from kincast.models.pose_uncertainty import file_directions
from kincast.offline.trajectory.bordered import border_of
from kincast.offline.trajectory.bspline import Knots
from kincast.offline.trajectory.motion import Motion
from kincast.offline.trajectory.problem import FitProblem
from kincast.offline.trajectory.spline import SplineFit

STRETCH_S = 15.0
MARGIN_S = 1.0
"""Poses at a stretch's ends are taken as known there; this far in it no longer shows."""


@dataclass(frozen=True)
class BodyShare:
    """Sd (rad, m) of the 40 coordinates in the order of ``COORDINATES`` due to the body: of what is ``constant`` over the trial (a
    stretch of it, where it is long) and of what varies about that."""

    constant: Float64[np.ndarray, "row 40"]
    varying: Float64[np.ndarray, "row 40"]


def body_share(
    problem: FitProblem,
    body: BodyParameters,
    fit: SplineFit,
    border: Float64[np.ndarray, "border border"],
    motion: Motion,
) -> BodyShare:
    """At the rows of ``motion``, which is that of ``fit``; ``border``: covariance of what the body leaves uncertain.

    Raises:
        numpy.linalg.LinAlgError, NotPositiveDefinite: the trajectory's normal equations cannot be solved.
    """
    knots = fit.trajectory.knots
    constant, varying = np.zeros((2, len(motion.t_ns), 40))
    interval, _ = knots.place(motion.t_ns)
    for inner, controls in _stretches(knots):
        own = (interval >= inner.start) & (interval < inner.stop)
        if not own.any():
            continue
        found = border_of(problem, body, fit, controls)
        grid = knots.start_ns + knots.spacing_ns * np.arange(inner.start, inner.stop, dtype=np.int64)
        known = min(found.answer.shape[2], len(border))
        answer = found.poses_answer(fit, grid)[..., :known] @ _root(border[:known, :known])
        q = fit.trajectory.motion(grid).q
        answer = np.stack([file_directions(*one) for one in zip(q, answer, strict=True)])
        mean = answer.mean(axis=0)
        constant[own] = np.linalg.norm(mean, axis=1)
        variance = np.square(answer - mean).sum(axis=2)
        varying[own] = np.sqrt(
            np.stack([np.interp(motion.t_ns[own], grid, one) for one in variance.T], axis=1)
        )
    return BodyShare(constant, varying)


def _stretches(knots: Knots) -> Iterator[tuple[slice, slice]]:
    """Intervals between knots, and the control poses to be looked at for them."""
    length, margin = int(STRETCH_S / knots.spacing_s), int(MARGIN_S / knots.spacing_s)
    parts = max(1, round(knots.intervals / length))
    edges = np.linspace(0, knots.intervals, parts + 1).astype(int).tolist()
    for start, stop in itertools.pairwise(edges):
        yield (
            slice(start, stop),
            slice(max(start - margin, 0), min(stop + knots.degree + margin, knots.count)),
        )


def _root(covariance: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    """``R`` with ``R R'`` the matrix; it may be singular."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    return vectors * np.sqrt(np.maximum(values, 0.0))
