"""A policy's action on the muscle-driven body: residual, torques where no muscle moves, excitations; an environment's way of driving.

Goes into :class:`~kincast.models.twin.environment.EnvironmentConfig` with ``ObservationConfig(actions=MUSCLE_ACTIONS)`` and twins of
:func:`~kincast.models.twin.muscle_model.build_muscle_twin`. Muscles are at rest where an episode begins. A policy has no reserve: what an
expert's muscles could not give is not in its label.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int64

from kincast.models.rotations import Array
from kincast.models.twin.action import ActionConfig, residual_of
from kincast.models.twin.model import JOINTS, RESIDUALS
from kincast.models.twin.muscle_model import MUSCLE_JOINTS, MUSCLES
from kincast.models.twin.person import Person

OTHER_JOINTS: Int64[np.ndarray, "22"] = np.setdiff1d(np.arange(JOINTS), MUSCLE_JOINTS)
"""Of the 34 joints those that torques drive: the toes and all above the legs."""
MUSCLE_ACTIONS = RESIDUALS + len(OTHER_JOINTS) + MUSCLES
_EXCITATION = slice(MUSCLE_ACTIONS - MUSCLES, MUSCLE_ACTIONS)


@dataclass(frozen=True)
class MuscleActionConfig:
    """``residual``: as torque driven, for residual and torques. An excitation is its action, cut to 0 and 1."""

    residual: ActionConfig = field(default_factory=ActionConfig)

    @property
    def size(self) -> int:
        return MUSCLE_ACTIONS

    def held(
        self, person: Person, action: Float[Array, "*n 108"], limit: Float[Array, "*n"]
    ) -> Float[Array, "*n 120"]:
        """Residual, torques of the 34 joints (none where muscles move) and excitations."""
        xp = action.__array_namespace__()
        force = residual_of(self.residual, person, action[..., :RESIDUALS], limit)
        given = person.torque_Nm[..., OTHER_JOINTS] * action[..., RESIDUALS : _EXCITATION.start]
        columns = np.full(JOINTS, len(OTHER_JOINTS))
        columns[OTHER_JOINTS] = np.arange(len(OTHER_JOINTS))
        torque = xp.concat([given, xp.zeros_like(given[..., :1])], axis=-1)[..., columns]
        return xp.concat([force, torque, xp.clip(action[..., _EXCITATION], 0.0, 1.0)], axis=-1)


def muscle_action_of(
    config: MuscleActionConfig,
    person: Person,
    residual: Float[Array, "*n 6"],
    torque: Float[Array, "*n 34"],
    excitation: Float[Array, "*n 80"],
) -> Float[Array, "*n 108"]:
    """The action that gives these, where no bound cuts in; torques where muscles move are left out."""
    xp = residual.__array_namespace__()
    unit = (config.residual.residual_force * person.weight_N)[..., None]
    force, moment = residual[..., 0:3] / unit, residual[..., 3:6] / (config.residual.moment_arm_m * unit)
    given = torque[..., OTHER_JOINTS] / person.torque_Nm[..., OTHER_JOINTS]
    return xp.concat([force, moment, given, excitation], axis=-1)
