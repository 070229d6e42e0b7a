"""Records of an ``.mcap`` file, damaged or unfinished ones included: what is whole is found, what is not is told.

The library's readers stop at the first damaged byte and want the index at the end of the file. This one walks
the records from the front, checks every checksum, finds the next chunk behind a damaged place, and takes from what
is damaged the messages that are still whole (:mod:`kincast.streaming.rescue`): all of them where chunks are not
compressed, as ours are, those before the damage where they are (recordings of earlier versions).
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import zstandard

from kincast.streaming import wire
from kincast.streaming.rescue import MESSAGE, MESSAGE_HEAD, RECORD, WholeMessage, holds_message, rescued

MAGIC = b"\x89MCAP0\r\n"
MAX_CHUNK_BYTES = 64 << 20
"""A chunk claiming to hold more is damaged or hostile; ours are a few megabytes at most."""

MAX_CHUNK_NS = 60_000_000_000
"""Nor do they span more than a second; a chunk claiming more than this has damaged stamps."""

_FOOTER, _CHUNK, _ATTACHMENT = 0x02, 0x06, 0x09
_CHUNK_OPCODE = bytes([_CHUNK])
_OPCODES = range(0x01, 0x10)
_CHUNK_HEAD = struct.Struct("<QQQI")
_ZSTD_MAGIC = struct.pack("<I", zstandard.MAGIC_NUMBER)


@dataclass(frozen=True)
class WholeAttachment:
    """An attachment that passed its checksum."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Damage:
    """A stretch of the file that could not be read; ``end_ns`` is the last receive stamp it held, 0 if unknown."""

    offset: int
    what: str
    end_ns: int = 0


@dataclass(frozen=True)
class Finished:
    """The file was closed properly."""


Found = WholeMessage | WholeAttachment | Damage | Finished


def walk(source: bytes | mmap.mmap) -> Generator[Found, None, None]:
    """Everything readable in a file's bytes, in file order; never raises, never runs past the end."""
    data = memoryview(source)
    at, last = len(MAGIC), -1
    if bytes(data[:at]) != MAGIC:
        yield Damage(0, "the file does not begin as an .mcap")
    while at < len(data):
        record = _record(data, at)
        if record is None or (record[0] != _CHUNK and _hides_something(source, data, at, len(record[1]))):
            end = _next_chunk(source, data, at, len(data))
            readable = _damaged(source, data, at, end, last)
        else:
            opcode, content = record
            end = at + RECORD.size + len(content)
            if opcode == _FOOTER and data[end:] == MAGIC:
                yield Finished()
                return
            readable = _contents(source, at, opcode, content, last)
        for found in readable:
            last = found.sequence if isinstance(found, WholeMessage) else last
            yield found
        at = end


def _contents(
    source: bytes | mmap.mmap, at: int, opcode: int, content: memoryview, last: int
) -> Iterator[Found]:
    """Of the record at ``at``; ``last``: the sequence number of the message before."""
    if opcode == _CHUNK:
        yield from _chunk(source, at, content, last)
    elif opcode == _ATTACHMENT:
        yield from _attachment(content, at)


def _damaged(source: bytes | mmap.mmap, data: memoryview, at: int, end: int, last: int) -> Iterator[Found]:
    """What is whole from the damaged record at ``at`` to the chunk at ``end``."""
    yield Damage(at, f"unreadable from byte {at} to {end}", _chunk_end_ns(data, at))
    start = _zstd_frame(source, at)
    if start >= 0:
        records = _as_far_as_possible(data[start:end])
        yield from rescued(records, 0, len(records), last)
    else:
        yield from rescued(source, at, end, last)


def _record(data: memoryview, at: int) -> tuple[int, memoryview] | None:
    if at + RECORD.size > len(data):
        return None
    opcode, length = RECORD.unpack_from(data, at)
    start = at + RECORD.size
    if opcode not in _OPCODES or length > len(data) - start:
        return None
    if opcode == _CHUNK and _chunk_layout(data[start : start + length]) is None:
        return None
    return opcode, data[start : start + length]


def _chunk_layout(content: memoryview) -> tuple[int, int, int, str, memoryview] | None:
    """(end stamp, uncompressed size, CRC, compression, stored bytes), None where the lengths do not fit."""
    if len(content) < _CHUNK_HEAD.size + 4:
        return None
    _, end_ns, size, crc = _CHUNK_HEAD.unpack_from(content)
    (name_length,) = struct.unpack_from("<I", content, _CHUNK_HEAD.size)
    at = _CHUNK_HEAD.size + 4 + name_length
    if name_length > 16 or at + 8 > len(content):
        return None
    (length,) = struct.unpack_from("<Q", content, at)
    if length != len(content) - at - 8:
        return None
    return end_ns, size, crc, bytes(content[at - name_length : at]).decode("latin-1"), content[at + 8 :]


