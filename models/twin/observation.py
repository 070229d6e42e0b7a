"""What a policy sees; NumPy (with at least one leading axis) and JAX alike.

Everything horizontal is told in the heading frame (the world turned about the vertical so that the pelvis looks along x),
so that nothing depends on where the person walks to. The published policy learned that from random turns instead.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from jaxtyping import Float

from kincast.models.errors import UserMistakeError
from kincast.models.kinematics import difference
from kincast.models.rotations import Array, matrix_from_quaternion
from kincast.models.twin.action import ACTIONS
from kincast.models.twin.loads import FootLoads
from kincast.models.twin.model import CONTROL_HZ
from kincast.models.twin.person import Person

LAYOUT_VERSION = 2


class ObservationLayoutError(UserMistakeError):
    """A policy was made for another observation."""


@dataclass(frozen=True)
class ObservationConfig:
    """``look_ahead``: which rows of the reference are shown, in control steps of 1/120 s from the present one.

    As published by default, (0, 1, 2, 4, 8, 16) at 90 Hz, in time about. A policy without future sees (0,). The first row is
    told by its difference from the simulated state, every later one by its difference from the row before: the
    reference's acceleration then stands in one number and need not be learned as a small difference of large ones.
    ``actions``: how many numbers an action has.
    """

    look_ahead: tuple[int, ...] = (0, 1, 3, 5, 11, 21)
    actions: int = ACTIONS


def layout(config: ObservationConfig) -> tuple[tuple[str, int], ...]:
    """Names and sizes of the parts, in order."""
    own = (
        ("pelvis_height", 1),
        ("up_in_pelvis", 3),
        ("joint_angles", 34),
        ("pelvis_velocity", 3),
        ("pelvis_rate", 3),
        ("joint_rates", 34),
        ("foot_forces", 6),
        ("previous_action", config.actions),
        ("log_scales", 8),
        ("log_mass", 1),
    )
    ahead = tuple(
        (f"{what}_in_{1000 * k / CONTROL_HZ:.0f}_ms", 40)
        for k in config.look_ahead
        for what in ("pose_difference", "velocity_difference")
    )
    return own + ahead


def size(config: ObservationConfig) -> int:
    return sum(count for _, count in layout(config))


def fingerprint(config: ObservationConfig) -> str:
    """Of layout and meaning: what a checkpoint is told apart by."""
    document = [LAYOUT_VERSION, layout(config), asdict(config)]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def require_layout(config: ObservationConfig, known: str) -> None:
    """Refuse a policy whose fingerprint ``known`` is another one.

    Raises:
        ObservationLayoutError
    """
    mine = fingerprint(config)
    if known != mine:
        raise ObservationLayoutError(
            f"the policy was made for observation {known[:12]}, this is {mine[:12]} (version {LAYOUT_VERSION},"
            f" {size(config)} numbers, look-ahead {config.look_ahead}): use the settings it was trained with"
        )


def observe(
    person: Person,
    q: Float[Array, "*n 41"],
    v: Float[Array, "*n 40"],
    loads: FootLoads,
    previous_action: Float[Array, "*n action"],
    ahead_q: Float[Array, "*n ahead 41"],
    ahead_v: Float[Array, "*n ahead 40"],
) -> Float[Array, "*n observation"]:
    """The observation of a simulated state; ``ahead_q, ahead_v``: the reference at the configuration's look-ahead."""
    xp = q.__array_namespace__()
    cos, sin = heading(q)
    rotation = matrix_from_quaternion(q[..., 3:7])
    weight = person.weight_N[..., None, None]
    forces = _turned(xp, loads.force / weight, cos[..., None], sin[..., None])
    parts = [
        q[..., 2:3],
        rotation[..., 2, :],
        q[..., 7:],
        _turned(xp, v[..., 0:3], cos, sin),
        v[..., 3:6],
        v[..., 6:],
        forces.reshape(*forces.shape[:-2], 6),
        previous_action,
        person.log_scales,
        person.log_mass[..., None],
    ]
    from_q, from_v = q, v
    for k in range(ahead_q.shape[-2]):
        gap = difference(from_q, ahead_q[..., k, :])
        faster = ahead_v[..., k, :] - from_v
        from_q, from_v = ahead_q[..., k, :], ahead_v[..., k, :]
        for step in (gap, faster):
            parts += [_turned(xp, step[..., 0:3], cos, sin), step[..., 3:]]
    return xp.concat(parts, axis=-1)


def heading(q: Float[Array, "*n 41"]) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """Cosine and sine of the direction in which the pelvis looks (its x axis on the floor)."""
    xp = q.__array_namespace__()
    forward = matrix_from_quaternion(q[..., 3:7])[..., 0:2, 0]
    length = xp.sqrt(xp.sum(forward * forward, axis=-1) + 1e-12)
    return forward[..., 0] / length, forward[..., 1] / length


def _turned(
    xp, vector: Float[Array, "*n 3"], cos: Float[Array, "*#n"], sin: Float[Array, "*#n"]
) -> Float[Array, "*n 3"]:
    """A world vector in the heading frame."""
    x, y = vector[..., 0], vector[..., 1]
    return xp.stack([cos * x + sin * y, cos * y - sin * x, vector[..., 2]], axis=-1)
