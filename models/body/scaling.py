"""How the 8 scales act on segments: every segment scales evenly by ``overall`` times its own scale.

Mass is shared in proportion to the generic segment's mass, its length relative to the whole and its mass
factor, and sums to the measured mass; radii of gyration scale with length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from kincast.models.body.segments import (
    HEAD_CENTRE_FRACTION,
    HEAD_GYRATION,
    HEAD_LENGTH_M,
    HEAD_MASS_FRACTION,
    JOINT_CENTRES,
    SCALES,
    SEGMENTS,
)

Real = float | int

_SOLE_BELOW_ANKLE_M = 0.052  # talus origin to sole, generic foot


def scale_row(segment: str) -> Float[np.ndarray, "8"]:
    """Which log scales add up for a segment: 1 for ``overall`` and for its own."""
    row = np.zeros(len(SCALES))
    row[0] = 1.0
    own = SEGMENTS[segment].scale
    if own is not None:
        row[SCALES.index(own)] = 1.0
    return row


def segment_scale(scales: Mapping[str, Real], segment: str) -> float:
    """Factor on the segment's lengths."""
    own = SEGMENTS[segment].scale
    return scales["overall"] * (scales[own] if own is not None else 1.0)


def segment_lengths(scales: Mapping[str, Real]) -> dict[str, float]:
    """Length (m) of every segment, origin to far end."""
    return {
        name: segment_scale(scales, name) * float(np.linalg.norm(segment.end))
        for name, segment in SEGMENTS.items()
    }


def segment_lengths_sd(scales: Mapping[str, Real], scales_sd: Mapping[str, Real]) -> dict[str, float]:
    """Standard deviation (m) of the lengths from those of the scales, taken as independent."""
    lengths = segment_lengths(scales)
    sd = {}
    for name, segment in SEGMENTS.items():
        relative = [scales_sd["overall"] / scales["overall"]]
        if segment.scale is not None:
            relative.append(scales_sd[segment.scale] / scales[segment.scale])
        sd[name] = lengths[name] * float(np.hypot.reduce(relative))
    return sd


class _Mass(NamedTuple):
    """Mass (kg), centre (m) and inertia matrix about the centre (kg m^2) of one generic segment."""

    mass: float
    centre: np.ndarray
    inertia: np.ndarray


def _steiner(mass: float, offset: np.ndarray) -> np.ndarray:
    return mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))


def _generic_masses() -> dict[str, _Mass]:
    masses = {n: _Mass(s.mass_kg, np.array(s.centre, float), np.diag(s.inertia)) for n, s in SEGMENTS.items()}
    total = sum(m.mass for m in masses.values())
    # the published trunk includes the head: give the head de Leva's share, take it off the trunk
    trunk = masses["torso"]
    vertex = np.array(SEGMENTS["head"].end, float)
    head_mass = HEAD_MASS_FRACTION * total
    head = _Mass(
        head_mass,
        vertex - np.array([0.0, HEAD_CENTRE_FRACTION * HEAD_LENGTH_M, 0.0]),
        head_mass * np.diag((np.array(HEAD_GYRATION) * HEAD_LENGTH_M) ** 2),
    )
    head_in_trunk = np.array(JOINT_CENTRES["head"]) + head.centre
    mass = trunk.mass - head.mass
    centre = (trunk.mass * trunk.centre - head.mass * head_in_trunk) / mass
    inertia = (
        trunk.inertia
        - head.inertia
        - _steiner(head.mass, head_in_trunk - trunk.centre)
        - _steiner(mass, centre - trunk.centre)
    )
    return {**masses, "head": head, "torso": _Mass(mass, centre, inertia)}


def segment_masses(
    scales: Mapping[str, Real], mass_kg: float, mass_factors: Mapping[str, Real]
) -> dict[str, tuple[float, Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]]:
    """Mass (kg), centre of mass (m, segment axes) and inertia about it (kg m^2) of every segment of a person."""
    generic = _generic_masses()
    shares = {
        name: m.mass * segment_scale(scales, name) / scales["overall"] * mass_factors.get(name, 1.0)
        for name, m in generic.items()
    }
    to_kg = mass_kg / sum(shares.values())
    result = {}
    for name, m in generic.items():
        s = segment_scale(scales, name)
        mass = shares[name] * to_kg
        result[name] = (mass, s * m.centre, m.inertia / m.mass * mass * s * s)
    return result


def stature(scales: Mapping[str, Real]) -> float:
    """Height (m) from sole to vertex in the neutral pose, mean of both legs."""
    legs = 0.0
    for side in ("r", "l"):
        shank_foot = segment_scale(scales, f"tibia_{side}") * (_SOLE_BELOW_ANKLE_M + 0.4)
        legs += 0.5 * (shank_foot + segment_scale(scales, f"femur_{side}") * 0.404425)
    pelvis = segment_scale(scales, "pelvis") * (0.07849 + JOINT_CENTRES["torso"][1])
    trunk = segment_scale(scales, "torso") * JOINT_CENTRES["head"][1]
    return legs + pelvis + trunk + segment_scale(scales, "head") * SEGMENTS["head"].end[1]
