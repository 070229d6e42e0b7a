"""What must be set before NumPy and JAX are imported, once per process, by the composition root."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cache_dir() -> Path:
    """``$KINCAST_CACHE``, else ``$XDG_CACHE_HOME/kincast``, else ``~/.cache/kincast``."""
    if "KINCAST_CACHE" in os.environ:
        return Path(os.environ["KINCAST_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kincast"


def keep_to_one_core() -> None:
    """Before JAX starts: this process and its threads stay on one core, the last it may use, and JAX computes where it is called.

    Spread over two busy cores, XLA's threads wait for each other: with senders and a subscriber on the same two
    cores the 99th percentile of a live frame fell from 14.7 to 11.8 ms (`kincast bench live`, 8 x 87 x 60).
    The core is left alone where there is one only, or no such call.
    """
    os.environ.setdefault("JAX_CPU_ENABLE_ASYNC_DISPATCH", "false")
    if hasattr(os, "sched_getaffinity"):
        cores = os.sched_getaffinity(0)
        if len(cores) > 1:
            os.sched_setaffinity(0, {max(cores)})


def use_all_cores() -> None:
    """Undo what was inherited from a parent that keeps to one core."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))


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
