"""What a policy may know of the person whose body it drives, and how large one unit of action is for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from kincast.models.body.parameters import GENERIC_MASS_KG
from kincast.models.body.segments import SCALES
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.rotations import Array
from kincast.models.twin.model import Twin

_TORQUE_NM: dict[str, float] = {
    "hip_flexion": 275.0,
    "hip_adduction": 530.0,
    "hip_rotation": 600.0,
    "knee_angle": 600.0,
    "ankle_angle": 500.0,
    "subtalar_angle": 50.0,
    "mtp_angle": 50.0,
    "lumbar_extension": 160.0,
    "lumbar_bending": 160.0,
    "lumbar_rotation": 100.0,
    "neck_extension": 50.0,
    "neck_bending": 50.0,
    "neck_rotation": 50.0,
    "arm_flex": 250.0,
    "arm_add": 250.0,
    "arm_rot": 250.0,
    "elbow_flex": 250.0,
    "pro_sup": 250.0,
    "wrist_flex": 50.0,
    "wrist_dev": 50.0,
}
"""At an action of one, for the generic mass. The published gears of the KinTwin models; the neck, which those lack, as the wrists."""


class Person(NamedTuple):
    """One person, or many along the leading axes; a pytree.

    ``log_scales`` in the order of SCALES, ``log_mass`` relative to the generic adult, ``torque_Nm`` at an action of one.
    """

    log_scales: Float[Array, "*n 8"]
    log_mass: Float[Array, "*n"]
    weight_N: Float[Array, "*n"]
    torque_Nm: Float[Array, "*n 34"]


def person_of(twin: Twin) -> Person:
    """The person of a twin (NumPy, float64). Torques grow with mass and size, as they must for similar motion."""
    parameters = twin.body.parameters
    scales = np.array([float(parameters.scales[name]) for name in SCALES])
    relative = float(parameters.mass_kg) / GENERIC_MASS_KG
    generic = np.array([_TORQUE_NM[_either_side(name)] for name in JOINT_COORDINATES])
    return Person(
        np.log(scales),
        np.array(np.log(relative)),
        np.array(twin.weight_N),
        generic * relative * scales[0],
    )


def _either_side(name: str) -> str:
    return name if name in _TORQUE_NM else name[:-2]
