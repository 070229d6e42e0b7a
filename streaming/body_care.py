"""An unknown person's body on its way into a live engine, one short step at a time between two frames."""

from __future__ import annotations

from collections.abc import Callable

from kincast.streaming.body_worker import BodyWorker, MadeBody
from kincast.streaming.engine import Engine
from kincast.streaming.latency import StageTimes


class BodyCare:
    """Asks for the body when the engine has seen enough, takes it, prepares it, and has it swapped in.

    Its process starts when this is made. ``swap`` is called with the body.json whose turn has come; ``failures``
    says, in words for the therapist's screen, why a body could not be estimated.
    """

    def __init__(self, engine: Engine, times: StageTimes, swap: Callable[[str], None]) -> None:
        self._engine = engine
        self._times = times
        self._swap = swap
        self._worker = BodyWorker(engine.header, engine.config.muscles, engine.config.base)
        self._made: MadeBody | None = None
        self.failures: list[str] = []

    def step(self) -> bool:
        """One thing of about a millisecond; False if there was nothing to do."""
        if self._made is not None:
            made, self._made = self._made, None
            self._swap(made.body_json)
            return True
        if self._engine.body_wanted and not self._worker.busy:
            self._worker.estimate(self._engine.take_body_request())
            return True
        made = self._worker.take()
        if made is None:
            return False
        if made.failure:
            self.failures.append(f"the body could not be estimated: {made.failure}")
            self._engine.body_failed()
        else:
            with self._times.timed("prepare"):
                self._engine.prepare(made.body_json, made.body())
            self._made = made
        return True

    def stop(self) -> None:
        """End its process."""
        self._worker.stop()
