"""The person's soles: the generic contact capsules, moved so that they touch the floor when the feet stand on it.

A fitted foot is not the real sole: shoes, arches and the places of keypoints put model points up to 5 cm off the
floor they press on. Each sole point's own height in stance (:mod:`kincast.models.sole`) lowers or lifts its end of
the capsule along the segment's y axis, which is vertical when the foot stands flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.body.body import Body
from kincast.models.differentiation import MotionState
from kincast.models.ground_velocity import GroundEstimator
from kincast.models.inverse_dynamics import InverseDynamics, sole_geometry
from kincast.models.sole import SoleFloor

PLANTED_M_S = 0.3
"""A sole point slower than that against the ground stands on it, if it is near."""
PRESSED_M = 0.005
"""A standing sole is seen pressed; unloaded it hangs that much lower. The simulated floor gives 2 to 5 mm under body weight (heel pads
give more), and with soles that are right only when pressed feet land 20 ms late."""
RESTING_M_S = 0.1
"""A foot all of whose points are slower rests on something."""


@dataclass(frozen=True)
class Ground:
    """What a motion's feet say of the ground, and of themselves.

    Attributes:
        height_m: of the floor, world z.
        velocity_m_s: horizontal; of a belt, else zero.
        drop_m: how much each sole point lies above the floor it presses on (negative: below), and what its sole is pressed.
        least_m: per instant, height over the floor of the lowest sole point after the correction.
        resting_m: the same of each foot at the instants when all its points rest, NaN when it moves.
    """

    height_m: float
    velocity_m_s: Float64[np.ndarray, "2"]
    drop_m: Float64[np.ndarray, "2 point"]
    least_m: Float64[np.ndarray, " time"]
    resting_m: Float64[np.ndarray, "time 2"]


def ground_under(
    body: Body,
    t_ns: Int64[np.ndarray, " time"],
    q: Float64[np.ndarray, "time 41"],
    v: Float64[np.ndarray, "time 40"],
    belt_speed_m_s: float | None = None,
) -> Ground:
    """Floor, belt and soles of a whole motion. ``belt_speed_m_s``: declared (0: a floor); None: the feet tell."""
    dynamics = InverseDynamics(body)
    still = np.zeros(40)
    points = dynamics.sole.local.shape[1]
    position = np.empty((len(t_ns), 2, points, 3))
    velocity = np.empty_like(position)
    heading = np.empty((len(t_ns), 2))
    for i in range(len(t_ns)):
        dynamics.set_motion(MotionState(int(t_ns[i]), q[i], v[i], still, still, still, still))
        sole = dynamics.sole_state()
        position[i], velocity[i] = sole.position, sole.velocity
        forward = dynamics.pelvis_rotation[:2, 0]
        heading[i] = forward / max(float(np.linalg.norm(forward)), 1e-9)
    estimator = GroundEstimator(belt_speed_m_s)
    for i in range(len(t_ns)):
        estimator.update(int(t_ns[i]), velocity[i].reshape(-1, 3), v[i, :2], heading[i])
    ground = estimator.velocity_m_s.copy()
    floor = SoleFloor(points)
    speed = np.hypot(velocity[..., 0] - ground[0], velocity[..., 1] - ground[1])
    height = position[..., 2]
    own = np.zeros((2, points))
    for i in range(len(t_ns)):
        own = floor.update(int(t_ns[i]), height[i], speed[i] < PLANTED_M_S)
    drop = own - floor.common + PRESSED_M
    lowest = (height - own).min(axis=2)
    resting = np.hypot(speed, velocity[..., 2]).max(axis=2) < RESTING_M_S
    return Ground(floor.common, ground, drop, lowest.min(axis=1), np.where(resting, lowest, np.nan))


def fit_soles(spec: mujoco.MjSpec, generic: mujoco.MjModel, drop_m: Float64[np.ndarray, "2 point"]) -> None:
    """Move the capsules of an editable body: each end by its own drop along the segment's -y.

    ``generic`` is the same body compiled; ``drop_m`` has the order of :class:`~kincast.models.inverse_dynamics.SoleGeometry`.
    A compiled model must not be edited so: its bounding volumes would stay where they were.
    """
    sole = sole_geometry(generic)
    for foot, ids in enumerate(capsules(generic)):
        ends = sole.local[foot].copy()
        ends[:, 1] -= drop_m[foot]
        for k, geom in enumerate(ids):
            # MuJoCo lets the capsule's axis point from the second end to the first
            spec.geom(generic.geom(geom).name).fromto = np.concatenate([ends[2 * k + 1], ends[2 * k]])


def capsules(model: mujoco.MjModel) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids of the contact capsules of the right and the left foot."""
    found: list[tuple[int, ...]] = []
    for side in ("r", "l"):
        bodies = [
            mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"{name}_{side}") for name in ("calcn", "toes")
        ]
        found.append(
            tuple(
                g
                for g in range(model.ngeom)
                if model.geom_bodyid[g] in bodies
                and model.geom_type[g] == mujoco.mjtGeom.mjGEOM_CAPSULE
                and model.geom_contype[g] != 0
            )
        )
    return found[0], found[1]
