"""What the gait table holds: measures taken from gait.csv and the events, and key points read off each stride's curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.offline.report.curves import PERCENT

Curve = Float64[np.ndarray, "101"]
Bound = tuple[float, float]
"""An instant of the gait cycle: percent, plus a share of where stance ends."""
STRIKE, FOOT_OFF, NEXT_STRIKE = (0.0, 0.0), (0.0, 1.0), (100.0, 0.0)


@dataclass(frozen=True)
class Measure:
    """``scale`` turns gait.csv's unit into the shown one. ``ratio``: has a true zero, so percentages make sense.

    ``bias_cancels``: averaging over strides removes all of the measurement error. ``whole_body``: not of one side.
    """

    key: str
    label: str
    unit: str
    decimals: int
    group: str
    ratio: bool = True
    scale: float = 1.0
    bias_cancels: bool = False
    whole_body: bool = False


SPATIOTEMPORAL = (
    Measure("speed_m_s", "Walking speed", "m/s", 2, "Pace", whole_body=True),
    Measure("cadence_steps_min", "Cadence", "steps/min", 1, "Pace", bias_cancels=True, whole_body=True),
    Measure("stride_length_m", "Stride length", "m", 3, "Pace", whole_body=True),
    Measure("step_length_m", "Step length", "m", 3, "Pace"),
    Measure("step_width_m", "Step width", "cm", 1, "Pace", ratio=False, scale=100.0, whole_body=True),
    Measure("stride_time_s", "Stride time", "s", 3, "Phases", bias_cancels=True, whole_body=True),
    Measure("step_time_s", "Step time", "s", 3, "Phases"),
    Measure("stance_pct", "Stance", "% cycle", 1, "Phases"),
    Measure("single_support_pct", "Single support", "% cycle", 1, "Phases"),
    Measure("double_support_pct", "Double support", "% cycle", 1, "Phases", whole_body=True),
    Measure("toe_clearance_min_m", "Toe clearance, mid-swing", "cm", 1, "Feet", False, 100.0),
    Measure("heel_clearance_max_m", "Heel clearance, greatest", "cm", 1, "Feet", True, 100.0),
)


@dataclass(frozen=True)
class KeyPoint:
    """``reading`` of a curve between two bounds of the cycle, times ``sign``.

    ``sd_of``: the coordinate whose standard deviation applies ("" where none is stated).
    """

    measure: Measure
    curve: str
    reading: Callable[[np.ndarray], float]
    start: Bound = STRIKE
    end: Bound = NEXT_STRIKE
    sign: float = 1.0
    sd_of: str = ""

    @property
    def constant_cancels(self) -> bool:
        """A range, in which a constant error is not seen."""
        return self.reading is np.ptp

    def read(self, curve: Curve, stance_pct: float) -> float:
        """The value for one stride whose stance ends at ``stance_pct``."""
        return self.sign * float(self.reading(self._window(curve, stance_pct)))

    def error(self, sds: Curve, stance_pct: float) -> float:
        """Standard deviation of the value: that of the curve between the bounds (root mean square)."""
        return float(np.sqrt(np.mean(self._window(sds, stance_pct) ** 2)))

    def _window(self, curve: Curve, stance_pct: float) -> Float64[np.ndarray, " point"]:
        low, high = (percent + share * stance_pct for percent, share in (self.start, self.end))
        inside = curve[(low <= PERCENT) & (high >= PERCENT)]
        return inside if len(inside) else curve


def _first(values: np.ndarray) -> float:
    return float(values[0])


def _angle(
    key: str, label: str, curve: str, sd_of: str, reading: Callable[[np.ndarray], float],
    start: Bound = STRIKE, end: Bound = NEXT_STRIKE, sign: float = 1.0, group: str = "Knee and ankle",
) -> KeyPoint:  # fmt: skip
    measure = Measure(
        key, label, "deg", 1, group, ratio=reading is np.ptp
    )  # a range has a true zero, an angle none
    return KeyPoint(measure, curve, reading, start, end, sign, sd_of)


def _proximal(
    key: str, label: str, curve: str, sd_of: str, reading: Callable[[np.ndarray], float],
    start: Bound = STRIKE, end: Bound = NEXT_STRIKE, sign: float = 1.0,
) -> KeyPoint:  # fmt: skip
    return _angle(key, label, curve, sd_of, reading, start, end, sign, "Hip and pelvis")


def _kinetic(
    key: str, label: str, unit: str, decimals: int, curve: str, reading: Callable[[np.ndarray], float],
    start: Bound, end: Bound, sign: float = 1.0, ratio: bool = True,
) -> KeyPoint:  # fmt: skip
    return KeyPoint(Measure(key, label, unit, decimals, "Kinetics", ratio), curve, reading, start, end, sign)


_KNEE, _ANKLE, _HIP = (
    ("knee_flexion", "knee_angle"),
    ("ankle_dorsiflexion", "ankle_angle"),
    ("hip_flexion", "hip_flexion"),
)
KEY_POINTS = (
    _angle("knee_at_strike", "Knee flexion at foot strike", *_KNEE, _first),
    _angle("knee_loading", "Knee flexion, loading response", *_KNEE, np.max, STRIKE, (30.0, 0.0)),
    _angle("knee_stance_min", "Knee flexion, least in late stance", *_KNEE, np.min, (25.0, 0.0), FOOT_OFF),
    _angle("knee_swing", "Knee flexion, peak in swing", *_KNEE, np.max, FOOT_OFF),
    _angle("knee_range", "Knee flexion, range", *_KNEE, np.ptp),
    _angle("ankle_stance", "Ankle dorsiflexion, peak in stance", *_ANKLE, np.max, (5.0, 0.0), FOOT_OFF),
    _angle("ankle_push_off", "Ankle plantar flexion, push-off", *_ANKLE, np.min, (-10.0, 1.0), (15.0, 1.0), -1.0),
    _angle("ankle_swing", "Ankle dorsiflexion, peak in swing", *_ANKLE, np.max, (10.0, 1.0)),
    _proximal("hip_max", "Hip flexion, peak", *_HIP, np.max),
    _proximal("hip_extension", "Hip extension, peak", *_HIP, np.min, sign=-1.0),
    _proximal("hip_range", "Hip flexion-extension, range", *_HIP, np.ptp),
    _proximal("hip_adduction_stance", "Hip adduction, peak in stance", "hip_adduction", "hip_adduction", np.max, STRIKE, FOOT_OFF),
    _proximal("pelvic_tilt_mean", "Pelvic tilt, mean (anterior)", "pelvic_tilt", "pelvis_tilt", np.mean),
    _proximal("pelvic_obliquity_range", "Pelvic obliquity, range", "pelvic_obliquity", "pelvis_list", np.ptp),
    _proximal("pelvic_rotation_range", "Pelvic rotation, range", "pelvic_rotation", "pelvis_rotation", np.ptp),
    _angle("foot_progression_stance", "Foot progression in stance (toe in)", "foot_progression", "", np.mean, (10.0, 0.0), (-15.0, 1.0), group="Feet"),
    _kinetic("grf_first_peak", "Vertical force, first peak", "% BW", 0, "grf_vertical", np.max, STRIKE, (0.0, 0.5)),
    _kinetic("grf_second_peak", "Vertical force, second peak", "% BW", 0, "grf_vertical", np.max, (0.0, 0.5), FOOT_OFF),
    _kinetic("grf_braking", "Braking force, peak", "% BW", 1, "grf_anterior", np.min, STRIKE, FOOT_OFF, -1.0),
    _kinetic("grf_propulsion", "Propulsive force, peak", "% BW", 1, "grf_anterior", np.max, STRIKE, FOOT_OFF),
    _kinetic("hip_extensor_peak", "Hip extensor moment, peak", "N m/kg", 2, "hip_extension_moment", np.max, STRIKE, (50.0, 0.0)),
    _kinetic("hip_flexor_peak", "Hip flexor moment, peak", "N m/kg", 2, "hip_extension_moment", np.min, (30.0, 0.0), (75.0, 0.0), -1.0),
    _kinetic("knee_extensor_peak", "Knee extensor moment, early stance", "N m/kg", 2, "knee_extension_moment", np.max, (5.0, 0.0), (30.0, 0.0), ratio=False),
    _kinetic("plantarflexor_peak", "Ankle plantar flexor moment, peak", "N m/kg", 2, "ankle_plantarflexion_moment", np.max, STRIKE, FOOT_OFF),
    _kinetic("ankle_power_peak", "Ankle power, push-off", "W/kg", 2, "ankle_power", np.max, (30.0, 0.0), (5.0, 1.0)),
    _kinetic("hip_power_peak", "Hip power, pull-off", "W/kg", 2, "hip_power", np.max, (45.0, 0.0), (80.0, 0.0)),
)  # fmt: skip
MEASURE_KEYS = (*(m.key for m in SPATIOTEMPORAL), *(p.measure.key for p in KEY_POINTS))
