"""What must be set before NumPy and JAX are imported, once per process, by the composition root."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """``$KINCAST_CACHE``, else ``$XDG_CACHE_HOME/kincast``, else ``~/.cache/kincast``."""
    if "KINCAST_CACHE" in os.environ:
        return Path(os.environ["KINCAST_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kincast"


def prepare_process() -> None:
    """One BLAS thread (under contention its threads turn milliseconds into seconds) and JAX's compilation cache.

    The cache holds compiled programs, so whoever can write it can run code as us: mode 0700.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax_cache = cache_dir() / "jax"
        jax_cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        jax_cache.chmod(0o700)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(jax_cache)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
