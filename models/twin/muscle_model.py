"""The simulated body driven by muscles: the torque-driven one with 80 leg muscles.

Controls, in this order: ``residual`` (6) and ``torque`` (34) as :mod:`kincast.models.twin.model` has them, ``excitation`` (80, 0 to 1), ``servo``
(34). Geometry, masses, contacts and everything above the legs are the torque-driven body's. The joints that
muscles move (:data:`MUSCLE_JOINTS`) have no servo: their servo control does nothing, and their torque is the reserve,
meant to stay small. The toes' muscles are mostly the foot's own, which the model lacks: the toes keep torque and servo.

Muscles are MuJoCo's, with rigid tendons and the architecture of :mod:`kincast.models.body.muscles`.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.body import Body, build_body
from kincast.models.body.build import add_torques, build_spec
from kincast.models.body.muscles import muscle_ids
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.leg_muscles import LEG_COORDINATES
from kincast.models.twin.model import (
    CONTROLS,
    JOINTS,
    RESIDUALS,
    Twin,
    TwinConfig,
    add_servos,
    compiled,
    twin_of,
)
from kincast.models.twin.muscle_activation import MuscleTiming

MUSCLES = 80
MUSCLE_CONTROLS = CONTROLS + MUSCLES
EXCITATIONS = slice(RESIDUALS + JOINTS, RESIDUALS + JOINTS + MUSCLES)
"""Where the excitations stand among the controls."""
MUSCLE_JOINTS: Int64[np.ndarray, "12"] = np.array(
    [JOINT_COORDINATES.index(f"{name}_{side}") for side in ("r", "l") for name in LEG_COORDINATES]
)
"""Those of the 34 joints that muscles move: six of the right leg, six of the left."""


@dataclass(frozen=True, eq=False)
class MuscleTwin(Twin):
    """``muscles``: names in the order of the excitations and of MuJoCo's ``act``."""

    muscles: tuple[str, ...]
    timing: MuscleTiming


def build_muscle_twin(
    body: Body,
    sole_drop_m: Float64[np.ndarray, "2 point"] | None = None,
    config: TwinConfig | None = None,
    timing: MuscleTiming | None = None,
) -> MuscleTwin:
    """The simulated body of a person, muscle driven, standing on soles lowered by ``sole_drop_m``."""
    config, timing = config or TwinConfig(), timing or MuscleTiming()
    spec = build_spec(body.parameters, "muscle", body.keypoint_set)
    for actuator in list(spec.actuators):
        spec.delete(actuator)
    add_torques(spec, JOINT_COORDINATES)
    muscles = _add_muscles(spec, build_body(body.parameters, "muscle", body.keypoint_set).mj_model, timing)
    add_servos(spec, config)
    for servo in (spec.actuators[EXCITATIONS.stop + int(joint)] for joint in MUSCLE_JOINTS):
        servo.gainprm[:3] = 0.0
        servo.biasprm[:3] = 0.0
    twin = twin_of(body, compiled(spec, sole_drop_m, config), config)
    return MuscleTwin(twin.body, twin.config, twin.weight_N, muscles, timing)


def _add_muscles(spec: mujoco.MjSpec, person: mujoco.MjModel, timing: MuscleTiming) -> tuple[str, ...]:
    """Behind the actuators that are there, the person's muscles with their rest lengths and strengths."""
    names = []
    for i in map(int, muscle_ids(person)):
        own = person.actuator(i)
        muscle = spec.add_actuator(
            name=own.name,
            trntype=mujoco.mjtTrn.mjTRN_TENDON,
            target=person.tendon(int(own.trnid[0])).name,
            dyntype=mujoco.mjtDyn.mjDYN_MUSCLE,
            gaintype=mujoco.mjtGain.mjGAIN_MUSCLE,
            biastype=mujoco.mjtBias.mjBIAS_MUSCLE,
            ctrllimited=mujoco.mjtLimited.mjLIMITED_TRUE,
            ctrlrange=[0.0, 1.0],
            lengthrange=own.lengthrange,
            gainprm=own.gainprm,
            biasprm=own.biasprm,
        )
        muscle.dynprm[:3] = (timing.activation_s, timing.deactivation_s, 0.0)
        names.append(own.name)
    return tuple(names)
