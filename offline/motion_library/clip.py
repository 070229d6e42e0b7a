"""One motion of one person on a floor at rest: what the twin is taught with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from kincast.models.body.parameters import BodyParameters

METHODS = ("refit", "replay", "markers", "skeleton", "generated")
"""How poses came about: refit or replay of cameras; optical markers; joint centres of a mocap skeleton file; or made up."""
SUPPORTS = ("cane", "seat", "rail")


@dataclass(frozen=True)
class Origin:
    """Where a clip comes from. ``changes``: what was done to it since, in order (mirrored, faster 1.10, ..)."""

    source: str
    source_sha256: str
    method: str
    licence: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipForces:
    """World force (N) on and centre of pressure (m) under the right and left foot, at the clip's instants.

    ``measured``: by force plates; elsewhere the optimiser's estimate from motion, where it is ``known`` at all.
    ``cop`` of an unloaded foot means nothing.
    """

    force: Float32[np.ndarray, "time 2 3"]
    cop: Float32[np.ndarray, "time 2 3"]
    measured: Bool[np.ndarray, "time 2"]
    known: Bool[np.ndarray, "time 2"]


@dataclass(frozen=True)
class Support:
    """What carries the person beside the feet: ``kind`` of :data:`SUPPORTS`, ``side`` of the hand that holds it ("r", "l", or ""),
    ``share`` of the body weight it takes at the clip's instants, as declared or as the feet leave it unexplained."""

    kind: str
    side: str
    share: Float32[np.ndarray, " time"]


@dataclass(frozen=True)
class Clip:
    """Poses of :mod:`kincast.models.coordinates` at the source's own instants, feet on the floor z = 0.

    ``ground_velocity_m_s``: of the belt (x, y) that was taken out of the motion; zero on a floor.
    ``sole_drop_m``: how much lower each sole point of the person's feet is than the generic one, along the segment's y
    (:mod:`kincast.models.twin.soles`).
    """

    name: str
    person: str
    body: BodyParameters
    t_ns: Int64[np.ndarray, " time"]
    q: Float32[np.ndarray, "time 41"]
    sole_drop_m: Float64[np.ndarray, "2 point"]
    ground_velocity_m_s: Float64[np.ndarray, "2"]
    origin: Origin
    forces: ClipForces | None = None
    support: Support | None = None

    @property
    def seconds(self) -> float:
        """From the first to the last pose."""
        return float(self.t_ns[-1] - self.t_ns[0]) * 1e-9 if len(self.t_ns) else 0.0
