"""BVH motion files: joint centres over time, as the keypoints a body can be fitted to.

A joint stands at its OFFSET in its parent's axes and turns by its rotation channels in the order given (``Rz Rx Ry`` for Zrotation
Xrotation Yrotation); position channels replace nothing and add to the offset. Angles in degrees, lengths in a unit that the file does not state.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from kincast.models.errors import UserMistakeError

END = " end"
"""A joint's End Site is named after it."""
MAX_BYTES = 1 << 28

RIGS: dict[str, dict[str, str]] = {
    "daz": {
        "LHip": "lThigh",
        "RHip": "rThigh",
        "LKnee": "lShin",
        "RKnee": "rShin",
        "LAnkle": "lFoot",
        "RAnkle": "rFoot",
        "LBigToe": f"lFoot{END}",
        "RBigToe": f"rFoot{END}",
        "LShoulder": "lShldr",
        "RShoulder": "rShldr",
        "LElbow": "lForeArm",
        "RElbow": "rForeArm",
        "LWrist": "lHand",
        "RWrist": "rHand",
        "LEye": "leftEye",
        "REye": "rightEye",
    },
    "iclone": {
        "LHip": "CC_Base_L_Thigh",
        "RHip": "CC_Base_R_Thigh",
        "LKnee": "CC_Base_L_Calf",
        "RKnee": "CC_Base_R_Calf",
        "LAnkle": "CC_Base_L_Foot",
        "RAnkle": "CC_Base_R_Foot",
        "LBigToe": "CC_Base_L_BigToe1",
        "RBigToe": "CC_Base_R_BigToe1",
        "LSmallToe": "CC_Base_L_PinkyToe1",
        "RSmallToe": "CC_Base_R_PinkyToe1",
        "LShoulder": "CC_Base_L_Upperarm",
        "RShoulder": "CC_Base_R_Upperarm",
        "LElbow": "CC_Base_L_Forearm",
        "RElbow": "CC_Base_R_Forearm",
        "LWrist": "CC_Base_L_Hand",
        "RWrist": "CC_Base_R_Hand",
        "LEye": "CC_Base_L_Eye",
        "REye": "CC_Base_R_Eye",
    },
}
"""HALPE_26 keypoints and the joints of known rigs at which they lie, about; offsets are the fit's business."""


class BvhFormatError(UserMistakeError):
    """A BVH file cannot be read, or is of a rig whose joints are not known."""


@dataclass(frozen=True)
class Joint:
    """``parent`` is "" for the root; ``channels`` in the file's order, lower case (xposition, zrotation, ..)."""

    name: str
    parent: str
    offset: Float64[np.ndarray, "3"]
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Bvh:
    """Joints, parents before children; ``values`` in the order of their channels."""

    joints: tuple[Joint, ...]
    frame_s: float
    values: Float64[np.ndarray, "frame channel"]


def read_bvh(path: Path) -> Bvh:
    """Read a .bvh, or a .bvh.gz.

    Raises:
        BvhFormatError
    """
    words = _words(path)
    try:
        joints, at = _hierarchy(words)
        if words[at].lower() != "motion" or words[at + 1].lower() != "frames:":
            raise ValueError("no MOTION after the hierarchy")
        frames = int(words[at + 2])
        if [w.lower() for w in words[at + 3 : at + 5]] != ["frame", "time:"]:
            raise ValueError("no frame time")
        frame_s = float(words[at + 5])
        numbers = np.array(words[at + 6 :], np.float64)
        channels = sum(len(j.channels) for j in joints)
        if frames < 1 or not 1e-4 < frame_s < 1.0 or not channels:
            raise ValueError(f"{frames} frames of {frame_s:g} s with {channels} channels")
        if numbers.size < frames * channels:
            raise ValueError(f"{numbers.size} numbers for {frames} frames of {channels} channels")
        values = numbers[: frames * channels].reshape(frames, channels)
        if not np.isfinite(values).all():
            raise ValueError("numbers that are not finite")
    except (ValueError, IndexError) as error:
        raise BvhFormatError(f"{path}: not readable as BVH ({error})") from None
    return Bvh(joints, frame_s, values)


