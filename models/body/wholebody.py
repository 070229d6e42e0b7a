"""Face and hand points of COCO-WholeBody as rigid points of head and hand.

Eyes, brows and nose follow the head, the knuckles the hand. Jaw and lips move against the head, fingers
against the hand: those are listed as soft and carry no weight in a fit. Places follow an average adult face
(Farkas 1994: bizygomatic 137 mm, nasion to chin 119 mm, intercanthal 33 mm) and hand (length 185 mm).
"""

from __future__ import annotations

import math

Vector = tuple[float, float, float]

_FINGERS = {
    # knuckle and joint distances from the wrist (m) and the finger's side position (m, right hand)
    "thumb": ((0.030, 0.060, 0.090, 0.115), 0.055),
    "forefinger": ((0.085, 0.125, 0.150, 0.172), 0.026),
    "middle_finger": ((0.085, 0.130, 0.158, 0.182), 0.004),
    "ring_finger": ((0.080, 0.122, 0.148, 0.170), -0.016),
    "pinky_finger": ((0.073, 0.105, 0.124, 0.142), -0.035),
}

_FACE_FORWARD_M = 0.04  # of the points below, in the head's axes


def _face() -> dict[str, Vector]:
    points: list[Vector] = []
    for i in range(17):  # jaw, right ear to left ear
        angle = math.pi * i / 16
        points.append(
            (0.030 + 0.078 * math.sin(angle), 0.118 - 0.083 * math.sin(angle), 0.068 * math.cos(angle))
        )
    for side in (1.0, -1.0):  # brows: right outer to inner, left inner to outer
        z = (0.055, 0.045, 0.034, 0.023, 0.012)
        for value in z if side > 0 else z[::-1]:
            points.append((0.118 - 0.25 * value, 0.158, side * value))
    points += [(0.112 + 0.007 * i, 0.140 - 0.010 * i, 0.0) for i in range(4)]  # bridge of the nose
    points += [(0.122 - 0.1 * abs(z), 0.098, z) for z in (0.015, 0.008, 0.0, -0.008, -0.015)]
    for side in (1.0, -1.0):  # eyes: right outer corner first, left inner corner first
        outline = (
            (0.046, 0.0),
            (0.037, 0.004),
            (0.027, 0.004),
            (0.018, 0.0),
            (0.027, -0.004),
            (0.037, -0.004),
        )
        if side < 0:
            outline = (outline[3], outline[2], outline[1], outline[0], outline[5], outline[4])
        points += [(0.110 - 0.3 * z, 0.138 + y, side * z) for z, y in outline]
    for count, width, height in ((12, 0.025, 0.009), (8, 0.019, 0.003)):  # lips, from the right corner
        for i in range(count):
            angle = math.pi - 2 * math.pi * i / count
            z = -width * math.cos(angle)
            points.append((0.120 - 0.4 * abs(z), 0.073 + height * math.sin(angle), z))
    return {f"face-{i}": (x + _FACE_FORWARD_M, y, z) for i, (x, y, z) in enumerate(points)}


FACE_LANDMARKS: dict[str, Vector] = _face()
HAND_LANDMARKS: dict[str, Vector] = {
    "hand_root": (0.0, -0.002, 0.0),
    **{
        f"{finger}{joint + 1}": (0.0, -distance, side)
        for finger, (distances, side) in _FINGERS.items()
        for joint, distance in enumerate(distances)
    },
}
_SOFT_FACE = {f"face-{i}" for i in (*range(17), *range(48, 68))}
_SOFT_HAND = {
    f"{finger}{joint}" for finger in _FINGERS for joint in ((2, 3, 4) if finger != "thumb" else (1, 2, 3, 4))
}
SOFT_POINTS: frozenset[str] = frozenset(
    _SOFT_FACE | {f"{word}_{name}" for word in ("left", "right") for name in _SOFT_HAND}
)
