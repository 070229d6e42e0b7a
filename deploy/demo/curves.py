"""Joint angles of walking over one gait cycle as short Fourier series, degrees, 0 = foot strike.

Five harmonics each, drawn by hand through the shape and the peaks of published averages (Winter 2009,
Biomechanics and Motor Control of Human Movement, natural cadence; Bovi et al. 2011, Gait & Posture 33, 6): close
to them by eye, not a copy of their tables. The stiff knee follows the usual description of stiff-knee gait (peak
swing flexion some 20 degrees instead of 60, early and flat). OpenSim's coordinates and signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class FourierCurve:
    """``mean + sum_k cosine[k] cos(2 pi k phase) + sine[k] sin(2 pi k phase)``, k from 1."""

    mean: float
    cosine: tuple[float, ...]
    sine: tuple[float, ...]

    def __call__(self, phase: Float64[np.ndarray, "*t"]) -> Float64[np.ndarray, "*t"]:
        angle = 2 * np.pi * np.multiply.outer(phase, np.arange(1, len(self.cosine) + 1))
        return self.mean + np.cos(angle) @ np.array(self.cosine) + np.sin(angle) @ np.array(self.sine)


HIP_FLEXION = FourierCurve(13.2, (20.52, -3.51, 0.17, -0.14, -0.2), (-4.63, -2.17, 0.98, -0.25, 0.0))
KNEE = FourierCurve(22.73, (-2.91, -14.17, -0.71, -0.45, -0.18), (-19.86, 7.81, 3.63, 0.0, 0.15))
STIFF_KNEE = FourierCurve(10.75, (-0.64, -3.7, -0.4, -0.38, -0.32), (-4.43, 3.36, 0.69, -0.18, 0.03))
ANKLE = FourierCurve(0.43, (-1.33, 1.39, -3.38, 2.53, -0.4), (6.08, -7.24, 0.58, -0.74, -0.99))
HIP_ADDUCTION = FourierCurve(0.8, (0.86, -0.26, -1.11, -0.03, -0.2), (5.95, -0.8, 0.26, 0.02, 0.0))
CIRCUMDUCTION = FourierCurve(-1.6, (2.2, 0.6), (5.6, 1.4))
"""Hip adduction of the stiff leg: some 8 degrees of abduction in swing carry the foot round."""


@dataclass(frozen=True)
class LegPattern:
    """How one leg walks.

    Attributes:
        hip_flexion, hip_adduction, knee, ankle: the curves.
        hip_flexion_gain: share of the normal excursion.
        push_off_deg: pitch of the foot when it leaves the floor, heel up.
        landing_deg: pitch when it lands, toes up.
        swing_bump_m: how far outward the foot travels in mid-swing.
        hike_deg: how far the pelvis tips in this leg's swing, its side up.
        step_length_m, step_time_s: of the step this leg takes.
    """

    hip_flexion: FourierCurve
    hip_adduction: FourierCurve
    knee: FourierCurve
    ankle: FourierCurve
    hip_flexion_gain: float
    push_off_deg: float
    landing_deg: float
    swing_bump_m: float
    hike_deg: float
    step_length_m: float
    step_time_s: float


SOUND_LEG = LegPattern(HIP_FLEXION, HIP_ADDUCTION, KNEE, ANKLE, 1.0, 34.0, 16.0, 0.0, -3.0, 0.38, 0.54)
STIFF_LEG = LegPattern(HIP_FLEXION, CIRCUMDUCTION, STIFF_KNEE, ANKLE, 0.75, 11.0, 8.0, 0.075, 9.0, 0.43, 0.64)
