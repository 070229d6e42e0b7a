"""Velocity and acceleration of a pose stream from its recent past, by Gaussian-process regression.

A coordinate is modelled as a straight line plus a Matérn-7/2 process (three times differentiable, the smoothness
of limb motion), seen through correlated noise: an Ornstein-Uhlenbeck part (errors of a pose tracker persist for
several frames) and a white part. Value, first and second derivative at any instant are then linear in the
observed samples, with weights that depend on the timestamps alone: irregular sampling, gaps and any frame rate
are handled exactly, the same weights serve every coordinate, and the posterior variance is known.
Because one linear filter serves all coordinates, errors that cancel between coordinates (pelvis tilt against
hip flexion) still cancel in the derivatives.

The estimate at an instant ``lag`` behind the newest sample is one-sided: 35-50 ms of lag buy nearly all of the
accuracy of an offline filter, zero lag none of it.

References: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.7 and 9.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from scipy.linalg.lapack import dposv  # pyright: ignore[reportAttributeAccessIssue]

from kincast.models.coordinates import POSE_SIZE, VELOCITY_SIZE

VALUE, VELOCITY, ACCELERATION = 0, 1, 2


@dataclass(frozen=True)
class MotionPrior:
    """How a coordinate moves and how its samples err; amplitude and noise in the coordinate's own unit.

    Only the ratios amplitude : noise : white_noise shape the filter; the absolute level scales the variance.
    ``white_noise`` is relative to ``noise``.
    """

    length_scale_s: float = 0.2
    amplitude: float = 11.0
    noise: float = 1.0
    noise_time_s: float = 0.075
    white_noise: float = 0.5


@dataclass(frozen=True)
class HistoryConfig:
    """The filter of a pose history and how it follows the noise that the fit states for the pelvis position.

    At ``noise_m`` the prior is used as it is; its amplitude changes with the square root of ``noise_m`` over the
    stated noise (half of what the optimal filter would do: stated noise is itself uncertain), within
    ``amplitude_limits``. One amplitude serves every coordinate. The values are those with the least force errors
    over fitted walks of several people; halving or doubling the amplitude costs about 0.5 % body weight.

    A person who hardly moves accelerates little: where the samples vary by less than ``full_motion`` times their stated
    noise variance (mean over the coordinates), the amplitude falls with the root of that, down to ``least_motion`` of it.
    In quiet standing the ratio is below 1, in walking above 50.
    """

    prior: MotionPrior = MotionPrior()
    noise_m: float = 0.0045
    amplitude_limits: tuple[float, float] = (3.0, 60.0)
    full_motion: float = 10.0
    least_motion: float = 0.15
    window_s: float = 0.5
    max_samples: int = 64


@dataclass(frozen=True)
class DerivativeWeights:
    """Rows value, first, second derivative: ``estimate = weights @ samples``; ``sd`` per unit of noise."""

    weights: Float64[np.ndarray, "3 sample"]
    sd: Float64[np.ndarray, "3"]


def derivative_weights(
    times_s: Float64[np.ndarray, " sample"], at_s: float, prior: MotionPrior
) -> DerivativeWeights:
    """Best linear unbiased weights for value, velocity and acceleration at ``at_s`` given samples at ``times_s``.

    Needs at least three distinct times. The line (offset and slope) is unknown a priori (universal kriging).
    """
    times = times_s - at_s
    n = times.size
    rate = np.sqrt(7.0) / prior.length_scale_s
    gap = np.abs(times[:, None] - times[None, :])
    a = rate * gap
    variance = prior.amplitude**2
    gram = variance * (1.0 + a * (1.0 + a * (0.4 + a / 15.0))) * np.exp(-a)
    gram += prior.noise**2 * np.exp(-gap / prior.noise_time_s)
    gram[np.diag_indices(n)] += (prior.noise * prior.white_noise) ** 2

    right = np.empty((n, 5))
    a = rate * np.abs(times)
    decay = variance * np.exp(-a)
    right[:, VALUE] = (1.0 + a * (1.0 + a * (0.4 + a / 15.0))) * decay
    right[:, VELOCITY] = np.sign(times) * rate * (a * (3.0 + a * (3.0 + a)) / 15.0) * decay
    right[:, ACCELERATION] = rate**2 * ((a**3 - 3.0 * a - 3.0) / 15.0) * decay
    right[:, 3] = 1.0
    right[:, 4] = times
    _, solved, info = dposv(gram, right, lower=1)
    if info != 0:
        raise ValueError(f"sample times must be distinct and finite: {times_s}")

    # Universal kriging: correct so that lines are reproduced exactly.
    trend = right[:, 3:]
    target = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    shortfall = target - trend.T @ solved[:, :3]
    trend_gram = trend.T @ solved[:, 3:]
    multiplier = np.linalg.solve(trend_gram, shortfall)
    weights = (solved[:, :3] + solved[:, 3:] @ multiplier).T

    prior_variance = variance * np.array([1.0, rate**2 / 5.0, rate**4 / 5.0])
    explained = np.einsum("ni,ni->i", right[:, :3], solved[:, :3])
    posterior = prior_variance - explained + np.einsum("ij,ij->j", shortfall, multiplier)
    return DerivativeWeights(np.ascontiguousarray(weights), np.sqrt(np.maximum(posterior, 0.0)))


class WeightCache:
    """Weights of sampling patterns met before: cameras keep a rhythm, so that few patterns repeat all the time.

    Instants are taken to ``resolution_s`` and amplitudes to some per cent, always, so that an answer does not
    depend on what was asked before.
    """

    resolution_s = 1e-5
    amplitude_step = 1.05
    capacity = 64

    def __init__(self, prior: MotionPrior) -> None:
        self._prior = prior
        self._known: dict[tuple[int, bytes], DerivativeWeights] = {}

    def weights(self, times_s: Float64[np.ndarray, " sample"], amplitude: float) -> DerivativeWeights:
        """:func:`derivative_weights` at time 0 for the prior with another amplitude and noise 1."""
        ticks = np.round(times_s / self.resolution_s)
        level = round(np.log(amplitude) / np.log(self.amplitude_step))
        key = (level, ticks.tobytes())
        found = self._known.get(key)
        if found is None:
            prior = replace(self._prior, amplitude=float(self.amplitude_step**level), noise=1.0)
            found = derivative_weights(ticks * self.resolution_s, 0.0, prior)
            if len(self._known) >= self.capacity:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return found


@dataclass(frozen=True)
class MotionState:
    """Smoothed pose and its derivatives at ``t_ns``; standard deviations on the 40 degrees of freedom."""

    t_ns: int
    q: Float64[np.ndarray, "41"]
    v: Float64[np.ndarray, "40"]
    a: Float64[np.ndarray, "40"]
    q_sd: Float64[np.ndarray, "40"]
    v_sd: Float64[np.ndarray, "40"]
    a_sd: Float64[np.ndarray, "40"]


class PoseHistory:
    """The most recent poses with their instants, newest last; differentiates at any instant it covers.

    The pelvis orientation is differentiated in the tangent space at the pose nearest to the wanted instant, so
    no Euler angle is ever unwrapped; angular velocity and acceleration are in pelvis axes (MuJoCo's free joint).
    """

    def __init__(self, config: HistoryConfig | None = None) -> None:
        self._config = config or HistoryConfig()
        self._weights = WeightCache(self._config.prior)
        room = 2 * self._config.max_samples
        self._t = np.zeros(room, dtype=np.int64)
        self._q = np.zeros((room, POSE_SIZE))
        self._sd = np.zeros((room, VELOCITY_SIZE))
        self._first = self._end = 0

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def times_ns(self) -> tuple[int, ...]:
        return tuple(self._t[self._first : self._end].tolist())

    def clear(self) -> None:
        """Forget the past: what comes next is not a continuation of it."""
        self._first = self._end = 0

    def push(
        self, t_ns: int, q: Float64[np.ndarray, "41"], sd: Float64[np.ndarray, "40"], keep_from_ns: int
    ) -> None:
        """Append a pose; ``sd`` on the 40 degrees of freedom (order of ``v``). Samples older than the window before ``keep_from_ns`` are dropped.

        Raises ``ValueError`` if time does not advance.
        """
        if len(self) and t_ns <= self._t[self._end - 1]:
            raise ValueError(f"pose at {t_ns} ns does not follow the one at {self._t[self._end - 1]} ns")
        if self._end == len(self._t):
            kept = slice(self._first, self._end)
            count = len(self)
            for values in (self._t, self._q, self._sd):
                values[:count] = values[kept].copy()
            self._first, self._end = 0, count
        self._t[self._end], self._q[self._end], self._sd[self._end] = t_ns, q, sd
        self._end += 1
        oldest = keep_from_ns - int(self._config.window_s * 1e9)
        while len(self) and (self._t[self._first] < oldest or len(self) > self._config.max_samples):
            self._first += 1

    def differentiate(
        self,
        t_ns: int,
        newer_t_ns: Int64[np.ndarray, "newer"] | None = None,
        newer_q: Float64[np.ndarray, "newer 41"] | None = None,
    ) -> MotionState:
        """Pose, velocity and acceleration at ``t_ns``; with fewer than three samples the motion is taken as rest.

        ``newer_*`` are poses after the history's last that may still change: used here, not kept.
        Raises ``ValueError`` without any sample.
        """
        if not len(self):
            raise ValueError("no pose to differentiate")
        kept = slice(self._first, self._end)
        t, q_seen = self._t[kept], self._q[kept]
        if newer_t_ns is not None and newer_q is not None and newer_t_ns.size:
            t, q_seen = np.concatenate([t, newer_t_ns]), np.concatenate([q_seen, newer_q])
        times = (t - t_ns) * 1e-9
        nearest = int(np.argmin(np.abs(times)))
        reference = q_seen[nearest]
        middle = len(self) // 2
        noise = np.maximum(np.partition(self._sd[kept], middle, axis=0)[middle], 1e-6)
        if times.size < 3:
            rest = np.zeros(VELOCITY_SIZE)
            unknown = np.full(VELOCITY_SIZE, np.inf)
            return MotionState(t_ns, reference.copy(), rest, rest.copy(), noise, unknown, unknown.copy())
        samples = tangent(reference, q_seen)
        c = self._config
        amplitude = float(
            np.clip(c.prior.amplitude * np.sqrt(c.noise_m / noise[:3].mean()), *c.amplitude_limits)
        )
        motion = float(np.mean(samples.var(axis=0) / noise**2)) / c.full_motion
        amplitude *= min(max(np.sqrt(motion), c.least_motion), 1.0)
        filtered = self._weights.weights(times, amplitude)
        value, velocity, acceleration = filtered.weights @ samples
        scale = filtered.sd[:, None] * noise[None, :]
        q = retract(reference, value)
        # The smoothed orientation is off the reference by `phi`: rotation-vector rates -> body rates, first order.
        phi, rate, rate2 = value[3:6].copy(), velocity[3:6].copy(), acceleration[3:6].copy()
        velocity[3:6] = rate - 0.5 * _cross(phi, rate)
        acceleration[3:6] = rate2 - 0.5 * _cross(phi, rate2)
        return MotionState(t_ns, q, velocity, acceleration, scale[0], scale[1], scale[2])


def _cross(a: Float64[np.ndarray, "3"], b: Float64[np.ndarray, "3 *n"]) -> Float64[np.ndarray, "3 *n"]:
    """Cross product over the first axis; ``np.cross`` costs ten times as much on vectors this small."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def tangent(
    reference: Float64[np.ndarray, "41"], poses: Float64[np.ndarray, "sample 41"]
) -> Float64[np.ndarray, "sample 40"]:
    """Displacement of each pose from ``reference``: position in the world, rotation vector in pelvis axes, angles."""
    out = np.empty((poses.shape[0], VELOCITY_SIZE))
    out[:, :3] = poses[:, :3] - reference[:3]
    out[:, 6:] = poses[:, 7:] - reference[7:]
    w0, v0 = reference[3], reference[4:7]
    w1, v1 = poses[:, 3], poses[:, 4:7]
    # conj(reference) * pose
    scalar = w0 * w1 + v1 @ v0
    vector = w0 * v1 - w1[:, None] * v0 - _cross(v0, v1.T).T
    vector = np.where(scalar[:, None] < 0, -vector, vector)
    scalar = np.abs(scalar)
    norm = np.linalg.norm(vector, axis=1)
    angle = 2.0 * np.arctan2(norm, scalar)
    out[:, 3:6] = vector * np.where(norm > 1e-12, angle / np.maximum(norm, 1e-12), 2.0)[:, None]
    return out


def retract(
    reference: Float64[np.ndarray, "41"], displacement: Float64[np.ndarray, "40"]
) -> Float64[np.ndarray, "41"]:
    """The pose reached from ``reference`` by ``displacement``: the inverse of :func:`tangent`."""
    q = np.empty(POSE_SIZE)
    q[:3] = reference[:3] + displacement[:3]
    q[7:] = reference[7:] + displacement[6:]
    phi = displacement[3:6]
    angle = float(np.linalg.norm(phi))
    vector = phi * (np.sin(0.5 * angle) / angle if angle > 1e-12 else 0.5)
    scalar = np.cos(0.5 * angle)
    w0, v0 = reference[3], reference[4:7]
    q[3] = w0 * scalar - v0 @ vector
    q[4:7] = w0 * vector + scalar * v0 + _cross(v0, vector)
    q[3:7] /= np.linalg.norm(q[3:7])
    return q
