"""What the page must know once before it can draw LiveFrames: bodies, their shapes, muscle paths, names.

Sent as one binary message: magic ``KCSC``, u32 length of a UTF-8 JSON text, the text padded with spaces to a
multiple of four, then the meshes' numbers, which the text points into by offset and count.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from kincast.models.coordinates import COORDINATES

MAGIC = b"KCSC"
VERSION = 1
Material = Literal["bone", "hollow"]


@dataclass(frozen=True)
class Capsule:
    """Two half-spheres of ``radius`` and what is between them, in the axes of its body, metres."""

    body: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float
    material: Material = "bone"


@dataclass(frozen=True)
class Ellipsoid:
    """Centre, wxyz orientation and half axes in the axes of its body, metres."""

    body: int
    centre: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    half_axes: tuple[float, float, float]
    material: Material = "bone"


@dataclass(frozen=True)
class Mesh:
    """Triangles in the axes of their body, metres."""

    body: int
    vertices: Float[np.ndarray, "vertex 3"]
    triangles: Int[np.ndarray, "triangle 3"]
    material: Material = "bone"


@dataclass(frozen=True)
class MusclePath:
    """Attachment and via points (body, position in its axes) from origin to insertion; ``radius`` of the belly."""

    name: str
    bodies: tuple[int, ...]
    points: tuple[tuple[float, float, float], ...]
    radius: float


@dataclass(frozen=True)
class Scene:
    """``parents`` are indices into ``bodies`` (-1 at the root). ``body_weight_n`` is None while the mass is unknown."""

    session_id: str
    subject_id: str
    bodies: tuple[str, ...]
    parents: tuple[int, ...]
    capsules: tuple[Capsule, ...]
    ellipsoids: tuple[Ellipsoid, ...]
    meshes: tuple[Mesh, ...]
    muscles: tuple[MusclePath, ...]
    keypoints: tuple[str, ...]
    body_weight_n: float | None
    body_sha256: str = ""
    external_support: str = "none"
    source: str = ""
    coordinates: tuple[str, ...] = COORDINATES


def _mesh_entry(mesh: Mesh, blob: bytearray) -> dict[str, object]:
    vertices = np.ascontiguousarray(mesh.vertices, "<f4")
    triangles = np.ascontiguousarray(mesh.triangles, "<u4")
    entry = {
        "body": mesh.body,
        "material": mesh.material,
        "vertices": [len(blob), vertices.size],
        "triangles": [len(blob) + vertices.nbytes, triangles.size],
    }
    blob += vertices.tobytes() + triangles.tobytes()
    return entry


def encode_scene(scene: Scene, revision: int) -> bytes:
    """The binary websocket message of ``scene``; frames name the scene they belong to by ``revision``."""
    blob = bytearray()
    text = json.dumps(
        {
            "version": VERSION,
            "revision": revision,
            "session_id": scene.session_id,
            "subject_id": scene.subject_id,
            "source": scene.source,
            "external_support": scene.external_support,
            "body_sha256": scene.body_sha256,
            "body_weight_n": scene.body_weight_n,
            "bodies": scene.bodies,
            "parents": scene.parents,
            "coordinates": scene.coordinates,
            "keypoints": scene.keypoints,
            "muscles": [
                {"name": m.name, "bodies": m.bodies, "points": m.points, "radius": m.radius}
                for m in scene.muscles
            ],
            "capsules": [vars(capsule) for capsule in scene.capsules],
            "ellipsoids": [vars(ellipsoid) for ellipsoid in scene.ellipsoids],
            "meshes": [_mesh_entry(mesh, blob) for mesh in scene.meshes],
        },
        separators=(",", ":"),
        allow_nan=False,
    ).encode()
    text += b" " * (-len(text) % 4)
    return MAGIC + struct.pack("<I", len(text)) + text + bytes(blob)
