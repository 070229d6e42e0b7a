"""What one foot tells about its contact: speeds against the ground and against the pelvis, pitch rate, heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from kincast.models.gait.heading import mean_velocity
from kincast.models.gait.track import BIG_TOE, HEEL, GaitTrack

REFERENCE_S = 0.4
"""Walking speed is the pelvis' mean over about one step; within a step it swings by some 15 %."""
HARDLY_MOVING_M_S = 0.15


@dataclass(frozen=True)
class FootSignals:
    """Signals of one foot over the recent past.

    Attributes:
        t_s: (n,) instants.
        place: (n, 3, 3) of heel, big toe, small toe on the moving ground (world axes, m).
        speed: (n, 3) of the points against the ground, 3D.
        slowest: (n,) least of the three: a foot in contact has a point that (nearly) rests.
        walking_speed: (n,) of the pelvis over the ground, mean over the last step.
        ahead_rate: (n, 3) velocity of the points along the path, relative to the pelvis.
        pitch_rate: (n,) vertical velocity of the heel minus that of the toes, positive when the heel rises faster.
        backwards: (n,) travel is against the facing direction.
    """

    t_s: Float64[np.ndarray, " n"]
    place: Float64[np.ndarray, "n 3 3"]
    speed: Float64[np.ndarray, "n 3"]
    slowest: Float64[np.ndarray, " n"]
    walking_speed: Float64[np.ndarray, " n"]
    ahead_rate: Float64[np.ndarray, "n 3"]
    pitch_rate: Float64[np.ndarray, " n"]
    backwards: np.ndarray

    @property
    def height(self) -> Float64[np.ndarray, "n 3"]:
        """World z of the points."""
        return self.place[:, :, 2]

    def rows(self, first: int, end: int) -> FootSignals:
        """Views of samples ``first`` to ``end - 1``."""
        part = slice(first, end)
        return FootSignals(
            self.t_s[part],
            self.place[part],
            self.speed[part],
            self.slowest[part],
            self.walking_speed[part],
            self.ahead_rate[part],
            self.pitch_rate[part],
            self.backwards[part],
        )


def middle(values: Float64[np.ndarray, " n"]) -> float:
    """The (upper) median; a tenth of ``np.median``'s time on a few dozen values."""
    return float(np.sort(values)[len(values) // 2])


def foot_signals(
    track: GaitTrack, start: int, ground_velocity: Float64[np.ndarray, "2"]
) -> tuple[FootSignals, FootSignals]:
    """Signals of the right and the left foot, samples ``start`` to the end, for a ground moving with ``ground_velocity``."""
    t_all = track.t_s
    t = t_all[start:]
    ground = np.array([ground_velocity[0], ground_velocity[1], 0.0])
    velocity = track.feet_velocity[start:] - ground
    place = track.feet[start:] - ((t - t[-1])[:, None] * ground)[:, None, None, :]
    speed = np.sqrt(np.einsum("nspk,nspk->nsp", velocity, velocity))
    slowest = speed.min(axis=2)
    over_ground = mean_velocity(t_all, track.pelvis[:, :2], t, REFERENCE_S) - ground_velocity
    walking_speed = np.sqrt(np.einsum("nk,nk->n", over_ground, over_ground))
    facing = track.forward[start:]
    moving = (walking_speed > HARDLY_MOVING_M_S)[:, None]
    direction = np.where(moving, over_ground / np.maximum(walking_speed, 1e-6)[:, None], facing)
    pelvis_rate = np.einsum("nk,nk->n", track.pelvis_velocity[start:, :2] - ground_velocity, direction)
    ahead = np.einsum("nspk,nk->nsp", velocity[..., :2], direction) - pelvis_rate[:, None, None]
    rise = velocity[..., 2]
    pitch_rate = rise[..., HEEL] - rise[..., BIG_TOE:].mean(axis=2)
    backwards = np.einsum("nk,nk->n", direction, facing) < -0.5
    right, left = (
        FootSignals(
            t,
            place[:, side],
            speed[:, side],
            slowest[:, side],
            walking_speed,
            ahead[:, side],
            pitch_rate[:, side],
            backwards,
        )
        for side in (0, 1)
    )
    return right, left
