"""Forces of the ground on the simulated feet, out of the contact sensors; NumPy and JAX alike."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float

from kincast.models.rotations import Array
from kincast.models.twin.model import CONTACT_NUMBERS

LOADED_N = 20.0
"""A foot with less than that is unloaded."""


class FootLoads(NamedTuple):
    """World force (N) on the right and left foot, its centre of pressure (m; 0 where unloaded), vertical free torque (N m) about it."""

    force: Float[Array, "*n 2 3"]
    cop: Float[Array, "*n 2 3"]
    free_torque: Float[Array, "*n 2"]


def foot_loads(sensordata: Float[Array, "*n s"]) -> FootLoads:
    """``sensordata`` of a twin's model: per foot four capsules of two contacts, zeros where there is no contact."""
    xp = sensordata.__array_namespace__()
    contacts = sensordata.reshape(*sensordata.shape[:-1], 2, -1, CONTACT_NUMBERS)
    local, place = contacts[..., 0:3], contacts[..., 3:6]
    normal, tangent = contacts[..., 6:9], contacts[..., 9:12]
    across = _cross(xp, normal, tangent)
    each = local[..., 0:1] * normal + local[..., 1:2] * tangent + local[..., 2:3] * across
    force = xp.sum(each, axis=-2)
    vertical = force[..., 2]
    loaded = vertical >= LOADED_N
    over = xp.where(loaded, vertical, xp.ones_like(vertical))
    cop = xp.sum(each[..., 2:3] * place, axis=-2) / over[..., None]
    cop = xp.where(loaded[..., None], cop, xp.zeros_like(cop))
    arm = place - cop[..., None, :]
    turning = xp.sum(arm[..., 0] * each[..., 1] - arm[..., 1] * each[..., 0], axis=-1)
    return FootLoads(force, cop, xp.where(loaded, turning, xp.zeros_like(turning)))


def _cross(xp, a: Float[Array, "*n 3"], b: Float[Array, "*n 3"]) -> Float[Array, "*n 3"]:
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
