"""A fitted motion made smooth enough to be differentiated twice: kinetics must not turn noise into torque.

Smoothing spline of every coordinate alike, ``int |x - x0|^2 + |x''|^2 / (2 pi f)^4 dt``: its gain falls as
``1 / (1 + (frequency / f)^4)`` without any phase (a second-order Butterworth filter run forwards and backwards), its
derivatives are analytic and its ends need no padding. One filter serves all coordinates, so errors that cancel
between them (pelvis tilt against hip flexion) still cancel in the accelerations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d

from kincast.offline.trajectory.bspline import Knots, PoseSpline, one_sign
from kincast.offline.trajectory.interface import Trajectory

SAMPLES_PER_INTERVAL = 2
UNSEEN_WEIGHT = 0.02
"""Of stretches in which nobody was seen: they follow what comes before and after."""


@dataclass(frozen=True)
class Stillness:
    """A person who hardly moves moves slowly, and what is faster is noise: the cutoff falls there, in proportion.

    Below ``full_m_s2`` of pelvis acceleration (rms over ``window_s``, of the motion smoothed in full), down to ``least_hz``. Walking
    is above it throughout (1.3 to 2.5 m/s^2), standing at 0.6, most of which is noise.
    """

    full_m_s2: float = 1.8
    least_hz: float = 1.0
    window_s: float = 0.15


def smoothed_by_need(
    trajectory: Trajectory,
    first_ns: int,
    last_ns: int,
    cutoff_hz: float,
    seen_ns: Int64[np.ndarray, " row"],
    seen: Bool[np.ndarray, " row"],
    stillness: Stillness = Stillness(),
) -> PoseSpline:
    """As :func:`smoothed`, more where the person keeps still."""
    spline = smoothed(trajectory, first_ns, last_ns, cutoff_hz, seen_ns, seen)
    knots = spline.knots
    middle_ns = knots.start_ns + ((np.arange(knots.intervals) + 0.5) * knots.spacing_ns).astype(np.int64)
    square = (spline.motion(middle_ns).a[:, :3] ** 2).sum(axis=1)
    mean = gaussian_filter1d(square, stillness.window_s / knots.spacing_s, mode="nearest")
    local_hz = cutoff_hz * np.sqrt(mean) / stillness.full_m_s2
    local_hz = np.clip(local_hz, min(stillness.least_hz, cutoff_hz), cutoff_hz)
    return _fitted(trajectory, knots, local_hz, seen_ns, seen)


def smoothed(
    trajectory: Trajectory,
    first_ns: int,
    last_ns: int,
    cutoff_hz: float,
    seen_ns: Int64[np.ndarray, " row"],
    seen: Bool[np.ndarray, " row"],
) -> PoseSpline:
    """Cubic spline of the motion without what is faster than ``cutoff_hz``; ``seen`` at the instants ``seen_ns``."""
    knots = Knots.covering(first_ns, last_ns, 0.125 / cutoff_hz, 3)
    return _fitted(trajectory, knots, np.full(knots.intervals, cutoff_hz), seen_ns, seen)


def _fitted(
    trajectory: Trajectory,
    knots: Knots,
    cutoff_hz: Float64[np.ndarray, " interval"],
    seen_ns: Int64[np.ndarray, " row"],
    seen: Bool[np.ndarray, " row"],
) -> PoseSpline:
    first_ns, last_ns = knots.start_ns, knots.start_ns + knots.intervals * knots.spacing_ns
    count = SAMPLES_PER_INTERVAL * knots.intervals + 1
    t_ns = np.linspace(first_ns, last_ns, count).astype(np.int64)
    q = trajectory.motion(t_ns).q
    poses = np.concatenate([q[:, :3], one_sign(q[:, 3:7]), q[:, 7:]], axis=1)
    weight = np.full(count, knots.spacing_s / SAMPLES_PER_INTERVAL)
    weight *= np.where(np.interp(t_ns, seen_ns, seen.astype(float)) > 0.5, 1.0, UNSEEN_WEIGHT)
    place, u = knots.place(t_ns)
    basis = knots.weights(u)[:, 0]
    band = roughness_band(knots, (2.0 * np.pi * cutoff_hz) ** -4)
    right = np.zeros((knots.count, 41))
    for i in range(4):
        np.add.at(right, place + i, (weight * basis[:, i])[:, None] * poses)
        for l in range(i + 1):
            np.add.at(band[i - l], place + l, weight * basis[:, i] * basis[:, l])
    control = solveh_banded(band, right, lower=True)
    control[:, 3:7] /= np.linalg.norm(control[:, 3:7], axis=1, keepdims=True)
    return PoseSpline(knots, control)


def roughness_band(
    knots: Knots, weight: Float64[np.ndarray, " interval"]
) -> Float64[np.ndarray, "offset control"]:
    """``int weight B_i'' B_l'' dt`` in lower banded form, with a trace of ``int B_i B_l`` that keeps it definite."""
    points, weights = np.polynomial.legendre.leggauss(knots.degree + 1)
    one = knots.weights(0.5 * (points + 1.0))
    share_s = 0.5 * weights * knots.spacing_s
    gram = np.einsum("p,pi,pl->il", share_s, one[:, 2], one[:, 2])
    band = np.zeros((knots.degree + 1, knots.count))
    for i in range(knots.degree + 1):
        for l in range(i + 1):
            band[i - l, l : l + knots.intervals] += gram[i, l] * weight
    band[0] += 1e-9 * gram.max() * weight.max()
    return band


def smoothed_rates_gain(cutoff_hz: float, correlation_time_s: float) -> tuple[float, float]:
    """Sd of velocity (1/s) and acceleration (1/s^2) after the filter per sd of a pose whose errors persist (AR(1))."""
    frequency = np.linspace(0.0, 8.0 * cutoff_hz, 4001)
    angular = 2.0 * np.pi * frequency
    density = 4.0 * correlation_time_s / (1.0 + (angular * correlation_time_s) ** 2)
    passed = density / (1.0 + (frequency / cutoff_hz) ** 4) ** 2
    variances = [float(np.trapezoid(passed * angular**power, frequency)) for power in (2, 4)]
    return float(np.sqrt(variances[0])), float(np.sqrt(variances[1]))
