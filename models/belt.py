"""Velocity of the floor under the feet: zero overground, the belt's on a treadmill, declared or not.

A foot that carries load does not slide, so the lowest point of the two feet moves with the floor most of the
time. On a treadmill its horizontal velocities cluster away from zero while the pelvis stays in place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class BeltConfig:
    """``cluster_m_s`` is the radius within which two velocities count as the same.

    An undeclared belt is believed once at least ``evidence_s`` of samples are in, ``share`` of them agree, few
    are near zero, and the pelvis moved at less than ``pelvis_ratio`` of the belt's speed on average; earlier, from
    ``early_s`` on, if nearly all (``early_share``) agree.
    """

    memory_s: float = 3.0
    spacing_s: float = 0.03
    early_s: float = 0.1
    early_share: float = 0.9
    evidence_s: float = 0.3
    cluster_m_s: float = 0.25
    share: float = 0.55
    least_m_s: float = 0.1
    pelvis_ratio: float = 0.4


class BeltEstimator:
    """Causal estimate of the floor's horizontal velocity (world, m/s).

    ``declared_m_s`` is the belt's speed where it is known; its direction is taken from the feet, until then
    backwards along the heading of the pelvis. A declared 0 or None start as standing floor; only None can change.
    """

    def __init__(self, declared_m_s: float | None, config: BeltConfig | None = None) -> None:
        self._declared = declared_m_s
        self._config = config or BeltConfig()
        self._samples: deque[tuple[int, float, float, float, float]] = deque()
        self._velocity = np.zeros(2)
        self._decided = False

    @property
    def velocity(self) -> Float64[np.ndarray, "2"]:
        return self._velocity.copy()

    def rewind(self) -> None:
        """What comes next is earlier in time; the velocity found so far is where it starts."""
        self._samples.clear()

    def update(
        self,
        t_ns: int,
        low_point_velocity: Float64[np.ndarray, "2"],
        pelvis_velocity: Float64[np.ndarray, "2"],
        heading: Float64[np.ndarray, "2"],
    ) -> Float64[np.ndarray, "2"]:
        """Take in the velocity of the lowest sole point at ``t_ns``; returns the floor's velocity."""
        c = self._config
        if self._declared == 0.0:
            return self._velocity
        if self._samples and t_ns - self._samples[-1][0] < c.spacing_s * 1e9:
            return self._velocity
        (low_x, low_y), (x, y) = low_point_velocity, pelvis_velocity
        self._samples.append((t_ns, float(low_x), float(low_y), float(x), float(y)))
        while t_ns - self._samples[0][0] > c.memory_s * 1e9:
            self._samples.popleft()
        if self._declared is not None and not self._decided:
            self._velocity = -self._declared * heading
        span = (self._samples[-1][0] - self._samples[0][0]) * 1e-9
        if span < c.early_s:
            return self._velocity
        data = np.array(self._samples)
        mode, share = _mode(data[:, 1:3], c.cluster_m_s)
        if span < c.evidence_s and share < c.early_share:
            return self._velocity
        speed = float(np.linalg.norm(mode))
        if self._declared is not None:
            if share >= c.share and abs(speed - self._declared) < c.cluster_m_s:
                self._velocity = mode * (self._declared / max(speed, 1e-9))
                self._decided = True
            return self._velocity
        still = float(np.mean(np.linalg.norm(data[:, 1:3], axis=1) < min(c.cluster_m_s, 0.5 * speed)))
        travels = float(np.linalg.norm(data[:, 3:5].mean(axis=0)))
        if (
            share >= c.share
            and speed >= c.least_m_s
            and still < 0.5 * share
            and travels < c.pelvis_ratio * speed
        ):
            self._velocity = mode
        elif share >= c.share and speed < c.least_m_s:
            self._velocity = np.zeros(2)
        return self._velocity


def _mode(velocities: Float64[np.ndarray, "n 2"], radius: float) -> tuple[Float64[np.ndarray, "2"], float]:
    """Centre of the densest cluster and the share of samples within ``radius`` of it (mean shift)."""
    candidates = velocities[:: max(1, len(velocities) // 24)]
    near = np.linalg.norm(candidates[:, None, :] - velocities[None, :, :], axis=2) < radius
    centre = candidates[int(np.argmax(near.sum(axis=1)))]
    for _ in range(5):
        inside = np.linalg.norm(velocities - centre, axis=1) < radius
        centre = velocities[inside].mean(axis=0)
    return centre, float(np.mean(np.linalg.norm(velocities - centre, axis=1) < radius))