def _next_chunk(source: bytes | mmap.mmap, data: memoryview, at: int, end: int) -> int:
    """Offset of the first chunk record behind ``at``, known by its lengths; ``end`` if there is none before it."""
    found = source.find(_CHUNK_OPCODE, at + 1, end)
    while found >= 0:
        if _record(data, found) is not None:
            return found
        found = source.find(_CHUNK_OPCODE, found + 1, end)
    return end


def _hides_something(source: bytes | mmap.mmap, data: memoryview, at: int, length: int) -> bool:
    """Whether the record at ``at`` is a chunk under a damaged opcode, or swallows one, or messages, by a damaged length."""
    end = at + RECORD.size + length
    return (
        _zstd_frame(source, at) >= 0
        or _next_chunk(source, data, at, end) < end
        or holds_message(source, at, end)
    )


def _zstd_frame(source: bytes | mmap.mmap, at: int) -> int:
    """Where the compressed bytes of a chunk record at ``at`` begin; -1 where it is none."""
    return source.find(_ZSTD_MAGIC, at, at + RECORD.size + _CHUNK_HEAD.size + 32)


def _chunk_end_ns(data: memoryview, at: int) -> int:
    """End stamp that a damaged chunk at ``at`` announces, 0 where it is none."""
    start = at + RECORD.size
    if data[at] != _CHUNK or len(data) < start + _CHUNK_HEAD.size:
        return 0
    start_ns, end_ns, _, _ = _CHUNK_HEAD.unpack_from(data, start)
    return end_ns if start_ns <= end_ns < start_ns + MAX_CHUNK_NS else 0


def _decompressed(compressed: memoryview, size: int) -> bytes:
    """The ``size`` bytes of a whole chunk, or as many as there are."""
    try:
        if size <= MAX_CHUNK_BYTES and zstandard.get_frame_parameters(compressed).content_size == size:
            return zstandard.ZstdDecompressor().decompress(compressed, max_output_size=size)
    except (zstandard.ZstdError, MemoryError):
        pass
    return _as_far_as_possible(compressed)


def _as_far_as_possible(compressed: memoryview) -> bytes:
    """As many bytes as zstd gives before the data end or stop making sense."""
    stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    out = bytearray()
    try:
        for start in range(0, len(compressed), 1024):
            out += stream.decompress(compressed[start : start + 1024])
            if len(out) > MAX_CHUNK_BYTES or stream.eof:
                break
    except (zstandard.ZstdError, MemoryError):
        pass
    return bytes(out)


def _chunk(source: bytes | mmap.mmap, at: int, content: memoryview, last: int) -> Iterator[Found]:
    layout = _chunk_layout(content)
    if layout is None:
        return
    end_ns, size, crc, compression, stored = layout
    plain = compression == "" or (compression != "zstd" and len(stored) == size)
    records = stored if plain else _decompressed(stored, size)
    if len(records) == size and zlib.crc32(records) == crc:
        yield from _messages(memoryview(records), at)
        return
    yield Damage(at, f"chunk at byte {at} is damaged", end_ns)
    if isinstance(records, bytes):
        yield from rescued(records, 0, len(records), last)
    else:
        end = at + RECORD.size + len(content)
        yield from rescued(source, end - len(stored), end, last)


def _messages(records: memoryview, at: int) -> Iterator[Found]:
    """The messages of a chunk that passed its checksum."""
    position = 0
    while position < len(records):
        record = _record(records, position)
        if record is None:
            yield Damage(at, f"chunk at byte {at} ends inside a record")
            return
        if record[0] == MESSAGE:
            yield from _message(record[1], at)
        position += RECORD.size + len(record[1])


def _message(content: memoryview, at: int) -> Iterator[Found]:
    if len(content) > MESSAGE_HEAD.size:
        _, sequence, receive_ns, _ = MESSAGE_HEAD.unpack_from(content)
        frame = bytes(content[MESSAGE_HEAD.size :])
        try:
            wire.peek(frame)
            if receive_ns < 1 << 63:
                yield WholeMessage(sequence, receive_ns, frame)
                return
        except wire.WireError as error:
            yield Damage(at, f"a message near byte {at}: {error}")
            return
    yield Damage(at, f"a message near byte {at} has no content")


def _attachment(content: memoryview, at: int) -> Iterator[Found]:
    try:
        position = 16
        texts = []
        for _ in range(2):
            (length,) = struct.unpack_from("<I", content, position)
            texts.append(bytes(content[position + 4 : position + 4 + length]).decode())
            position += 4 + length
        (length,) = struct.unpack_from("<Q", content, position)
        payload = content[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from("<I", content, position + 8 + length)
    except (struct.error, UnicodeDecodeError, OverflowError):
        yield Damage(at, f"attachment at byte {at} is damaged")
        return
    if crc != zlib.crc32(content[: len(content) - 4]):
        yield Damage(at, f"attachment at byte {at} is damaged")
        return
    yield WholeAttachment(texts[0], bytes(payload))
