"""Heels and pelvis of a trial's optical markers, as the keypoints by which strides are measured."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from kincast.streaming.importers.markers import plain
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.trc import Trc

_HEEL = re.compile(r"^([rl])(calc|calcaneus|heel|hee)$")
_PELVIS = re.compile(r"^[rl](asis|psis|asi|psi)$")


def heel_keypoints(markers: Trc) -> Trc | None:
    """``RHeel``, ``LHeel`` and ``Hip`` (middle of the pelvis' markers), world frame; None without those markers.

    ``markers`` in OpenSim's frame (Y up). Gaps are filled linearly.
    """
    heels = {m.group(1): i for i, name in enumerate(markers.markers) if (m := _HEEL.match(plain(name)))}
    pelvis = [i for i, name in enumerate(markers.markers) if _PELVIS.match(plain(name))]
    if set(heels) != {"r", "l"} or not pelvis:
        return None
    tracks = [_filled(markers, columns) for columns in ([heels["r"]], [heels["l"]], pelvis)]
    if any(track is None for track in tracks):
        return None
    points = from_opensim(np.stack([track for track in tracks if track is not None], axis=1))
    return Trc(markers.name, markers.data_rate_hz, markers.time_s, ("RHeel", "LHeel", "Hip"), points)


def _filled(markers: Trc, columns: Sequence[int]) -> Float64[np.ndarray, "row 3"] | None:
    """Middle of some markers at every row; None where they are hardly ever all seen."""
    points = markers.points_m[:, columns]
    seen = np.isfinite(points).all(axis=(1, 2))
    if seen.sum() < 2:
        return None
    middle = points[seen].mean(axis=1)
    return np.stack([np.interp(markers.time_s, markers.time_s[seen], middle[:, k]) for k in range(3)], axis=1)
