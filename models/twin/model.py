"""The body that is simulated: actuators for torques, residual and joint servos, sensors of the soles' contacts.

Controls, in this order: ``residual`` (6, force on the pelvis origin in the world and moment in pelvis axes), ``torque``
(34, joints), ``servo`` (34, joint angles). A servo is a spring and damper inside the physics step (``kp (ctrl - q) - kd v``):
held over a control step, an explicit one of the same gains is not stable. The servo's target for an angle and a rate
is :func:`servo_target`. Everything here is supported by C MuJoCo and by MJX's JAX implementation alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np
from jaxtyping import Float, Float64

from kincast.models.body.body import Body
from kincast.models.body.build import build_spec
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.rotations import Array
from kincast.models.twin.soles import capsules, fit_soles

PHYSICS_HZ = 480
CONTROL_HZ = 120
SUBSTEPS = PHYSICS_HZ // CONTROL_HZ
RESIDUALS = 6
JOINTS = len(JOINT_COORDINATES)
CONTROLS = RESIDUALS + 2 * JOINTS
CONTACTS_PER_CAPSULE = 2
CONTACT_NUMBERS = 12
"""Of one contact: force in its frame, position, normal, first tangent."""


@dataclass(frozen=True)
class TwinConfig:
    """``servo_kp`` N m/rad and ``servo_kd`` N m s/rad of every joint; solver limits as in the published models, or more.

    With 100 and 3 a computed-torque expert keeps joints within 1.6 degrees of measured walking while the forces stay
    honest; stiffer servos track better and hide errors in them.

    ``contact_time_s``: of the contact between sole and floor (MuJoCo's solref). Half of MuJoCo's usual stiffness (0.02 s)
    lets a forefoot land without throwing the other foot off the floor.
    """

    servo_kp: float = 100.0
    servo_kd: float = 3.0
    contact_time_s: float = 0.04
    iterations: int = 8
    ls_iterations: int = 16


@dataclass(frozen=True, eq=False)
class Twin:
    """``body.mj_model`` is the simulated model; the rest of ``body`` is the person's."""

    body: Body
    config: TwinConfig
    weight_N: float

    @property
    def model(self) -> mujoco.MjModel:
        return self.body.mj_model


def build_twin(
    body: Body, sole_drop_m: Float64[np.ndarray, "2 point"] | None = None, config: TwinConfig | None = None
) -> Twin:
    """The simulated body of a person, torque driven, standing on soles lowered by ``sole_drop_m``."""
    config = config or TwinConfig()
    spec = build_spec(body.parameters, "torque", body.keypoint_set)
    add_servos(spec, config)
    return twin_of(body, compiled(spec, sole_drop_m, config), config)


def add_servos(spec: mujoco.MjSpec, config: TwinConfig) -> None:
    """Behind the actuators that are there, a servo of every joint."""
    for name in JOINT_COORDINATES:
        servo = spec.add_actuator(name=f"{name}_servo", trntype=mujoco.mjtTrn.mjTRN_JOINT, target=name)
        servo.gainprm[0] = config.servo_kp
        servo.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        servo.biasprm[1] = -config.servo_kp
        servo.biasprm[2] = -config.servo_kd


def compiled(
    spec: mujoco.MjSpec, sole_drop_m: Float64[np.ndarray, "2 point"] | None, config: TwinConfig
) -> mujoco.MjModel:
    """The editable body with the person's soles, their sensors, and the simulation's settings."""
    unsensed = spec.compile()
    if sole_drop_m is not None:
        fit_soles(spec, unsensed, sole_drop_m)
    spec.geom("floor").solref[0] = config.contact_time_s
    for foot in capsules(unsensed):
        for geom in foot:
            spec.geom(unsensed.geom(geom).name).solref[0] = config.contact_time_s
            spec.add_sensor(
                name=f"{unsensed.geom(geom).name}_contact",
                type=mujoco.mjtSensor.mjSENS_CONTACT,
                objtype=mujoco.mjtObj.mjOBJ_GEOM,
                objname="floor",
                reftype=mujoco.mjtObj.mjOBJ_GEOM,
                refname=unsensed.geom(geom).name,
                intprm=[_CONTACT_DATA, 0, CONTACTS_PER_CAPSULE],
            )
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = config.iterations
    spec.option.ls_iterations = config.ls_iterations
    spec.option.timestep = 1.0 / PHYSICS_HZ
    return spec.compile()


def twin_of(body: Body, model: mujoco.MjModel, config: TwinConfig) -> Twin:
    """A person's twin whose simulated model is ``model``."""
    weight = float(model.body_mass.sum()) * float(np.linalg.norm(model.opt.gravity))
    return Twin(replace(body, mj_model=model), config, weight)


_CONTACT_DATA = sum(
    1 << int(kind)
    for kind in (
        mujoco.mjtConDataField.mjCONDATA_FORCE,
        mujoco.mjtConDataField.mjCONDATA_POS,
        mujoco.mjtConDataField.mjCONDATA_NORMAL,
        mujoco.mjtConDataField.mjCONDATA_TANGENT,
    )
)


def servo_target(
    config: TwinConfig, angle: Float[Array, "*n joint"], rate: Float[Array, "*n joint"]
) -> Float[Array, "*n joint"]:
    """Control at which a servo pulls towards ``angle`` and damps the difference from ``rate``."""
    return angle + config.servo_kd / config.servo_kp * rate


def servo_torque(
    config: TwinConfig,
    control: Float[Array, "*n joint"],
    angle: Float[Array, "*n joint"],
    rate: Float[Array, "*n joint"],
) -> Float[Array, "*n joint"]:
    """What a servo exerts (N m)."""
    return config.servo_kp * (control - angle) - config.servo_kd * rate
