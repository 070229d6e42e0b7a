"""People and motions for the tests of the twin: someone who stands and sways, feet flat on the floor."""

from __future__ import annotations

import numpy as np

from kincast.models.body import Body, BodyParameters, build_body
from kincast.models.coordinates import COORDINATES, pose_from_coordinates
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.twin.model import CONTROL_HZ, Twin, build_twin
from kincast.models.twin.reference import Reference

PERSON = BodyParameters(scales={"overall": 1.03, "thigh_l": 1.0}, mass_kg=66.0)


def person() -> Body:
    return build_body(PERSON)


def lowest_m(body: Body, q: np.ndarray) -> float:
    """Height of the lowest sole point."""
    dynamics, still = InverseDynamics(body), np.zeros(40)
    dynamics.set_motion(MotionState(0, q, still, still, still, still, still))
    return float(dynamics.sole_state().position[..., 2].min())


def standing(body: Body, heading_rad: float = 0.4, **coordinates: float) -> np.ndarray:
    """Pose with the lowest sole point half a millimetre in the floor."""
    c = np.zeros(40)
    c[COORDINATES.index("pelvis_ty")] = 1.0
    c[COORDINATES.index("pelvis_rotation")] = heading_rad
    for name, value in coordinates.items():
        c[COORDINATES.index(name)] = value
    q = np.asarray(pose_from_coordinates(c))
    q[2] -= lowest_m(body, q) + 0.0005
    return q


def swaying(body: Body, seconds: float, sway_rad: float = 0.06) -> Reference:
    """Stands with feet flat; trunk and arms move smoothly."""
    count = int(seconds * CONTROL_HZ) + 1
    omega = 2 * np.pi * 0.8
    phase = omega * np.arange(count) / CONTROL_HZ
    q = np.tile(standing(body), (count, 1))
    v, a = np.zeros((count, 40)), np.zeros((count, 40))
    for name in ("lumbar_extension", "arm_flex_r", "arm_add_l"):
        at = COORDINATES.index(name)
        q[:, at + 1] += sway_rad * (1 - np.cos(phase))
        v[:, at] = sway_rad * omega * np.sin(phase)
        a[:, at] = sway_rad * omega**2 * np.cos(phase)
    unknown = np.zeros((count, 2), bool)
    return Reference(
        q, v, a, np.zeros((count, 2, 3)), np.zeros((count, 2, 3)), unknown, unknown, np.full(count, np.nan)
    )


def twin(drop_m: float = 0.0) -> Twin:
    return build_twin(person(), np.full((2, 8), drop_m))
