"""Force plates of a C3D file: force on each foot in the world frame. Needs the extra ``c3d`` (ezc3d)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.models.contact_forces import GRAVITY
from kincast.offline.plates import LOADED_N, NEAR_M
from kincast.offline.truth import TruthForces
from kincast.streaming.importers.errors import ExtraMissingError
from kincast.streaming.importers.markers import measured_up

FEET_LABELS = (
    ("RHEE", "RTOE", "RANK", "RCPG", "RHLX"),
    ("LHEE", "LTOE", "LANK", "LCPG", "LHLX"),
)
CARRIED_SHARE = 0.8
"""Of body weight: below, a foot is likely beside the plates."""


def c3d_forces(path: Path, mass_kg: float) -> TruthForces | None:
    """Forces of a file with Z up whose plates lie on the floor; None without plates or foot markers.

    A contact belongs to the foot whose markers stay nearest to its centre of pressure. Which foot stands beside the
    plates is not in the file: ``plates_see`` guesses it from the load the plates carry.

    Raises:
        ExtraMissingError: ezc3d is not installed.
    """
    try:
        import ezc3d  # an extra: only here
    except ImportError:
        raise ExtraMissingError(
            f"{path.name}: C3D files need the package ezc3d; install it with: pip install 'kincast[c3d]'"
        ) from None

    c3d = ezc3d.c3d(str(path), extract_forceplat_data=True)
    plates = c3d["data"]["platform"]
    points = c3d["data"]["points"][:3].transpose(2, 1, 0)
    if not plates or measured_up(list(c3d["parameters"]["POINT"]["LABELS"]["value"]), points) != ("z", 1):
        return None
    rate = float(c3d["parameters"]["ANALOG"]["RATE"]["value"][0])
    n = plates[0]["force"].shape[1]
    first = c3d["header"]["points"]["first_frame"] / float(c3d["parameters"]["POINT"]["RATE"]["value"][0])
    time_s = first + np.arange(n) / rate
    tracks = _foot_tracks(c3d, n)
    if tracks is None:
        return None
    force, moment = np.zeros((n, 2, 3)), np.zeros((n, 2, 3))
    for plate in plates:
        f = np.nan_to_num(plate["force"].T)
        f = -f if f[:, 2].sum() < 0 else f  # some files hold the force on the plate
        cop = np.nan_to_num(plate["center_of_pressure"].T) * 1e-3
        loaded = f[:, 2] > LOADED_N
        edges = np.flatnonzero(np.diff(np.concatenate([[False], loaded, [False]]).astype(int)))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            rows = slice(begin, end)
            apart = np.linalg.norm(cop[rows, None, :2] - tracks[rows], axis=2)
            distance = np.average(apart, axis=0, weights=f[rows, 2])
            if distance.min() < NEAR_M:
                foot = int(np.argmin(distance))
                force[rows, foot] += f[rows]
                moment[rows, foot] += cop[rows] * f[rows, 2:]
    vertical = force[..., 2]
    loaded = vertical > LOADED_N
    cop = np.where(loaded[..., None], moment / np.where(loaded, vertical, 1.0)[..., None], np.nan)
    carried = vertical.sum(axis=1) > CARRIED_SHARE * mass_kg * GRAVITY
    return TruthForces(
        time_s=time_s,
        force=force,
        cop=cop,
        plates_see=np.stack([carried, carried], axis=1),
        residual_pct_bw=np.full(n, np.nan),
        sight_measured=False,
    )


def _foot_tracks(c3d, rows: int) -> Float64[np.ndarray, "row 2 2"] | None:
    """Horizontal centre of each foot's markers (m) at the analog instants."""
    labels = list(c3d["parameters"]["POINT"]["LABELS"]["value"])
    points = c3d["data"]["points"]
    scale = 1e-3 if c3d["parameters"]["POINT"]["UNITS"]["value"][0] == "mm" else 1.0
    tracks = []
    for names in FEET_LABELS:
        chosen = [labels.index(name) for name in names if name in labels]
        if not chosen:
            return None
        centre = points[:2, chosen].mean(axis=1).T * scale
        seen = np.isfinite(centre).all(axis=1)
        if seen.sum() < 2:
            return None
        at = np.linspace(0.0, len(centre) - 1.0, rows)
        tracks.append(
            np.stack([np.interp(at, np.flatnonzero(seen), centre[seen, k]) for k in range(2)], axis=1)
        )
    return np.stack(tracks, axis=1)
