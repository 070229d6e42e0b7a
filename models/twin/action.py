"""What a policy says (40 numbers about one in size) and what the simulated body is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float

from kincast.models.rotations import Array
from kincast.models.twin.model import CONTROL_HZ, RESIDUALS, SUBSTEPS, TwinConfig, servo_target
from kincast.models.twin.person import Person

ACTIONS = 40


@runtime_checkable
class Actuation(Protocol):
    """How a body is driven: what an action is made of. Its first six numbers are the residual at the pelvis."""

    @property
    def size(self) -> int:
        """Numbers of an action."""
        ...

    def held(
        self, person: Person, action: Float[Array, "*n action"], limit: Float[Array, "*n"]
    ) -> Float[Array, "*n held"]:
        """MuJoCo's controls up to the servos', held over a control step; residual within ``limit`` body weights."""
        ...


@dataclass(frozen=True)
class ActionConfig:
    """Torque driven. An action of one is ``residual_force`` body weights (its moment: times ``moment_arm_m``) and ``Person.torque_Nm`` at the joints."""

    residual_force: float = 1.0
    moment_arm_m: float = 0.15

    @property
    def size(self) -> int:
        return ACTIONS

    def held(
        self, person: Person, action: Float[Array, "*n 40"], limit: Float[Array, "*n"]
    ) -> Float[Array, "*n 40"]:
        xp = action.__array_namespace__()
        return xp.concat([residual_of(self, person, action, limit), torque_of(person, action)], axis=-1)


def residual_of(
    config: ActionConfig, person: Person, action: Float[Array, "*n action"], limit: Float[Array, "*n"]
) -> Float[Array, "*n 6"]:
    """Force (N) and moment (N m) at the pelvis: bounded, in size, by ``limit`` body weights (moment: times the arm)."""
    xp = action.__array_namespace__()
    unit = (config.residual_force * person.weight_N)[..., None]
    most = (limit * person.weight_N)[..., None]
    force = _bounded(xp, unit * action[..., 0:3], most)
    moment = _bounded(xp, config.moment_arm_m * unit * action[..., 3:6], config.moment_arm_m * most)
    return xp.concat([force, moment], axis=-1)


def torque_of(person: Person, action: Float[Array, "*n 40"]) -> Float[Array, "*n 34"]:
    """Joint torques (N m), servos not included."""
    return person.torque_Nm * action[..., RESIDUALS:]


def action_of(
    config: ActionConfig, person: Person, residual: Float[Array, "*n 6"], torque: Float[Array, "*n 34"]
) -> Float[Array, "*n 40"]:
    """The action that gives this residual and these torques, where no bound cuts in."""
    xp = residual.__array_namespace__()
    unit = (config.residual_force * person.weight_N)[..., None]
    force, moment = residual[..., 0:3] / unit, residual[..., 3:6] / (config.moment_arm_m * unit)
    return xp.concat([force, moment, torque / person.torque_Nm], axis=-1)


def servo_controls(
    config: TwinConfig, q: Float[Array, "*n 41"], v: Float[Array, "*n 40"], a: Float[Array, "*n 40"]
) -> Float[Array, "*n substep 34"]:
    """Servo targets at the physics steps of one control step, from the reference at its beginning."""
    xp = q.__array_namespace__()
    at = (xp.arange(SUBSTEPS, dtype=q.dtype) / (SUBSTEPS * CONTROL_HZ)).reshape(
        (1,) * (q.ndim - 1) + (SUBSTEPS, 1)
    )
    angle, rate, bend = q[..., None, 7:], v[..., None, 6:], a[..., None, 6:]
    return servo_target(config, angle + at * rate + 0.5 * at * at * bend, rate + at * bend)


def _bounded(xp, vector: Float[Array, "*n 3"], most: Float[Array, "*n 1"]) -> Float[Array, "*n 3"]:
    size = xp.sqrt(xp.sum(vector * vector, axis=-1, keepdims=True) + 1e-12)
    return vector * xp.minimum(xp.ones_like(size), most / size)
