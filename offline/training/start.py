"""A training run from a library and a folder: begun, or gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kincast.models.errors import UserMistakeError
from kincast.models.twin.policy import Policy
from kincast.models.twin.policy_file import read_policy
from kincast.offline.file_hash import file_sha256
from kincast.offline.motion_library.index import INDEX, Library
from kincast.offline.training.clone import Clone
from kincast.offline.training.config import TrainingConfig, TrainingConfigError, read_config
from kincast.offline.training.curves_plot import PICTURE, plot_curves
from kincast.offline.training.motions import motions_of
from kincast.offline.training.ppo import Ppo
from kincast.offline.training.run import CURVES, POLICY, Pace, run

CONFIG, FIRST, LIBRARY = "config.json", "first.npz", "library.sha256"


class RunFolderError(UserMistakeError):
    """A folder holds a run of other settings or of another library."""


@dataclass(frozen=True)
class Reached:
    """``update`` of ``updates`` done; ``folder`` holds policy, curves and the state to go on from."""

    update: int
    updates: int
    folder: Path
    policy: Path


def train(
    library: Library,
    folder: Path,
    config: TrainingConfig | None = None,
    first: Path | None = None,
    pace: Pace | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Reached:
    """Train on the people of the library's split ``train``; a folder that holds a run goes on with its own settings.

    ``first``: the policy that ``ppo`` begins with.

    Raises:
        RunFolderError: ``config`` or the library are not those of the run in the folder.
        TrainingConfigError: ``ppo`` without a policy to begin with.
        TrainingFailedError: a number that is none.
        Errors of :func:`~kincast.offline.training.motions.motions_of` and :func:`~kincast.models.twin.policy_file.read_policy`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = _settled(folder, config)
    _same_library(folder, file_sha256(library.folder / INDEX))
    policy = _first(folder, first) if config.method == "ppo" else None
    motions = motions_of(library, "train", config.motions, config.seed, tell)
    tell(f"{len(motions.names)} motions, {motions.seconds:.0f} s, of {library.folder}")
    task = Clone(config, motions) if policy is None else Ppo(config, motions, policy)
    try:
        update = run(task, config.updates, folder, pace or Pace(), tell, drawn=_drawn(folder))
    finally:
        task.close()
    return Reached(update, config.updates, folder, folder / POLICY)


def _drawn(folder: Path) -> Callable[[], None]:
    def draw() -> None:
        plot_curves(folder / CURVES, folder / PICTURE)

    return draw


def _settled(folder: Path, config: TrainingConfig | None) -> TrainingConfig:
    path = folder / CONFIG
    if path.exists():
        saved = read_config(path)
        if config is not None and config != saved:
            raise RunFolderError(
                f"{path}: a run of other settings; go on with those, or choose another folder"
            )
        return saved
    config = config or TrainingConfig()
    path.write_text(config.to_json(), encoding="utf-8")
    return config


def _same_library(folder: Path, library: str) -> None:
    path = folder / LIBRARY
    if path.exists():
        known = path.read_text(encoding="utf-8").strip()
        if known != library:
            raise RunFolderError(
                f"{folder} was trained on library {known[:12]}, this is {library[:12]}; a run keeps to one library"
            )
    path.write_text(library + "\n", encoding="utf-8")


def _first(folder: Path, first: Path | None) -> Policy:
    """The policy ppo begins with; the folder keeps it."""
    kept = folder / FIRST
    if first is not None:
        policy = read_policy(first)
        if not kept.exists():
            kept.write_bytes(first.read_bytes())
        elif kept.read_bytes() != first.read_bytes():
            raise RunFolderError(f"{folder} began with another policy than {first}")
        return policy
    if not kept.exists():
        raise TrainingConfigError("ppo begins with a policy: give the clone's policy.npz with --first")
    return read_policy(kept)
