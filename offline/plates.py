"""Force plate files of OpenSim trials: whose foot stood on which plate, and when the plates saw everything."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Bool, Float64

from kincast.models.contact_forces import GRAVITY
from kincast.streaming.results.ground_frame import from_opensim
from kincast.streaming.results.storage import Storage
from kincast.streaming.results.trc import Trc

LOADED_N = 20.0
SHORTEST_S = 0.05
NEAR_M = 0.25
"""A contact belongs to a foot whose markers' centre stays this close to the centre of pressure."""
CARRIED_SHARE = 0.7
"""Of body weight: the whole body's vertical force in level walking hardly falls below; if the plates show less, a
foot is likely beside them. A guess, unlike a measured ``plate_ok``."""
_FORCE = re.compile(r"(.*)vx$")
_RIGHT = re.compile(r"(^|_)r(ight)?(_|$)", re.IGNORECASE)
_LEFT = re.compile(r"(^|_)l(eft)?(_|$)", re.IGNORECASE)
_FOOT_MARKER = re.compile(r"^([rl]).*(calc|heel|hee$|toe|meta|mt[0-9])", re.IGNORECASE)


def plate_names(columns: tuple[str, ...]) -> list[str]:
    """Prefixes of the plates (or sides) that have a force and a centre of pressure."""
    found = (m.group(1) for c in columns if (m := _FORCE.match(c)))
    return [p for p in found if all(f"{p}{k}{a}" in columns for k in "vp" for a in "xyz")]


def feet_forces(
    storage: Storage, markers: Trc | None
) -> tuple[Float64[np.ndarray, "row 2 3"], Float64[np.ndarray, "row 2 3"]] | None:
    """World force on and centre of pressure under the right and left foot; cop NaN where unloaded.

    Plates named by side are taken at their word; others are given to the foot whose markers (Y up, the plates'
    frame) are nearest, contact by contact. None if neither is possible.
    """
    plates = plate_names(storage.columns)
    n = len(storage.time_s)
    force, moment = np.zeros((n, 2, 3)), np.zeros((n, 2, 3))
    tracks = None if markers is None else _foot_tracks(markers, storage.time_s)
    for plate in plates:
        f = np.stack([storage.column(f"{plate}v{a}") for a in "xyz"], axis=1)
        p = np.stack([storage.column(f"{plate}p{a}") for a in "xyz"], axis=1)
        right, left = bool(_RIGHT.search(plate)), bool(_LEFT.search(plate))
        if right != left:
            owner = np.full(n, 0 if right else 1)
        elif tracks is not None:
            owner = _owners(f[:, 1], p, tracks)
        else:
            return None
        for foot in range(2):
            mine = (owner == foot)[:, None]
            force[:, foot] += np.where(mine, f, 0.0)
            moment[:, foot] += np.where(
                mine, p * f[:, 1:2], 0.0
            )  # plates under one foot share its cop by load
    if not plates:
        return None
    vertical = force[..., 1]
    loaded = vertical > LOADED_N
    cop = np.where(loaded[..., None], moment / np.where(loaded, vertical, 1.0)[..., None], np.nan)
    return from_opensim(force), from_opensim(cop)


def contacts(
    time_s: Float64[np.ndarray, " row"], vertical_n: Float64[np.ndarray, " row"]
) -> list[tuple[float | None, float | None]]:
    """Begin and end of every contact of one foot (20 N); None where it began before, or ends after, the recording.

    Shorter losses of contact than :data:`SHORTEST_S`, and shorter contacts, are noise of the plates.
    """
    loaded = vertical_n > LOADED_N
    for state in (True, False):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], loaded == state, [False]]).astype(int)))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            inside = begin > 0 and end < len(loaded)
            if inside and time_s[end] - time_s[begin] < SHORTEST_S:
                loaded[begin:end] = not state
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loaded, [False]]).astype(int)))
    return [
        (
            float(time_s[begin]) if begin > 0 else None,
            float(time_s[end - 1]) if end < len(loaded) else None,
        )
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def _foot_tracks(markers: Trc, time_s: Float64[np.ndarray, " row"]) -> Float64[np.ndarray, "row 2 2"] | None:
    """Horizontal centre of each foot's markers at the plates' instants."""
    tracks = []
    for side in "rl":
        chosen = [
            i
            for i, m in enumerate(markers.markers)
            if (f := _FOOT_MARKER.match(m)) and f.group(1).lower() == side
        ]
        if not chosen:
            return None
        points = markers.points_m[:, chosen][..., [0, 2]]
        seen = np.isfinite(points).all(axis=(1, 2))
        if seen.sum() < 2:
            return None
        centre = points[seen].mean(axis=1)
        tracks.append(
            np.stack([np.interp(time_s, markers.time_s[seen], centre[:, k]) for k in range(2)], axis=1)
        )
    return np.stack(tracks, axis=1)


def _owners(
    vertical: Float64[np.ndarray, " row"],
    cop: Float64[np.ndarray, "row 3"],
    tracks: Float64[np.ndarray, "row 2 2"],
) -> np.ndarray:
    """0 or 1 for the rows of each contact, -1 elsewhere and where no foot is near."""
    owner = np.full(len(vertical), -1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], vertical > LOADED_N, [False]]).astype(int)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        distance = np.linalg.norm(cop[begin:end, None, [0, 2]] - tracks[begin:end], axis=2).mean(axis=0)
        if distance.min() <= NEAR_M:
            owner[begin:end] = int(np.argmin(distance))
    return owner


def carried(force: Float64[np.ndarray, "row 2 3"], mass_kg: float | None) -> Bool[np.ndarray, " row"]:
    """Rows in which the plates carry the person, so that no foot is likely beside them."""
    total = force[..., 2].sum(axis=1)
    loaded = total > LOADED_N
    weight = mass_kg * GRAVITY if mass_kg else float(np.median(total[loaded])) if loaded.any() else np.inf
    return total > CARRIED_SHARE * weight
