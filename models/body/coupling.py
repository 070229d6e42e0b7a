"""The coupled knee: tibia and patella joints that are quartic polynomials of the knee angle.

Fitters see the 40 coordinates; physics has every joint and holds these by equalities. Inside the
polynomials' range both agree; outside it the 40-coordinate body continues linearly.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float, Int

from kincast.models.coordinates import JOINT_COORDINATES, POSE_SIZE, VELOCITY_SIZE
from kincast.models.rotations import Array

KNEE_POLYNOMIAL_RANGE = (0.0, 2.0944)  # rad, as the leg package limits the knee


@dataclass(frozen=True)
class Coupling:
    """Addresses of the independent and the coupled joints in a MuJoCo model, and the polynomials between them."""

    nq: int
    nv: int
    independent_qpos: Int[np.ndarray, "41"]
    independent_dof: Int[np.ndarray, "40"]
    coupled_qpos: Int[np.ndarray, "coupled"]
    coupled_dof: Int[np.ndarray, "coupled"]
    driver: Int[np.ndarray, "coupled"]  # index into the 34 joint coordinates
    coefficients: Float[np.ndarray, "coupled 5"]  # of 1, c, .., c^4
    range: Float[np.ndarray, "2"]
    equality: Int[np.ndarray, "coupled"]  # of the MuJoCo model

    def _evaluate(self, q: Array) -> tuple[Array, Array, Array]:
        xp = q.__array_namespace__()
        knee = q[7:][self.driver]
        inside = xp.clip(knee, self.range[0], self.range[1])
        c = xp.asarray(self.coefficients, dtype=q.dtype)
        value, rate, curvature = c[:, 4], xp.zeros_like(c[:, 4]), xp.zeros_like(c[:, 4])
        for power in (3, 2, 1, 0):
            curvature = curvature * inside + 2.0 * rate
            rate = rate * inside + value
            value = value * inside + c[:, power]
        outside = knee - inside
        curvature = xp.where(outside == 0.0, curvature, xp.zeros_like(curvature))
        return value + rate * outside, rate, curvature

    def full_qpos(self, q: Float[Array, "41"]) -> Float[Array, "nq"]:
        """MuJoCo's ``qpos`` of a pose, coupled joints included."""
        value, _, _ = self._evaluate(q)
        return _placed(q, value, self.independent_qpos, self.coupled_qpos, self.nq)

    def full_qvel(self, q: Float[Array, "41"], v: Float[Array, "40"]) -> Float[Array, "nv"]:
        """MuJoCo's ``qvel`` of a pose and velocity."""
        _, rate, _ = self._evaluate(q)
        return _placed(v, rate * v[6:][self.driver], self.independent_dof, self.coupled_dof, self.nv)

    def full_qacc(
        self, q: Float[Array, "41"], v: Float[Array, "40"], a: Float[Array, "40"]
    ) -> Float[Array, "nv"]:
        """MuJoCo's ``qacc`` of a pose, velocity and acceleration (``a`` is the time derivative of ``v``)."""
        _, rate, curvature = self._evaluate(q)
        knee_v, knee_a = v[6:][self.driver], a[6:][self.driver]
        coupled = rate * knee_a + curvature * knee_v * knee_v
        return _placed(a, coupled, self.independent_dof, self.coupled_dof, self.nv)

    def full_motion(
        self, q: Float[np.ndarray, "41"], v: Float[np.ndarray, "40"], a: Float[np.ndarray, "40"]
    ) -> tuple[Float[np.ndarray, "nq"], Float[np.ndarray, "nv"], Float[np.ndarray, "nv 40"]]:
        """:meth:`full_qpos`, :meth:`full_qacc` and :meth:`velocity_map` at once, NumPy alone."""
        value, rate, curvature = self._evaluate(q)
        qpos, qacc = np.empty(self.nq), np.empty(self.nv)
        qpos[self.independent_qpos], qpos[self.coupled_qpos] = q, value
        knee_v, knee_a = v[6:][self.driver], a[6:][self.driver]
        qacc[self.independent_dof] = a
        qacc[self.coupled_dof] = rate * knee_a + curvature * knee_v * knee_v
        return qpos, qacc, self._map(rate)

    def project_forces(self, q: Float[Array, "41"], qfrc: Float[Array, "nv"]) -> Float[Array, "40"]:
        """Generalised forces on the 40 velocities that do the same work as ``qfrc`` (``E^T qfrc``)."""
        xp = qfrc.__array_namespace__()
        _, rate, _ = self._evaluate(q)
        onto = np.zeros((VELOCITY_SIZE, len(self.driver)))
        onto[6 + self.driver, np.arange(len(self.driver))] = 1.0
        return qfrc[self.independent_dof] + xp.asarray(onto, dtype=qfrc.dtype) @ (
            rate * qfrc[self.coupled_dof]
        )

    def hold_outside_range(self, model: mujoco.MjModel, q: Float[np.ndarray, "41"]) -> None:
        """Let a model's equalities follow the linear continuation while a knee is beyond its polynomial's range.

        MuJoCo's joint equality knows one polynomial: inside the range it is the published one, outside its
        tangent. To be called before a physics step; two degrees of tibial rotation are at stake at the limits.
        """
        knee = q[7:][self.driver]
        value, rate, _ = self._evaluate(q)
        outside = (knee < self.range[0]) | (knee > self.range[1])
        tangent = np.zeros_like(self.coefficients)
        tangent[:, 0], tangent[:, 1] = value - rate * knee, rate
        model.eq_data[self.equality, :5] = np.where(outside[:, None], tangent, self.coefficients)

    def velocity_map(self, q: Float[np.ndarray, "41"]) -> Float[np.ndarray, "nv 40"]:
        """``E(q)``: ``full_qvel = E v``."""
        _, rate, _ = self._evaluate(q)
        return self._map(rate)

    def _map(self, rate: Array) -> Float[np.ndarray, "nv 40"]:
        e = np.zeros((self.nv, VELOCITY_SIZE))
        e[self.independent_dof, np.arange(VELOCITY_SIZE)] = 1.0
        e[self.coupled_dof, 6 + self.driver] = np.asarray(rate)
        return e


