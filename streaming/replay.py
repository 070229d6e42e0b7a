"""A recording through the live path: the same engine, the same bytes in, the same LiveFrames out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kincast.models.base_body import BaseBody
from kincast.models.body import BodyParameters
from kincast.models.body_fit import BodyFitConfig, fit_body
from kincast.models.errors import UserMistakeError
from kincast.models.observations import Observations
from kincast.streaming import wire
from kincast.streaming.engine import Engine, EngineConfig
from kincast.streaming.latency import StageTimes
from kincast.streaming.messages import BodySwap, EndOfStream, Message, SessionHeader
from kincast.streaming.recording import Lost, Recording, read_recording

LIVE_SOURCE = "live"
"""``SessionHeader.source`` of a live session: its recording holds every BodySwap there was."""


@dataclass(frozen=True)
class Said:
    """One message of the engine, the receive stamp of the input it answers, and its exact wire bytes."""

    message: Message
    receive_ns: int
    frame: bytes


class Replay:
    """Iterate to run it: yields what the engine says, in order.

    Where the person's body is neither given nor in the recording (an import), it is estimated at a fixed
    stream time from what came until then, as a live run does aside.

    Attributes:
        header: the session, ``start_ns`` filled in.
        lost: what the recording should hold and does not; complete at the end.
        refused: frames whose bytes are no valid message, by reason.
        times: stage durations; ``whole()`` for the summary.
        body: the body in use (the last one at the end).

    Args:
        path: the recording.
        body: the person, overriding bodies in the recording.
        config: what to compute.
        speed: 1.0 paces by the receive stamps, None goes as fast as it can.

    Raises:
        NotARecordingError, UnknownSiteSetError, BodyParametersError
    """

    def __init__(
        self,
        path: Path,
        body: BodyParameters | None = None,
        config: EngineConfig | None = None,
        speed: float | None = None,
    ) -> None:
        self._recording: Recording = read_recording(path)
        self._body_given = body is not None
        self._speed = speed
        written = wire.decode(self._recording.header_frame)
        assert isinstance(written, SessionHeader)
        self._estimates = body is None and written.source != LIVE_SOURCE
        self.header = self._recording.header
        self.lost: Lost = self._recording.lost
        self.refused: Counter[str] = Counter()
        self.times = StageTimes()
        self.body_failures: list[str] = []
        """Why the body of an import could not be estimated, if it could not."""
        self._engine = Engine(written, body, config, self.times)

    @property
    def engine(self) -> Engine:
        """The engine, to look at."""
        return self._engine

    @property
    def body(self) -> BodyParameters:
        return self._engine.parameters

    def __iter__(self) -> Iterator[Said]:
        self._engine.warm()
        last_ns, ended = 0, False
        pace = _Pace(self._speed)
        for recorded in self._recording.frames():
            if not recorded.is_input:
                continue
            try:
                with self.times.timed("decode"):
                    message = recorded.message()
            except wire.WireError as error:
                self.refused[error.reason] += 1
                continue
            if isinstance(message, BodySwap) and self._body_given:
                continue
            pace.wait(recorded.receive_ns)
            last_ns, ended = recorded.receive_ns, isinstance(message, EndOfStream)
            yield from self._hear(message, last_ns)
            if self._engine.body_wanted and self._estimates:
                swap = self._estimate(last_ns)
                if swap is not None:
                    yield from self._hear(swap, last_ns)
        if not ended:
            yield from self._hear(EndOfStream(last_ns), last_ns)

    def _hear(self, message: Message, receive_ns: int) -> Iterator[Said]:
        for said in self._engine.process(message, receive_ns):
            yield Said(said, receive_ns, wire.encode(said, self._recording.key_id))

    def _estimate(self, t_ns: int) -> BodySwap | None:
        try:
            return estimated_body(
                self._engine.take_body_request(), self.header, t_ns, self._engine.config.base
            )
        except UserMistakeError as error:
            self.body_failures.append(str(error))
            self._engine.body_failed()
            return None


def estimated_body(
    observations: Observations, header: SessionHeader, t_ns: int, base: BaseBody | None = None
) -> BodySwap:
    """The body of the person in ``observations``; ``base``: what is known of people (``None``: the literature).

    Raises:
        UserMistakeError: too little was seen, or it is no human body.
    """
    found = fit_body(
        observations,
        mass_kg=header.mass_kg,
        height_m=header.height_m,
        external_support=header.external_support,
        config=BodyFitConfig(base=base),
    )
    return BodySwap(t_ns, found.parameters.to_json())


class _Pace:
    """Sleeps until a stamp's time has come, counted from the first stamp."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, int] | None = None

    def wait(self, receive_ns: int) -> None:
        if self._speed is None:
            return
        if self._start is None:
            self._start = (time.monotonic(), receive_ns)
        began_s, first_ns = self._start
        delay_s = began_s + (receive_ns - first_ns) * 1e-9 / self._speed - time.monotonic()
        if delay_s > 0:
            time.sleep(delay_s)
