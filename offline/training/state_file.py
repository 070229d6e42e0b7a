"""The state of a training run as one file: named arrays, exact to the bit."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kincast.models.errors import UserMistakeError


class StateFileError(UserMistakeError):
    """A run's state is damaged, or was written under other settings."""


def flat(name: str, tree: Any) -> dict[str, np.ndarray]:
    """A pytree's leaves by path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {name + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def unflat(name: str, like: Any, state: Mapping[str, np.ndarray]) -> Any:
    """A pytree with the structure of ``like`` from what :func:`flat` gave.

    Raises:
        StateFileError: a leaf is missing or of another shape.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    leaves = []
    for path, leaf in paths:
        key = name + jax.tree_util.keystr(path)
        if key not in state or state[key].shape != np.shape(leaf):
            raise StateFileError(
                f"the run's state lacks {key} of {np.shape(leaf)}: other settings, or damaged"
            )
        leaves.append(jnp.asarray(state[key]))
    return jax.tree_util.tree_unflatten(structure, leaves)


def write_state(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """There whole or not at all."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez(file, **state)  # pyright: ignore[reportArgumentType]
    partial.replace(path)


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Read it back.

    Raises:
        StateFileError
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise StateFileError(f"{path}: not readable ({error})") from None
