"""How far a pose is off by detector errors that persist: between white noise, averaged over time, and one single look.

The fit takes errors that persist for ``time_s`` as white ones of the same power at low frequencies. Where the motion
prior averages over much longer than they persist that is right; where a joint moves fast and the prior averages little it makes
the posterior (variance ``P``) wider than what one look of all cameras leaves (``L``), which no error can be. With
``s = L / 2 P`` the variance is taken as

    L / pi int du / ((1 + u^2) (1 + s^2 u^2)^2)  =  L (1 + s / 2) / (1 + s)^2,

that of errors with autocorrelation ``exp(-|t| / time_s)`` behind a smoother that weighs a look ``t`` away by ``exp(-|t| / s time_s)``:
``L`` where nothing is averaged, ``P`` where much is. Behind the smoother of a prior of white accelerations, whose answer to a
frequency is ``1 / (1 + (f / f0)^4)``, it is 1 to 5 % less where ``P >= L``, and up to a quarter less where ``P`` is much smaller (which
holds the motion that is smoothed away, too). One look's information is that which the fit counted in ``2 time_s``.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from kincast.offline.trajectory.block_band import BlockBand
from kincast.offline.trajectory.bspline import Knots
from kincast.offline.trajectory.motion import MotionCovariance
from kincast.offline.trajectory.spline import SplineFit, sampling_of

RIDGE = 1e-3
"""Information (1/rad^2, 1/m^2) that only keeps solvable what nothing sees."""
WELL_INSIDE = 0.9
"""Nearer to an end a basis function holds few instants, and not those that stand for it."""
SAMPLES = 8
"""Per knot interval, for how much of a control pose's stretch lies in the recording."""


def of_persistent_errors(
    fit: SplineFit,
    time_s: float,
    covariance: MotionCovariance,
    t_ns: Int64[np.ndarray, " time"],
) -> MotionCovariance:
    """``covariance`` of ``fit`` at ``t_ns`` with the poses' part as errors that persist for ``time_s`` leave it."""
    knots = fit.trajectory.knots
    around_ns, look = look_variance(fit.band, knots, time_s)
    look = np.stack([np.interp(t_ns, around_ns, column) for column in look.T], axis=1)
    white = np.maximum(np.einsum("tii->ti", covariance.pose), 1e-12)
    scale = np.sqrt(persistent_variance(white, look) / white)
    pose = covariance.pose * scale[:, :, None] * scale[:, None, :]
    return MotionCovariance(pose, covariance.velocity_sd, covariance.acceleration_sd)


def persistent_variance(
    white: Float64[np.ndarray, "*n"], look: Float64[np.ndarray, "*n"]
) -> Float64[np.ndarray, "*n"]:
    """From the posterior's variance under white noise and that of one look."""
    averaged = look / (2.0 * white)
    return look * (1.0 + 0.5 * averaged) / (1.0 + averaged) ** 2


def look_variance(
    band: BlockBand, knots: Knots, time_s: float
) -> tuple[Int64[np.ndarray, " around"], Float64[np.ndarray, "around n"]]:
    """Of one look around the instants of control poses, those at the very ends left out.

    A row of the band's data blocks, summed, is the information of the instants there weighed by that pose's basis function,
    because the functions of an instant add up to one.
    """
    order, count = band.blocks.shape[:2]
    information = band.blocks[0].astype(np.float64)
    for o in range(1, order):
        information[: count - o] += band.blocks[o, : count - o]
        information[o:] += band.blocks[o, : count - o]
    steps = (np.arange(knots.intervals * SAMPLES) + 0.5) / SAMPLES
    sampling = sampling_of(knots, (knots.start_ns + steps * knots.spacing_ns).astype(np.int64))
    stretch = np.zeros(count)
    for i in range(knots.degree + 1):
        np.add.at(stretch, sampling.first + i, sampling.weights[:, 0, i] / SAMPLES)
    seen = np.flatnonzero(stretch >= WELL_INSIDE * stretch.max())
    information = information[seen] * (2.0 * time_s / (knots.spacing_s * stretch[seen]))[:, None, None]
    inverse = np.linalg.inv(information + RIDGE * np.eye(information.shape[-1]))
    return knots.greville_ns()[seen], np.einsum("tii->ti", inverse)
