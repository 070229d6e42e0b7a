"""World (Z up) and OpenSim's ground frame (Y up): (x, y, z) of OpenSim is (x, z, -y) of the world."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def to_opensim(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Points or free vectors of the world in OpenSim's ground axes (a rotation of -90 deg about x)."""
    return np.stack([vectors[..., 0], vectors[..., 2], -vectors[..., 1]], axis=-1)


def from_opensim(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Inverse of :func:`to_opensim`."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)
