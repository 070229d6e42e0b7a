"""``kincast train``: a policy for the twin, cloned from the expert and fine-tuned, from a motion library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kincast.models.errors import UserMistakeError


class TrainOptionsError(UserMistakeError):
    """Options of ``kincast train`` that do not go together."""


@dataclass(frozen=True)
class Train:
    """Train a policy on a motion library's training people. Cut it at any time: the same command goes on where it was."""

    library: Positional[Path]
    """Folder that `kincast library` wrote."""
    output: Annotated[Path, arg(aliases=["-o"])]
    """Folder of the run: settings, checkpoints, policy.npz, curves.csv and curves.png."""
    config: Path | None = None
    """Settings as JSON; what it leaves out keeps its default. Goes for a new run; a run in the folder keeps its own."""
    method: Literal["clone", "ppo"] | None = None
    """Clone the computed-torque expert (the first step), or fine-tune a clone."""
    first: Path | None = None
    """The policy that ppo begins with."""
    updates: int | None = None
    """Updates in all."""
    seed: int | None = None
    """Of everything random."""
    minutes: float | None = None
    """Stop after so long, to go on later."""
    checkpoint_minutes: float = 2.0
    """Between checkpoints; a cut loses no more."""

    def run(self) -> int:
        import math
        from dataclasses import replace

        from kincast.offline.motion_library.index import Library
        from kincast.offline.training.config import TrainingConfig, read_config
        from kincast.offline.training.run import Pace
        from kincast.offline.training.start import CONFIG, train

        told = {
            name: value
            for name, value in (("method", self.method), ("updates", self.updates), ("seed", self.seed))
            if value is not None
        }
        if self.updates is not None and self.updates < 1:
            raise TrainOptionsError(f"--updates {self.updates}: at least 1")
        config = None
        if told or self.config is not None:
            saved = self.output / CONFIG
            base = self.config or (saved if saved.exists() else None)
            config = replace(read_config(base) if base is not None else TrainingConfig(), **told)
        stop_s = math.inf if self.minutes is None else 60.0 * self.minutes
        pace = Pace(checkpoint_s=60.0 * self.checkpoint_minutes, stop_s=stop_s)
        found = train(Library(self.library), self.output, config, self.first, pace, _say)
        print(f"{found.policy}: {found.update} of {found.updates} updates")
        if found.update < found.updates:
            print("the same command goes on")
        return 0


def _say(line: str) -> None:
    print(line, flush=True)
