"""Smoothness between neighbouring poses from their real timestamps: white noise on the acceleration.

Each coordinate moves by integrating white noise of power spectral density ``q`` (unit^2 / s^3), so over an
interval dt the pair (position, velocity) gathers the covariance q [[dt^3/3, dt^2/2], [dt^2/2, dt]]
(Bar-Shalom, Li and Kirubarajan 2001, section 6.2; Barfoot 2017, section 3.4). A slow pull of the velocity
towards rest keeps what nobody sees from drifting. All factors are diagonal over the coordinates.

The turn of the pelvis between neighbours is treated to first order: frames differ by a few degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from kincast.models.coordinates import JOINT_COORDINATES
from kincast.models.kinematics import difference

Number = float | Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Smoothness:
    """Typical accelerations (m/s^2, rad/s^2; standard deviations) and how long one lasts.

    The spectral density is ``2 acceleration^2 duration_s``. ``rest_speed`` (m/s, rad/s) is the typical
    speed and ``rest_time_s`` how fast an unobserved velocity forgets.
    """

    pelvis_translation: Number = 6.0
    pelvis_rotation: Number = 20.0
    hip: Number = 60.0
    knee: Number = 90.0
    foot: Number = 90.0
    trunk: Number = 25.0
    arm: Number = 60.0
    duration_s: Number = 0.06
    rest_speed: Number = 8.0
    rest_time_s: Number = 0.3

    def spectral_density(self) -> Float[Array, "40"]:
        """(40,) in the order of the velocity."""
        acceleration = [self.pelvis_translation] * 3 + [self.pelvis_rotation] * 3
        for name in JOINT_COORDINATES:
            acceleration.append(self._of(name))
        return 2.0 * jnp.square(jnp.stack([jnp.float32(a) for a in acceleration])) * self.duration_s

    def _of(self, name: str) -> Number:
        if name.startswith("hip"):
            return self.hip
        if name.startswith("knee"):
            return self.knee
        if name.startswith(("ankle", "subtalar", "mtp")):
            return self.foot
        if name.startswith(("lumbar", "neck")):
            return self.trunk
        return self.arm


class MotionFactor(NamedTuple):
    """Normal equations of one interval, diagonal over coordinates; 2 x 2 over (position, velocity)."""

    first: Float[Array, "2 2 40"]
    cross: Float[Array, "2 2 40"]
    second: Float[Array, "2 2 40"]
    rhs_first: Float[Array, "2 40"]
    rhs_second: Float[Array, "2 40"]
    loss: Float[Array, ""]


def motion_factor(
    q_first: Float[Array, "41"],
    v_first: Float[Array, "40"],
    q_second: Float[Array, "41"],
    v_second: Float[Array, "40"],
    dt_s: Float[Array, ""],
    density: Float[Array, "40"],
) -> MotionFactor:
    """Factor between two neighbours ``dt_s`` apart; right-hand sides point down the loss."""
    e = jnp.stack([difference(q_first, q_second) - dt_s * v_first, v_second - v_first])
    # information of (position, velocity) noise: Q^-1 = 1/q [[12/dt^3, -6/dt^2], [-6/dt^2, 4/dt]]
    unit = jnp.stack(
        [
            jnp.stack([12.0 / dt_s**3, -6.0 / dt_s**2]),
            jnp.stack([-6.0 / dt_s**2, 4.0 / dt_s]),
        ]
    )
    # e = second - F first with F = [[1, dt], [0, 1]]
    transition = jnp.array([[1.0, 0.0], [0.0, 1.0]], e.dtype) + dt_s * jnp.array(
        [[0.0, 1.0], [0.0, 0.0]], e.dtype
    )
    unit_first = transition.T @ unit @ transition
    unit_cross = -transition.T @ unit
    information = 1.0 / density
    weighted = (unit @ e) * information[None]

    def over(matrix: Array) -> Array:
        return matrix[:, :, None] * information[None, None]

    return MotionFactor(
        over(unit_first),
        over(unit_cross),
        over(unit),
        transition.T @ weighted,
        -weighted,
        0.5 * jnp.sum(e * weighted),
    )
