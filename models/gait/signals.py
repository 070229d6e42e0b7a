"""What one foot tells about its contact: speeds against the ground and against the pelvis, pitch rate, heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.heading import mean_velocity
from kincast.models.gait.track import BIG_TOE, HEEL, GaitTrack

REFERENCE_S = 0.4
"""Walking speed is the pelvis' mean over about one step; within a step it swings by some 15 %."""


@dataclass(frozen=True)
class FootSignals:
    """Signals of one foot over the recent past.

    Attributes:
        t_s: (n,) instants.
        place: (n, 3, 3) of heel, big toe, small toe on the moving ground (world axes, m).
        speed: (n, 3) of the points against the ground, 3D.
        slowest: (n,) least of the three: a foot in contact has a point that (nearly) rests.
        planar: (n, 3, 2) horizontal velocity of the points against the ground.
        walking_speed: (n,) of the pelvis over the ground, mean over the last step.
        direction: (n, 2) of travel; the facing direction while hardly moving.
        ahead_rate: (n, 3) velocity of the points along the path, relative to the pelvis.
        pitch_rate: (n,) vertical velocity of the heel minus that of the toes, positive when the heel rises faster.
        backwards: (n,) travel is against the facing direction.
    """

    t_s: Float64[np.ndarray, " n"]
    place: Float64[np.ndarray, "n 3 3"]
    speed: Float64[np.ndarray, "n 3"]
    slowest: Float64[np.ndarray, " n"]
    planar: Float64[np.ndarray, "n 3 2"]
    walking_speed: Float64[np.ndarray, " n"]
    direction: Float64[np.ndarray, "n 2"]
    ahead_rate: Float64[np.ndarray, "n 3"]
    pitch_rate: Float64[np.ndarray, " n"]
    backwards: np.ndarray

    @property
    def height(self) -> Float64[np.ndarray, "n 3"]:
        """World z of the points."""
        return self.place[:, :, 2]


def foot_signals(
    track: GaitTrack, side: int, start: int, ground_velocity: Float64[np.ndarray, "2"]
) -> FootSignals:
    """Signals of samples ``start`` to the end of the track, for a ground moving with ``ground_velocity``."""
    t = track.t_s
    velocity = track.feet_velocity[start:, side].copy()
    velocity[:, :, :2] -= ground_velocity
    place = track.feet[start:, side].copy()
    place[:, :, :2] -= (ground_velocity * (t[start:] - t[-1])[:, None])[:, None, :]
    speed = np.linalg.norm(velocity, axis=-1)
    over_ground = mean_velocity(t, track.pelvis[:, :2], t[start:], REFERENCE_S) - ground_velocity
    walking_speed = np.linalg.norm(over_ground, axis=-1)
    facing = track.forward[start:]
    moving = (walking_speed > 0.15)[:, None]
    direction = np.where(moving, over_ground / np.maximum(walking_speed, 1e-6)[:, None], facing)
    pelvis = track.pelvis_velocity[start:, :2] - ground_velocity
    ahead = np.einsum("npk,nk->np", velocity[:, :, :2] - pelvis[:, None, :], direction)
    toes = velocity[:, BIG_TOE:, 2].mean(axis=1)
    return FootSignals(
        t_s=t[start:],
        place=place,
        speed=speed,
        slowest=speed.min(axis=1),
        planar=velocity[:, :, :2],
        walking_speed=walking_speed,
        direction=direction,
        ahead_rate=ahead,
        pitch_rate=velocity[:, HEEL, 2] - toes,
        backwards=(direction * facing).sum(axis=1) < -0.5,
    )
