"""Estimating and building a body aside, in a process of its own at the lowest priority, so that the live stream does not stall.

A thread would not do: the estimate is Python for seconds, and building the MuJoCo model holds the interpreter for
longer than a picture lasts.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

from kincast.models.base_body import BaseBody
from kincast.models.body import Body, BodyParameters
from kincast.models.observations import Observations
from kincast.streaming.messages import SessionHeader

LOWEST_PRIORITY = 19
STOP_S = 2.0


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

    def __init__(self, header: SessionHeader, muscles: bool, base: BaseBody | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        cores = _other_cores()
        self._process = context.Process(
            target=_serve, args=(there, header, muscles, base, cores), name="body worker", daemon=True
        )
        launch = threading.Thread(target=self._launch, args=(cores,), name="body worker's start")
        launch.start()
        launch.join()
        there.close()  # or nobody would notice when the process ends
        self._busy = False
        self._answer: queue.SimpleQueue[bytes | str] = queue.SimpleQueue()

    def _launch(self, cores: set[int]) -> None:
        """In a thread of its own: on Linux a process inherits priority and cores of the thread that starts it, here before its imports."""
        if sys.platform == "linux":
            _step_back(cores)
        self._process.start()

    @property
    def busy(self) -> bool:
        """A body is being made or waits to be taken."""
        return self._busy

    def estimate(self, observations: Observations) -> None:
        """Begin to make the body of the person in ``observations``; :meth:`take` gives it."""
        self._begin(observations)

    def build(self, body_json: str) -> None:
        """Begin to build the body that somebody describes; :meth:`take` gives it."""
        self._begin(body_json)

    def take(self) -> MadeBody | None:
        """What came of it once finished, None before."""
        try:
            answer = self._answer.get_nowait()
        except queue.Empty:
            return None
        self._busy = False
        return MadeBody(failure=answer) if isinstance(answer, str) else pickle.loads(answer)

    def stop(self) -> None:
        """End the process; a job under way is given up."""
        self._process.kill()
        self._process.join(STOP_S)

    def _begin(self, job: Observations | str) -> None:
        self._busy = True
        # Packed here: a thread that holds the interpreter for it, and is of ordinary priority, could hold up the engine.
        packed = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
        threading.Thread(target=self._ask, args=(packed,), name="body worker's job", daemon=True).start()

    def _ask(self, packed: bytes) -> None:
        """Both ways take as long as the other process pleases."""
        try:
            self._pipe.send_bytes(packed)
            self._answer.put(self._pipe.recv_bytes())
        except (OSError, EOFError):
            self._answer.put("the process that estimates bodies has ended")


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


def _serve(
    pipe: Connection, header: SessionHeader, muscles: bool, base: BaseBody | None, cores: set[int]
) -> None:
    """The process: jobs in, bodies out, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the session, which ends us
    _step_back(cores)
    import kincast.models.body_fit  # noqa: F401  the import takes seconds

    with contextlib.suppress(EOFError, OSError):
        while True:
            job: Observations | str = pickle.loads(pipe.recv_bytes())
            try:
                made = _made(job, header, muscles, base)
            except Exception as error:
                made = MadeBody(failure=str(error) or type(error).__name__)
            pipe.send_bytes(pickle.dumps(made, protocol=pickle.HIGHEST_PROTOCOL))


def _made(job: Observations | str, header: SessionHeader, muscles: bool, base: BaseBody | None) -> MadeBody:
    from kincast.streaming.replay import estimated_body
    from kincast.streaming.session_body import built_for_session

    body_json = job if isinstance(job, str) else estimated_body(job, header, 0, base).body_json
    return MadeBody.of(body_json, built_for_session(BodyParameters.from_json(body_json), header, muscles))
