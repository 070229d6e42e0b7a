"""Tiny training runs: two people who sway, small networks, few steps."""

from __future__ import annotations

from dataclasses import replace

from kincast.models.body import BodyParameters, build_body
from kincast.models.twin.model import build_twin
from kincast.offline.training.config import CloneConfig, PpoConfig, TrainingConfig
from kincast.offline.training.motions import Motions, made_of
from tests.models.twin_people import PERSON, swaying

SMALL = BodyParameters(scales={"overall": 0.8}, mass_kg=30.0)
TINY = TrainingConfig(
    seed=5,
    updates=8,
    hidden=(16,),
    critic=(8,),
    look_ahead=(0, 2),
    clone=CloneConfig(
        instances=4, steps=6, warm_updates=2, expert_updates=4, batches=4, batch=32, longest_s=0.2
    ),
    ppo=PpoConfig(instances=4, steps=6, epochs=2, batches=2, critic_updates=2, longest_s=0.2),
)


def two_people() -> Motions:
    twins = [build_twin(build_body(p)) for p in (PERSON, SMALL)]
    references = [swaying(t.body, 0.6) for t in twins]
    return made_of(twins, references, ["one", "two"], "0" * 64)


def tiny(updates: int = TINY.updates, **clone: object) -> TrainingConfig:
    return replace(TINY, updates=updates, clone=replace(TINY.clone, **clone))