def _placed(free: Array, coupled: Array, at_free: np.ndarray, at_coupled: np.ndarray, size: int) -> Array:
    order = np.empty(size, int)
    order[at_free] = np.arange(len(at_free))
    order[at_coupled] = len(at_free) + np.arange(len(at_coupled))
    return free.__array_namespace__().concat([free, coupled])[order]


def coupling_of(model: mujoco.MjModel) -> Coupling:
    """Read the coupling out of a compiled body."""
    independent = [model.joint(name).id for name in JOINT_COORDINATES]
    qpos = np.concatenate([np.arange(7), model.jnt_qposadr[independent]])
    dof = np.concatenate([np.arange(6), model.jnt_dofadr[independent]])
    assert len(qpos) == POSE_SIZE
    assert len(dof) == VELOCITY_SIZE
    equalities = [e for e in range(model.neq) if model.eq_type[e] == mujoco.mjtEq.mjEQ_JOINT]
    coupled = model.eq_obj1id[equalities]
    driver = [independent.index(int(j)) for j in model.eq_obj2id[equalities]]
    return Coupling(
        nq=model.nq,
        nv=model.nv,
        independent_qpos=qpos,
        independent_dof=dof,
        coupled_qpos=model.jnt_qposadr[coupled],
        coupled_dof=model.jnt_dofadr[coupled],
        driver=np.array(driver),
        coefficients=model.eq_data[equalities, :5].copy(),
        range=np.array(KNEE_POLYNOMIAL_RANGE),
        equality=np.array(equalities),
    )
