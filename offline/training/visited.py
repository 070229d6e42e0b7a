"""States that were driven into, with the expert's answers: what a policy is cloned from.

Kept as states and not as observations, so that one set serves policies of any look-ahead; written in pieces as it grows.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from kincast.models.errors import UserMistakeError
from kincast.models.rotations import Array


class LabelsMissingError(UserMistakeError):
    """A run's labels on disk are fewer than its checkpoint counts."""


class Visited(NamedTuple):
    """Many states along the leading axis; ``label`` is the expert's action there, ``force`` on the feet in newtons."""

    clip: Int[Array, "*n"]
    row: Int[Array, "*n"]
    q: Float[Array, "*n 41"]
    v: Float[Array, "*n 40"]
    force: Float[Array, "*n 2 3"]
    previous: Float[Array, "*n action"]
    label: Float[Array, "*n action"]


class Buffer:
    """Grows up to ``capacity``; rows are never changed."""

    def __init__(self, capacity: int, actions: int) -> None:
        self._all = Visited(
            np.zeros(capacity, np.int32),
            np.zeros(capacity, np.int32),
            np.zeros((capacity, 41), np.float32),
            np.zeros((capacity, 40), np.float32),
            np.zeros((capacity, 2, 3), np.float32),
            np.zeros((capacity, actions), np.float32),
            np.zeros((capacity, actions), np.float32),
        )
        self.rows = 0
        self._written = 0

    def append(self, visited: Visited) -> None:
        end = self.rows + len(visited.clip)
        for values, more in zip(self._all, visited, strict=True):
            values[self.rows : end] = more
        self.rows = end

    def take(self, rows: np.ndarray) -> Visited:
        """Copies of these rows."""
        return Visited(*(values[rows] for values in self._all))

    def write(self, folder: Path) -> None:
        """What came since the last time, as one more file of ``folder``."""
        if self.rows == self._written:
            return
        folder.mkdir(exist_ok=True)
        path = folder / f"{self._written:09d}.npz"
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            part = {k: v[self._written : self.rows] for k, v in self._all._asdict().items()}
            np.savez(file, **part)  # pyright: ignore[reportArgumentType]
        partial.replace(path)
        self._written = self.rows

    def read(self, folder: Path, rows: int) -> None:
        """The first ``rows`` that were written; later ones are removed, they will come again.

        Raises:
            LabelsMissingError
        """
        self.rows = self._written = 0
        for path in sorted(folder.glob("*.npz")) if folder.is_dir() else ():
            if int(path.stem) != self.rows or self.rows >= rows:
                path.unlink()
                continue
            with np.load(path, allow_pickle=False) as archive:
                found = Visited(*(archive[name] for name in Visited._fields))
            self.append(Visited(*(values[: rows - self.rows] for values in found)))
        if self.rows < rows:
            raise LabelsMissingError(
                f"{folder}: {self.rows} labels, the checkpoint counts {rows}; begin anew"
            )
        self._written = self.rows
