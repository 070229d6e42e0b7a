"""Who drives the simulated body: what a controller is told in each control step, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from kincast.models.twin.loads import FootLoads
from kincast.models.twin.model import CONTROLS, RESIDUALS
from kincast.models.twin.reference import Reference


@dataclass(frozen=True)
class Command:
    """What the body is driven with during one control step.

    Attributes:
        residual: force on the pelvis origin (N, world) and moment (N m, pelvis axes), after the limit.
        torque: of the 34 joints (N m), servos not included.
        servo: angle targets of the servos at the physics steps of the control step.
    """

    residual: Float64[np.ndarray, "6"]
    torque: Float64[np.ndarray, "34"]
    servo: Float64[np.ndarray, "substep 34"]

    def controls(self) -> Float64[np.ndarray, "substep control"]:
        """MuJoCo's ``ctrl`` of every physics step."""
        out = np.empty((len(self.servo), CONTROLS))
        out[:, :RESIDUALS] = self.residual
        out[:, RESIDUALS : RESIDUALS + len(self.torque)] = self.torque
        out[:, RESIDUALS + len(self.torque) :] = self.servo
        return out


@runtime_checkable
class Controller(Protocol):
    """The expert, a learned policy, or whoever else follows a reference with one person's body."""

    def begin(self) -> None:
        """A run begins: nothing was done yet, and nothing is remembered of an earlier one."""
        ...

    def command(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        reference: Reference,
        row: int,
        loads: FootLoads,
    ) -> Command:
        """What to do from row ``row`` of the reference to the next, in state ``q, v``.

        ``loads``: of the last physics step; zero when a run begins. Asked once per control step, in order.
        """
        ...


def unloaded() -> FootLoads:
    """Nothing on either foot."""
    return FootLoads(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2))
