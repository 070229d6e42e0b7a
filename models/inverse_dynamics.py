"""Generalised forces of a motion by C MuJoCo: recursive Newton-Euler on every joint, projected on 40.

Only the skeleton's mass, inertia and gravity enter: armature, joint damping, limits, contacts and muscles of the
physics model do not, so the result is what muscles, passive tissue and the ground together must supply. The coupled
knee is projected by virtual work (``E^T qfrc``).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.body import Body
from kincast.models.coordinates import OPENSIM_FROM_WORLD
from kincast.models.differentiation import MotionState

FEET_BODIES = (("calcn_r", "toes_r"), ("calcn_l", "toes_l"))
_TO_OPENSIM = np.array(OPENSIM_FROM_WORLD)


@dataclass(frozen=True)
class SoleGeometry:
    """Sole points of both feet in body frames: ends of the contact capsules, right foot first."""

    body_id: Int64[np.ndarray, "2 point"]
    local: Float64[np.ndarray, "2 point 3"]
    radius: Float64[np.ndarray, "2 point"]


def sole_geometry(model: mujoco.MjModel) -> SoleGeometry:
    """Both ends of every contact capsule on the bodies of each foot."""
    bodies, local, radius = [], [], []
    for names in FEET_BODIES:
        ids = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) for name in names]
        geoms = [
            g
            for g in range(model.ngeom)
            if model.geom_bodyid[g] in ids
            and model.geom_type[g] == mujoco.mjtGeom.mjGEOM_CAPSULE
            and model.geom_contype[g] != 0
        ]
        points = []
        for g in geoms:
            axis = np.zeros(9)
            mujoco.mju_quat2Mat(axis, model.geom_quat[g])
            half = axis.reshape(3, 3)[:, 2] * model.geom_size[g, 1]
            points += [
                (model.geom_bodyid[g], model.geom_pos[g] + s * half, model.geom_size[g, 0]) for s in (-1, 1)
            ]
        bodies.append([p[0] for p in points])
        local.append([p[1] for p in points])
        radius.append([p[2] for p in points])
    return SoleGeometry(np.array(bodies, dtype=np.int64), np.array(local), np.array(radius))


@dataclass(frozen=True)
class SoleState:
    """World position (m, lowest point of the capsule end) and velocity (m/s) of every sole point."""

    position: Float64[np.ndarray, "2 point 3"]
    velocity: Float64[np.ndarray, "2 point 3"]


class InverseDynamics:
    """One person's skeleton in C MuJoCo; every method speaks of the state set last by :meth:`set_motion`."""

    def __init__(self, body: Body, mass_kg: float | None = None) -> None:
        """``mass_kg``: measured mass that replaces the body's; segments keep their shares."""
        self._coupling = body.coupling
        self._model = body.mj_model
        if mass_kg is not None and abs(mass_kg / body.parameters.mass_kg - 1.0) > 1e-9:
            self._model = copy.deepcopy(self._model)
            self._model.body_mass[:] *= mass_kg / body.parameters.mass_kg
            self._model.body_inertia[:] *= mass_kg / body.parameters.mass_kg
        self._data = mujoco.MjData(self._model)
        self._pelvis_id = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_BODY, "pelvis")
        self._torso_id = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_BODY, "torso")
        self._sole = sole_geometry(self._model)
        # (foot, body, which of the foot's points) for each body that carries sole points
        self._carriers = [
            (f, int(b), np.flatnonzero(self._sole.body_id[f] == b))
            for f in range(2)
            for b in np.unique(self._sole.body_id[f])
        ]
        self._qfrc = np.zeros(self._model.nv)
        self._map = np.zeros((self._model.nv, 40))
        self._q = np.zeros(41)
        self._mass_matrix = np.zeros((self._model.nv, self._model.nv))

    @property
    def model(self) -> mujoco.MjModel:
        return self._model

    @property
    def data(self) -> mujoco.MjData:
        """MuJoCo's own state: positions, tendons and transmission are up to date, dynamics are not."""
        return self._data

    @property
    def sole(self) -> SoleGeometry:
        return self._sole

    def set_motion(self, motion: MotionState) -> Float64[np.ndarray, "40"]:
        """Set pose, velocity and acceleration; returns the generalised forces (MuJoCo's 40 velocities, N and N m).

        ``M a + c(v) + g`` with the pelvis rows first: force at the pelvis origin in the world, moment in pelvis axes.
        """
        m, d = self._model, self._data
        self._q = motion.q
        d.qpos[:], d.qacc[:], self._map = self._coupling.full_motion(motion.q, motion.v, motion.a)
        d.qvel[:] = self._map @ motion.v
        mujoco.mj_kinematics(m, d)
        mujoco.mj_comPos(m, d)
        mujoco.mj_comVel(m, d)
        mujoco.mj_rne(m, d, 1, self._qfrc)
        return self._qfrc @ self._map

    @property
    def velocity_map(self) -> Float64[np.ndarray, "nv 40"]:
        """``E``: MuJoCo's qvel from the 40 velocities."""
        return self._map

    @property
    def pelvis(self) -> Float64[np.ndarray, "3"]:
        """Pelvis origin, world."""
        return self._q[:3]

    @property
    def pelvis_rotation(self) -> Float64[np.ndarray, "3 3"]:
        """Pelvis axes to world."""
        return self._data.xmat[self._pelvis_id].reshape(3, 3)

    def mass_matrix(self) -> Float64[np.ndarray, "40 40"]:
        """Inertia on the 40 velocities without armature."""
        m, d = self._model, self._data
        mujoco.mj_crb(m, d)
        mujoco.mj_fullM(m, d, self._mass_matrix)
        self._mass_matrix.reshape(-1)[:: m.nv + 1] -= m.dof_armature
        return self._map.T @ self._mass_matrix @ self._map

    def demanded_wrench(self, qfrc: Float64[np.ndarray, "40"]) -> Float64[np.ndarray, "6"]:
        """Force and moment about the pelvis origin (world axes) that the outside must exert for this motion."""
        return np.concatenate([qfrc[:3], self.pelvis_rotation @ qfrc[3:6]])

    def sole_state(self) -> SoleState:
        """Where the sole points are and how they move."""
        d = self._data
        position = np.empty_like(self._sole.local)
        velocity = np.empty_like(self._sole.local)
        twist = np.zeros(6)
        for f, body, on in self._carriers:
            arm = self._sole.local[f, on] @ d.xmat[body].reshape(3, 3).T
            arm[:, 2] -= self._sole.radius[f, on]
            mujoco.mj_objectVelocity(self._model, d, mujoco.mjtObj.mjOBJ_XBODY, body, twist, 0)
            position[f, on] = d.xpos[body] + arm
            velocity[f, on] = twist[3:] + arm @ _skew(twist[:3]).T
        return SoleState(position, velocity)

    def centre_of_mass(self) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
        """Of the whole body, and its velocity, world."""
        mujoco.mj_subtreeVel(self._model, self._data)
        return self._data.subtree_com[0].copy(), self._data.subtree_linvel[0].copy()

    def lifted_by(self, force_N: float) -> Float64[np.ndarray, "40"]:
        """Generalised forces (40 velocities) of a vertical force at the torso's centre of mass: a harness."""
        if force_N == 0.0:
            return np.zeros(40)
        self._qfrc[:] = 0.0
        up = np.array([0.0, 0.0, force_N])
        at = self._data.xipos[self._torso_id]
        mujoco.mj_applyFT(self._model, self._data, up, np.zeros(3), at, self._torso_id, self._qfrc)
        return self._qfrc @ self._map

    def turned_by(self, torque: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "40"]:
        """Generalised forces (40 velocities) of a world ``torque`` (N m) on the torso."""
        self._qfrc[:] = 0.0
        at = self._data.xipos[self._torso_id]
        mujoco.mj_applyFT(self._model, self._data, np.zeros(3), torque, at, self._torso_id, self._qfrc)
        return self._qfrc @ self._map

    def foot_jacobian(
        self, foot: int, point: Float64[np.ndarray, "3"]
    ) -> tuple[Float64[np.ndarray, "3 40"], Float64[np.ndarray, "3 40"]]:
        """Derivatives of a world ``point`` on the hind foot (0 right, 1 left) and of its rotation by the 40 velocities."""
        linear = np.zeros((3, self._model.nv))
        angular = np.zeros((3, self._model.nv))
        body = int(self._sole.body_id[foot].min())
        mujoco.mj_jac(self._model, self._data, linear, angular, point, body)
        return linear @ self._map, angular @ self._map

    def foot_forces(
        self,
        loads: Float64[np.ndarray, "2 point"],
        points: Float64[np.ndarray, "2 point 3"],
        force: Float64[np.ndarray, "2 3"],
        cop: Float64[np.ndarray, "2 3"],
        free_torque: Float64[np.ndarray, "2"],
    ) -> Float64[np.ndarray, "40"]:
        """Generalised forces (40 velocities) of the feet's forces; each body of a foot carries its points' load.

        Shear and free torque are shared between the bodies of a foot in proportion to their load, shear acting at
        the foot's centre of pressure.
        """
        self._qfrc[:] = 0.0
        for f, body, on in self._carriers:
            load = float(loads[f, on].sum())
            if load <= 0.0:
                continue
            share = load / float(loads[f].sum())
            at = loads[f, on] @ points[f, on] / load
            shear = force[f, :2] * share
            arm = cop[f] - at
            torque = np.array(
                [
                    -arm[2] * shear[1],
                    arm[2] * shear[0],
                    free_torque[f] * share + arm[0] * shear[1] - arm[1] * shear[0],
                ]
            )
            total = np.array([shear[0], shear[1], load])
            mujoco.mj_applyFT(self._model, self._data, total, torque, at, body, self._qfrc)
        return self._qfrc @ self._map


def _skew(w: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """``skew(w) @ x`` is the cross product of ``w`` and ``x``."""
    return np.array([[0.0, -w[2], w[1]], [w[2], 0.0, -w[0]], [-w[1], w[0], 0.0]])


def opensim_generalised_forces(
    qfrc: Float64[np.ndarray, "40"], pelvis_rotation: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "40"]:
    """MuJoCo's 40 generalised forces -> those on the 40 OpenSim coordinates, in their order (``COORDINATES``).

    The joint rows are the same numbers. The pelvis force goes to OpenSim's ground axes; the moments of pelvis_tilt,
    list and rotation are the pelvis moment's components along the three (not orthogonal) axes of the body-fixed
    sequence z, x, y.
    """
    in_ground = _TO_OPENSIM @ pelvis_rotation
    tilt = np.arctan2(-in_ground[0, 1], in_ground[1, 1])
    moment = in_ground @ qfrc[3:6]
    out = np.empty(40)
    out[0] = moment[2]
    out[1] = np.cos(tilt) * moment[0] + np.sin(tilt) * moment[1]
    out[2] = in_ground[:, 1] @ moment
    out[3:6] = _TO_OPENSIM @ qfrc[:3]
    out[6:] = qfrc[6:]
    return out
