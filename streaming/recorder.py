"""Writing a session: the exact wire bytes of every message, in and out, into an ``.mcap`` file that survives a crash.

Messages are gathered into chunks of at most half a second of receive stamps; each chunk is forced to the disk
(fsync) before it counts as recorded. Chunks are not compressed (that would save a third): one damaged byte then costs one
message and not half a second. The session header (calibration, subject) is written as the first message, and as an
attachment outside the chunks at the beginning, every ten seconds and at the end, so that no one damaged place makes a
recording unreadable.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from mcap.writer import CompressionType, IndexType, Writer

from kincast.models.errors import UserMistakeError
from kincast.streaming import wire
from kincast.streaming.messages import Message, SessionHeader

PROFILE = "kincast"
MESSAGE_ENCODING = "kincast-wire"
HEADER_ATTACHMENT = "session"
CHUNK_SPAN_NS = 500_000_000
CHUNK_BYTES = 1 << 20
HEADER_EVERY_NS = 10_000_000_000


class RecordingExistsError(UserMistakeError):
    """A recording is never overwritten unless that was asked for."""


class RecordingFailedError(UserMistakeError):
    """The disk refused (full, gone, read-only); what was acknowledged before is safe."""


class _Pending:
    """What the library has written and the disk not yet taken; offsets are those of the file."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._taken = 0

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def tell(self) -> int:
        return self._taken + len(self._bytes)

    def flush(self) -> None:
        """The library flushes at the end of a chunk; the bytes wait for :meth:`take`."""

    def take(self) -> bytes:
        taken = bytes(self._bytes)
        self._taken += len(taken)
        self._bytes.clear()
        return taken


class RecordingWriter:
    """One recording being written; to be used from one thread.

    ``through_ns`` is the receive stamp up to which everything is on the disk.

    Args:
        path: file to create; its folder must exist.
        key_id: key under which :meth:`input` and :meth:`output` encode (8 bytes).
        overwrite: replace an existing file.
        sync: fsync after every chunk; False only where the source can be read again (imports).

    Raises:
        RecordingExistsError, RecordingFailedError
    """

    def __init__(
        self, path: Path, *, key_id: bytes = wire.NO_KEY, overwrite: bool = False, sync: bool = True
    ) -> None:
        self.path = path
        self.through_ns = 0
        self.messages = 0
        self._key_id = key_id
        self._sync = sync
        self._channels: dict[bytes, int] = {}
        self._schemas: dict[int, int] = {}
        self._chunk_start_ns: int | None = None
        self._chunk_bytes = 0
        self._last_ns = 0
        self._header: bytes | None = None
        self._header_ns = 0
        self._pending = _Pending()
        self._writer = Writer(
            cast(IO[bytes], self._pending),
            chunk_size=64 * CHUNK_BYTES,  # chunks are cut here, by time, not by the library
            compression=CompressionType.NONE,
            index_types=IndexType.CHUNK | IndexType.ATTACHMENT,
        )
        self._writer.start(profile=PROFILE, library=f"kincast schema {wire.SCHEMA_VERSION}")
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL)
        try:
            self._descriptor = os.open(path, flags, 0o640)
        except FileExistsError as error:
            raise RecordingExistsError(
                f"{path} exists already; choose another name or ask to overwrite"
            ) from error
        except OSError as error:
            raise RecordingFailedError(f"cannot record to {path}: {error.strerror or error}") from error
        try:
            self._force_to_disk()
            self._force_folder_to_disk()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def input(self, message: Message, receive_ns: int) -> None:
        """Record a message the engine hears; the first one is the :class:`SessionHeader`."""
        self.frame(wire.encode(message, self._key_id), receive_ns)

    def output(self, message: Message, receive_ns: int) -> None:
        """Record a message the engine said in answer to the input stamped ``receive_ns``."""
        self.frame(wire.encode(message, self._key_id), receive_ns)

    def frame(self, frame: bytes, receive_ns: int) -> None:
        """Record the exact bytes of a message that is already on the wire.

        Raises:
            WireError: these bytes are no message.
            RecordingFailedError: the disk refused; nothing after ``through_ns`` is certain.
        """
        envelope = wire.peek(frame)
        if self.messages == 0:
            self._begin(frame, envelope, receive_ns)
        self._writer.add_message(
            self._channel(frame, envelope), receive_ns, frame, receive_ns, sequence=self.messages
        )
        self.messages += 1
        self._chunk_bytes += len(frame)
        self._last_ns = max(self._last_ns, receive_ns)
        if self._chunk_start_ns is None:
            self._chunk_start_ns = receive_ns
        span_ns = receive_ns - self._chunk_start_ns
        if self.messages == 1 or span_ns >= CHUNK_SPAN_NS or self._chunk_bytes >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> int:
        """End the chunk and force it to the disk; returns the receive stamp recorded through.

        Raises:
            RecordingFailedError: the disk refused, now or before.
        """
        if self._chunk_start_ns is not None:
            self._writer.flush()
            if self._last_ns - self._header_ns >= HEADER_EVERY_NS:
                self._attach_header(self._last_ns)
            try:
                self._force_to_disk()
            except OSError as error:
                raise self._failed(error) from error
            self._chunk_start_ns = None
            self._chunk_bytes = 0
            self.through_ns = self._last_ns
        return self.through_ns

    def close(self) -> None:
        """Write what is pending and the file's index. Safe to call twice, and after a failure."""
        if self._descriptor < 0:
            return
        self.flush()
        if self._header is not None:
            self._attach_header(self._last_ns)
        self._writer.finish()
        try:
            self._force_to_disk()
        except OSError as error:
            raise self._failed(error) from error
        self._close_file()

    def _begin(self, frame: bytes, envelope: wire.Envelope, receive_ns: int) -> None:
        if wire.KINDS[envelope.kind] is not SessionHeader:
            name = wire.KINDS[envelope.kind].__name__
            raise ValueError(f"the first message of a recording is its SessionHeader, not {name}")
        self._header = frame
        self._attach_header(receive_ns)

    def _attach_header(self, receive_ns: int) -> None:
        assert self._header is not None
        self._header_ns = receive_ns
        self._writer.add_attachment(
            create_time=receive_ns,
            log_time=receive_ns,
            name=HEADER_ATTACHMENT,
            media_type="application/x-kincast-wire",
            data=self._header,
        )

    def _channel(self, frame: bytes, envelope: wire.Envelope) -> int:
        topic = frame[: envelope.body_start]  # topic, version, kind and key id: a channel has one of each
        channel = self._channels.get(topic)
        if channel is None:
            schema = self._schemas.get(envelope.kind)
            if schema is None:
                name = f"kincast.{wire.KINDS[envelope.kind].__name__}.v{wire.SCHEMA_VERSION}"
                schema = self._schemas[envelope.kind] = self._writer.register_schema(name, "", b"")
            channel = self._writer.register_channel(envelope.topic, MESSAGE_ENCODING, schema)
            self._channels[topic] = channel
        return channel

    def _force_to_disk(self) -> None:
        if self._descriptor < 0:
            raise OSError("the recording has stopped already")
        rest = memoryview(self._pending.take())
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        if self._sync:
            os.fsync(self._descriptor)

    def _force_folder_to_disk(self) -> None:
        folder = os.open(self.path.resolve().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _failed(self, error: OSError) -> RecordingFailedError:
        """Give the file up; what the disk took stays."""
        self._close_file()
        return RecordingFailedError(
            f"recording to {self.path} stopped: {error.strerror or error}; "
            f"everything up to receive stamp {self.through_ns} is on the disk"
        )

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
