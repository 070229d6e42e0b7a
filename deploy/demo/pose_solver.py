"""One pose between reference curves, feet on their planned places, and the centre of mass over its planned point."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.deploy.demo.feet import BALL_X_M, FootMotion
from kincast.deploy.demo.steps import LEFT, RIGHT, Phases
from kincast.models.body import Body
from kincast.models.body.scaling import segment_scale
from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.kinematics import difference, integrate

PLANTED_SD_M, FLYING_SD_M, TOE_SD_M, CENTRE_SD_M = 0.001, 0.015, 0.003, 0.001
TOE_TIP_X_M, MEDIAL_TOE_Z_M = 0.05, 0.022
ITERATIONS = 8
KNEE_LEAST_RAD, KNEE_LEAST_SD_RAD = np.radians(1.0), np.radians(0.5)


def sole_depth(body: Body, bone: str) -> float:
    """How far the contact capsules of a foot bone reach below its origin (m), the foot level."""
    model = body.mj_model
    bone_id = int(model.body(bone).id)
    capsules = [
        g
        for g in range(model.ngeom)
        if model.geom_bodyid[g] == bone_id and model.geom_type[g] == mujoco.mjtGeom.mjGEOM_CAPSULE
    ]
    return float(max(model.geom_size[g][0] - model.geom_pos[g][1] for g in capsules))


class PoseSolver:
    """Gauss-Newton for one pose; points of heel bone and toes against their planned places."""

    def __init__(self, body: Body) -> None:
        self._body, self._model = body, body.mj_model
        self._data = mujoco.MjData(self._model)
        self._root = int(self._model.body("pelvis").id)
        self._knees = [JOINT_COORDINATES.index(f"knee_angle_{tag}") for tag in "rl"]
        self._points: list[tuple[int, int, Float64[np.ndarray, "3"]]] = []
        self._tips: list[tuple[int, Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]] = []
        for side, tag in ((RIGHT, "r"), (LEFT, "l")):
            bone, s = f"calcn_{tag}", segment_scale(body.parameters.scales, f"calcn_{tag}")
            for x, z in ((0.0, 0.0), (0.17, 0.04), (0.17, -0.04)):
                local = np.array([s * x, -sole_depth(body, bone), s * z])
                self._points.append((side, int(self._model.body(bone).id), local))
            toes = int(self._model.body(f"toes_{tag}").id)
            ball = np.array([s * BALL_X_M, -sole_depth(body, bone), 0.0])
            medial = -1.0 if side == RIGHT else 1.0
            # the toe joint is oblique: bent, the medial toes lie lowest
            tip = s * np.array([TOE_TIP_X_M, 0.0, medial * MEDIAL_TOE_Z_M])
            tip[1] = -sole_depth(body, f"toes_{tag}")
            self._tips.append((toes, ball, tip))

    def solve_all(
        self,
        reference: Float64[np.ndarray, "t 41"],
        leeway: Float64[np.ndarray, "t 40"],
        feet: tuple[FootMotion, ...],
        when: Phases,
        centre: Float64[np.ndarray, "t 2"],
    ) -> Float64[np.ndarray, "t 41"]:
        """Every instant from the solution before it: neighbours then choose the same way out."""
        q = np.empty_like(reference)
        pose = reference[0]
        for k in range(len(q)):
            q[k] = pose = self.solve(pose, reference[k], leeway[k], feet, when, centre[k], k)
        return q

    def solve(
        self,
        start: Float64[np.ndarray, "41"],
        reference: Float64[np.ndarray, "41"],
        leeway: Float64[np.ndarray, "40"],
        feet: tuple[FootMotion, ...],
        when: Phases,
        centre: Float64[np.ndarray, "2"],
        k: int,
    ) -> Float64[np.ndarray, "41"]:
        """Instant ``k``: ``centre`` is where the centre of mass is wanted on the floor."""
        q = start.copy()
        for _ in range(ITERATIONS):
            weight = 1.0 / leeway**2
            gap = difference(q, reference)
            for knee in self._knees:  # a knee does not bend backwards
                if q[7 + knee] < KNEE_LEAST_RAD:
                    gap[6 + knee] = KNEE_LEAST_RAD - q[7 + knee]
                    weight[6 + knee] = 1.0 / KNEE_LEAST_SD_RAD**2
            normal = np.diag(weight)
            gradient = weight * gap
            self._data.qpos[:] = self._body.full_qpos(q)
            mujoco.mj_kinematics(self._model, self._data)
            mujoco.mj_comPos(self._model, self._data)
            to_full = self._body.coupling.velocity_map(q)
            jacobian = np.zeros((3, self._model.nv))
            for bone, target, local, sd in self._targets(feet, when, k):
                rotation = self._data.xmat[bone].reshape(3, 3)
                at = self._data.xpos[bone] + rotation @ local
                mujoco.mj_jac(self._model, self._data, jacobian, None, at, bone)
                j = jacobian @ to_full
                normal += j.T @ j / sd**2
                gradient += j.T @ (target - at) / sd**2
            mujoco.mj_jacSubtreeCom(self._model, self._data, jacobian, self._root)
            j = (jacobian @ to_full)[:2]
            normal += j.T @ j / CENTRE_SD_M**2
            gradient += j.T @ (centre - self._data.subtree_com[self._root, :2]) / CENTRE_SD_M**2
            step = np.linalg.solve(normal, gradient)
            q = np.asarray(integrate(q, step))
            if np.abs(step).max() < 1e-6:
                break
        return q

    def _targets(
        self, feet: tuple[FootMotion, ...], when: Phases, k: int
    ) -> Iterator[tuple[int, Float64[np.ndarray, "3"], Float64[np.ndarray, "3"], float]]:
        """Body, wanted place in the world, point in the body's axes, standard deviation."""
        for side, bone, local in self._points:
            foot = feet[side]
            w = when.swing[side, k] if when.swinging[side, k] else 0.0
            sd = PLANTED_SD_M + FLYING_SD_M * np.sin(np.pi * w) ** 2
            yield bone, foot.origin[k] + foot.axes[k] @ local, local, sd
        for side, (bone, ball_local, tip) in enumerate(self._tips):
            foot = feet[side]
            ball = foot.origin[k] + foot.axes[k] @ ball_local
            angle = foot.toe_extension[k]
            forward = np.cos(angle) * foot.axes[k][:, 0] + np.sin(angle) * foot.axes[k][:, 1]
            yield bone, ball + tip[0] * forward + tip[2] * foot.axes[k][:, 2], tip, TOE_SD_M
