"""Where the centre of mass must be for the feet on the floor to carry the motion.

A planned zero-moment point rolls through every sole from heel to ball and crosses to the other foot in double support.
The horizontal path of the centre of mass follows from it by the linear inverted pendulum ``c - (z / g) c'' = p``
(Kajita et al. 2003, ICRA, "Biped walking pattern generation by using preview control of zero-moment point"), solved
over the whole walk at once between rest and rest. What pendulum and body differ in (swinging limbs, rise and fall) is
measured on the poses and taken off the plan (:func:`zero_moment_point`), as there.
"""

from __future__ import annotations

import mujoco
import numpy as np
from jaxtyping import Float64
from scipy.linalg import solve_banded
from scipy.ndimage import gaussian_filter1d

from kincast.deploy.demo.feet import BALL_X_M, FootMotion
from kincast.deploy.demo.steps import LEFT, RIGHT, Footfall, Phases
from kincast.models.body import Body
from kincast.models.contact_forces import GRAVITY

STRIKE_SHARE, STAND_SHARE, OFF_SHARE = 0.15, 0.5, 1.0
"""Place of the load along the sole, heel 0, ball 1: where a step begins, standing, and where the foot leaves."""
SETTLE_S, UNLOAD_S = 0.5, 0.6
"""From the last step to a quiet stand, and from the stand to the first step."""


def planned_support(
    falls: tuple[tuple[Footfall, ...], tuple[Footfall, ...]],
    feet: tuple[FootMotion, ...],
    when: Phases,
    t: Float64[np.ndarray, " t"],
    foot_scales: tuple[float, ...],
    soles_m: tuple[float, ...],
) -> Float64[np.ndarray, "t 2"]:
    """Zero-moment point on the floor at every instant, between the soles that are down.

    ``foot_scales`` and ``soles_m`` (depth of the sole below the heel bone's origin) per foot, right first.
    """
    load, place = np.empty((2, len(t))), np.empty((2, len(t), 2))
    for side in (RIGHT, LEFT):
        other = falls[1 - side]
        rise, fall, along = np.empty(len(t)), np.empty(len(t)), np.empty(len(t))
        for i, now in enumerate(falls[side]):
            here = when.fall[side] == i
            first, last = i == 0, i == len(falls[side]) - 1
            off_of_other = min((f.off_s for f in other if f.off_s > now.strike_s), default=now.strike_s)
            strike_of_other = max((f.strike_s for f in other if f.strike_s < now.off_s), default=now.off_s)
            settled = np.clip((t[here] - now.strike_s) / SETTLE_S, 0, 1)
            if first:
                rise[here], begin = 1.0, STAND_SHARE
            else:
                arriving_s = min(off_of_other - now.strike_s, SETTLE_S)
                rise[here] = np.clip((t[here] - now.strike_s) / arriving_s, 0, 1)
                begin = STRIKE_SHARE
            leaving_s = UNLOAD_S if first and strike_of_other <= 0.0 else now.off_s - strike_of_other
            if last:
                fall[here] = 1.0
                along[here] = begin + (STAND_SHARE - begin) * _ease(settled)
            else:
                fall[here] = np.clip((now.off_s - t[here]) / leaving_s, 0, 1)
                along[here] = begin + (OFF_SHARE - begin) * when.stance[side, here]
        load[side] = np.where(when.swinging[side], 0.0, np.minimum(_ease(rise), _ease(fall)))
        on_sole = np.stack(
            [foot_scales[side] * BALL_X_M * along, np.full(len(t), -soles_m[side]), np.zeros(len(t))], -1
        )
        place[side] = (feet[side].origin + np.einsum("tij,tj->ti", feet[side].axes, on_sole))[:, :2]
    share = load / np.maximum(load.sum(axis=0), 1e-6)
    return np.einsum("st,stk->tk", share, place)


def _ease(x: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
    return x * x * (3 - 2 * x)


def pendulum_path(
    support: Float64[np.ndarray, "t 2"], height_m: float, dt_s: float
) -> Float64[np.ndarray, "t 2"]:
    """Horizontal centre of mass whose pendulum of ``height_m`` has its zero-moment point at ``support``."""
    n, k = len(support), height_m / GRAVITY / dt_s**2
    bands = np.zeros((3, n))
    bands[0, 2:], bands[1, 1:-1], bands[2, :-2] = -k, 1 + 2 * k, -k
    bands[1, 0] = bands[1, -1] = 1.0
    return solve_banded((1, 1), bands, support)


def centre_of_mass(body: Body, q: Float64[np.ndarray, "t 41"]) -> Float64[np.ndarray, "t 3"]:
    """World position of the whole body's centre of mass."""
    data, root = mujoco.MjData(body.mj_model), body.mj_model.body("pelvis").id
    out = np.empty((len(q), 3))
    for k, pose in enumerate(q):
        data.qpos[:] = body.full_qpos(pose)
        mujoco.mj_kinematics(body.mj_model, data)
        mujoco.mj_comPos(body.mj_model, data)
        out[k] = data.subtree_com[root]
    return out


def zero_moment_point(
    body: Body, q: Float64[np.ndarray, "t 41"], dt_s: float, smoothing_s: float
) -> Float64[np.ndarray, "t 2"]:
    """Point of the floor z = 0 about which the motion's wrench has no horizontal moment.

    ``dL/dt = (p - c) x m (c'' + g)`` with centre of mass ``c`` and angular momentum ``L`` about it.
    """
    model, root = body.mj_model, body.mj_model.body("pelvis").id
    data, mass = mujoco.MjData(model), float(model.body_subtreemass[root])
    full = np.stack([body.full_qpos(pose) for pose in q])
    com, momentum, velocity = np.empty((len(q), 3)), np.empty((len(q), 3)), np.zeros(model.nv)
    for k in range(len(q)):
        before, after = max(k - 1, 0), min(k + 1, len(q) - 1)
        mujoco.mj_differentiatePos(model, velocity, (after - before) * dt_s, full[before], full[after])
        data.qpos[:], data.qvel[:] = full[k], velocity
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_subtreeVel(model, data)
        com[k], momentum[k] = data.subtree_com[root], data.subtree_angmom[root]
    smooth = smoothing_s / dt_s
    com = gaussian_filter1d(com, smooth, axis=0, mode="nearest")
    turning = np.gradient(gaussian_filter1d(momentum, smooth, axis=0, mode="nearest"), dt_s, axis=0)
    force = mass * np.gradient(np.gradient(com, dt_s, axis=0), dt_s, axis=0)
    force[:, 2] += mass * GRAVITY
    ahead = -(turning[:, 1] + com[:, 2] * force[:, 0]) / force[:, 2]
    aside = (turning[:, 0] - com[:, 2] * force[:, 1]) / force[:, 2]
    return com[:, :2] + np.stack([ahead, aside], -1)
