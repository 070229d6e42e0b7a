"""A clip as one file: a NumPy archive (``.npz``) of its arrays and one JSON text of everything else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kincast.models.body.parameters import BodyParameters, BodyParametersError
from kincast.models.errors import UserMistakeError
from kincast.offline.motion_library.clip import METHODS, SUPPORTS, Clip, ClipForces, Origin, Support

SCHEMA = "kincast clip"
VERSION = 2
"""2: support beside the feet; forces say where they are known."""


class ClipFormatError(UserMistakeError):
    """A file is not a clip of this version, or is damaged."""


def write_clip(path: Path, clip: Clip) -> None:
    """The same clip gives the same bytes."""
    meta = {
        "schema": SCHEMA,
        "version": VERSION,
        "name": clip.name,
        "person": clip.person,
        "body": json.loads(clip.body.to_json()),
        "source": clip.origin.source,
        "source_sha256": clip.origin.source_sha256,
        "method": clip.origin.method,
        "licence": clip.origin.licence,
        "changes": list(clip.origin.changes),
        "support": None if clip.support is None else {"kind": clip.support.kind, "side": clip.support.side},
    }
    arrays = {
        "t_ns": clip.t_ns,
        "q": clip.q,
        "sole_drop_m": clip.sole_drop_m,
        "ground_velocity_m_s": clip.ground_velocity_m_s,
    }
    if clip.forces is not None:
        arrays |= {
            "force": clip.forces.force,
            "cop": clip.forces.cop,
            "measured": clip.forces.measured,
            "known": clip.forces.known,
        }
    if clip.support is not None:
        arrays["support_share"] = clip.support.share
    text = np.frombuffer(json.dumps(meta, sort_keys=True, allow_nan=False).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, meta=text, **arrays)  # pyright: ignore[reportArgumentType]


def read_clip(path: Path) -> Clip:
    """Read a clip back.

    Raises:
        ClipFormatError: not a clip, of another version, damaged, or with values that are not finite.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(bytes(arrays.pop("meta")).decode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise ClipFormatError(f"{path}: not readable as a clip ({error})") from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise ClipFormatError(f"{path}: not a {SCHEMA}")
    if meta.get("version") != VERSION:
        raise ClipFormatError(
            f"{path}: {SCHEMA} of version {meta.get('version')}; this kincast reads version {VERSION}: build the library anew"
        )
    try:
        return _clip(meta, arrays)
    except (KeyError, TypeError, ValueError, BodyParametersError) as error:
        raise ClipFormatError(f"{path}: damaged ({error})") from None


def _clip(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> Clip:
    rows = len(arrays["t_ns"])
    _expect(arrays["t_ns"], (rows,), np.int64)
    _expect(arrays["q"], (rows, 41), np.float32)
    points = arrays["sole_drop_m"].shape[-1]
    _expect(arrays["sole_drop_m"], (2, points), np.float64)
    _expect(arrays["ground_velocity_m_s"], (2,), np.float64)
    if rows < 2 or np.any(np.diff(arrays["t_ns"]) <= 0):
        raise ValueError("instants must rise")
    if meta["method"] not in METHODS:
        raise ValueError(f"method {meta['method']!r}; valid: {', '.join(METHODS)}")
    forces = None
    if "force" in arrays:
        _expect(arrays["force"], (rows, 2, 3), np.float32)
        _expect(arrays["cop"], (rows, 2, 3), np.float32)
        _expect(arrays["measured"], (rows, 2), np.bool_)
        _expect(arrays["known"], (rows, 2), np.bool_)
        forces = ClipForces(arrays["force"], arrays["cop"], arrays["measured"], arrays["known"])
    support = None
    if meta["support"] is not None:
        if meta["support"]["kind"] not in SUPPORTS:
            raise ValueError(f"support {meta['support']['kind']!r}; valid: {', '.join(SUPPORTS)}")
        _expect(arrays["support_share"], (rows,), np.float32)
        support = Support(meta["support"]["kind"], str(meta["support"]["side"]), arrays["support_share"])
    return Clip(
        name=str(meta["name"]),
        person=str(meta["person"]),
        body=BodyParameters.from_json(json.dumps(meta["body"])),
        t_ns=arrays["t_ns"],
        q=arrays["q"],
        sole_drop_m=arrays["sole_drop_m"],
        ground_velocity_m_s=arrays["ground_velocity_m_s"],
        origin=Origin(
            str(meta["source"]),
            str(meta["source_sha256"]),
            str(meta["method"]),
            str(meta["licence"]),
            tuple(str(change) for change in meta["changes"]),
        ),
        forces=forces,
        support=support,
    )


def _expect(array: np.ndarray, shape: tuple[int, ...], kind: type[np.generic]) -> None:
    if array.shape != shape or array.dtype != kind:
        raise ValueError(f"array of {array.dtype} {array.shape}, expected {kind.__name__} {shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError("values that are not finite")
