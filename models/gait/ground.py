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
NARROW_M_S = 0.08
LEVEL_M_S, FLAT_M_S = 0.25, 0.12
"""Points that rise or sink faster are not planted, respectively not flat on the ground."""
MIN_BELT_M_S = 0.15
MIN_SHARE = 0.55
ESTIMATE_SD, DECLARED_SD = 0.015, 0.010
"""Relative standard deviations of a speed from the feet and of one declared for the session."""
SAME_M_S, GAIN, YOUNG = 0.1, 0.1, 20
"""Estimates this close to the one before are averaged into it with this weight; not yet while few, for the first
ones come from little data and the next knows all that they knew."""


@dataclass(frozen=True)
class GroundVelocity:
    """Horizontal ``velocity_m_s`` (2,) of the ground and the standard deviation of its speed.

    ``share`` of instants at which some foot moved with it; ``estimates`` in a row that agreed.
    """

    velocity_m_s: Float64[np.ndarray, "2"]
    share: float
    sd_m_s: float = 0.0
    estimates: int = 1

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
    for width in (0.25, BANDWIDTH_M_S, NARROW_M_S, NARROW_M_S):
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
    most instants). A declared speed is averaged with the estimated one, by their deviations, where the two agree
    to 20 % or 0.15 m/s: a treadmill's display and a camera calibration's scale are each good to a per cent or two.
    Where they do not agree the belt is not (yet) doing what was declared, and the feet are believed.
    """
    points = feet_velocity.reshape(len(feet_velocity), -1, 3)
    planar = points[..., :2]
    level = np.abs(points[..., 2]) < LEVEL_M_S
    if len(points) < 8 or not level.any():
        return STILL_GROUND
    still = _share(planar, level, np.zeros(2))
    flat = level & (np.abs(points[..., 2]) < FLAT_M_S)
    velocity = _mode(planar[flat if flat.any() else level])
    speed = float(np.hypot(*velocity))
    share = _share(planar, level, velocity)
    if speed < MIN_BELT_M_S or share < MIN_SHARE or share < still + 0.2:
        return GroundVelocity(np.zeros(2), still)
    if declared_speed_m_s and abs(speed - declared_speed_m_s) < max(0.15, 0.2 * declared_speed_m_s):
        trust = ESTIMATE_SD**2 / (ESTIMATE_SD**2 + DECLARED_SD**2)
        mean = trust * declared_speed_m_s + (1 - trust) * speed
        sd = float(np.hypot(0.5 * (speed - declared_speed_m_s), 0.005 * mean))
        return GroundVelocity(velocity * (mean / speed), share, sd)
    return GroundVelocity(velocity, share, ESTIMATE_SD * speed)


def followed(before: GroundVelocity, now: GroundVelocity) -> GroundVelocity:
    """The running estimate: a steady belt is averaged over seconds, a change of speed is taken as it comes."""
    change = now.velocity_m_s - before.velocity_m_s
    if now.speed_m_s == 0.0 or before.speed_m_s == 0.0 or float(np.hypot(*change)) > SAME_M_S:
        return now
    gain = 1.0 if before.estimates < YOUNG else GAIN
    return GroundVelocity(before.velocity_m_s + gain * change, now.share, now.sd_m_s, before.estimates + 1)
