"""Messages as bytes: one message, one ZeroMQ frame, one record of a recording.

    frame = topic NUL | magic "KC", schema version u16, kind u16, key id (8 bytes) | msgpack body | CRC-32

All integers are little-endian. The topic comes first so that a ZeroMQ subscription, which compares the first
bytes of a frame, can select by it. The body is the message's fields in the order of its dataclass; an array is
``[dtype, shape, raw little-endian bytes]``. What a frame may hold follows from the annotations in
:mod:`kincast.streaming.messages`, so decoding can fail in no other way than with a :class:`WireError`.
"""

from __future__ import annotations

import dataclasses
import math
import struct
import types
import typing
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgpack
import numpy as np

from kincast.streaming import messages
from kincast.streaming.messages import SCHEMA_VERSION, Message

MAGIC = b"KC"
NO_KEY = bytes(8)
MAX_TOPIC_BYTES = 128
MAX_FRAME_BYTES = 1 << 20
"""The largest honest message (32 people of 133 keypoints) has 51 kB; anything above a megabyte is refused unread."""
MAX_ITEMS = 4096
"""Longest tuple or mapping inside a message."""

_HEAD = struct.Struct("<2sHH8s")
_CRC = struct.Struct("<I")
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1

KINDS: Mapping[int, type] = types.MappingProxyType(
    {
        1: messages.SessionHeader,
        2: messages.KeypointFrame,
        3: messages.MarkerFrame,
        4: messages.Deadline,
        5: messages.Dropped,
        6: messages.RecordedThrough,
        7: messages.BodySwap,
        8: messages.ClockOffset,
        9: messages.EndOfStream,
        32: messages.LiveFrame,
        33: messages.EngineHealth,
    }
)
"""Message classes by their number on the wire. Numbers are never used again for another message."""

_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


class WireError(Exception):
    """Bytes that are no message of ours; ``reason`` is a stable code for counting."""

    reason: ClassVar[str] = "wire"


class FrameTooLargeError(WireError):
    """More bytes than any honest message has; refused before decoding."""

    reason = "too_large"


class NotAMessageError(WireError):
    """No topic, no magic number, or too short to be a message."""

    reason = "not_a_message"


class ChecksumError(WireError):
    """The bytes were changed or cut on their way."""

    reason = "checksum"


class SchemaVersionError(WireError):
    """Written by another version of kincast, with another schema."""

    reason = "schema_version"


class UnknownKindError(WireError):
    """A kind of message this version does not know."""

    reason = "unknown_kind"


class BodyError(WireError):
    """The body does not have the fields, types, shapes or sizes its kind prescribes."""

    reason = "body"


class CannotEncodeError(WireError):
    """The sender's own message breaks the schema (type, shape, dtype or size of a field)."""

    reason = "cannot_encode"


@dataclass(frozen=True)
class Envelope:
    """The outside of a frame, read without decoding its body."""

    topic: str
    kind: int
    key_id: bytes
    body_start: int


def encode(message: Message, key_id: bytes = NO_KEY, topic: str | None = None) -> bytes:
    """The frame of ``message`` under ``topic`` (default :func:`topic_of`), said by the holder of ``key_id`` (8 bytes).

    Raises:
        CannotEncodeError: a field breaks the schema, or the frame would be too large.
    """
    cls = type(message)
    kind = _KIND_OF.get(cls)
    name = (topic_of(message) if topic is None else topic).encode(errors="replace")
    if kind is None or len(key_id) != 8 or not name or len(name) > MAX_TOPIC_BYTES or b"\0" in name:
        raise CannotEncodeError(
            f"{cls.__name__} under topic {name[:40]!r} with a key id of {len(key_id)} bytes: wanted one of "
            f"{', '.join(c.__name__ for c in KINDS.values())}, a topic of 1 to {MAX_TOPIC_BYTES} bytes, 8 bytes"
        )
    try:
        body = msgpack.packb(_CODECS[cls].to_plain(message), use_bin_type=True)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise CannotEncodeError(f"{cls.__name__}: {error}") from error
    head = name + b"\0" + _HEAD.pack(MAGIC, SCHEMA_VERSION, kind, key_id) + typing.cast(bytes, body)
    if len(head) + _CRC.size > MAX_FRAME_BYTES:
        raise CannotEncodeError(
            f"{cls.__name__} has {len(head)} bytes; a frame holds at most {MAX_FRAME_BYTES}"
        )
    return head + _CRC.pack(zlib.crc32(head))


