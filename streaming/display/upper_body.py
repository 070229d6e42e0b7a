"""Trunk, head and arms as drawn bones: smooth tubes and ovals in segment axes (x forward, y up, z right).

For the eye only: proportions follow the body's joint centres, so every end of a bone meets its joint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from kincast.models.body import BodyParameters
from kincast.models.body.scaling import segment_scale
from kincast.models.body.segments import SEGMENTS, joint_centre
from kincast.streaming.display.scene import Mesh

_AROUND = 14
Points = Float[np.ndarray, "point 3"]
Vector = tuple[float, float, float] | Float[np.ndarray, "3"]


def _curve(points: Sequence[Vector], per_span: int = 6) -> Points:
    """Catmull-Rom curve through the points."""
    p = np.asarray(points, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0.0, 1.0, per_span, endpoint=False)[:, None]
    spans = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        spans.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.vstack([*spans, p[-2:-1]])


def _tube(body: int, path: Points, radii: Sequence[float], scale: float, flat: float = 1.0) -> Mesh:
    """Closed tube along ``path``; radii are spread evenly over its length, ``flat`` thins it front to back."""
    path = np.asarray(path, float)
    share = np.linspace(0.0, 1.0, len(path))
    radius = np.interp(share, np.linspace(0.0, 1.0, len(radii)), radii)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    guide = np.array([0.0, 0.0, 1.0]) if abs(tangent[:, 2]).max() < 0.9 else np.array([1.0, 0.0, 0.0])
    side = np.cross(tangent, guide)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(tangent, side)
    angle = np.linspace(0.0, 2 * np.pi, _AROUND, endpoint=False)
    # round caps: three shrinking rings beyond either end
    cap = np.sin(np.linspace(0.0, np.pi / 2, 4))[1:]
    centres = [*(path[0] - radius[0] * c * tangent[0] for c in cap[::-1]), *path]
    centres += [path[-1] + radius[-1] * c * tangent[-1] for c in cap]
    rings = [*(radius[0] * np.sqrt(1 - c * c) for c in cap[::-1]), *radius]
    rings += [radius[-1] * np.sqrt(max(0.0, 1 - c * c)) for c in cap]
    index = np.clip(np.arange(len(centres)) - len(cap), 0, len(path) - 1)
    vertices = np.concatenate(
        [
            c + r * (flat * np.cos(angle)[:, None] * side[k] + np.sin(angle)[:, None] * up[k])
            for c, r, k in zip(centres, rings, index, strict=True)
        ]
    )
    return Mesh(body, scale * vertices, _grid_triangles(len(centres), _AROUND))


def _grid_triangles(rings: int, around: int) -> np.ndarray:
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a = ring * around + step
    b = ring * around + (step + 1) % around
    lower = np.stack([a, b, a + around], axis=-1).reshape(-1, 3)
    upper = np.stack([b, b + around, a + around], axis=-1).reshape(-1, 3)
    return np.concatenate([lower, upper])


def _oval(body: int, centre: Vector, half_axes: Vector, scale: float) -> Mesh:
    """Ellipsoid."""
    rings, around = 18, 28
    polar = np.linspace(1e-3, np.pi - 1e-3, rings)
    angle = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
    unit = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(angle),
            np.cos(polar)[:, None] * np.ones(around),
            -np.sin(polar)[:, None] * np.sin(angle),
        ],
        axis=-1,
    ).reshape(-1, 3)
    vertices = scale * (np.asarray(centre, float) + unit * np.asarray(half_axes, float))
    return Mesh(body, vertices, _grid_triangles(rings, around)[:, ::-1].copy())


def upper_body_meshes(parameters: BodyParameters, bodies: tuple[str, ...]) -> list[Mesh]:
    """Bones of trunk, head and arms of a person."""
    meshes = []
    for name in ("torso", "head"):
        scale = segment_scale(parameters.scales, name)
        draw = _torso if name == "torso" else _head
        meshes += draw(bodies.index(name), scale)
    meshes += _sacrum(bodies.index("pelvis"), segment_scale(parameters.scales, "pelvis"))
    for side in "rl":
        meshes += _arm(bodies, side, segment_scale(parameters.scales, f"humerus_{side}"))
    return meshes


def _torso(body: int, scale: float) -> list[Mesh]:
    neck = np.asarray(joint_centre("head"))
    shoulder = np.asarray(joint_centre("humerus_r"))
    # lordosis, kyphosis: from the lumbosacral joint (the torso's origin) to the joint of the neck
    line = _curve([(0.0, 0.0, 0.0), (-0.012, 0.09, 0.0), (-0.05, 0.2, 0.0), (-0.085, 0.31, 0.0), neck], 4)
    meshes = []
    for k, centre in enumerate(line[:-1]):
        middle = 0.5 * (centre + line[k + 1])
        size = 0.026 - 0.010 * k / len(line)
        meshes.append(_oval(body, middle, (size, 0.0122, size * 1.15), scale))
        meshes.append(
            _tube(body, np.array([middle, middle + np.array([-0.03, -0.012, 0.0])]), (0.006, 0.004), scale)
        )
    sternum = _curve([(0.068, 0.345, 0.0), (0.088, 0.28, 0.0), (0.092, 0.20, 0.0)], 5)
    meshes.append(_tube(body, sternum, (0.022, 0.016, 0.009), scale, flat=0.5))
    for k in range(10):
        meshes += _rib_pair(body, k, scale)
    for sign in (1.0, -1.0):
        mirror = np.array([1.0, 1.0, sign])
        # the acromion lies a little above the joint's centre
        acromion = shoulder + np.array([-0.015, 0.03, 0.005])
        clavicle = _curve([(0.062, 0.352, 0.02), (0.066, 0.372, 0.07), (0.02, 0.385, 0.12), acromion], 5)
        meshes.append(_tube(body, clavicle * mirror, (0.009, 0.007, 0.008), scale))
        blade = _curve([acromion, (-0.075, 0.37, 0.115), (-0.115, 0.33, 0.075)], 5)
        meshes.append(_tube(body, blade * mirror, (0.010, 0.008, 0.006), scale))
        edge = _curve([(-0.115, 0.345, 0.075), (-0.118, 0.28, 0.085), (-0.095, 0.225, 0.11)], 5)
        meshes.append(_tube(body, edge * mirror, (0.006, 0.006), scale))
        outer = _curve(
            [(-0.095, 0.225, 0.11), (-0.07, 0.29, 0.135), shoulder + np.array([-0.02, -0.01, -0.02])], 5
        )
        meshes.append(_tube(body, outer * mirror, (0.006, 0.007, 0.011), scale))
    return meshes


def _rib_pair(body: int, k: int, scale: float) -> list[Mesh]:
    """Rib ``k`` from the top: from the spine round the side and down to the sternum (the lowest end free)."""
    share = k / 9.0
    top = 0.375 - 0.225 * share
    width = 0.058 + 0.082 * np.sin(np.pi * (0.18 + 0.62 * share))
    back = -0.075 + 0.05 * share**1.5
    front = 0.066 + 0.026 * np.sin(np.pi * min(1.0, 0.35 + 0.5 * share))
    drop = 0.045 + 0.05 * share
    reach = 1.0 if k < 7 else 1.0 - 0.16 * (k - 6)
    angle = np.linspace(-0.5 * np.pi, -0.5 * np.pi + reach * np.pi, 22)
    middle, depth = 0.5 * (front + back), 0.5 * (front - back)
    forward = 0.5 * (np.sin(angle) + 1.0)
    path = np.stack(
        [
            middle + depth * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.8,
            top
            - drop * forward**0.9
            + (0.02 + 0.04 * share) * np.maximum(0.0, forward - 0.8) / 0.2 * (k < 7),
            0.008 + width * np.cos(angle) ** 0.75,
        ],
        axis=1,
    )
    path[:, 2] = np.where(np.isfinite(path[:, 2]), path[:, 2], 0.008)
    left = path * (1.0, 1.0, -1.0)
    return [_tube(body, side, (0.0052, 0.0058, 0.0048), scale) for side in (path, left)]


# height, middle, half depth, half width of a skull's outline from chin to crown (m, head axes)
_SKULL = np.array(
    [
        (0.050, 0.080, 0.010, 0.010),
        (0.056, 0.076, 0.022, 0.022),
        (0.075, 0.066, 0.034, 0.034),
        (0.098, 0.054, 0.045, 0.043),
        (0.120, 0.048, 0.051, 0.049),
        (0.142, 0.032, 0.070, 0.060),
        (0.168, 0.018, 0.087, 0.066),
        (0.198, 0.010, 0.095, 0.071),
        (0.226, 0.007, 0.090, 0.069),
        (0.250, 0.006, 0.072, 0.056),
        (0.266, 0.006, 0.045, 0.036),
        (0.272, 0.006, 0.012, 0.010),
    ]
)


def _head(body: int, scale: float) -> list[Mesh]:
    neck = [
        _oval(body, (0.012 * t, 0.012 + 0.105 * t, 0.0), (0.016, 0.009, 0.019), scale)
        for t in np.linspace(0.0, 1.0, 7)
    ]
    around = 32
    angle = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
    outline = np.stack([_curve([row[:3] for row in _SKULL], 3)[:, k] for k in range(3)], axis=1)
    width = _curve([np.array([row[3], 0.0, 0.0]) for row in _SKULL], 3)[:, 0]
    rings = np.stack(
        [
            outline[:, 1:2] + outline[:, 2:3] * np.cos(angle),
            np.repeat(outline[:, :1], around, axis=1),
            width[:, None] * np.sin(angle),
        ],
        axis=-1,
    )
    skull = Mesh(body, scale * rings.reshape(-1, 3), _grid_triangles(len(rings), around)[:, ::-1].copy())
    face = [_oval(body, (0.087, 0.148, s * 0.031), (0.016, 0.014, 0.017), scale) for s in (1.0, -1.0)]
    face.append(_oval(body, (0.096, 0.117, 0.0), (0.008, 0.014, 0.009), scale))
    hollows = [replace(mesh, material="hollow") for mesh in face]
    nasal = _tube(body, np.array([(0.1, 0.15, 0.0), (0.106, 0.132, 0.0)]), (0.0055, 0.005), scale)
    cheeks = [
        _tube(
            body,
            _curve([(0.025, 0.128, s * 0.066), (0.062, 0.124, s * 0.058), (0.084, 0.126, s * 0.036)], 6),
            (0.006, 0.008, 0.009),
            scale,
        )
        for s in (1.0, -1.0)
    ]
    return [*neck, skull, nasal, *cheeks, *hollows]


def _sacrum(body: int, scale: float) -> list[Mesh]:
    top = np.asarray(joint_centre("torso"))
    path = _curve(
        [
            top + np.array([0.0, 0.005, 0.0]),
            top + np.array([-0.025, -0.045, 0.0]),
            top + np.array([-0.028, -0.095, 0.0]),
            top + np.array([-0.008, -0.125, 0.0]),
        ],
        6,
    )
    return [_tube(body, path, (0.05, 0.042, 0.026, 0.011, 0.006), scale, flat=0.35)]


def _arm(bodies: tuple[str, ...], side: str, scale: float) -> list[Mesh]:
    sign = 1.0 if side == "r" else -1.0

    def at(body: str) -> int:
        return bodies.index(f"{body}_{side}")

    elbow = np.asarray(joint_centre(f"ulna_{side}"))
    radius_head = np.asarray(joint_centre(f"radius_{side}"))
    wrist = np.asarray(joint_centre(f"hand_{side}"))
    hand_end = np.asarray(SEGMENTS[f"hand_{side}"].end)
    across = np.array([0.0, 0.0, sign])
    humerus = _curve([(0.0, 0.0, 0.0), 0.5 * elbow + (0.004, 0.0, 0.0), elbow], 8)
    ulna = _curve(
        [
            (-0.012, 0.012, 0.0),
            0.5 * (radius_head + wrist) - 0.014 * across,
            radius_head + wrist - 0.026 * across,
        ],
        8,
    )
    radius = _curve([(0.0, 0.0, 0.0), 0.5 * wrist + 0.01 * across, wrist], 8)
    meshes = [
        _tube(at("humerus"), humerus, (0.024, 0.0125, 0.0115, 0.0115, 0.021), scale),
        _tube(at("ulna"), ulna, (0.016, 0.0095, 0.0085, 0.008), scale),
        _tube(at("radius"), radius, (0.0115, 0.0085, 0.009, 0.0145), scale),
        _oval(at("hand"), (0.0, -0.012, 0.0), (0.011, 0.014, 0.024), scale),
    ]
    for finger in range(4):
        z = sign * (0.026 - 0.0165 * finger)
        length = float(-hand_end[1]) * (0.93, 1.0, 0.95, 0.8)[finger]
        path = _curve([(0.0, -0.022, 0.6 * z), (0.004, -0.085, z), (0.012, -length, 1.05 * z)], 6)
        meshes.append(_tube(at("hand"), path, (0.0068, 0.0062, 0.006, 0.0055), scale))
    thumb = _curve(
        [(0.008, -0.02, 0.018 * sign), (0.022, -0.055, 0.042 * sign), (0.03, -0.1, 0.052 * sign)], 6
    )
    meshes.append(_tube(at("hand"), thumb, (0.0075, 0.0068, 0.006), scale))
    return meshes
