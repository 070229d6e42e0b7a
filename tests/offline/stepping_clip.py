"""A made-up walk on flat feet whose stances are known exactly: what impairments and other bodies are tried on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.twin.model import build_twin
from kincast.offline.motion_library.clip import Clip, Origin
from kincast.offline.motion_library.footing import Footholds, Soles, Stiffness, refooted
from kincast.offline.motion_library.impairments import Walk

BODY = BodyParameters(scales={"overall": 1.02, "thigh_l": 0.98}, mass_kg=70.0)
STRIDE_S, STRIDE_M, STANCE, LIFT_M = 1.1, 1.1, 0.62, 0.06
RATE_HZ = 60.0


@lru_cache(maxsize=1)
def stepping_clip() -> Clip:
    """Two strides along x at 1 m/s, knees bent to 60 degrees in swing; soles flat, at rest in stance and up to 6 cm high in swing."""
    t_s = np.arange(int(2.2 * STRIDE_S * RATE_HZ)) / RATE_HZ
    soles = Soles(build_twin(build_body(BODY), np.zeros((2, 8))))
    c = np.zeros((len(t_s), 40))
    c[:, COORDINATES.index("pelvis_ty")] = 1.0
    upright = np.asarray(pose_from_coordinates(c[0]))
    flat = soles.positions(upright[None])[0]
    c[:, COORDINATES.index("pelvis_ty")] -= flat[..., 2].min() + 0.065
    c[:, COORDINATES.index("pelvis_tx")] = STRIDE_M / STRIDE_S * t_s
    place = np.empty((len(t_s), *flat.shape))
    for foot, side in enumerate("rl"):
        cycle = t_s / STRIDE_S + 0.5 * foot
        stride, phase = np.floor(cycle), cycle % 1.0
        swing = np.clip((phase - STANCE) / (1.0 - STANCE), 0.0, 1.0)
        # in the middle of stance the foot is under the pelvis
        start = (stride - 0.5 * foot + 0.5 * STANCE) * STRIDE_M
        forward = start + STRIDE_M * swing**3 * (10.0 - 15.0 * swing + 6.0 * swing**2)
        place[:, foot] = flat[foot]
        place[:, foot, :, 0] += forward[:, None]
        place[:, foot, :, 2] = (LIFT_M * np.sin(np.pi * swing) ** 2)[:, None]
        reach = forward - c[:, COORDINATES.index("pelvis_tx")]
        bend = 0.3 + 0.7 * np.sin(np.pi * swing) ** 2
        c[:, COORDINATES.index(f"knee_angle_{side}")] = bend
        c[:, COORDINATES.index(f"hip_flexion_{side}")] = np.arcsin(reach / 0.95) + 0.5 * bend
        c[:, COORDINATES.index(f"ankle_angle_{side}")] = 0.5 * bend - np.arcsin(reach / 0.95)
    wanted = np.stack([np.asarray(pose_from_coordinates(row)) for row in c])
    t_ns = np.round(t_s * 1e9).astype(np.int64)
    shape = place.shape[:3]
    holds = Footholds(place, np.ones(shape), np.ones(shape, bool))
    loose = Stiffness(pelvis=(0.01, 0.01, 0.01, 0.02, 0.02, 0.02), leg=(0.8, 0.2, 0.2, 0.8, 0.8, 0.2, 0.05))
    q = refooted(soles, t_ns, wanted, holds, loose)
    origin = Origin("made up", "0" * 64, "generated")
    return Clip("steps", "nobody", BODY, t_ns, q.astype(np.float32), np.zeros((2, 8)), np.zeros(2), origin)


@lru_cache(maxsize=1)
def stepping_walk() -> Walk:
    return Walk(stepping_clip())
