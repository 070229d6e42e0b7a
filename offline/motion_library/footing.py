"""Where the feet of a motion stand, and an edited motion made to stand there: soles neither slide nor sink, swinging feet clear the floor.

Every instant is a least squares problem over the pelvis and the legs: planted sole points at their places, swinging ones above the
floor, all else as the edit wants it, each coordinate as stiffly as said. Those that an edit is about are stiff, those that may
compensate for it are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.ndimage import gaussian_filter1d

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.differentiation import MotionState
from kincast.models.inverse_dynamics import InverseDynamics
from kincast.models.kinematics import integrate
from kincast.models.twin.model import Twin

PLANTED_M_S = 0.3
PLANTED_M = 0.015
"""A sole point slower and lower stands."""
SHORTEST_S = 0.08
SETTLED = 2e-3
"""A step (m, rad) below which the answer is taken."""
FURTHEST = 0.3
"""No step goes further: sines are no straight lines."""
RAMP_S = 0.06
"""Before and after a stance the foot is drawn to its place, or let go, over this time."""
LEG = (
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_angle",
    "ankle_angle",
    "subtalar_angle",
    "mtp_angle",
)
FREE = np.array(
    [*range(6), *(6 + JOINT_COORDINATES.index(f"{name}_{side}") for side in "rl" for name in LEG)]
)
"""Of the 40 velocities: what may change; pelvis, right leg, left leg."""


@dataclass(frozen=True)
class Footholds:
    """World places (m) of every sole point and how firmly it stands there, 0 to 1; ``planted``: without the ramps."""

    place: Float64[np.ndarray, "time 2 point 3"]
    firm: Float64[np.ndarray, "time 2 point"]
    planted: Bool[np.ndarray, "time 2 point"]


@dataclass(frozen=True)
class Stiffness:
    """How far coordinates may leave the edit (sd; m and rad), by name of LEG without side, or pelvis coordinate.

    ``side`` overrides a name with its side (knee_angle_r). ``place_m``: of a planted point; ``clearance_m``: kept in swing, or the
    motion's own where it is less.
    """

    pelvis: tuple[float, ...] = (0.03, 0.03, 0.02, 0.05, 0.05, 0.05)
    leg: tuple[float, ...] = (0.07, 0.07, 0.07, 0.07, 0.09, 0.07, 0.3)
    side: dict[str, float] = field(default_factory=dict)
    place_m: float = 0.003
    clearance_m: float = 0.012

    def sd(self) -> Float64[np.ndarray, "20"]:
        """In the order of :data:`FREE`."""
        legs = [self.side.get(f"{n}_{s}", sd) for s in "rl" for n, sd in zip(LEG, self.leg, strict=True)]
        return np.array([*self.pelvis, *legs])


class Soles:
    """Sole points of a twin in any pose."""

    def __init__(self, twin: Twin) -> None:
        self._dynamics = InverseDynamics(twin.body)

    def positions(self, q: Float64[np.ndarray, "time 41"]) -> Float64[np.ndarray, "time 2 point 3"]:
        """World places (m) of the soles' lower side."""
        return np.stack([self._at(row) for row in q])

    def with_jacobian(
        self, q: Float64[np.ndarray, "41"]
    ) -> tuple[Float64[np.ndarray, "2 point 3"], Float64[np.ndarray, "2 point 3 20"]]:
        """The same of one pose, and its derivative by :data:`FREE`."""
        position = self._at(q)
        d = self._dynamics
        along = d.velocity_map[:, FREE]
        jacobian = np.empty((*position.shape, len(FREE)))
        moves, turns = np.zeros((3, d.model.nv)), np.zeros((3, d.model.nv))
        for foot in range(2):
            for body in np.unique(d.sole.body_id[foot]):
                mujoco.mj_jacBody(d.model, d.data, moves, turns, int(body))
                on = d.sole.body_id[foot] == body
                arm = position[foot, on] - d.data.xpos[body]
                turned = np.cross((turns @ along).T[None], arm[:, None]).transpose(0, 2, 1)
                jacobian[foot, on] = moves @ along + turned
        return position, jacobian

    def _at(self, q: Float64[np.ndarray, "41"]) -> Float64[np.ndarray, "2 point 3"]:
        still = np.zeros(40)
        self._dynamics.set_motion(MotionState(0, q, still, still, still, still, still))
        return self._dynamics.sole_state().position


def planted_points(
    t_ns: Int64[np.ndarray, " time"], position: Float64[np.ndarray, "time 2 point 3"]
) -> Bool[np.ndarray, "time 2 point"]:
    """Which sole points stand on the floor z = 0; shorter stances and shorter breaks do not count."""
    t_s = (t_ns - t_ns[0]) * 1e-9
    speed = np.linalg.norm(np.gradient(position[..., :2], t_s, axis=0), axis=-1)
    planted = (speed < PLANTED_M_S) & (position[..., 2] < PLANTED_M)
    for state in (True, False):
        for foot in range(2):
            for k in range(planted.shape[2]):
                for begin, end in runs(planted[:, foot, k] == state):
                    inside = begin > 0 and end < len(t_s)
                    if inside and t_s[end - 1] - t_s[begin] < SHORTEST_S:
                        planted[begin:end, foot, k] = not state
    return planted


