"""What the 80 leg muscles can do at one instant, from C MuJoCo: moment arms, active and passive moments."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.muscles import LegMuscles, MuscleConfig

LEG_COORDINATES = (
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_angle",
    "ankle_angle",
    "subtalar_angle",
)


@dataclass(frozen=True)
class LegActivations:
    """All muscles in the model's order; ``reserve`` (N m) on the 40 velocities, zero where no leg joint is."""

    activations: Float64[np.ndarray, "muscle"]
    spread: Float64[np.ndarray, "muscle"]
    reserve: Float64[np.ndarray, "40"]
    solved: bool


def muscle_names(model: mujoco.MjModel) -> tuple[str, ...]:
    """Names of the actuators that are muscles, in the model's order."""
    return tuple(
        mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_ACTUATOR, i)
        for i in range(model.nu)
        if model.actuator_gaintype[i] == mujoco.mjtGain.mjGAIN_MUSCLE
    )


class LegMuscleModel:
    """Static optimisation of both legs on the state of an :class:`InverseDynamics`.

    The body must be of the 'muscle' variant. MTP moments are left to the reserve: its muscles are mostly the foot's own,
    which the model lacks.
    """

    def __init__(self, dynamics: InverseDynamics, config: MuscleConfig | None = None) -> None:
        model = dynamics.model
        self._dynamics = dynamics
        self.names = muscle_names(model)
        self._actuators = np.array(
            [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_ACTUATOR, name) for name in self.names],
            dtype=np.int64,
        )
        self._moment = np.zeros((model.nu, model.nv))
        self._legs = []
        for side in ("r", "l"):
            columns = np.flatnonzero([name.endswith(f"_{side}") for name in self.names])
            rows = np.array([6 + JOINT_COORDINATES.index(f"{name}_{side}") for name in LEG_COORDINATES])
            self._legs.append((columns, rows, LegMuscles(columns.size, rows.size, config)))

    def moments(self) -> tuple[Float64[np.ndarray, "40 muscle"], Float64[np.ndarray, "40"]]:
        """Moment (N m on the 40 velocities) per unit activation of each muscle, and of all muscles when passive.

        Isometric strength, force-length and force-velocity as MuJoCo's muscle (``mju_muscleGain``) at the state set last.
        """
        m, d = self._dynamics.model, self._dynamics.data
        mujoco.mj_tendon(m, d)
        mujoco.mj_transmission(m, d)
        mujoco.mju_sparse2dense(
            self._moment, d.actuator_moment, d.moment_rownnz, d.moment_rowadr, d.moment_colind
        )
        d.actuator_velocity[:] = self._moment @ d.qvel
        d.act[:] = 1.0
        mujoco.mj_fwdActuation(m, d)
        active = d.actuator_force[self._actuators].copy()
        d.act[:] = 0.0
        mujoco.mj_fwdActuation(m, d)
        passive = d.actuator_force[self._actuators].copy()
        arms = (self._moment[self._actuators] @ self._dynamics.velocity_map).T
        return arms * (active - passive), arms @ passive

    def solve(
        self, torques: Float64[np.ndarray, "40"], torques_sd: Float64[np.ndarray, "40"]
    ) -> LegActivations:
        """Activations that give the joint torques (N m on the 40 velocities) of both legs."""
        gain, passive = self.moments()
        activations = np.zeros(len(self.names))
        spread = np.zeros(len(self.names))
        reserve = np.zeros(40)
        solved = True
        for columns, rows, leg in self._legs:
            found = leg.solve(gain[np.ix_(rows, columns)], torques[rows] - passive[rows], torques_sd[rows])
            activations[columns] = found.activations
            spread[columns] = found.spread
            reserve[rows] = found.reserve
            solved = solved and found.solved
        return LegActivations(activations, spread, reserve, solved)
