"""How far a foot's centre of pressure and free torque may be off, from its load and the load's own sd.

Where a load is known well its place is known to some centimetres; as the load's sd nears the load itself (a foot that
lands or leaves) the place is known to lie under the sole and no better. Constants: ``python -m
tests.bench.interval_calibration``, which also says how they do on people left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEAST_LOAD_N = 20.0
"""An unloaded foot has no centre of pressure; its last one is held."""


@dataclass(frozen=True)
class PressureError:
    """Standard deviations, horizontal axes alike.

    ``place_m`` of a well known load's centre; ``reach_m`` times the load's relative sd comes on top, at most the sole's
    ``sole_m`` in all; ``floor_m`` of the floor's height; the free torque's is ``torque_arm_m`` times the load.
    """

    place_m: float = 0.016
    reach_m: float = 0.045
    sole_m: float = 0.08
    floor_m: float = 0.005
    torque_arm_m: float = 0.008


def pressure_sd(
    force: Float[np.ndarray, "*row 3"], force_sd: Float[np.ndarray, "*row 3"], error: PressureError
) -> tuple[Float[np.ndarray, "*row 3"], Float[np.ndarray, "*row 3"]]:
    """Sd of centre of pressure (m) and of free torque (N m), world axes, of feet that carry ``force`` (N)."""
    load = np.maximum(force[..., 2], LEAST_LOAD_N)
    place = np.hypot(error.place_m, error.reach_m * force_sd[..., 2] / load)
    place = np.where(force[..., 2] < LEAST_LOAD_N, error.sole_m, np.minimum(place, error.sole_m))
    height = np.full_like(place, error.floor_m)
    torque = error.torque_arm_m * load
    return np.stack([place, place, height], axis=-1), np.stack([0.0 * load, 0.0 * load, torque], axis=-1)