def footholds(
    t_ns: Int64[np.ndarray, " time"],
    position: Float64[np.ndarray, "time 2 point 3"],
    planted: Bool[np.ndarray, "time 2 point"],
) -> Footholds:
    """Every stance's place: where the point is in the middle of it, on the floor."""
    t_s = (t_ns - t_ns[0]) * 1e-9
    place, firm = position.copy(), np.zeros(planted.shape)
    for foot in range(2):
        for k in range(planted.shape[2]):
            for begin, end in runs(planted[:, foot, k]):
                where = np.array([*np.median(position[begin:end, foot, k, :2], axis=0), 0.0])
                off = np.maximum(np.maximum(t_s[begin] - t_s, t_s - t_s[end - 1]), 0.0) / RAMP_S
                weight = np.where(off < 1.0, 0.5 * (1.0 + np.cos(np.pi * np.minimum(off, 1.0))), 0.0)
                nearer = weight > firm[:, foot, k]
                place[nearer, foot, k] = where
                firm[nearer, foot, k] = weight[nearer]
    return Footholds(place, firm, planted)


def refooted(
    soles: Soles,
    t_ns: Int64[np.ndarray, " time"],
    wanted: Float64[np.ndarray, "time 41"],
    holds: Footholds,
    stiffness: Stiffness | None = None,
    least_m: Float64[np.ndarray, "time 2"] | None = None,
) -> Float64[np.ndarray, "time 41"]:
    """``wanted``, standing on ``holds``. ``least_m``: least height of each foot's soles over the floor where it swings."""
    c = stiffness or Stiffness()
    least = (
        np.full((len(wanted), 2), c.clearance_m) if least_m is None else np.minimum(least_m, c.clearance_m)
    )
    swings = 1.0 - holds.firm.max(axis=2)
    least = swings * least
    sd = c.sd()
    change = np.zeros((len(wanted), len(FREE)))
    start = np.zeros(len(FREE))
    for i in range(len(wanted)):
        start = _solved(soles, wanted[i], start, holds.place[i], holds.firm[i], least[i], sd, c.place_m, 8)
        change[i] = start
    # the least squares answers of neighbouring instants differ by what the ramps cut off
    every_s = float(np.median(np.diff(t_ns))) * 1e-9
    change = gaussian_filter1d(change, 0.03 / every_s, axis=0, mode="nearest")
    tight = np.maximum(0.4 * sd, 1e-3)
    out = np.empty_like(wanted)
    for i in range(len(wanted)):
        smooth = moved(wanted[i], change[i])
        rest = _solved(
            soles, smooth, np.zeros(len(FREE)), holds.place[i], holds.firm[i], least[i], tight, c.place_m, 3
        )
        out[i] = moved(smooth, rest)
    return out


def moved(q: Float64[np.ndarray, "41"], change: Float64[np.ndarray, "20"]) -> Float64[np.ndarray, "41"]:
    """The pose after a change of :data:`FREE`."""
    step = np.zeros(40)
    step[FREE] = change
    return np.asarray(integrate(q, step))


def with_flat_landing(
    holds: Footholds, t_ns: Int64[np.ndarray, " time"], foot: int
) -> Bool[np.ndarray, "time 2 point"]:
    """Stances in which the whole sole of ``foot`` stands from its first touch on."""
    planted = holds.planted.copy()
    any_point = np.any(holds.planted[:, foot], axis=1)
    for begin, end in runs(any_point):
        for k in range(planted.shape[2]):
            inside = np.flatnonzero(holds.planted[begin:end, foot, k])
            if len(inside):
                planted[begin : begin + inside[-1] + 1, foot, k] = True
    return planted


def runs(state: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of every stretch in which ``state`` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], state, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _solved(
    soles: Soles,
    wanted: Float64[np.ndarray, "41"],
    start: Float64[np.ndarray, "20"],
    place: Float64[np.ndarray, "2 point 3"],
    firm: Float64[np.ndarray, "2 point"],
    least: Float64[np.ndarray, "2"],
    sd: Float64[np.ndarray, "20"],
    place_m: float,
    most: int,
) -> Float64[np.ndarray, "20"]:
    """Gauss-Newton on ``sum firm (point - place)^2 / place_m^2 + sum lack^2 / place_m^2 + sum (change / sd)^2``."""
    change = start.copy()
    prior = np.diag(sd**-2)
    # once lifted a point stays so, or it would fall back at every other step
    short = np.zeros(firm.shape, bool)
    for _ in range(most):
        position, jacobian = soles.with_jacobian(moved(wanted, change))
        weight = np.broadcast_to(firm[..., None], position.shape).copy()
        gap = place - position
        lack = least[:, None] - position[..., 2]
        # a point under the floor is lifted, standing or not
        short |= lack > 0.0
        lifted = short & (firm < 1.0)
        gap[..., 2] = np.where(lifted, np.maximum(lack, firm * gap[..., 2]), gap[..., 2])
        weight[..., 2] = np.where(lifted, 1.0, weight[..., 2])
        rows = jacobian.reshape(-1, len(FREE))
        w = weight.reshape(-1) / place_m**2
        normal = rows.T @ (rows * w[:, None]) + prior
        step = np.linalg.solve(normal, rows.T @ (w * gap.reshape(-1)) - prior @ change)
        change = change + step * min(1.0, FURTHEST / np.abs(step).max())
        if np.abs(step).max() < SETTLED:
            break
    return change
