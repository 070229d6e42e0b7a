"""How far the weight of the body lies ahead of where the body model has it, learned while the person stands and walks.

Cameras see some points of a trunk, not its mass, and a marker set may hold no trunk at all: the model's centre of mass has
been found up to 8 cm behind the real one, which moves every centre of pressure and hip moment. The soles know: over
seconds the centre of pressure that the demanded wrench asks for should, on the mean, be where feet that move like
these carry their load (:mod:`kincast.models.load_expectation`). That expectation itself is off by some 13 mm (sd
between people), so small differences are left alone and only large ones are believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class WeightOffsetConfig:
    """``memory_s`` of the mean, which starts as if zero had been seen for ``reluctance_s``.

    ``doubt_m``: of a mean difference this large half is believed; much smaller ones hardly at all. Instants count while both
    knees that carry load are bent by less than ``upright_rad``; the offset never exceeds ``limit_m``.
    """

    memory_s: float = 8.0
    reluctance_s: float = 0.5
    doubt_m: float = 0.03
    upright_rad: float = 0.7
    limit_m: float = 0.12


class WeightOffset:
    """Causal estimate of the offset (m, along the heading of the pelvis)."""

    def __init__(self, config: WeightOffsetConfig | None = None) -> None:
        self._config = config or WeightOffsetConfig()
        self._mean_m = 0.0
        self._seen_s = self._config.reluctance_s
        self._last_ns: int | None = None

    @property
    def ahead_m(self) -> float:
        """What is believed of the mean difference."""
        c, mean = self._config, self._mean_m
        believed = mean * mean**2 / (mean**2 + c.doubt_m**2)
        return float(np.clip(believed, -c.limit_m, c.limit_m))

    def update(self, t_ns: int, difference_m: float, knee_rad: float) -> float:
        """Take in the difference expected minus demanded centre of pressure at ``t_ns``; returns :attr:`ahead_m`."""
        c = self._config
        elapsed_s = 0.0 if self._last_ns is None else min(max((t_ns - self._last_ns) * 1e-9, 0.0), 0.1)
        self._last_ns = t_ns
        if knee_rad < c.upright_rad and abs(difference_m) < 0.3:
            self._seen_s = min(self._seen_s + elapsed_s, c.memory_s)
            self._mean_m += elapsed_s / self._seen_s * (difference_m - self._mean_m)
        return self.ahead_m


def pressure_centre(
    wrench: Float64[np.ndarray, "6"], about: Float64[np.ndarray, "3"], floor_m: float
) -> Float64[np.ndarray, "2"]:
    """Where on the floor one force without horizontal moment explains ``wrench`` (force, moment about ``about``)."""
    height = about[2] - floor_m
    away = np.array([-wrench[4] - height * wrench[0], wrench[3] - height * wrench[1]]) / wrench[2]
    return about[:2] + away
