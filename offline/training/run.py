"""A training run in a folder: goes on where it was cut, writes curves and checkpoints, and stops at the first number that is none.

config.json   settings          policy.npz   the policy of the last checkpoint
state.npz     to go on from     curves.csv   one line per update
labels/       what was cloned   failed.npz   state before the update that failed
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol, runtime_checkable

import numpy as np

from kincast.models.twin.policy import Policy
from kincast.models.twin.policy_file import write_policy
from kincast.offline.training.state_file import read_state, write_state

STATE, POLICY, CURVES, FAILED = "state.npz", "policy.npz", "curves.csv", "failed.npz"


class TrainingFailedError(RuntimeError):
    """An update gave a number that is none; the folder holds the last good checkpoint and the state before the update."""


@runtime_checkable
class Task(Protocol):
    """What is trained; ``step(update)`` depends on the snapshot and the number of the update alone."""

    def step(self, update: int) -> dict[str, float]: ...

    def snapshot(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: Mapping[str, np.ndarray], folder: Path) -> None: ...

    def write(self, folder: Path) -> None: ...

    def policy(self, update: int) -> Policy: ...


@dataclass(frozen=True)
class Pace:
    """``checkpoint_s`` between checkpoints; ``stop_s``: then a run stops by itself, to go on later; a line every ``tell_s``."""

    checkpoint_s: float = 120.0
    stop_s: float = math.inf
    tell_s: float = 10.0


def run(
    task: Task,
    updates: int,
    folder: Path,
    pace: Pace | None = None,
    tell: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = monotonic,
    drawn: Callable[[], None] = lambda: None,
) -> int:
    """Train up to ``updates`` in all; the number reached. Cut anywhere, the next call gives what one uncut would have given.

    ``drawn``: called whenever ``curves.csv`` is new.

    Raises:
        TrainingFailedError
        StateFileError, LabelsMissingError: the folder's files do not belong together.
    """
    pace = pace or Pace()
    first = _resumed(task, folder)
    begun = saved = told = clock()
    update = first
    with _Curves(folder / CURVES, first) as curves:
        while update < updates and clock() - begun < pace.stop_s:
            before = task.snapshot()
            figures = task.step(update)
            if not all(math.isfinite(x) for x in figures.values()):
                _checkpoint(task, before, update, folder, None)
                write_state(folder / FAILED, before | {"update": np.array(update)})
                bad = ", ".join(name for name, x in figures.items() if not math.isfinite(x))
                raise TrainingFailedError(
                    f"update {update}: {bad} is no number; {folder / STATE} is the state before it, {folder / FAILED}"
                    " replays it (kincast.offline.training.run.replay)"
                )
            curves.add(update, figures)
            update += 1
            now = clock()
            if now - told >= pace.tell_s or update == updates:
                told = now
                left = (now - begun) / (update - first) * (updates - update)
                tell(_line(update, updates, left, figures))
            if now - saved >= pace.checkpoint_s:
                saved = now
                curves.flush()
                drawn()
                _checkpoint(task, task.snapshot(), update, folder, task.policy(update))
    if update > first:
        drawn()
        _checkpoint(task, task.snapshot(), update, folder, task.policy(update))
    return update


def replay(task: Task, folder: Path) -> dict[str, float]:
    """The figures of the update that failed, once more."""
    state = read_state(folder / FAILED)
    task.restore(state, folder)
    return task.step(int(state["update"]))


def _resumed(task: Task, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / STATE).exists():
        return 0
    state = read_state(folder / STATE)
    task.restore(state, folder)
    return int(state["update"])


def _checkpoint(
    task: Task, state: dict[str, np.ndarray], update: int, folder: Path, policy: Policy | None
) -> None:
    task.write(folder)
    if policy is not None:
        write_policy(folder / POLICY, policy)
    write_state(folder / STATE, state | {"update": np.array(update)})


def _line(update: int, updates: int, left_s: float, figures: dict[str, float]) -> str:
    shown = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
    hours, seconds = divmod(int(left_s), 3600)
    return f"{update} of {updates}, {hours}:{seconds // 60:02d}:{seconds % 60:02d} left  {shown}"


class _Curves:
    """One line per update; lines behind the point where a run goes on are dropped."""

    def __init__(self, path: Path, first: int) -> None:
        self._names: list[str] = []
        kept: list[dict[str, str]] = []
        if first and path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["update"]) < first]
            self._names = list(kept[0]) if kept else []
        self._path, self._rows = path, kept

    def __enter__(self) -> _Curves:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, update: int, figures: dict[str, float]) -> None:
        row = {"update": str(update)} | {name: f"{value:.9g}" for name, value in figures.items()}
        self._names += [name for name in row if name not in self._names]
        self._rows.append(row)

    def flush(self) -> None:
        with self._path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)
