"""Velocity of the ground under the feet: zero on a floor, that of the belt on a treadmill, declared or not.

A planted foot moves exactly as the ground does, and while a person walks one foot is planted at every instant.
So the ground's velocity is where the horizontal velocities of foot points pile up; swing spreads them out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

BANDWIDTH_M_S = 0.12
"""Velocities this close count as the same; some three times the noise of a planted keypoint's velocity."""
LEVEL_M_S = 0.25
"""Points that rise or sink faster are not planted."""
MIN_BELT_M_S = 0.15
MIN_SHARE = 0.55


@dataclass(frozen=True)
class GroundVelocity:
    """Horizontal ``velocity_m_s`` (2,) of the ground; ``share`` of instants at which some foot moved with it."""

    velocity_m_s: Float64[np.ndarray, "2"]
    share: float

    @property
    def speed_m_s(self) -> float:
        return float(np.hypot(*self.velocity_m_s))


STILL_GROUND = GroundVelocity(np.zeros(2), 0.0)


def _share(planar: Float64[np.ndarray, "t point 2"], level: np.ndarray, velocity: np.ndarray) -> float:
    near = level & (np.linalg.norm(planar - velocity, axis=-1) < BANDWIDTH_M_S)
    return float(near.any(axis=1).mean())


def _mode(velocities: Float64[np.ndarray, "m 2"]) -> Float64[np.ndarray, "2"]:
    """Densest place: fullest cell of a coarse grid, then mean shift."""
    cells, counts = np.unique(np.round(velocities / 0.2).astype(int), axis=0, return_counts=True)
    centre = cells[int(np.argmax(counts))] * 0.2
    for width in (0.25, BANDWIDTH_M_S, BANDWIDTH_M_S):
        near = np.linalg.norm(velocities - centre, axis=1) < width
        if not near.any():
            break
        centre = np.median(velocities[near], axis=0)
    return centre


def estimate_ground_velocity(
    feet_velocity: Float64[np.ndarray, "t 2 3 3"], declared_speed_m_s: float | None = None
) -> GroundVelocity:
    """Ground velocity from the velocities of all foot points over the last seconds.

    A still floor is preferred whenever it explains the feet (a belt would have to be the better explanation of
    most instants). A declared speed replaces the estimated one where the two agree to 20 % or 0.15 m/s: the
    display of a treadmill is steadier than our estimate, but it may not run yet.
    """
    points = feet_velocity.reshape(len(feet_velocity), -1, 3)
    planar = points[..., :2]
    level = np.abs(points[..., 2]) < LEVEL_M_S
    if len(points) < 8 or not level.any():
        return STILL_GROUND
    still = _share(planar, level, np.zeros(2))
    velocity = _mode(planar[level])
    speed = float(np.hypot(*velocity))
    share = _share(planar, level, velocity)
    if speed < MIN_BELT_M_S or share < MIN_SHARE or share < still + 0.2:
        return GroundVelocity(np.zeros(2), still)
    if declared_speed_m_s and abs(speed - declared_speed_m_s) < max(0.15, 0.2 * declared_speed_m_s):
        velocity = velocity * (declared_speed_m_s / speed)
    return GroundVelocity(velocity, share)