def peek(frame: bytes) -> Envelope:
    """Topic, kind and key id of a frame; size, checksum and schema version are checked, the body is not.

    Raises:
        FrameTooLargeError, NotAMessageError, ChecksumError, SchemaVersionError, UnknownKindError
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise FrameTooLargeError(f"frame of {len(frame)} bytes; at most {MAX_FRAME_BYTES} are read")
    end = frame.find(b"\0", 0, MAX_TOPIC_BYTES + 1)
    body_start = end + 1 + _HEAD.size
    if end < 1 or len(frame) < body_start + _CRC.size:
        raise NotAMessageError(f"{len(frame)} bytes without topic and header: {frame[:24]!r}")
    magic, version, kind, key_id = _HEAD.unpack_from(frame, end + 1)
    if magic != MAGIC:
        raise NotAMessageError(f"magic number {magic!r} instead of {MAGIC!r} after topic {frame[:end]!r}")
    if version != SCHEMA_VERSION:
        raise SchemaVersionError(f"schema version {version}; this kincast reads version {SCHEMA_VERSION}")
    (crc,) = _CRC.unpack_from(frame, len(frame) - _CRC.size)
    if crc != zlib.crc32(memoryview(frame)[: -_CRC.size]):
        raise ChecksumError(f"{len(frame)} bytes under {frame[:end]!r} do not match their checksum")
    if kind not in KINDS:
        raise UnknownKindError(
            f"kind {kind}; known are {', '.join(f'{k} {c.__name__}' for k, c in KINDS.items())}"
        )
    try:
        topic = frame[:end].decode()
    except UnicodeDecodeError as error:
        raise NotAMessageError(f"topic {frame[:end]!r} is not UTF-8") from error
    return Envelope(topic, kind, key_id, body_start)


def decode(frame: bytes) -> Message:
    """The message in a frame. Its arrays are read-only views of the frame's own bytes.

    Raises:
        WireError: one of the classes above; never anything else.
    """
    envelope = peek(frame)
    cls = KINDS[envelope.kind]
    body = memoryview(frame)[envelope.body_start : -_CRC.size]
    try:
        plain = msgpack.unpackb(
            body,
            raw=False,
            use_list=True,
            strict_map_key=True,
            max_str_len=MAX_FRAME_BYTES,
            max_bin_len=MAX_FRAME_BYTES,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise BodyError(f"{cls.__name__}: the body is no msgpack: {error}") from error
    return _CODECS[cls].from_plain(plain, cls.__name__)


def retopic(frame: bytes, topic: str) -> bytes:
    """The same message under another topic. Raises what :func:`peek` raises."""
    peek(frame)
    body = topic.encode() + frame[frame.find(b"\0") : -_CRC.size]
    return body + _CRC.pack(zlib.crc32(body))


def topic_of(message: Message) -> str:
    """The topic a message goes under: ``in/...`` what the engine hears, ``out/...`` what it says."""
    match message:
        case messages.KeypointFrame():
            return f"in/camera/{message.camera}"
        case messages.ClockOffset():
            return f"in/clock/{message.camera}"
        case _:
            return _TOPICS[type(message)]


_TOPICS: Mapping[type, str] = types.MappingProxyType(
    {
        messages.SessionHeader: "in/session",
        messages.MarkerFrame: "in/markers",
        messages.Deadline: "in/deadline",
        messages.Dropped: "in/dropped",
        messages.RecordedThrough: "in/recorded",
        messages.BodySwap: "in/body",
        messages.EndOfStream: "in/end",
        messages.LiveFrame: "out/live",
        messages.EngineHealth: "out/health",
    }
)


# ------------------------------------------------- codecs, derived once from the dataclasses' annotations


@dataclass(frozen=True)
class _Codec:
    """``to_plain`` gives what msgpack packs; ``from_plain(plain, where)`` checks and rebuilds, or raises BodyError."""

    to_plain: Callable[[Any], Any]
    from_plain: Callable[[Any, str], Any]


def _wrong(where: str, wanted: str, got: object) -> BodyError:
    return BodyError(f"{where}: wanted {wanted}, got {type(got).__name__} {str(got)[:40]!r}")


def _scalar_codec(cls: type) -> _Codec:
    def from_plain(plain: Any, where: str) -> Any:
        if type(plain) is not cls or (cls is int and not _INT64_MIN <= plain <= _INT64_MAX):
            raise _wrong(where, cls.__name__ + (" of 64 bits" if cls is int else ""), plain)
        return plain

    def to_plain(value: Any) -> Any:
        if cls is int and not _INT64_MIN <= value <= _INT64_MAX:
            raise OverflowError(f"{value} needs more than 64 bits")
        if cls is str and not isinstance(value, str):
            raise TypeError(f"wanted text, got {value!r}")
        return cls(value)

    return _Codec(to_plain, from_plain)


def _array_codec(annotation: Any) -> _Codec:
    """``annotation`` is a jaxtyping array with one dtype; dimensions that are numbers must match."""
    (dtype,) = {np.dtype(name.rstrip("_")).newbyteorder("<") for name in annotation.dtypes}
    dims = tuple(int(d) if d.isdigit() else None for d in annotation.dim_str.split())
    label = f"{dtype.str} array of shape ({annotation.dim_str})"

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == len(dims) and all(d is None or d == n for d, n in zip(dims, shape, strict=True))

    def to_plain(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or value.dtype != dtype or not fits(value.shape):
            raise TypeError(f"wanted {label}, got {getattr(value, 'dtype', type(value))} {np.shape(value)}")
        return (dtype.str, value.shape, value.astype(dtype, order="C", copy=False).tobytes())

    def from_plain(plain: Any, where: str) -> Any:
        if type(plain) is not list or len(plain) != 3 or plain[0] != dtype.str or type(plain[1]) is not list:
            raise _wrong(where, label, plain)
        shape, raw = plain[1], plain[2]
        if (
            any(type(n) is not int or n < 0 for n in shape)
            or not fits(tuple(shape))
            or type(raw) is not bytes
        ):
            raise _wrong(where, label, shape)
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise _wrong(where, f"{label} of {math.prod(shape)} values", f"{len(raw)} bytes")
        array = np.frombuffer(raw, dtype=dtype)
        if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
            raise _wrong(where, "bytes 0 and 1", raw)
        try:
            return array.reshape(shape)
        except (ValueError, OverflowError) as error:  # (0, 2**62) has no bytes but is no shape
            raise _wrong(where, label, shape) from error

    return _Codec(to_plain, from_plain)


def _tuple_codec(items: tuple[Any, ...]) -> _Codec:
    if len(items) == 2 and items[1] is Ellipsis:
        item = _codec(items[0])

        def many_from_plain(plain: Any, where: str) -> Any:
            if type(plain) is not list or len(plain) > MAX_ITEMS:
                raise _wrong(where, "a list", plain)
            return tuple(item.from_plain(p, f"{where}[{i}]") for i, p in enumerate(plain))

        def many_to_plain(value: Any) -> Any:
            if isinstance(value, str) or len(value) > MAX_ITEMS:
                raise ValueError(f"wanted at most {MAX_ITEMS} items, got {len(value)}")
            return [item.to_plain(v) for v in value]

        return _Codec(many_to_plain, many_from_plain)
    return _fixed_codec(tuple(_codec(i) for i in items), tuple(str(i) for i in range(len(items))), tuple)


def _fixed_codec(
    codecs: tuple[_Codec, ...], names: tuple[str, ...], build: Callable[[list[Any]], Any]
) -> _Codec:
    """A list with one codec per place."""

    def from_plain(plain: Any, where: str) -> Any:
        if type(plain) is not list or len(plain) != len(codecs):
            raise _wrong(where, f"{len(codecs)} fields", plain)
        return build([c.from_plain(p, f"{where}.{n}") for c, p, n in zip(codecs, plain, names, strict=True)])

    def to_plain(value: Any) -> Any:
        return [c.to_plain(v) for c, v in zip(codecs, value, strict=True)]

    return _Codec(to_plain, from_plain)


def _mapping_codec(key: Any, value: Any) -> _Codec:
    if key is not str:
        raise TypeError(f"keys of a mapping on the wire are text, not {key}")
    item = _codec(value)

    def from_plain(plain: Any, where: str) -> Any:
        if type(plain) is not dict or any(type(k) is not str for k in plain):
            raise _wrong(where, "a mapping with text keys", plain)
        return {k: item.from_plain(v, f"{where}[{k!r}]") for k, v in plain.items()}

    def to_plain(value: Any) -> Any:
        if len(value) > MAX_ITEMS:
            raise ValueError(f"wanted at most {MAX_ITEMS} entries, got {len(value)}")
        return {str(k): item.to_plain(v) for k, v in value.items()}

    return _Codec(to_plain, from_plain)


def _optional_codec(inner: Any) -> _Codec:
    item = _codec(inner)
    return _Codec(
        lambda value: None if value is None else item.to_plain(value),
        lambda plain, where: None if plain is None else item.from_plain(plain, where),
    )


def _dataclass_codec(cls: type) -> _Codec:
    hints = typing.get_type_hints(cls)
    names = tuple(f.name for f in dataclasses.fields(cls))
    inner = _fixed_codec(tuple(_codec(hints[n]) for n in names), names, list)
    shared = _shared_dimensions([hints[n] for n in names])

    def agree(values: list[Any]) -> bool:
        return all(len({values[field].shape[axis] for field, axis in places}) == 1 for places in shared)

    def to_plain(value: Any) -> Any:
        if not isinstance(value, cls):
            raise TypeError(f"wanted {cls.__name__}, got {type(value).__name__}")
        values = [getattr(value, n) for n in names]
        plain = inner.to_plain(values)
        if not agree(values):
            raise ValueError("arrays that share a dimension differ in it")
        return plain

    def from_plain(plain: Any, where: str) -> Any:
        values = inner.from_plain(plain, where)
        if not agree(values):
            raise BodyError(f"{where}: arrays that share a dimension differ in it")
        return cls(*values)

    return _Codec(to_plain, from_plain)


def _shared_dimensions(annotations: list[Any]) -> list[list[tuple[int, int]]]:
    """(field, axis) of every named dimension that more than one array of a dataclass has."""
    places: dict[str, list[tuple[int, int]]] = {}
    for field, annotation in enumerate(annotations):
        for axis, name in enumerate(getattr(annotation, "dim_str", "").split()):
            if not name.isdigit():
                places.setdefault(name, []).append((field, axis))
    return [p for p in places.values() if len(p) > 1]


def _codec(annotation: Any) -> _Codec:
    if annotation in (int, float, bool, str):
        return _scalar_codec(annotation)
    if dataclasses.is_dataclass(annotation):
        return _dataclass_codec(typing.cast(type, annotation))
    if hasattr(annotation, "dim_str"):
        return _array_codec(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return _tuple_codec(arguments)
    if origin is Mapping:
        return _mapping_codec(*arguments)
    if origin in (types.UnionType, typing.Union) and len(arguments) == 2 and arguments[1] is type(None):
        return _optional_codec(arguments[0])
    raise TypeError(f"no wire form for {annotation}")


_CODECS: Mapping[type, _Codec] = {cls: _codec(cls) for cls in KINDS.values()}
