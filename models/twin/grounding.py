"""A fitted motion made to respect the floor: soles neither sink into it nor scuff it in swing.

Keypoints hardly see the toes bend, and a few millimetres decide whether a swinging foot clears the floor. Of all changes
of a leg's knee, ankle, subtalar and toe joints, the least likely ones are avoided: every instant's are the least squares solution for
what the sole points lack, in units of how well the fit knows each joint. Nothing else of the pose changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.twin.model import Twin

JOINTS = ("knee_angle", "ankle_angle", "subtalar_angle", "mtp_angle")


@dataclass(frozen=True)
class GroundingConfig:
    """``sd_deg`` of knee, ankle, subtalar and toes; ``sd_m`` of a sole point's height.

    A point slower than ``planted_m_s`` may lie ``sink_m`` deep (soles hang lower by what body weight presses them,
    :data:`kincast.models.twin.soles.PRESSED_M`), one faster than ``swinging_m_s`` keeps ``clearance_m``; in between both pass into each
    other. Walkers' toes clear the floor by 12.9 mm (Winter 1992, Phys Ther 72:45); no more is asked of a fit than that a foot does
    not catch, since what it is lifted counts as an error of its angles.
    """

    sd_deg: tuple[float, float, float, float] = (2.0, 3.0, 3.0, 20.0)
    sd_m: float = 0.001
    sink_m: float = 0.006
    clearance_m: float = 0.005
    planted_m_s: float = 0.3
    swinging_m_s: float = 1.0
    iterations: int = 3


def grounded(
    twin: Twin,
    q: Float64[np.ndarray, "time 41"],
    v: Float64[np.ndarray, "time 40"],
    config: GroundingConfig | None = None,
) -> Float64[np.ndarray, "time 41"]:
    """The poses with the legs' lower joints changed where soles would be under the floor or scuff it."""
    c = config or GroundingConfig()
    dynamics = InverseDynamics(twin.body)
    sd = np.deg2rad(np.array(c.sd_deg))
    columns = [[6 + JOINT_COORDINATES.index(f"{name}_{side}") for name in JOINTS] for side in ("r", "l")]
    out = q.copy()
    for row in range(len(q)):
        least = None
        for _ in range(c.iterations):
            dynamics.set_motion(_at(out[row], v[row]))
            sole = dynamics.sole_state()
            if least is None:
                least = _least_height(np.linalg.norm(sole.velocity[..., :2], axis=2), c)
            lack = least - sole.position[..., 2]
            if not (lack > 0.0).any():
                break
            for foot in range(2):
                if (lack[foot] > 0.0).any():
                    lift = _lift(dynamics, foot, sole.position[foot], columns[foot])
                    at = [1 + k for k in columns[foot]]
                    gone = out[row, at] - q[row, at]
                    out[row, at] += _step(lift, lack[foot], gone, sd, c.sd_m)
    return out


def _step(
    lift: Float64[np.ndarray, "point joint"],
    lack: Float64[np.ndarray, " point"],
    gone: Float64[np.ndarray, " joint"],
    sd: Float64[np.ndarray, " joint"],
    sd_m: float,
) -> Float64[np.ndarray, " joint"]:
    """Gauss-Newton step of ``sum (lacking / sd_m)^2 + sum (change / sd)^2``; ``gone``: the change so far."""
    short = lack > 0.0
    rows = lift[short] / sd_m
    normal = rows.T @ rows + np.diag(sd**-2)
    return np.linalg.solve(normal, rows.T @ (lack[short] / sd_m) - gone / sd**2)


def _least_height(
    speed: Float64[np.ndarray, "2 point"], c: GroundingConfig
) -> Float64[np.ndarray, "2 point"]:
    share = np.clip((speed - c.planted_m_s) / (c.swinging_m_s - c.planted_m_s), 0.0, 1.0)
    # a foot clears the floor as a whole: its slowest point decides
    share = share.min(axis=1, keepdims=True)
    smooth = share * share * (3.0 - 2.0 * share)
    return np.broadcast_to(-c.sink_m + (c.clearance_m + c.sink_m) * smooth, speed.shape)


def _lift(
    dynamics: InverseDynamics, foot: int, points: Float64[np.ndarray, "point 3"], columns: list[int]
) -> Float64[np.ndarray, "point joint"]:
    """Derivative of the points' heights by the joints."""
    jacobian = np.zeros((3, dynamics.model.nv))
    lift = np.empty((len(points), len(columns)))
    for k, point in enumerate(points):
        mujoco.mj_jac(
            dynamics.model, dynamics.data, jacobian, None, point, int(dynamics.sole.body_id[foot, k])
        )
        lift[k] = jacobian[2] @ dynamics.velocity_map[:, columns]
    return lift


def _at(q: Float64[np.ndarray, "41"], v: Float64[np.ndarray, "40"]) -> MotionState:
    still = np.zeros(40)
    return MotionState(0, q, v, still, still, still, still)
