"""The recorder beside a live engine: its own thread, bounded, never in the engine's way."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from kincast.streaming.latency import StageTimes
from kincast.streaming.real_time import RECORDER, prefer_this_thread
from kincast.streaming.recorder import RecordingFailedError, RecordingWriter

FLUSH_EVERY_S = 0.4
MAX_WAITING = 50_000
"""Frames that may wait for a stalled disk (some 50 MB) before the recording is given up."""

_STOP = None
_ACKNOWLEDGEMENT = b"in/recorded\0"


class RecordThread:
    """Takes frames in order, writes and forces them to disk, and says up to where.

    Args:
        writer: the open recording; closed by :meth:`stop`.
        acknowledge: called in this thread with the receive stamp that is safe on disk.
        times: ``record`` is the time it took to take in what belongs to one frame, now and then with a flush.

    ``failure`` says why the recording stopped, empty while it runs.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        acknowledge: Callable[[int], None],
        times: StageTimes,
        real_time: bool = False,
    ) -> None:
        self.failure = ""
        self._writer = writer
        self._acknowledge = acknowledge
        self._times = times
        self._real_time = real_time
        self._queue: queue.SimpleQueue[list[tuple[bytes, int]] | None] = queue.SimpleQueue()
        self._put = self._written = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, frames: list[tuple[bytes, int]]) -> None:
        """Queue the exact bytes of messages, each with its receive stamp."""
        if self.failure or not frames:
            return
        if self._put - self._written >= MAX_WAITING:
            self.failure = (
                f"recording to {self._writer.path} stopped: the disk is too slow, "
                f"{MAX_WAITING} messages were waiting"
            )
            return
        self._put += len(frames)
        self._queue.put(frames)

    def stop(self) -> None:
        """Write what waits, close the file, end the thread."""
        self._queue.put(_STOP)
        self._thread.join()

    def _run(self) -> None:
        if self._real_time:
            prefer_this_thread(RECORDER)
        flushed_s = time.monotonic()
        through_ns = self._writer.through_ns
        news = False
        try:
            while True:
                item = self._next(flushed_s + FLUSH_EVERY_S - time.monotonic())
                if item is _STOP:
                    break
                start_ns = time.perf_counter_ns()
                for frame, receive_ns in item or ():
                    self._writer.frame(frame, receive_ns)
                    # an acknowledgement alone is not acknowledged, or a silent session would never rest
                    news = news or not frame.startswith(_ACKNOWLEDGEMENT)
                if time.monotonic() - flushed_s >= FLUSH_EVERY_S:
                    flushed_s = time.monotonic()
                    if news:
                        self._writer.flush()
                        news = False
                if item:
                    self._written += len(item)
                    self._times.add("record", time.perf_counter_ns() - start_ns)
                if self._writer.through_ns != through_ns:
                    through_ns = self._writer.through_ns
                    self._acknowledge(through_ns)
            self._writer.close()
        except RecordingFailedError as error:
            self.failure = str(error)

    def _next(self, timeout_s: float) -> list[tuple[bytes, int]] | None:
        """The next frames, ``_STOP``, or none once the time is up."""
        try:
            return self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return []
