"""Estimating a body aside, in a process of its own at low priority, so that the live stream does not stall."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor

from kincast.models.observations import Observations
from kincast.streaming.messages import SessionHeader


class BodyWorker:
    """One estimate at a time. The process starts, and imports what it needs, when this is made."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
        )
        self._pool.submit(os.getpid)
        self._running: Future[str] | None = None

    @property
    def busy(self) -> bool:
        """An estimate is being made or waits to be taken."""
        return self._running is not None

    def start(self, observations: Observations, header: SessionHeader) -> None:
        """Begin; :meth:`take` gives the result."""
        self._running = self._pool.submit(_estimate, observations, header)

    def take(self) -> tuple[str, str] | None:
        """(body.json, "") or ("", why there is none) once finished, None before."""
        if self._running is None or not self._running.done():
            return None
        future, self._running = self._running, None
        error = future.exception()
        return (future.result(), "") if error is None else ("", str(error) or type(error).__name__)

    def stop(self) -> None:
        """End the process; an estimate under way is given up."""
        for process in (self._pool._processes or {}).values():
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    os.nice(10)
    if hasattr(os, "sched_setaffinity"):  # the engine may keep to one core, which it needs for itself
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
    import kincast.models.body_fit  # noqa: F401  the import takes seconds


def _estimate(observations: Observations, header: SessionHeader) -> str:
    from kincast.streaming.replay import estimated_body

    return estimated_body(observations, header, 0).body_json
