"""The recent motion of both feet and the pelvis: samples, and their smoothed positions and velocities.

Feet are ordered (right, left), points of a foot (heel, big toe, small toe). Samples that may still change (the
window of the fitter) form a tail that is replaced with every step; smoothing is recomputed where it changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

RIGHT, LEFT = 0, 1
SIDES = ("right", "left")
HEEL, BIG_TOE, SMALL_TOE = 0, 1, 2
POINTS = ("heel", "big_toe", "small_toe")
SMOOTHING_HALF_WIDTH_S = 0.04


@dataclass(frozen=True)
class GaitSample:
    """One instant, world frame, metres.

    Attributes:
        t_ns: instant of the sample.
        feet: (2, 3, 3) side, point of the foot, xyz.
        pelvis: (3,) midpoint of the hip joints.
        forward: (2,) horizontal unit vector the pelvis faces.
        leg_extension: height of the hips above the lower ankle, per leg length (1 standing straight).
    """

    t_ns: int
    feet: Float64[np.ndarray, "2 3 3"]
    pelvis: Float64[np.ndarray, "3"]
    forward: Float64[np.ndarray, "2"]
    leg_extension: float


def local_quadratic(
    times_s: Float64[np.ndarray, " sample"],
    values: Float64[np.ndarray, "sample value"],
    start: int,
    half_width: int,
) -> tuple[Float64[np.ndarray, "smoothed value"], Float64[np.ndarray, "smoothed value"]]:
    """Value and slope at the samples from ``start`` on, by least-squares parabolas over their neighbours.

    The Savitzky-Golay filter (Savitzky and Golay 1964) for irregular times: ``2 half_width + 1`` samples around
    each; at the ends the same number of samples, off-centre. Fewer than three samples: the values, slope 0.
    """
    n = len(times_s)
    span = min(2 * half_width + 1, n)
    if span < 3:
        return values[start:].copy(), np.zeros_like(values[start:])
    at = np.arange(start, n)
    first = np.clip(at - half_width, 0, n - span)
    index = first[:, None] + np.arange(span)
    dt = times_s[index] - times_s[at, None]
    scale = dt[:, -1] - dt[:, 0]
    u = dt / scale[:, None]
    powers = np.empty((*u.shape, 3))
    powers[..., 0], powers[..., 1] = 1.0, u
    np.multiply(u, u, out=powers[..., 2])
    across = powers.transpose(0, 2, 1)
    # rows 0 and 1 of the pseudo-inverse: value and slope at u = 0
    weights = np.linalg.solve(across @ powers, across)[:, :2]
    weights[:, 1] /= scale[:, None]
    fitted = weights @ values[index]
    return fitted[:, 0], fitted[:, 1]


class GaitTrack:
    """Ring of samples with smoothed signals; the only growing state of the gait detector.

    ``t_s`` counts from the first sample. ``feet``, ``pelvis`` are smoothed positions and ``feet_velocity``,
    ``pelvis_velocity`` their derivatives in the world (not relative to a belt). All are views of length ``n``.
    """

    KEEP_S = 8.0

    def __init__(self, capacity: int = 2048) -> None:
        self._times_ns: Int64[np.ndarray, " capacity"] = np.zeros(capacity, np.int64)
        self._raw = np.zeros((capacity, 21))
        self._smooth = np.zeros((capacity, 21))
        self._slope = np.zeros((capacity, 21))
        self._t_s = np.zeros(capacity)
        self._facing = np.zeros((capacity, 2))
        self._extension = np.zeros(capacity)
        self._n = self._n_settled = self._n_final = 0
        self._origin_ns: int | None = None

    def clear(self) -> None:
        """Forget everything but the time origin."""
        self._n = self._n_settled = self._n_final = 0

    def update(self, settled: tuple[GaitSample, ...], tail: tuple[GaitSample, ...]) -> None:
        """Append what became final and replace the tail. Samples not newer than the last settled are ignored."""
        before = self._n_settled
        self._n = self._n_settled
        for sample in settled:
            self._append(sample)
        self._n_settled = self._n
        for sample in tail:
            self._append(sample)
        self._smooth_from(before)
        if self._n > len(self._times_ns) - 256:
            self._drop_old()

    def _append(self, sample: GaitSample) -> None:
        if self._origin_ns is None:
            self._origin_ns = sample.t_ns
        n = self._n
        if n and sample.t_ns <= self._times_ns[n - 1]:
            return
        self._times_ns[n] = sample.t_ns
        self._t_s[n] = (sample.t_ns - self._origin_ns) * 1e-9
        self._raw[n, :18] = sample.feet.reshape(-1)
        self._raw[n, 18:] = sample.pelvis
        self._facing[n] = sample.forward
        self._extension[n] = sample.leg_extension
        self._n = n + 1

    def _smooth_from(self, changed: int) -> None:
        n = self._n
        if n == 0:
            return
        steps_s = np.sort(np.diff(self._t_s[max(0, n - 12) : n]))
        interval_s = float(steps_s[len(steps_s) // 2]) if n > 1 else SMOOTHING_HALF_WIDTH_S
        half_width = min(max(round(SMOOTHING_HALF_WIDTH_S / max(interval_s, 1e-3)), 1), 8)
        context = max(0, changed - 3 * half_width)
        start = max(0, changed - 2 * half_width)
        t = self._t_s[context:n] - self._t_s[context]
        value, slope = local_quadratic(t, self._raw[context:n], start - context, half_width)
        self._n_final = max(self._n_settled - half_width, 0)
        self._smooth[start:n] = value
        self._slope[start:n] = slope

    def _drop_old(self) -> None:
        keep_from = int(
            np.searchsorted(self._times_ns[: self._n], self._times_ns[self._n - 1] - int(self.KEEP_S * 1e9))
        )
        keep_from = min(max(keep_from, self._n // 4), self._n_settled)
        for array in (
            self._times_ns,
            self._t_s,
            self._raw,
            self._smooth,
            self._slope,
            self._facing,
            self._extension,
        ):
            array[: self._n - keep_from] = array[keep_from : self._n].copy()
        self._n -= keep_from
        self._n_settled -= keep_from
        self._n_final = max(self._n_final - keep_from, 0)

    @property
    def n(self) -> int:
        """Number of samples, the tail included."""
        return self._n

    @property
    def n_settled(self) -> int:
        """Number of samples that cannot change any more."""
        return self._n_settled

    @property
    def n_final(self) -> int:
        """Number of samples whose smoothed values cannot change any more either."""
        return self._n_final

    @property
    def last_settled_ns(self) -> int:
        """Instant of the newest sample that cannot change any more; the least integer if there is none."""
        return int(self._times_ns[self._n_settled - 1]) if self._n_settled else -(1 << 62)

    @property
    def origin_ns(self) -> int:
        """Instant from which ``t_s`` counts."""
        return self._origin_ns or 0

    @property
    def t_s(self) -> Float64[np.ndarray, " n"]:
        return self._t_s[: self._n]

    @property
    def t_ns(self) -> Int64[np.ndarray, " n"]:
        return self._times_ns[: self._n]

    @property
    def feet(self) -> Float64[np.ndarray, "n 2 3 3"]:
        return self._smooth[: self._n, :18].reshape(-1, 2, 3, 3)

    @property
    def feet_velocity(self) -> Float64[np.ndarray, "n 2 3 3"]:
        return self._slope[: self._n, :18].reshape(-1, 2, 3, 3)

    @property
    def pelvis(self) -> Float64[np.ndarray, "n 3"]:
        return self._smooth[: self._n, 18:]

    @property
    def pelvis_velocity(self) -> Float64[np.ndarray, "n 3"]:
        return self._slope[: self._n, 18:]

    @property
    def forward(self) -> Float64[np.ndarray, "n 2"]:
        return self._facing[: self._n]

    @property
    def leg_extension(self) -> Float64[np.ndarray, " n"]:
        return self._extension[: self._n]
