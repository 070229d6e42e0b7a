"""From 3D points of a file to marker frames of a session: axes, units, marker names, times."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.clinical_marker_sets import MARKER_ALIASES
from kincast.models.body.sites import KEYPOINT_SETS, MARKER_SETS, sites_of
from kincast.streaming.importers.errors import (
    AxesError,
    KeypointSetError,
    MirroredError,
    NothingReadableError,
)
from kincast.streaming.importers.handedness import likeness
from kincast.streaming.importers.options import ImportOptions
from kincast.streaming.importers.recording import ImportedRecording, Losses
from kincast.streaming.messages import MarkerFrame, SessionHeader
from kincast.streaming.results.errors import UnitsError
from kincast.streaming.results.time_order import without_far

Up = Literal["x", "y", "z"]

_LOW = re.compile(r"toe|heel|hee|calc|ankle|ank|malleol|mmal|lmal|meta|mt[0-9]|foot|midfoot", re.IGNORECASE)
_HIGH = re.compile(
    r"head|nose|neck|c7|clav|sternum|acr|should|sho$|asis|psis|asi$|psi$|hip|iliac|elbow|t10|ear|eye",
    re.IGNORECASE,
)
MIN_SHARED = 4
"""Fewer known names than this are a coincidence."""
PERSON_M = (0.15, 4.0)
"""A person's markers span this much in a frame, be it a lower leg or a giant with an arm raised."""
MIRRORED = -0.1
"""Likeness below which a person is a mirror image; of 57 trials of 14 laboratories 56 have 0.05 to 0.94, one -0.30."""
FARTHEST_M = 1e6
"""Beyond, a number is damage, not a place (and overflows in single precision)."""


def import_markers(
    *,
    name: str,
    kind: str,
    t_ns: Int64[np.ndarray, " row"],
    markers: Sequence[str],
    points_m: Float64[np.ndarray, "row marker 3"],
    stated_up: Up | None,
    options: ImportOptions,
    losses: Losses,
) -> ImportedRecording:
    """Build the recording. ``points_m`` in the file's axes, NaN where a marker is missing; ``t_ns`` rises.

    The header's ``keypoint_set`` names the marker (or keypoint) set that shares most names with the file;
    ``marker_names`` are that set's names in its order. The file's other points (of other sets, computed joint
    centres) are left out and named in the notes.

    Raises:
        UnitsError: the points do not span a person.
        AxesError: which way is up cannot be told.
        KeypointSetError: the markers are of no known set.
        MirroredError: the person is a mirror image.
        NothingReadableError: no frame with a marker.
    """
    near = without_far(t_ns.tolist())
    losses.frame("markers", "times far from all others", len(t_ns) - len(t_ns[near]))
    t_ns, points_m = t_ns[near], points_m[near]
    seen = np.asarray((np.abs(points_m) < FARTHEST_M).all(axis=2))  # also false where it is NaN
    if not seen.any():
        raise NothingReadableError(f"{name}: no frame shows any marker")
    losses.frame("markers", "marker frames without any marker", int((~np.any(seen, axis=1)).sum()))
    _check_span(name, points_m, seen)
    up = _up_axis(name, markers, points_m, stated_up, options.up, losses)
    world = np.where(seen[..., None], points_m, 0.0)[..., _ROWS[up]] * _SIGNS[up]
    set_name, order, names = _by_set(name, markers, options.keypoint_set, losses)
    _check_side(name, set_name, up, world[:, order], seen[:, order] & (np.array(order) >= 0))
    frames: list[MarkerFrame] = []
    for row in np.flatnonzero(np.any(seen, axis=1)):
        values = np.zeros((len(names), 4), dtype=np.float32)
        for target, column in enumerate(order):
            if column >= 0 and seen[row, column]:
                values[target, :3] = world[row, column]
                values[target, 3] = 1.0
        t = int(t_ns[row])
        frames.append(MarkerFrame(seq=int(row), t_ns=t, sent_ns=t, markers=values))
    used = seen[:, [c for c in order if c >= 0]]
    missing = int((~used[np.any(seen, axis=1)]).sum())
    losses.detail("missing markers (single markers of single frames)", missing)
    header = SessionHeader(
        session_id=name,
        subject_id=options.subject_id,
        keypoint_set=set_name,
        cameras=(),
        start_ns=frames[0].t_ns,
        mass_kg=options.mass_kg,
        height_m=options.height_m,
        belt_speed_m_s=options.belt_speed_m_s,
        source=f"{kind} {name}",
        marker_names=names,
    )
    period = float(np.median(np.diff(t_ns))) * 1e-9 if len(t_ns) > 1 else 0.0
    return ImportedRecording(header, tuple(frames), losses.total(period), tuple(losses.notes))


