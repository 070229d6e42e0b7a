"""Standard deviations of the 40 file coordinates from the covariance of the 40 velocities."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def coordinate_sd(
    q: Float[np.ndarray, "41"], covariance: Float[np.ndarray, "40 40"], seen: Float[np.ndarray, "40 40"]
) -> tuple[Float[np.ndarray, "40"], Float[np.ndarray, "40"]]:
    """Within and total sd in the order of ``COORDINATES`` (rad, m)."""
    variance = np.maximum(np.diag(covariance).astype(np.float64), 1e-10)
    sd = np.sqrt(variance)
    tilt, lst, rotation = sd[5], sd[3], sd[4]
    out = np.concatenate([[tilt, lst, rotation], [sd[0], sd[2], sd[1]], sd[6:]])
    return out, out
