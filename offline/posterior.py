"""How far a refitted motion may be off, in intervals that were checked on people.

Three things add up. The Laplace posterior of the trajectory, corrected for errors that persist (:mod:`.correlated_noise`). What the
body leaves uncertain (:mod:`.body_share`): its varying part within a trial, its constant part in total. And what no covariance
knows: joints that are not the model's (:mod:`kincast.models.angle_floors`, about what is left over with error-free pictures), and
zeros of angles that another anatomist's model puts elsewhere (``CONVENTION_DEG``, in total).

The numbers are fitted by ``python -m tests.bench.interval_calibration`` (four people, eight, four and two cameras, with
and without detector errors), which also says how the intervals do on people left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.angle_floors import FLOORS_DEG, floors
from kincast.models.body import Body
from kincast.models.coordinates import COORDINATES, PELVIS_TRANSLATIONS
from kincast.models.pose_uncertainty import coordinate_sd
from kincast.models.shape_sd import shape_sd
from kincast.offline.body_share import body_share
from kincast.offline.correlated_noise import of_persistent_errors
from kincast.offline.refitted import RefittedTrial
from kincast.offline.trajectory.motion import Motion, MotionCovariance
from kincast.offline.trajectory.spline import SplineFit, SplineFitter

CONVENTION_DEG = 1.2
"""By how much zeros of angles differ between models of the same person."""
SHAPE_EVERY = 20
"""The part of the sd that a given body's uncertainty makes changes slowly."""
SHAPE_FACTOR = 1.25
"""Where only the body file's sd is known: it holds no covariance, and of the convention nothing."""
_TRANSLATIONS = [COORDINATES.index(name) for name in PELVIS_TRANSLATIONS]
TO_FILE_UNITS = np.array([1.0 if name in PELVIS_TRANSLATIONS else 180.0 / np.pi for name in COORDINATES])


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the 40 file coordinates in file units."""

    total: Float64[np.ndarray, "row 40"]
    within: Float64[np.ndarray, "row 40"]


@dataclass(frozen=True)
class Parts:
    """What a spread is made of, by the fit itself, file units: the trajectory's ``posterior`` with the body held, and what the body
    leaves uncertain, ``varying`` within the trial and ``constant``. ``joint``: body and trajectory have a covariance together."""

    posterior: Float64[np.ndarray, "row 40"]
    varying: Float64[np.ndarray, "row 40"]
    constant: Float64[np.ndarray, "row 40"]
    joint: bool


def spread_of(trial: RefittedTrial, body: Body, motion: Motion, covariance: MotionCovariance) -> Spread:
    """At the rows of ``motion``, with the fit's ``covariance`` there. Within: around the trial's mean; total: with what shifts a
    whole trial."""
    return spread(parts_of(trial, body, motion, covariance))


def parts_of(trial: RefittedTrial, body: Body, motion: Motion, covariance: MotionCovariance) -> Parts:
    """As :func:`spread_of` takes them."""
    fit = trial.fit
    if not isinstance(fit, SplineFit):  # a representation without normal equations of its own
        fit = SplineFitter().fit(trial.problem, body.parameters, fit.trajectory, 0)
    time_s = float(trial.problem.prior.pixel_noise.correlation_time_s)
    posterior = posterior_sd(motion, of_persistent_errors(fit, time_s, covariance, motion.t_ns))
    if trial.border is None:
        return Parts(posterior, np.zeros_like(posterior), SHAPE_FACTOR * _shape_sd(body, motion), False)
    share = body_share(trial.problem, body.parameters, fit, trial.border, motion)
    return Parts(posterior, share.varying * TO_FILE_UNITS, share.constant * TO_FILE_UNITS, True)


def spread(
    parts: Parts, floors_deg: dict[str, float] = FLOORS_DEG, convention_deg: float = CONVENTION_DEG
) -> Spread:
    """With what no covariance knows."""
    within = np.sqrt(parts.posterior**2 + parts.varying**2 + floors(floors_deg) ** 2)
    convention = np.full(40, convention_deg if parts.joint else 0.0)
    convention[_TRANSLATIONS] = 0.0
    return Spread(np.sqrt(within**2 + parts.constant**2 + convention**2), within)


def posterior_sd(motion: Motion, covariance: MotionCovariance) -> Float64[np.ndarray, "row 40"]:
    """Of the file coordinates, in file units."""
    sd = [coordinate_sd(q, c) for q, c in zip(motion.q, covariance.pose, strict=True)]
    return np.stack(sd) * TO_FILE_UNITS


def _shape_sd(body: Body, motion: Motion) -> Float64[np.ndarray, "row 40"]:
    """By the body file's own sd, in file units."""
    places = np.unique(np.append(np.arange(0, len(motion.q), SHAPE_EVERY), len(motion.q) - 1))
    shape = np.stack([shape_sd(body.skeleton, body.parameters, motion.q[i]) for i in places])
    rows = np.arange(len(motion.q))
    return np.stack([np.interp(rows, places, column) for column in shape.T], axis=1) * TO_FILE_UNITS