_ROWS = {"z": [0, 1, 2], "y": [0, 2, 1], "x": [1, 2, 0]}
_SIGNS = {"z": np.array([1.0, 1.0, 1.0]), "y": np.array([1.0, -1.0, 1.0]), "x": np.array([1.0, 1.0, 1.0])}


def _check_span(name: str, points_m: np.ndarray, seen: np.ndarray) -> None:
    low = np.where(seen[..., None], points_m, np.inf).min(axis=1)
    high = np.where(seen[..., None], points_m, -np.inf).max(axis=1)
    rows = seen.sum(axis=1) >= 2
    if not rows.any():
        return
    span = float(np.median(np.linalg.norm(high[rows] - low[rows], axis=1)))
    if not PERSON_M[0] <= span <= PERSON_M[1]:
        raise UnitsError(
            f"{name}: in its stated units the markers span {span:.3g} m, which is no person "
            f"({PERSON_M[0]:g} to {PERSON_M[1]:g} m); correct the file's units (mm, cm or m)"
        )


def _check_side(name: str, set_name: str, up: Up, sites_m: np.ndarray, seen: np.ndarray) -> None:
    found = likeness(sites_of(set_name), sites_m, seen)
    if found is not None and found < MIRRORED:
        raise MirroredError(
            f"{name}: with {up.upper()} up, the right side's markers lie on the left of pelvis, trunk and feet, as in a "
            "mirror; either the file's axes are left-handed (one was turned round at export) or the names of left and "
            "right are exchanged; export it again with right-handed axes, or correct the names"
        )


def _up_axis(
    name: str,
    markers: Sequence[str],
    points_m: np.ndarray,
    stated: Up | None,
    chosen: Literal["y", "z"] | None,
    losses: Losses,
) -> Up:
    if chosen is not None:
        return chosen
    found = measured_up(markers, points_m)
    if found is not None:
        axis, sign = found
        if sign < 0:
            raise AxesError(
                f"{name}: the feet are above the head along {axis}; turn the file's axes, or say --up y or --up z"
            )
        if stated is not None and stated != axis:
            losses.note(
                f"the file says {stated.upper()} is up, the person stands along {axis.upper()}; took {axis.upper()}"
            )
        else:
            losses.note(f"{axis.upper()} is up in the file, as the person stands")
        return axis
    if stated is not None:
        losses.note(f"{stated.upper()} is up, as the file says")
        return stated
    raise AxesError(f"{name}: which way is up cannot be told from the markers; say --up y or --up z")


