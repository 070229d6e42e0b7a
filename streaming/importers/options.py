"""What the user says about a source beside the source itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kincast.streaming.importers.errors import SubjectError

_RANGES = {
    "mass_kg": (2.0, 400.0, "kg", "--mass"),
    "height_m": (0.4, 2.6, "m", "--height"),
    "belt_speed_m_s": (-10.0, 10.0, "m/s", "--belt"),
    "frame_rate_hz": (1.0, 2000.0, "Hz", "--fps"),
}


@dataclass(frozen=True)
class ImportOptions:
    """Options of ``kincast import``; None: not said, take it from the source if it knows.

    Raises:
        SubjectError: a mass, height, belt speed or frame rate that cannot be.
    """

    stream: str | None = None
    mass_kg: float | None = None
    height_m: float | None = None
    belt_speed_m_s: float | None = None
    subject_id: str = ""
    keypoint_set: str | None = None
    frame_rate_hz: float | None = None
    calibration: Path | None = None
    up: Literal["y", "z"] | None = None

    def __post_init__(self) -> None:
        for name, (low, high, unit, flag) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise SubjectError(f"{flag} {value:g}: must lie between {low:g} and {high:g} {unit}")


def plausible(name: str, value: object) -> float | None:
    """``value`` as a number if it is one a person can have (``name`` as in :class:`ImportOptions`), else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    low, high, _, _ = _RANGES[name]
    return float(value) if math.isfinite(value) and low <= value <= high else None
