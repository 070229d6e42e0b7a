"""Settings of a training run; saved beside it, and what a resumed run goes on with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from kincast.models.errors import UserMistakeError

Method = Literal["clone", "ppo"]
Simulator = Literal["c", "mjx"]


class TrainingConfigError(UserMistakeError):
    """Settings of a training run that cannot be used."""


@dataclass(frozen=True)
class MotionsConfig:
    """How the clips of a library become what is trained on.

    Attributes:
        copies: of every clip beside the original, each with other values of the following; half of them mirrored.
        mass_spread, size_spread: half widths of the uniform factors on mass, and on size (dynamically similar).
        sole_m: standard deviation of the height of a foot's sole.
        slowest_hz: a copy is seen at a rate between this and its own, the motion between the pictures interpolated by timestamp.
    """

    copies: int = 1
    mass_spread: float = 0.2
    size_spread: float = 0.1
    sole_m: float = 0.003
    slowest_hz: float = 25.0


@dataclass(frozen=True)
class CloneConfig:
    """DAgger on the expert's labels.

    Attributes:
        instances, steps: simulated at once, and control steps of each per update; together at most so many labels.
        label_every: of the states that the policy drives into, every so-manieth is labelled (neighbours are alike).
        warm_updates: the expert alone drives, its actions disturbed by ``disturbance`` standard deviations, and nothing is
            learned; normalisation is taken from these.
        expert_share: of the episodes right after that; it falls to nothing over ``expert_updates``.
        batches, batch: gradient steps per update and their size; ``learning_rate`` falls by a cosine to a hundredth.
        residual_limit: body weights, of expert and policy.
        most_labels: once there are so many, none are collected any more; they take 700 bytes each.
        far_m: a pelvis further from its reference ends the episode: beyond a few centimetres the expert asks for more than
            the residual's limit, and its answers are worth little.
        longest_s: of an episode.
    """

    instances: int = 64
    steps: int = 32
    most_labels: int = 1_000_000
    label_every: int = 2
    warm_updates: int = 10
    disturbance: float = 0.3
    disturbed_steps: int = 6
    expert_share: float = 0.5
    expert_updates: int = 200
    batches: int = 8
    batch: int = 1024
    learning_rate: float = 1e-3
    residual_limit: float = 1.0
    far_m: float = 0.15
    longest_s: float = 3.0


@dataclass(frozen=True)
class PpoConfig:
    """Proximal policy optimisation (Schulman 2017, arXiv 1707.06347), from a clone.

    Attributes:
        instances, steps: simulated at once, and control steps of each per update.
        epochs, batches: passes over an update's steps, and gradient steps per pass.
        clip, value_clip: of the probability ratio, and of the change of a (scaled) value.
        stop_kl: an update's passes end beyond this divergence from the policy that drove.
        critic_updates: at first only the critic learns.
        spread: of the exploration at first, in standard deviations of the clone's actions.
        residual_limit, residual_limit_last: body weights at the beginning and from ``tighten_share`` of the run on.
        learning_rate: of the actor. A clone sits on a ridge: at 1e-5 a single gradient step already moves it by 0.1 to 0.3 nats.
        reward_scale: rewards are this much smaller for the critic.
        simulator: C MuJoCo on the processor, or MJX on JAX's device (a GPU, then with thousands of instances).
    """

    simulator: Simulator = "c"

    instances: int = 64
    steps: int = 32
    epochs: int = 3
    batches: int = 4
    discount: float = 0.95
    trace: float = 0.95
    clip: float = 0.1
    value_clip: float = 0.5
    value_weight: float = 0.5
    stop_kl: float = 0.02
    entropy: float = 0.0
    critic_updates: int = 10
    spread: float = 0.1
    learning_rate: float = 2e-6
    critic_learning_rate: float = 1e-3
    residual_limit: float = 1.0
    residual_limit_last: float = 0.15
    tighten_share: float = 0.8
    reward_scale: float = 0.05
    far_m: float = 0.5
    longest_s: float = 3.0


@dataclass(frozen=True)
class TrainingConfig:
    """One run: ``updates`` in all, of networks with ``hidden`` layers (critic: ``critic``) that see ``look_ahead``."""

    method: Method = "clone"
    seed: int = 0
    updates: int = 1000
    hidden: tuple[int, ...] = (384, 384, 384)
    critic: tuple[int, ...] = (256, 256)
    look_ahead: tuple[int, ...] = (0, 1, 3, 5, 11, 21)
    motions: MotionsConfig = field(default_factory=MotionsConfig)
    clone: CloneConfig = field(default_factory=CloneConfig)
    ppo: PpoConfig = field(default_factory=PpoConfig)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def read_config(path: Path) -> TrainingConfig:
    """A configuration file; what it does not name keeps its default.

    Raises:
        TrainingConfigError: not readable, an unknown entry, or a value of another kind.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingConfigError(f"{path}: not readable ({error})") from None
    return _made(TrainingConfig, document, str(path))


def _made(made: Any, document: Any, where: str) -> Any:
    if not isinstance(document, dict):
        raise TrainingConfigError(f"{where}: expected named entries, found {document!r}")
    hints = get_type_hints(made)
    known = list(hints)
    values = {}
    for name, value in document.items():
        if name not in known:
            raise TrainingConfigError(f"{where}: unknown entry {name!r}; valid: {', '.join(known)}")
        values[name] = _value(hints[name], value, f"{where}: {name}")
    return made(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        return _made(hint, value, where)
    if hint in (Method, Simulator):
        if value not in get_args(hint):
            raise TrainingConfigError(f"{where} is {value!r}; valid: {', '.join(get_args(hint))}")
        return value
    if hint == tuple[int, ...]:
        if not isinstance(value, list) or not value or not all(type(v) is int and v >= 0 for v in value):
            raise TrainingConfigError(f"{where} is {value!r}; expected a list of whole numbers")
        return tuple(value)
    kinds = (int,) if hint is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TrainingConfigError(f"{where} is {value!r}; expected a number")
    return float(value) if hint is float else int(value)
