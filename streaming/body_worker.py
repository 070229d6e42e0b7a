"""Estimating and building a body aside, in a process of its own at the lowest priority, so that the live stream does not stall.

A thread would not do: the estimate is Python for seconds, and building the MuJoCo model holds the interpreter for
longer than a picture lasts.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from kincast.models.body import Body, BodyParameters
from kincast.models.observations import Observations
from kincast.streaming.messages import SessionHeader

LOWEST_PRIORITY = 19


@dataclass(frozen=True)
class MadeBody:
    """A body.json and the pickled :class:`Body` built from it for the session; or ``failure``, why there is none."""

    body_json: str = ""
    pickled: bytes = b""
    failure: str = ""

    @staticmethod
    def of(body_json: str, body: Body) -> MadeBody:
        """Ready to be sent to another process."""
        return MadeBody(body_json, pickle.dumps(body, protocol=pickle.HIGHEST_PROTOCOL))

    def body(self) -> Body:
        """The body itself (about a millisecond)."""
        return pickle.loads(self.pickled)


class BodyWorker:
    """One job at a time. The process starts, and imports what it needs, when this is made."""

    def __init__(self, header: SessionHeader, muscles: bool) -> None:
        self._header = header
        self._muscles = muscles
        cores = _other_cores()
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(cores,),
        )
        launch = threading.Thread(target=self._launch, args=(cores,), name="body worker's start")
        launch.start()
        launch.join()
        self._running: Future[MadeBody] | None = None

    def _launch(self, cores: set[int]) -> None:
        """In a thread of its own: on Linux a process inherits priority and cores of the thread that starts it, here before its imports."""
        if sys.platform == "linux":
            _step_back(cores)
        self._pool.submit(os.getpid)

    @property
    def busy(self) -> bool:
        """A body is being made or waits to be taken."""
        return self._running is not None

    def estimate(self, observations: Observations) -> None:
        """Begin to make the body of the person in ``observations``; :meth:`take` gives it."""
        self._running = self._pool.submit(_estimated, observations, self._header, self._muscles)

    def build(self, body_json: str) -> None:
        """Begin to build the body that somebody describes; :meth:`take` gives it."""
        self._running = self._pool.submit(_built, body_json, self._header, self._muscles)

    def take(self) -> MadeBody | None:
        """What came of it once finished, None before."""
        if self._running is None or not self._running.done():
            return None
        future, self._running = self._running, None
        error = future.exception()
        return future.result() if error is None else MadeBody(failure=str(error) or type(error).__name__)

    def stop(self) -> None:
        """End the process; a job under way is given up."""
        for process in (self._pool._processes or {}).values():
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _other_cores() -> set[int]:
    """Those that an engine which keeps to some cores leaves free; all where it does not."""
    every = set(range(os.cpu_count() or 1))
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    return every - own or every


def _step_back(cores: set[int]) -> None:
    """The lowest priority, and out of the engine's way where there is another core."""
    with contextlib.suppress(OSError):
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)


def _prepare(cores: set[int]) -> None:
    _step_back(cores)
    import kincast.models.body_fit  # noqa: F401  the import takes seconds


def _estimated(observations: Observations, header: SessionHeader, muscles: bool) -> MadeBody:
    from kincast.streaming.replay import estimated_body

    return _built(estimated_body(observations, header, 0).body_json, header, muscles)


def _built(body_json: str, header: SessionHeader, muscles: bool) -> MadeBody:
    from kincast.streaming.session_body import built_for_session

    return MadeBody.of(body_json, built_for_session(BodyParameters.from_json(body_json), header, muscles))
