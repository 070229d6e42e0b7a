"""Who is evaluated: each builds the body it drives and follows a reference with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from kincast.models.body import build_body
from kincast.models.twin.expert import Expert, ExpertConfig
from kincast.models.twin.follow import Followed, follow
from kincast.models.twin.model import Twin, build_twin
from kincast.models.twin.muscle_expert import MuscleExpert, MuscleExpertConfig
from kincast.models.twin.muscle_follow import follow_with_muscles
from kincast.models.twin.muscle_model import MuscleTwin, build_muscle_twin
from kincast.models.twin.policy import Policy, PolicyController
from kincast.models.twin.policy_file import read_policy
from kincast.models.twin.reference import Reference
from kincast.offline.motion_library.clip import Clip


@dataclass(frozen=True)
class Driven:
    """A run, and the activations of the ``muscles`` at its instants where the body has any."""

    followed: Followed
    muscles: tuple[str, ...] = ()
    activation: Float64[np.ndarray, "row muscle"] | None = None


@runtime_checkable
class Driver(Protocol):
    """The expert, a learned policy, or a muscle-driven body."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def twin(self, clip: Clip) -> Twin:
        """The body that it drives."""
        ...

    def follow(self, twin: Twin, reference: Reference) -> Driven:
        """The run, to the reference's end or to a fall."""
        ...


@dataclass(frozen=True)
class ExpertDriver:
    """The computed-torque expert; it is trained on nobody."""

    config: ExpertConfig = field(default_factory=ExpertConfig)
    name: str = "computed-torque expert"

    def twin(self, clip: Clip) -> Twin:
        return build_twin(build_body(clip.body), clip.sole_drop_m)

    def follow(self, twin: Twin, reference: Reference) -> Driven:
        return Driven(follow(twin, Expert(twin, self.config), reference))


@dataclass(frozen=True)
class PolicyDriver:
    """A learned policy; ``residual_limit`` in body weights, None: as it was trained."""

    policy: Policy
    name: str
    residual_limit: float | None = None

    @classmethod
    def of(cls, path: Path, residual_limit: float | None = None) -> PolicyDriver:
        """Of a file that training wrote.

        Raises:
            PolicyFileError
        """
        policy = read_policy(path)
        return cls(
            policy, f"policy {path.name} ({policy.facts.method}, update {policy.facts.step})", residual_limit
        )

    def twin(self, clip: Clip) -> Twin:
        return build_twin(build_body(clip.body), clip.sole_drop_m)

    def follow(self, twin: Twin, reference: Reference) -> Driven:
        return Driven(follow(twin, PolicyController(self.policy, twin, self.residual_limit), reference))


@dataclass(frozen=True)
class MuscleDriver:
    """The muscle-driven expert: 80 leg muscles, torques above."""

    config: MuscleExpertConfig = field(default_factory=MuscleExpertConfig)
    name: str = "muscle expert"

    def twin(self, clip: Clip) -> MuscleTwin:
        return build_muscle_twin(build_body(clip.body), clip.sole_drop_m)

    def follow(self, twin: Twin, reference: Reference) -> Driven:
        if not isinstance(twin, MuscleTwin):
            raise TypeError("muscles drive a muscle twin only")
        found = follow_with_muscles(twin, MuscleExpert(twin, self.config), reference)
        return Driven(found.motion, twin.muscles, found.activation)
