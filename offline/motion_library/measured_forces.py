"""Force plates at a motion's instants."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from kincast.offline.motion_library.clip import ClipForces
from kincast.offline.truth import TruthForces


def no_forces(rows: int) -> ClipForces:
    """Nothing known of any foot."""
    nothing = np.zeros((rows, 2, 3), np.float32)
    return ClipForces(nothing, nothing.copy(), np.zeros((rows, 2), bool), np.zeros((rows, 2), bool))


def with_plates(forces: ClipForces, plates: TruthForces, t_ns: Int64[np.ndarray, " time"]) -> ClipForces:
    """``forces`` at ``t_ns`` with what the plates saw in their place; both on one clock, in one world."""
    time_s = t_ns * 1e-9
    force, cop = forces.force.astype(np.float64), forces.cop.astype(np.float64)
    measured = forces.measured.copy()
    inside = (time_s >= plates.time_s[0]) & (time_s <= plates.time_s[-1])
    seen_force = _interpolated(time_s, plates.time_s, plates.force)
    seen_cop = _interpolated(time_s, plates.time_s, np.nan_to_num(plates.cop))
    for foot in range(2):
        sees = np.interp(time_s, plates.time_s, plates.plates_see[:, foot].astype(float)) > 0.99
        measured[:, foot] = inside & sees
        rows = measured[:, foot]
        force[rows, foot] = seen_force[rows, foot]
        has_cop = np.isfinite(plates.cop[:, foot]).all(axis=1)
        with_cop = rows & (np.interp(time_s, plates.time_s, has_cop.astype(float)) > 0.99)
        cop[with_cop, foot] = seen_cop[with_cop, foot]
    return ClipForces(force.astype(np.float32), cop.astype(np.float32), measured, forces.known | measured)


def _interpolated(
    time_s: np.ndarray, known_s: np.ndarray, values: Float64[np.ndarray, "row 2 3"]
) -> Float64[np.ndarray, "time 2 3"]:
    flat = values.reshape(len(values), 6)
    return np.stack([np.interp(time_s, known_s, c) for c in flat.T], axis=1).reshape(-1, 2, 3)
