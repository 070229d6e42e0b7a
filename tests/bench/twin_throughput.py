"""How fast the twin's environment, its expert and a policy are: control steps per second of processor time and of the clock.

    python -m tests.bench.twin_throughput [--instances N] [--steps N] [--threads N]

A person who sways on flat feet (both feet in contact all the time: the dearest physics). Processor time is what two busy cores are
compared by; the clock tells what this computer gave meanwhile. A control step of 1/120 s is four physics steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from kincast.models.twin.environment_c import CEnvironments
from kincast.models.twin.expert import ExpertConfig
from kincast.models.twin.observation import size
from kincast.models.twin.policy import Layer, Normalisation, Policy, PolicyFacts
from kincast.offline.training.config import TrainingConfig
from kincast.offline.training.labels import Labels
from kincast.offline.training.motions import made_of
from tests.models.twin_people import swaying, twin


def untrained(inputs: int, hidden: tuple[int, ...]) -> Policy:
    """A policy of the usual size that does nothing."""
    widths = (inputs, *hidden, 40)
    layers = tuple(Layer(np.zeros((a, b), np.float32), np.zeros(b, np.float32)) for a, b in pairwise(widths))
    ones, zeros = np.ones(inputs, np.float32), np.zeros(inputs, np.float32)
    plain = Normalisation(zeros, ones, np.zeros(40, np.float32), np.ones(40, np.float32))
    facts = PolicyFacts("", "", (0,), 40, "", "clone", 0)
    return Policy(facts, plain, layers, np.zeros(40, np.float32))


def measure(
    data: Path | None = None, instances: int = 64, steps: int = 40, threads: int = 2
) -> dict[str, float]:
    """Microseconds of processor time per control step of one instance; no recordings are needed."""
    made = twin()
    motions = made_of([made], [swaying(made.body, 2.0)], ["sway"], "")
    environments = CEnvironments(motions.twins, motions.bank, motions.person_of_clip, threads=threads)
    labels = Labels(motions, ExpertConfig(), environments.config.action)  # type: ignore[arg-type]
    policy = untrained(size(environments.config.observation), TrainingConfig().hidden)
    clip, row = np.zeros(instances, int), np.arange(instances) % 100
    everyone = np.ones(instances, bool)
    seen = environments.reset(clip, row)
    action = labels.of(environments, everyone)

    figures: dict[str, float] = {}
    for name, once in (
        ("environment", lambda: environments.step(action)),
        ("expert", lambda: labels.of(environments, everyone)),
        ("policy", lambda: policy.mean(seen)),
    ):
        cpu, clock = _timed(once, steps)
        figures[f"twin_throughput.{name} CPU us"] = round(1e6 * cpu / instances, 1)
        print(
            f"{name}: {instances / clock:.0f} control steps per second of the clock, {1e6 * cpu / instances:.1f} CPU us each"
        )
        if name == "environment":
            environments.reset(clip, row)
    environments.close()
    return figures


def _timed(once: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds of one call: processor, clock."""
    once()
    cpu, clock = process_time(), perf_counter()
    for _ in range(times):
        once()
    return (process_time() - cpu) / times, (perf_counter() - clock) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=64)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    measure(None, options.instances, options.steps, options.threads)


if __name__ == "__main__":
    main()
