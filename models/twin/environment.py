"""One control step of imitation, whatever simulates it: controls before the physics, outcome after it.

Pure functions of arrays, NumPy (with at least one leading axis) and JAX alike. C MuJoCo
(:mod:`kincast.models.twin.environment_c`) and MJX (:mod:`kincast.models.twin.environment_mjx`) stand behind the same two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Bool, Float, Int

from kincast.models.rotations import Array
from kincast.models.twin.action import ActionConfig, Actuation, servo_controls
from kincast.models.twin.bank import MotionBank, row_of, window
from kincast.models.twin.loads import FootLoads, foot_loads
from kincast.models.twin.model import SUBSTEPS, TwinConfig
from kincast.models.twin.observation import ObservationConfig, observe
from kincast.models.twin.person import Person
from kincast.models.twin.reference import Reference
from kincast.models.twin.reward import RewardConfig, RewardTerms, Target, reward
from kincast.models.twin.termination import TerminationConfig, ended


@dataclass(frozen=True)
class EnvironmentConfig:
    """Everything that decides what a policy sees, does and is paid for.

    Raises:
        ValueError: the observation expects actions of another size.
    """

    twin: TwinConfig = field(default_factory=TwinConfig)
    observation: ObservationConfig = field(default_factory=ObservationConfig)
    action: Actuation = field(default_factory=ActionConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    termination: TerminationConfig = field(default_factory=TerminationConfig)

    def __post_init__(self) -> None:
        if self.observation.actions != self.action.size:
            raise ValueError(
                f"observation of {self.observation.actions} actions, there are {self.action.size}"
            )


class Place(NamedTuple):
    """Where in the library an instance is, and how much residual it may use (body weights)."""

    clip: Int[Array, "*n"]
    row: Int[Array, "*n"]
    residual_limit: Float[Array, "*n"]


class Outcome(NamedTuple):
    """What one control step came to. ``ended``: early; ``finished``: the clip is over, which is no failure."""

    observation: Float[Array, "*n observation"]
    reward: RewardTerms
    ended: Bool[Array, "*n"]
    finished: Bool[Array, "*n"]
    loads: FootLoads


def controls(
    config: EnvironmentConfig,
    person: Person,
    bank: MotionBank,
    place: Place,
    action: Float[Array, "*n action"],
) -> Float[Array, "*n substep control"]:
    """MuJoCo's ``ctrl`` at the physics steps of the control step that begins at ``place.row``."""
    xp = action.__array_namespace__()
    q, v, a = row_of(window(bank, place.clip, place.row, (0,)), 0)
    servo = servo_controls(config.twin, q, v, a).astype(action.dtype)
    held = config.action.held(person, action, place.residual_limit)
    held = xp.broadcast_to(held[..., None, :], (*held.shape[:-1], SUBSTEPS, held.shape[-1]))
    return xp.concat([held, servo], axis=-1)


def outcome(
    config: EnvironmentConfig,
    person: Person,
    bank: MotionBank,
    place: Place,
    q: Float[Array, "*n 41"],
    v: Float[Array, "*n 40"],
    sensordata: Float[Array, "*n s"],
    action: Float[Array, "*n action"],
    previous_action: Float[Array, "*n action"],
) -> Outcome:
    """After the physics: ``place.row`` is the row now reached, ``action`` what led there.

    A state that is no number ends the episode and costs what a fall does.
    """
    xp = q.__array_namespace__()
    seen = window(bank, place.clip, place.row, (0, *config.observation.look_ahead))
    now = _target(seen)
    stop = ended(config.termination, q, v, now.q)
    loads = foot_loads(sensordata)
    terms = reward(config.reward, person, q, v, loads, action, previous_action, now, stop)
    total = xp.where(xp.isfinite(terms.total), terms.total, config.reward.fallen).astype(q.dtype)
    observation = observe(person, q, v, loads, action, seen.q[..., 1:, :], seen.v[..., 1:, :])
    observation = xp.where(xp.isfinite(observation), observation, 0.0).astype(q.dtype)
    finished = place.row >= bank.length[place.clip] - 1
    return Outcome(observation, terms._replace(total=total), stop, finished, loads)


def _target(seen: Reference) -> Target:
    """The first row of a window."""
    return Target(
        seen.q[..., 0, :],
        seen.v[..., 0, :],
        seen.force[..., 0, :, :],
        seen.cop[..., 0, :, :],
        seen.force_known[..., 0, :],
        seen.measured[..., 0, :],
    )