def measured_up(markers: Sequence[str], points_m: np.ndarray) -> tuple[Up, int] | None:
    """The axis (and sign) from the feet's markers to those of pelvis, trunk and head; None if there are none.

    Median over the frames, so that a stride or an arm held out does not decide; the axis must win by 1.5.
    """
    low = [i for i, m in enumerate(markers) if _LOW.search(m)]
    high = [i for i, m in enumerate(markers) if _HIGH.search(m) and i not in low]
    if not low or not high:
        return None
    seen = np.asarray((np.abs(points_m) < FARTHEST_M).all(axis=2))  # also false where it is NaN
    rows = np.any(seen[:, low], axis=1) & np.any(seen[:, high], axis=1)
    if not rows.any():
        return None
    step = max(1, int(rows.sum()) // 200)
    chosen = points_m[rows][::step]
    upward = np.median(np.nanmean(chosen[:, high], axis=1) - np.nanmean(chosen[:, low], axis=1), axis=0)
    axis = int(np.argmax(np.abs(upward)))
    if abs(upward[axis]) < 1.5 * np.sort(np.abs(upward))[1]:
        return None
    names: tuple[Up, Up, Up] = ("x", "y", "z")
    return names[axis], int(np.sign(upward[axis]))


def _by_set(
    name: str, markers: Sequence[str], declared: str | None, losses: Losses
) -> tuple[str, list[int], tuple[str, ...]]:
    """Set name, the file's column for each name (-1 if it has none), and the names."""
    sets = {**MARKER_SETS, **KEYPOINT_SETS}
    listed = ", ".join(sets)
    if declared is not None and declared not in sets:
        raise KeypointSetError(f"{name}: marker set '{declared}' is unknown; choose from {listed}")
    candidates = {declared: sets[declared]} if declared is not None else sets
    columns = {s: _columns(s, names, markers) for s, names in candidates.items()}
    shared = {s: sum(column >= 0 for column in found) for s, found in columns.items()}
    exact = {s: len(set(names) & set(markers)) for s, names in candidates.items()}
    best = max(shared, key=lambda s: (shared[s], exact[s], shared[s] / len(candidates[s])))
    if shared[best] < MIN_SHARED:
        known = [markers[column] for column in columns[best] if column >= 0]
        nearest = f"; nearest is {best}, which knows {', '.join(known)} alone" if known else ""
        raise KeypointSetError(
            f"{name}: its markers ({', '.join(list(markers)[:12])}, ...) are of no known set{nearest}; known sets: {listed}"
        )
    names, order = candidates[best], columns[best]
    extra = [m for i, m in enumerate(markers) if i not in order]
    if declared is None:
        losses.note(f"marker set {best}: {shared[best]} of its {len(names)} markers are in the file")
    if extra:
        more = ", ..." if len(extra) > 8 else ""
        losses.note(f"{len(extra)} points are not of that set and left out: {', '.join(extra[:8])}{more}")
    return best, order, names


def _columns(set_name: str, names: Sequence[str], markers: Sequence[str]) -> list[int]:
    """The file's column for each name of a set, by the name itself or else by one of its aliases; -1 if it has none."""
    column = {plain(marker): i for i, marker in reversed(list(enumerate(markers)))}
    found = [column.get(plain(n), -1) for n in names]
    place = {n: k for k, n in enumerate(names)}
    for alias, of in MARKER_ALIASES.get(set_name, {}).items():
        if found[place[of]] < 0 and plain(alias) in column and column[plain(alias)] not in found:
            found[place[of]] = column[plain(alias)]
    return found


def plain(marker: str) -> str:
    """A marker's name without what laboratories spell differently: case, dots, underscores, OpenCap's ``_study``."""
    return re.sub(r"[^a-z0-9]", "", marker.lower().rsplit(":", 1)[-1].removesuffix("_study"))


def with_subject(
    options: ImportOptions, mass_kg: float | None, height_m: float | None, losses: Losses
) -> ImportOptions:
    """Options with the file's own mass and height where the user gave none."""
    filled: dict[str, float] = {}
    for field, value, unit in (("mass_kg", mass_kg, "kg"), ("height_m", height_m, "m")):
        if value is not None and getattr(options, field) is None:
            filled[field] = value
            losses.note(f"{field.split('_')[0]} {value:g} {unit} taken from the file")
    return dataclasses.replace(options, **filled) if filled else options
