"""Strict mathematics in tests: types checked at run time, rank promotion raises."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parent.parent / "build" / "jax-cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_numpy_rank_promotion", "raise")
install_import_hook(
    ["kincast.models", "kincast.streaming", "kincast.capture", "kincast.offline"], "beartype.beartype"
)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real recordings: ``KINCAST_DATA``, else ``../shared/data`` beside the checkout."""
    root = Path(os.environ.get("KINCAST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"real recordings are not here ({root}); set KINCAST_DATA")
    return root
