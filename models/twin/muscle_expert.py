"""The first expert, muscle driven: computed torque, the least activations that give it, the excitations that lead there.

Activation lags excitation, so torques are wanted for the end of the control step: the state is carried on to it, the torque-driven
expert says what the reference there demands, the servos' springs are added, and muscles are sought among the activations that
can be reached by then. What they cannot give is the reserve, a torque at the joint, bounded and reported. A function of
state, activation and reference; what it remembers only starts the next search.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from kincast.models.differentiation import MotionState, retract
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.leg_muscles import LEG_COORDINATES, LegMuscleModel
from kincast.models.twin.action import servo_controls
from kincast.models.twin.controller import Command
from kincast.models.twin.expert import Expert, ExpertConfig
from kincast.models.twin.model import CONTROL_HZ, RESIDUALS
from kincast.models.twin.muscle_activation import excitation_for, reachable
from kincast.models.twin.muscle_model import EXCITATIONS, MUSCLE_CONTROLS, MUSCLE_JOINTS, MUSCLES, MuscleTwin
from kincast.models.twin.muscle_qp import MuscleQpConfig, least_activations
from kincast.models.twin.reference import Reference


@dataclass(frozen=True)
class MuscleExpertConfig:
    """How muscles are asked.

    Attributes:
        torque: of the torques behind; a firmer pull than torque-driven, because muscles answer later.
        spring, ankle_spring: of the torque-driven joints' servos, the share that muscles are asked for at hip and knee, and at ankle and
            subtalar joint, where a foot in the air would swing faster than activation can follow.
        reserve_limit: greatest reserve torque of a joint, in N m per N of body weight.
        ahead: control steps by which the state is carried on.
    """

    torque: ExpertConfig = field(default_factory=lambda: ExpertConfig(frequency_hz=4.0))
    spring: float = 1.0
    ankle_spring: float = 0.5
    muscles: MuscleQpConfig = field(default_factory=MuscleQpConfig)
    reserve_limit: float = np.inf
    ahead: int = 1


@dataclass(frozen=True)
class MuscleCommand(Command):
    """``torque`` holds the reserves at the joints that muscles move; ``wanted`` (N m) what was asked of muscles and reserves there."""

    excitation: Float64[np.ndarray, "80"]
    wanted: Float64[np.ndarray, "12"]

    def controls(self) -> Float64[np.ndarray, "substep control"]:
        """MuJoCo's ``ctrl`` of every physics step."""
        out = np.empty((len(self.servo), MUSCLE_CONTROLS))
        plain = super().controls()
        out[:, : EXCITATIONS.start] = plain[:, : EXCITATIONS.start]
        out[:, EXCITATIONS] = self.excitation
        out[:, EXCITATIONS.stop :] = plain[:, EXCITATIONS.start :]
        return out


class MuscleExpert:
    """One person's."""

    def __init__(self, twin: MuscleTwin, config: MuscleExpertConfig | None = None) -> None:
        self._config = config or MuscleExpertConfig()
        self._twin = twin
        self._expert = Expert(twin, self._config.torque)
        self._dynamics = InverseDynamics(twin.body)
        self._muscles = LegMuscleModel(self._dynamics)
        side = np.array([name[-1] for name in twin.muscles])
        self._legs = tuple(np.flatnonzero(side == s) for s in ("r", "l"))
        ankle = np.array([name in ("ankle_angle", "subtalar_angle") for name in LEG_COORDINATES] * 2)
        self._spring = np.where(ankle, self._config.ankle_spring, self._config.spring)
        self._multiplier: Float64[np.ndarray, "2 6"] | None = None

    def begin(
        self, q: Float64[np.ndarray, "41"], v: Float64[np.ndarray, "40"], reference: Reference, row: int = 0
    ) -> Float64[np.ndarray, "80"]:
        """Activations to begin with at a row: those that its motion demands."""
        self._multiplier = None
        wanted = self._expert.command(q, v, reference, row).torque[MUSCLE_JOINTS]
        return self._activations(q, v, wanted, np.zeros(MUSCLES), np.ones(MUSCLES))[0]

    def command(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        activation: Float64[np.ndarray, "80"],
        reference: Reference,
        row: int,
    ) -> MuscleCommand:
        """What to do from row ``row`` of the reference to the next, in state ``q, v`` with these activations."""
        timing = self._twin.timing
        there = min(row + self._config.ahead, len(reference.q) - 1)
        time_s = self._config.ahead / CONTROL_HZ
        later_v = v + time_s * np.asarray(reference.a[row])
        later_q = retract(q, 0.5 * time_s * (v + later_v))
        found = self._expert.command(later_q, later_v, reference, there)
        wanted = found.torque[MUSCLE_JOINTS] + self._sprung(later_q, later_v, reference, there)
        low, high = (np.asarray(x) for x in reachable(timing, activation))
        goal, reserve = self._activations(later_q, later_v, wanted, low, high)
        torque = found.torque.copy()
        most = self._config.reserve_limit * self._twin.weight_N
        torque[MUSCLE_JOINTS] = np.clip(reserve, -most, most)
        now = (np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        servo = np.asarray(servo_controls(self._twin.config, *now))
        return MuscleCommand(
            found.residual, torque, servo, np.asarray(excitation_for(timing, activation, goal)), wanted
        )

    def _sprung(
        self, q: Float64[np.ndarray, "41"], v: Float64[np.ndarray, "40"], reference: Reference, row: int
    ) -> Float64[np.ndarray, "12"]:
        """What servos at the joints that muscles move would exert there."""
        off = np.asarray(reference.q[row])[7 + MUSCLE_JOINTS] - q[7 + MUSCLE_JOINTS]
        late = np.asarray(reference.v[row])[6 + MUSCLE_JOINTS] - v[6 + MUSCLE_JOINTS]
        return self._spring * (self._twin.config.servo_kp * off + self._twin.config.servo_kd * late)

    def _activations(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        wanted: Float64[np.ndarray, "12"],
        low: Float64[np.ndarray, "80"],
        high: Float64[np.ndarray, "80"],
    ) -> tuple[Float64[np.ndarray, "80"], Float64[np.ndarray, "12"]]:
        """Least activations within the bounds for the wanted torques, and what they leave."""
        still = np.zeros(40)
        self._dynamics.set_motion(MotionState(0, q, v, still, still, still, still))
        gain, passive = (x[RESIDUALS + MUSCLE_JOINTS] for x in self._muscles.moments())
        sides = (slice(0, 6), slice(6, 12))
        found = least_activations(
            np.stack([gain[side][:, leg] for side, leg in zip(sides, self._legs, strict=True)]),
            (wanted - passive).reshape(2, 6),
            np.stack([low[leg] for leg in self._legs]),
            np.stack([high[leg] for leg in self._legs]),
            self._multiplier,
            self._config.muscles,
        )
        self._multiplier = found.multiplier
        activation = np.empty(MUSCLES)
        for leg, values in zip(self._legs, found.activation, strict=True):
            activation[leg] = values
        return activation, found.reserve.reshape(12)
