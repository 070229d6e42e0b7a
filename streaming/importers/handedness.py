"""Whether a marker file shows a person or the mirror image of one.

A file whose axes form a left-handed system, or whose left and right names are exchanged, looks like any other until
joints bend the wrong way. Seen from above, a segment that stays about upright (pelvis, trunk, head, feet) lies on the
generic body by a turn about the vertical if the file is right, and by a reflection only if it is not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.body.landmarks import Vector

TOES_BEFORE_HEEL_M = 0.18
"""Where the segment of the toes begins in that of the foot; they are judged as one."""
MIN_MARKERS = 3
ROWS = 400
"""As many instants, spread over the trial, are enough."""


def likeness(
    sites: Mapping[str, tuple[str, Vector]],
    points_m: Float64[np.ndarray, "row site 3"],
    seen: Bool[np.ndarray, "row site"],
) -> float | None:
    """+1: by turning alone; -1: by mirroring alone; None where no segment shows enough of itself.

    Args:
        sites: place of each site on the generic body: segment, position (forward, up, right), m.
        points_m: world, Z up; ignored where not ``seen``.

    In the plane, with H the covariance of generic and seen places, a turn explains |(H11 + H22, H12 - H21)| of
    it and a reflection |(H11 - H22, H12 + H21)| (orthogonal Procrustes). The answer is their relative
    difference, summed over segments and instants.
    """
    step = max(1, len(points_m) // ROWS)
    places = np.array([position for _, position in sites.values()])
    segments = [_upright_segment(segment) for segment, _ in sites.values()]
    turned = mirrored = 0.0
    for segment in sorted(set(segments) - {""}):
        of_it = [i for i, s in enumerate(segments) if s == segment]
        weight = seen[::step][:, of_it].astype(np.float64)
        weight[weight.sum(axis=1) < MIN_MARKERS] = 0.0
        ahead = [
            TOES_BEFORE_HEEL_M * ("toes" in name) for name, _ in (list(sites.values())[i] for i in of_it)
        ]
        forward_right = places[of_it][:, [0, 2]] + np.array(ahead)[:, None] * np.array([1.0, 0.0])
        from_above = np.where(weight[..., None] > 0, points_m[::step][:, of_it, :2], 0.0) * np.array(
            [1.0, -1.0]
        )
        generic = _centred(np.broadcast_to(forward_right, from_above.shape), weight)
        h = np.einsum("rm,rmi,rmj->rij", weight, generic, _centred(from_above, weight))
        turned += float(np.hypot(h[:, 0, 0] + h[:, 1, 1], h[:, 0, 1] - h[:, 1, 0]).sum())
        mirrored += float(np.hypot(h[:, 0, 0] - h[:, 1, 1], h[:, 0, 1] + h[:, 1, 0]).sum())
    return (turned - mirrored) / (turned + mirrored) if turned + mirrored > 0 else None


def _upright_segment(segment: str) -> str:
    """The segment's name if it stays about upright, foot and toes of a side being one; else empty."""
    if segment in ("pelvis", "torso", "head"):
        return segment
    return segment.replace("toes", "calcn") if segment.startswith(("calcn", "toes")) else ""


def _centred(
    points: Float64[np.ndarray, "row marker 2"], weight: Float64[np.ndarray, "row marker"]
) -> Float64[np.ndarray, "row marker 2"]:
    total = np.maximum(weight.sum(axis=1), 1.0)[:, None, None]
    return points - np.einsum("rm,rmi->ri", weight, points)[:, None] / total
