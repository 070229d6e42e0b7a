"""``kincast evaluate``: the twin follows motions; its errors, residual, forces and events, KinTwin's published ones beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from kincast.offline.evaluation.drivers import Driver
    from kincast.offline.evaluation.evaluate import Run
    from kincast.offline.evaluation.trials import KeptOut, Trial


@dataclass(frozen=True)
class Evaluate:
    """Follow every motion in simulation and report how well: KinTwin's table with ours beside it, and what it did not report."""

    sources: Positional[tuple[Path, ...]]
    """A motion library (`kincast library`), or results folders of `kincast refit` or `replay`."""
    truth: tuple[Path, ...] = ()
    """Measured truth (plates, inverse dynamics) of each results folder, in their order; as `kincast compare` takes it."""
    emg: tuple[Path, ...] = ()
    """Measured muscle signals (.sto, columns `<muscle>_activation`) on each truth's clock, in the order of the results folders."""
    split: Literal["train", "validation", "test", "all"] = "test"
    """Of a library: people trained on, kept for choosing or for testing, or all. The expert is trained on nobody."""
    policy: Path | None = None
    """A policy that `kincast train` wrote; without one the computed-torque expert."""
    muscles: bool = False
    """Drive the legs with muscles (the muscle expert) instead."""
    residual: float | None = None
    """Greatest residual force at the pelvis, in body weights (default: as the policy was trained; of the expert none)."""
    longest: float = float("inf")
    """Only so many seconds of each motion."""
    plot: bool = False
    """Curves of every motion beside truth as PNG into the output folder."""
    output: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Folder for evaluation.md, evaluation.csv, evaluation.json and pictures."""

    def run(self) -> int:
        from kincast.models.errors import UserMistakeError
        from kincast.offline.evaluation.evaluate import evaluate
        from kincast.offline.evaluation.table import DEFINITIONS, csv_text, json_text, markdown, text_table

        if self.plot and self.output is None:
            raise UserMistakeError("--plot needs a folder for the pictures: name one with -o")
        driver = self._driver()
        found = evaluate(self._trials(), driver, self.longest, tell=print, each=self._picture)
        print(text_table(found))
        print(DEFINITIONS)
        if self.output is not None:
            self.output.mkdir(parents=True, exist_ok=True)
            facts = {
                "sources": [str(s) for s in self.sources],
                "split": self.split,
                "policy": None if self.policy is None else str(self.policy),
                "residual_limit_bw": self.residual,
            }
            for name, text in (
                ("evaluation.md", markdown(found)),
                ("evaluation.csv", csv_text(found)),
                ("evaluation.json", json_text(found, facts)),
            ):
                (self.output / name).write_text(text, encoding="utf-8")
            print(self.output)
        return 0

    def _driver(self) -> Driver:
        from kincast.models.errors import UserMistakeError
        from kincast.models.twin.expert import ExpertConfig
        from kincast.models.twin.muscle_expert import MuscleExpertConfig
        from kincast.offline.evaluation.drivers import ExpertDriver, MuscleDriver, PolicyDriver

        if self.policy is not None:
            if self.muscles:
                raise UserMistakeError(
                    "--muscles is the muscle expert and --policy a learned one: choose one"
                )
            return PolicyDriver.of(self.policy, self.residual)
        limit = float("inf") if self.residual is None else self.residual
        if self.muscles:
            usual = MuscleExpertConfig()
            return MuscleDriver(replace(usual, torque=replace(usual.torque, residual_limit=limit)))
        return ExpertDriver(ExpertConfig(residual_limit=limit))

    def _trials(self) -> Iterator[Trial | KeptOut]:
        from kincast.models.errors import UserMistakeError
        from kincast.offline.evaluation.trials import library_trials, results_trials
        from kincast.offline.motion_library.index import INDEX, Library
        from kincast.streaming.results import columns

        folders = [s for s in self.sources if (s / columns.KINEMATICS).is_file()]
        for name, given in (("--truth", self.truth), ("--emg", self.emg)):
            if given and len(given) != len(folders):
                raise UserMistakeError(
                    f"{name} names {len(given)} places for {len(folders)} results folders: one each, in order"
                )
        split = None if self.split == "all" else self.split
        for source in self.sources:
            if source not in folders:
                if not (source / INDEX).is_file():
                    raise UserMistakeError(
                        f"{source}: neither a motion library ({INDEX}) nor a results folder ({columns.KINEMATICS})"
                    )
                yield from library_trials(Library(source), split)
        for k, folder in enumerate(folders):
            truth, emg = (given[k] if given else None for given in (self.truth, self.emg))
            yield from results_trials(folder, truth, emg)

    def _picture(self, run: Run) -> None:
        if not self.plot or self.output is None:
            return
        from kincast.offline.evaluation.evaluate import label
        from kincast.offline.evaluation.plot import plot_run

        plot_run(self.output / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', label(run))}.png", run)
