"""How both feet move against the ground, and where the body is above them."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float64, Int64

from kincast.models.inverse_dynamics import InverseDynamics, SoleGeometry, SoleState

PARTS = 3
"""Heel, ball, toe tip, in this order."""


@dataclass(frozen=True)
class FeetMotion:
    """Both feet (right first) against the ground, and the body above them; world axes, metres, seconds.

    ``height``, ``speed``, ``rise`` of heel, ball and toe tip over and along the ground; ``middle`` the horizontal
    centre of each foot's likely contact; ``heel`` the rear end of each sole, ``forward`` its direction and
    ``length`` up to the toe tip; ``hip``, ``ankle`` joint centres; ``com`` and its velocity against the ground.
    """

    height: Float64[np.ndarray, "2 part"]
    speed: Float64[np.ndarray, "2 part"]
    rise: Float64[np.ndarray, "2 part"]
    middle: Float64[np.ndarray, "2 2"]
    heel: Float64[np.ndarray, "2 2"]
    forward: Float64[np.ndarray, "2 2"]
    length: Float64[np.ndarray, "2"]
    hip: Float64[np.ndarray, "2 2"]
    ankle: Float64[np.ndarray, "2 2"]
    com: Float64[np.ndarray, "3"]
    com_velocity: Float64[np.ndarray, "2"]


def sole_parts(sole: SoleGeometry) -> Int64[np.ndarray, "2 part 2"]:
    """Two points each of heel, ball and toe tip: the hindmost and foremost of the hind foot, the foremost of the toes."""
    parts = np.empty((2, PARTS, 2), dtype=np.int64)
    for f in range(2):
        hind, toes = (np.flatnonzero(sole.body_id[f] == b) for b in np.unique(sole.body_id[f]))
        along = sole.local[f, :, 0]
        hind, toes = hind[np.argsort(along[hind])], toes[np.argsort(along[toes])]
        parts[f] = hind[:2], hind[-2:], toes[-2:]
    return parts


class FeetObserver:
    """Reads :class:`FeetMotion` off the state that an :class:`InverseDynamics` was set to last."""

    def __init__(self, dynamics: InverseDynamics) -> None:
        self._dynamics = dynamics
        self._parts = sole_parts(dynamics.sole)
        self._foot = np.arange(2)[:, None, None]

        def bodies(name: str) -> list[int]:
            return [
                mujoco.mj_name2id(dynamics.model, mujoco.mjtObj.mjOBJ_BODY, f"{name}_{side}") for side in "rl"
            ]

        self._hips, self._ankles = bodies("femur"), bodies("talus")

    def observe(
        self,
        sole: SoleState,
        height: Float64[np.ndarray, "2 point"],
        speed: Float64[np.ndarray, "2 point"],
        gate: Float64[np.ndarray, "2 point"],
        ground_velocity: Float64[np.ndarray, "2"],
    ) -> FeetMotion:
        """``height`` over the floor and ``speed`` along the ground of every sole point, ``gate`` on its load."""
        data = self._dynamics.data
        parts = self._parts

        def of_parts(values: Float64[np.ndarray, "2 point"]) -> Float64[np.ndarray, "2 part"]:
            return values[self._foot, parts].mean(axis=2)

        share = 1.0 / gate
        planar = sole.position[:, :, :2]
        ends = planar[self._foot, parts[:, [0, 2]]].mean(axis=2)
        axis = ends[:, 1] - ends[:, 0]
        length = np.maximum(np.hypot(axis[:, 0], axis[:, 1]), 1e-3)
        com, com_velocity = self._dynamics.centre_of_mass()
        return FeetMotion(
            height=of_parts(height),
            speed=of_parts(speed),
            rise=of_parts(sole.velocity[:, :, 2]),
            middle=(planar * share[:, :, None]).sum(axis=1) / share.sum(axis=1)[:, None],
            heel=ends[:, 0],
            forward=axis / length[:, None],
            length=length,
            hip=data.xpos[self._hips, :2],
            ankle=data.xpos[self._ankles, :2],
            com=com,
            com_velocity=com_velocity[:2] - ground_velocity,
        )
