"""Skeleton motion files (Acclaim ASF and AMC): joint centres over time, as the keypoints a body can be fitted to.

ASF gives every bone its direction, length and axis in the rest pose, AMC the angles per frame. A bone turns by
``C M C^-1`` on top of its parent, ``C`` from its axis and ``M`` from its angles, both sequences x, y, z about fixed axes
(so ``Rz Ry Rx``). Lengths are in inches over the file's scale (the CMU database's convention).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.models.errors import UserMistakeError

INCH_M = 0.0254
CMU_RATE_HZ = 120.0
_DOFS = ("rx", "ry", "rz", "tx", "ty", "tz", "l")

KEYPOINT_BONES: dict[str, str] = {
    "LHip": "lhipjoint",
    "RHip": "rhipjoint",
    "LKnee": "lfemur",
    "RKnee": "rfemur",
    "LAnkle": "ltibia",
    "RAnkle": "rtibia",
    "LBigToe": "ltoes",
    "RBigToe": "rtoes",
    "LShoulder": "lclavicle",
    "RShoulder": "rclavicle",
    "LElbow": "lhumerus",
    "RElbow": "rhumerus",
    "LWrist": "lradius",
    "RWrist": "rradius",
    "Neck": "thorax",
    "Head": "head",
}
"""HALPE_26 keypoints and the bones of the CMU skeletons at whose ends they lie, about; offsets are the fit's business."""


class SkeletonFormatError(UserMistakeError):
    """An ASF or AMC file cannot be read, or the two do not belong together."""


@dataclass(frozen=True)
class Bone:
    """``offset`` from the bone's beginning to its end in the rest pose (file units); ``dofs`` in the order of the AMC's numbers."""

    parent: str
    offset: Float64[np.ndarray, "3"]
    axis: Float64[np.ndarray, "3 3"]
    dofs: tuple[str, ...]


@dataclass(frozen=True)
class Skeleton:
    """Bones by name, parents before children; the root is "root"."""

    bones: dict[str, Bone]
    root_order: tuple[str, ...]
    unit_m: float
    in_degrees: bool


def read_asf(path: Path) -> Skeleton:
    """Read a skeleton.

    Raises:
        SkeletonFormatError
    """
    sections = _sections(_text(path))
    try:
        units = dict(line.split(None, 1) for line in sections["units"])
        in_degrees = units.get("angle", "deg").strip().startswith("deg")
        order = next(line.split()[1:] for line in sections["root"] if line.split()[0] == "order")
        found = _bones(sections["bonedata"], in_degrees)
        parents = {
            child: line.split()[0]
            for line in sections["hierarchy"]
            if line.split()[0] not in ("begin", "end")
            for child in line.split()[1:]
        }
        bones: dict[str, Bone] = {}
        waiting = [name for name in parents if name in found]
        while waiting:
            ready = [n for n in waiting if parents[n] == "root" or parents[n] in bones]
            if not ready:
                raise ValueError(f"bone {waiting[0]} hangs on nothing")
            for name in ready:
                offset, axis, dofs = found[name]
                bones[name] = Bone(parents[name], offset, axis, dofs)
            waiting = [n for n in waiting if n not in bones]
        unit_m = INCH_M / float(units["length"])
    except (KeyError, ValueError, IndexError, StopIteration, ZeroDivisionError) as error:
        raise SkeletonFormatError(f"{path}: not readable as an ASF skeleton ({error})") from None
    if not bones:
        raise SkeletonFormatError(f"{path}: no bones in it")
    return Skeleton(bones, tuple(dof.lower() for dof in order), unit_m, in_degrees)


def read_amc(path: Path, skeleton: Skeleton) -> dict[str, Float64[np.ndarray, "frame 3"]]:
    """World positions (m, Z up) of every bone's end, and of "root", per frame.

    Raises:
        SkeletonFormatError: damaged, or of another skeleton.
    """
    frames: list[dict[str, list[float]]] = []
    try:
        for line in _text(path).splitlines():
            words = line.split()
            if not words or words[0].startswith(("#", ":")):
                continue
            if len(words) == 1 and words[0].isdigit():
                frames.append({})
            else:
                frames[-1][words[0]] = [float(w) for w in words[1:]]
        if not frames:
            raise ValueError("no frames")
        positions = [_forward(skeleton, frame) for frame in frames]
    except (KeyError, ValueError, IndexError) as error:
        raise SkeletonFormatError(
            f"{path}: not readable as an AMC motion of this skeleton ({type(error).__name__}: {error})"
        ) from None
    return {name: np.stack([p[name] for p in positions]) for name in positions[0]}


def keypoints(
    ends: dict[str, Float64[np.ndarray, "frame 3"]], names: tuple[str, ...]
) -> Float64[np.ndarray, "frame keypoint 4"]:
    """Bone ends as keypoints ``names`` with confidence 1; 0 where the skeleton has no such bone."""
    rows = len(next(iter(ends.values())))
    out = np.zeros((rows, len(names), 4))
    for k, name in enumerate(names):
        bone = KEYPOINT_BONES.get(name)
        if bone in ends:
            out[:, k, :3], out[:, k, 3] = ends[bone], 1.0
    return out


def _forward(skeleton: Skeleton, frame: dict[str, list[float]]) -> dict[str, Float64[np.ndarray, "3"]]:
    unit = skeleton.unit_m
    root = dict(zip(skeleton.root_order, frame["root"], strict=True))
    to_rad = np.deg2rad if skeleton.in_degrees else np.asarray
    turned = {"root": _rotation(*to_rad([root["rx"], root["ry"], root["rz"]]))}
    placed = {"root": unit * np.array([root["tx"], root["ty"], root["tz"]])}
    for name, bone in skeleton.bones.items():
        given = dict(zip(bone.dofs, frame.get(name, [0.0] * len(bone.dofs)), strict=True))
        bend = _rotation(*to_rad([given.get(d, 0.0) for d in ("rx", "ry", "rz")]))
        turned[name] = turned[bone.parent] @ bone.axis @ bend @ bone.axis.T
        placed[name] = placed[bone.parent] + unit * turned[name] @ bone.offset
    return {name: np.array([p[0], -p[2], p[1]]) for name, p in placed.items()}


def _bones(
    lines: list[str], in_degrees: bool
) -> dict[str, tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3 3"], tuple[str, ...]]]:
    found = {}
    for block in re.split(r"^\s*begin\s*$", "\n".join(lines), flags=re.MULTILINE)[1:]:
        entries = {w[0]: w[1:] for w in (line.split() for line in block.splitlines()) if w}
        direction = np.array([float(x) for x in entries["direction"]])
        axis = np.array([float(x) for x in entries["axis"][:3]])
        axis = np.deg2rad(axis) if in_degrees else axis
        dofs = tuple(d.lower() for d in entries.get("dof", []))
        if unknown := [d for d in dofs if d not in _DOFS]:
            raise ValueError(f"unknown degree of freedom {unknown[0]!r}")
        found[entries["name"][0]] = (float(entries["length"][0]) * direction, _rotation(*axis), dofs)
    return found


def _rotation(x: float, y: float, z: float) -> Float64[np.ndarray, "3 3"]:
    """``Rz Ry Rx``."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    section: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if line.startswith(":"):
            section = found.setdefault(line[1:].split()[0].lower(), [])
        else:
            section.append(line.strip())
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SkeletonFormatError(f"{path}: {error.strerror or error}") from None
