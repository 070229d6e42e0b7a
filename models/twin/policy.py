"""A learned policy: a perceptron from what is observed to the mean of a Gaussian of actions; NumPy, for running it.

Training has the same network in flax (:mod:`kincast.offline.training.networks`). What a policy was made for stands in its
:class:`PolicyFacts`; its file is :mod:`kincast.models.twin.policy_file`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64

from kincast.models.errors import UserMistakeError
from kincast.models.rotations import Array
from kincast.models.twin.action import ActionConfig, residual_of, servo_controls, torque_of
from kincast.models.twin.controller import Command
from kincast.models.twin.fingerprint import body_fingerprint
from kincast.models.twin.loads import FootLoads
from kincast.models.twin.model import CONTROL_HZ, PHYSICS_HZ, Twin
from kincast.models.twin.observation import ObservationConfig, observe, require_layout
from kincast.models.twin.person import Person, person_of
from kincast.models.twin.reference import Reference

FURTHEST = 10.0
"""Standard deviations to which a normalised observation is cut."""


class OtherBodyError(UserMistakeError):
    """A policy was made for another simulated body."""


class OtherActionError(UserMistakeError):
    """A policy's actions are not those of this way of driving the body, or its rates are others."""


class Normalisation(NamedTuple):
    """``(observation - mean) / spread`` goes in, ``action_mean + action_spread * output`` comes out; a pytree."""

    mean: Float[Array, " observation"]
    spread: Float[Array, " observation"]
    action_mean: Float[Array, " action"]
    action_spread: Float[Array, " action"]


class Layer(NamedTuple):
    """``x @ weight + bias``; a pytree."""

    weight: Float[Array, "a b"]
    bias: Float[Array, " b"]


@dataclass(frozen=True)
class PolicyFacts:
    """What a policy was made for and how.

    Attributes:
        body: fingerprint of the simulated body; observation: of the observation's layout.
        look_ahead: control steps of the reference that are shown.
        library: hash of the motion library it was trained on; method: clone or ppo; step: updates so far.
        residual_limit: body weights it was last trained with.
        config: of the training run.
    """

    body: str
    observation: str
    look_ahead: tuple[int, ...]
    actions: int
    library: str
    method: str
    step: int
    residual_limit: float = np.inf
    control_hz: int = CONTROL_HZ
    physics_hz: int = PHYSICS_HZ
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Policy:
    """``layers``: SiLU behind all but the last. ``log_spread``: of the exploration, in normalised actions."""

    facts: PolicyFacts
    normalisation: Normalisation
    layers: tuple[Layer, ...]
    log_spread: Float32[np.ndarray, " action"]

    def mean(self, observation: Float[np.ndarray, "*n observation"]) -> Float32[np.ndarray, "*n action"]:
        """The action it would take, without exploration."""
        n = self.normalisation
        x = np.clip((observation - n.mean) / n.spread, -FURTHEST, FURTHEST).astype(np.float32)
        for layer in self.layers[:-1]:
            x = x @ np.asarray(layer.weight) + np.asarray(layer.bias)
            x = x / (1.0 + np.exp(-np.clip(x, -80.0, 80.0)))
        last = self.layers[-1]
        x = x @ np.asarray(last.weight) + np.asarray(last.bias)
        return np.asarray(n.action_mean + n.action_spread * x, np.float32)

    def require(self, twin: Twin, observation: ObservationConfig, actions: int) -> None:
        """Refuse to drive what it was not made for.

        Raises:
            OtherBodyError
            OtherActionError
            ObservationLayoutError
        """
        mine = body_fingerprint(twin.config)
        if self.facts.body != mine:
            raise OtherBodyError(
                f"the policy was made for body {self.facts.body[:12]}, this is {mine[:12]}: train it anew, or use the"
                " version of kincast that made it"
            )
        if self.facts.actions != actions or (self.facts.control_hz, self.facts.physics_hz) != (
            CONTROL_HZ,
            PHYSICS_HZ,
        ):
            raise OtherActionError(
                f"the policy says {self.facts.actions} numbers at {self.facts.control_hz} Hz over {self.facts.physics_hz} Hz"
                f" physics; this body takes {actions} at {CONTROL_HZ} over {PHYSICS_HZ}"
            )
        require_layout(observation, self.facts.observation)


class PolicyController:
    """A policy that drives one person's body; meets :class:`~kincast.models.twin.controller.Controller`.

    Raises:
        OtherBodyError, OtherActionError, ObservationLayoutError: the policy was not made for this.
    """

    def __init__(
        self,
        policy: Policy,
        twin: Twin,
        residual_limit: float | None = None,
        action: ActionConfig | None = None,
    ) -> None:
        self._action = action or ActionConfig()
        config = ObservationConfig(policy.facts.look_ahead, policy.facts.actions)
        policy.require(twin, config, self._action.size)
        self._policy, self._twin, self._ahead = policy, twin, np.array(config.look_ahead)
        self._person = Person(*(values[None] for values in person_of(twin)))
        limit = policy.facts.residual_limit if residual_limit is None else residual_limit
        self._limit = np.full(1, float(limit))
        self._previous = np.zeros((1, self._action.size))

    def begin(self) -> None:
        self._previous = np.zeros((1, self._action.size))

    def command(
        self,
        q: Float64[np.ndarray, "41"],
        v: Float64[np.ndarray, "40"],
        reference: Reference,
        row: int,
        loads: FootLoads,
    ) -> Command:
        at = np.minimum(row + self._ahead, len(reference.q) - 1)
        seen = observe(
            self._person,
            q[None],
            v[None],
            FootLoads(*(values[None] for values in loads)),
            self._previous,
            np.asarray(reference.q)[None, at],
            np.asarray(reference.v)[None, at],
        )
        action = self._policy.mean(np.asarray(seen)).astype(np.float64)
        self._previous = action
        residual = np.asarray(residual_of(self._action, self._person, action, self._limit))[0]
        torque = np.asarray(torque_of(self._person, action))[0]
        servo = servo_controls(
            self._twin.config, *(np.asarray(x[row]) for x in (reference.q, reference.v, reference.a))
        )
        return Command(residual, torque, np.asarray(servo))
