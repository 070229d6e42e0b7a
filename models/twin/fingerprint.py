"""What tells one simulated body from another: a checkpoint belongs to the body it was trained on."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import mujoco
import numpy as np

from kincast.models.body import BodyParameters, build_body
from kincast.models.twin.model import CONTROL_HZ, TwinConfig, build_twin

_NUMBERS = (
    "body_mass", "body_inertia", "body_ipos", "body_pos", "jnt_axis", "jnt_pos", "jnt_range", "dof_armature", "dof_damping",
    "geom_size", "geom_pos", "geom_friction", "geom_solref", "actuator_gainprm", "actuator_biasprm", "actuator_gear",
)  # fmt: skip


@lru_cache(maxsize=8)
def body_fingerprint(config: TwinConfig | None = None) -> str:
    """Of the generic adult's simulated body: segments, joints, actuators, soles, servos and rates.

    People differ in scales, mass and soles, which a policy is told or feels; all of them have one fingerprint.
    """
    model = build_twin(build_body(BodyParameters()), config=config).model
    return model_fingerprint(model)


def model_fingerprint(model: mujoco.MjModel) -> str:
    """Of a compiled model: names, numbers to six digits, rates."""
    digest = hashlib.sha256(bytes(model.names))
    for name in _NUMBERS:
        values = np.asarray(getattr(model, name), float)
        digest.update(f"{name}{values.shape}".encode())
        digest.update(b"".join(f"{x:.6g}".encode() + b" " for x in (values + 0.0).ravel()))
    digest.update(f"{model.opt.timestep:.9g} {CONTROL_HZ} {model.opt.iterations}".encode())
    return digest.hexdigest()
