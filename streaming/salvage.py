"""Records of an ``.mcap`` file, damaged or unfinished ones included: what is whole is found, what is not is told.

The library's readers stop at the first damaged byte and want the index at the end of the file. This one walks
the records from the front, checks every checksum, takes from a damaged chunk the messages that are still
whole (each frame has its own checksum), and finds the next chunk behind a damaged place by its signature.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import zstandard

from kincast.streaming import wire

MAGIC = b"\x89MCAP0\r\n"
MAX_CHUNK_BYTES = 64 << 20
"""A chunk claiming to hold more is damaged or hostile; ours are a few megabytes at most."""

_FOOTER, _MESSAGE, _CHUNK, _ATTACHMENT = 0x02, 0x05, 0x06, 0x09
_OPCODES = range(0x01, 0x10)
_RECORD = struct.Struct("<BQ")
_CHUNK_HEAD = struct.Struct("<QQQI")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_ZSTD = struct.pack("<I", 4) + b"zstd"


@dataclass(frozen=True)
class WholeMessage:
    """A frame that passed its checksum; ``sequence`` counts all messages of the recording without gaps."""

    sequence: int
    receive_ns: int
    frame: bytes


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
    at = len(MAGIC)
    if bytes(data[:at]) != MAGIC:
        yield Damage(0, "the file does not begin as an .mcap")
    while at < len(data):
        record = _record(data, at)
        if record is None or (record[0] != _CHUNK and _hides_a_chunk(source, data, at, len(record[1]))):
            following = _next_chunk(source, data, at, len(data))
            yield Damage(at, f"unreadable from byte {at} to {following}", _chunk_end_ns(data, at))
            yield from _torn_chunk(data[at:following], at)
            at = following
            continue
        opcode, content = record
        if opcode == _CHUNK:
            yield from _chunk(content, at)
        elif opcode == _MESSAGE:
            yield from _message(content, at)
        elif opcode == _ATTACHMENT:
            yield from _attachment(content, at)
        at += _RECORD.size + len(content)
        if opcode == _FOOTER and data[at:] == MAGIC:
            yield Finished()
            return


def _record(data: memoryview, at: int) -> tuple[int, memoryview] | None:
    if at + _RECORD.size > len(data):
        return None
    opcode, length = _RECORD.unpack_from(data, at)
    start = at + _RECORD.size
    if opcode not in _OPCODES or length > len(data) - start:
        return None
    if opcode == _CHUNK and _chunk_layout(data[start : start + length]) is None:
        return None
    return opcode, data[start : start + length]


def _chunk_layout(content: memoryview) -> tuple[int, int, int, str, memoryview] | None:
    """(end stamp, uncompressed size, CRC, compression, compressed bytes), None where the lengths do not fit."""
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
    """Offset of the first chunk record behind ``at``, found by its signature; ``end`` if there is none before it."""
    before = _RECORD.size + _CHUNK_HEAD.size
    found = source.find(_ZSTD, at + 1 + before, end)
    while found >= 0:
        record = _record(data, found - before)
        if record is not None and record[0] == _CHUNK:
            return found - before
        found = source.find(_ZSTD, found + 1, end)
    return end


def _hides_a_chunk(source: bytes | mmap.mmap, data: memoryview, at: int, length: int) -> bool:
    """Whether the record at ``at`` is a chunk under a damaged opcode, or swallows one by a damaged length."""
    end = at + _RECORD.size + length
    return _has_chunk_signature(data[at:end]) or _next_chunk(source, data, at, end) < end


def _has_chunk_signature(record: memoryview) -> bool:
    start = _RECORD.size + _CHUNK_HEAD.size
    return record[start : start + len(_ZSTD)] == _ZSTD


def _chunk_end_ns(data: memoryview, at: int) -> int:
    """End stamp that a damaged chunk at ``at`` announces, 0 where it is none."""
    if not _has_chunk_signature(data[at : at + 64]):
        return 0
    end_ns = _CHUNK_HEAD.unpack_from(data, at + _RECORD.size)[1]
    return end_ns if end_ns < 1 << 63 else 0


def _torn_chunk(record: memoryview, at: int) -> Iterator[Found]:
    """The messages at the beginning of a chunk whose end is missing or whose frame is damaged."""
    start = _RECORD.size + _CHUNK_HEAD.size + len(_ZSTD) + 8
    if _has_chunk_signature(record):
        yield from _messages(_as_far_as_possible(record[start:]), at, whole=False)


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


def _chunk(content: memoryview, at: int) -> Iterator[Found]:
    layout = _chunk_layout(content)
    if layout is None:
        return
    end_ns, size, crc, compression, compressed = layout
    if compression not in ("zstd", ""):
        yield Damage(at, f"chunk at byte {at} is compressed with {compression!r}, not zstd", end_ns)
        return
    records = _decompressed(compressed, size) if compression else bytes(compressed)
    whole = len(records) == size and zlib.crc32(records) == crc
    if not whole:
        yield Damage(at, f"chunk at byte {at} is damaged", end_ns)
    yield from _messages(records, at, whole)


def _messages(records: bytes, at: int, whole: bool) -> Iterator[Found]:
    view = memoryview(records)
    position = 0
    while position < len(view):
        record = _record(view, position)
        if record is None:
            if whole:
                yield Damage(at, f"chunk at byte {at} ends inside a record")
            return
        if record[0] == _MESSAGE:
            yield from _message(record[1], at)
        position += _RECORD.size + len(record[1])


def _message(content: memoryview, at: int) -> Iterator[Found]:
    if len(content) > _MESSAGE_HEAD.size:
        _, sequence, receive_ns, _ = _MESSAGE_HEAD.unpack_from(content)
        frame = bytes(content[_MESSAGE_HEAD.size :])
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
