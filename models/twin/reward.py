"""How well one control step went; NumPy (with at least one leading axis) and JAX alike.

The published terms (KinTwin: additive, negative squared errors) and those that make kinetics honest: what the ground
exerts, where, and when a foot is loaded. Where no force is known those are zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float

from kincast.models.kinematics import difference
from kincast.models.rotations import Array
from kincast.models.twin.loads import LOADED_N, FootLoads
from kincast.models.twin.person import Person


@dataclass(frozen=True)
class RewardConfig:
    """Weights of squared errors (m, rad, s, body weights), as published down to ``residual``.

    Attributes:
        contact: of a foot's loadedness (vertical force over ``loaded_bw`` body weights, at most 1) against the reference's.
        force: of the force on each foot, in body weights.
        pressure: of the centre of pressure, relative to ``pressure_m``, while a plate saw the loaded foot.
        fallen: added once, when the episode ends early.
    """

    alive: float = 10.0
    pose: float = 10.0
    pelvis_turn: float = 2.0
    pelvis_velocity: float = 0.1
    joint_velocity: float = 0.01
    action: float = 0.01
    action_change: float = 0.01
    residual: float = 0.075
    contact: float = 1.0
    force: float = 4.0
    pressure: float = 0.2
    loaded_bw: float = 0.1
    pressure_m: float = 0.05
    fallen: float = -10.0


class RewardTerms(NamedTuple):
    """Every term with its weight and sign; ``total`` is their sum."""

    alive: Float[Array, "*n"]
    pose: Float[Array, "*n"]
    pelvis_turn: Float[Array, "*n"]
    pelvis_velocity: Float[Array, "*n"]
    joint_velocity: Float[Array, "*n"]
    action: Float[Array, "*n"]
    action_change: Float[Array, "*n"]
    residual: Float[Array, "*n"]
    contact: Float[Array, "*n"]
    force: Float[Array, "*n"]
    pressure: Float[Array, "*n"]
    fallen: Float[Array, "*n"]
    total: Float[Array, "*n"]


class Target(NamedTuple):
    """One row of a reference per instance."""

    q: Float[Array, "*n 41"]
    v: Float[Array, "*n 40"]
    force: Float[Array, "*n 2 3"]
    cop: Float[Array, "*n 2 3"]
    force_known: Bool[Array, "*n 2"]
    measured: Bool[Array, "*n 2"]


def reward(
    config: RewardConfig,
    person: Person,
    q: Float[Array, "*n 41"],
    v: Float[Array, "*n 40"],
    loads: FootLoads,
    action: Float[Array, "*n action"],
    previous_action: Float[Array, "*n action"],
    target: Target,
    ended: Bool[Array, "*n"],
) -> RewardTerms:
    """Terms for state ``q, v`` that ``action`` led to, against ``target`` at the same instant."""
    xp = q.__array_namespace__()
    c = config

    def squared(values: Float[Array, "*n k"]) -> Float[Array, "*n"]:
        return xp.sum(values * values, axis=-1)

    gap, faster = difference(q, target.q), target.v - v
    one = xp.ones_like(q[..., 0])
    weight = person.weight_N[..., None]
    known = xp.where(target.force_known, 1.0, 0.0).astype(q.dtype)
    off = (loads.force - target.force) / weight[..., None]
    loaded, should = (
        xp.clip(f[..., 2] / (c.loaded_bw * weight), 0.0, 1.0) for f in (loads.force, target.force)
    )
    both = target.measured & (loads.force[..., 2] >= LOADED_N) & (target.force[..., 2] >= LOADED_N)
    apart = xp.where(both[..., None], (loads.cop - target.cop)[..., :2] / c.pressure_m, 0.0)
    terms = (
        c.alive * one,
        -c.pose * (squared(gap[..., 0:2]) + squared(gap[..., 6:])),
        -c.pelvis_turn * squared(gap[..., 3:6]),
        -c.pelvis_velocity * squared(faster[..., 0:6]),
        -c.joint_velocity * squared(faster[..., 6:]),
        -c.action * squared(action[..., 6:]),
        -c.action_change * squared(action - previous_action),
        -c.residual * squared(action[..., 0:6]),
        -c.contact * xp.sum(known * (loaded - should) ** 2, axis=-1),
        -c.force * xp.sum(known * squared(off), axis=-1),
        -c.pressure * xp.sum(squared(apart), axis=-1),
        xp.where(ended, c.fallen, 0.0).astype(q.dtype),
    )
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return RewardTerms(*terms, total)