def positions(bvh: Bvh, unit_m: float = 0.01) -> dict[str, Float64[np.ndarray, "frame 3"]]:
    """World positions (m, Z up; the file's Y is up) of every joint and End Site."""
    rows = len(bvh.values)
    turned: dict[str, np.ndarray] = {"": np.broadcast_to(np.eye(3), (rows, 3, 3))}
    placed: dict[str, np.ndarray] = {"": np.zeros((rows, 3))}
    column = 0
    for joint in bvh.joints:
        shift = np.broadcast_to(joint.offset, (rows, 3)).copy()
        turn = np.broadcast_to(np.eye(3), (rows, 3, 3))
        for channel in joint.channels:
            given = bvh.values[:, column]
            column += 1
            axis = "xyz".index(channel[0])
            if channel.endswith("position"):
                shift[:, axis] += given
            else:
                turn = turn @ _turns(axis, np.deg2rad(given))
        parent = turned[joint.parent]
        placed[joint.name] = placed[joint.parent] + np.einsum("fij,fj->fi", parent, shift)
        turned[joint.name] = parent @ turn
    del placed[""]
    return {name: unit_m * np.stack([p[:, 0], -p[:, 2], p[:, 1]], axis=1) for name, p in placed.items()}


def bvh_keypoints(
    found: dict[str, Float64[np.ndarray, "frame 3"]], names: tuple[str, ...], file: str
) -> Float64[np.ndarray, "frame keypoint 4"]:
    """Joints as keypoints ``names`` with confidence 1; 0 where the rig has none.

    Raises:
        BvhFormatError: no known rig.
    """
    rig = max(RIGS.values(), key=lambda joints: sum(j in found for j in joints.values()))
    if missing := [j for j in rig.values() if j not in found]:
        known = "; ".join(f"{name}: {', '.join(list(j.values())[:6])}, .." for name, j in RIGS.items())
        raise BvhFormatError(
            f"{file}: joints of no known rig (no {missing[0]} in it); known are {known}; others are added in RIGS of"
            " offline/motion_library/bvh.py"
        )
    out = np.zeros((len(next(iter(found.values()))), len(names), 4))
    for k, name in enumerate(names):
        if name in rig:
            out[:, k, :3], out[:, k, 3] = found[rig[name]], 1.0
    return out


def _hierarchy(words: list[str]) -> tuple[tuple[Joint, ...], int]:
    """The joints, and where in ``words`` they end."""
    if not words or words[0].lower() != "hierarchy":
        raise ValueError("it does not begin with HIERARCHY")
    joints: list[Joint] = []
    above: list[str] = []
    name, at = "", 1
    while at < len(words):
        word = words[at].lower()
        if word in ("root", "joint", "end"):
            parent = above[-1] if above else ""
            name = f"{parent}{END}" if word == "end" else words[at + 1]
            if name in {j.name for j in joints}:
                raise ValueError(f"two joints named {name!r}")
            joints.append(Joint(name, parent, np.zeros(3), ()))
            at += 2
        elif word == "{":
            above.append(name)
            at += 1
        elif word == "}":
            above.pop()
            at += 1
            if not above:
                break
        elif word == "offset":
            offset = np.array([float(w) for w in words[at + 1 : at + 4]])
            joints[-1] = Joint(joints[-1].name, joints[-1].parent, offset, joints[-1].channels)
            at += 4
        elif word == "channels":
            count = int(words[at + 1])
            channels = tuple(w.lower() for w in words[at + 2 : at + 2 + count])
            if unknown := [
                c for c in channels if c[:1] not in "xyz" or c[1:] not in ("position", "rotation")
            ]:
                raise ValueError(f"unknown channel {unknown[0]!r}")
            joints[-1] = Joint(joints[-1].name, joints[-1].parent, joints[-1].offset, channels)
            at += 2 + count
        else:
            raise ValueError(f"unexpected {words[at]!r} in the hierarchy")
    if above or not joints:
        raise ValueError("the hierarchy does not end")
    return tuple(joints), at


def _turns(axis: int, angle: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, "frame 3 3"]:
    out = np.zeros((len(angle), 3, 3))
    j, k = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1.0
    out[:, j, j] = out[:, k, k] = np.cos(angle)
    out[:, k, j] = np.sin(angle)
    out[:, j, k] = -np.sin(angle)
    return out


def _words(path: Path) -> list[str]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise BvhFormatError(f"{path}: {error}") from None
    if len(data) > MAX_BYTES:
        raise BvhFormatError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    return data.decode("utf-8", errors="replace").split()
