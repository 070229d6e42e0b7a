"""Every message survives the wire; nothing but a WireError ever comes out of bytes that are no message."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import types
import typing
import zlib
from collections.abc import Mapping

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kincast.streaming import messages, wire
from kincast.streaming.messages import Deadline, KeypointFrame, SessionHeader

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
FLOAT = st.floats(allow_nan=False)
NAMED_DIMENSION = 3


def arrays(annotation) -> st.SearchStrategy[np.ndarray]:
    dtype = np.dtype(annotation.dtypes[0].rstrip("_"))
    shape = tuple(int(d) if d.isdigit() else NAMED_DIMENSION for d in annotation.dim_str.split())

    def build(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 6)).astype(dtype)

    return st.integers(0, 2**32 - 1).map(build)


def values(annotation) -> st.SearchStrategy:
    simple = {int: INT64, float: FLOAT, bool: st.booleans(), str: st.text(max_size=8)}
    if annotation in simple:
        return simple[annotation]
    if dataclasses.is_dataclass(annotation):
        return instances(annotation)
    if hasattr(annotation, "dim_str"):
        return arrays(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(a) for a in arguments))
    if origin is Mapping:
        return st.dictionaries(st.text(max_size=4), values(arguments[1]), max_size=2)
    assert origin is types.UnionType
    return st.none() | values(arguments[0])


def instances(cls: type) -> st.SearchStrategy:
    hints = typing.get_type_hints(cls)
    fields = {f.name: values(hints[f.name]) for f in dataclasses.fields(cls)}
    if "camera" in fields:
        fields["camera"] = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=16)
    return st.fixed_dictionaries(fields).map(lambda drawn: Draft(cls, drawn))


@dataclasses.dataclass
class Draft:
    """A message not yet built: beartype's checks at construction use `random`, which strategies must not."""

    cls: type
    fields: dict


def built(value):
    if isinstance(value, Draft):
        return value.cls(**{name: built(field) for name, field in value.fields.items()})
    return tuple(built(item) for item in value) if isinstance(value, tuple) else value


ANY_MESSAGE = st.one_of([instances(cls) for cls in wire.KINDS.values()])


def assert_equal(a, b) -> None:
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_equal(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b


def picture() -> KeypointFrame:
    people = np.arange(1 * 26 * 3, dtype=np.float32).reshape(1, 26, 3)
    return KeypointFrame(
        "cam_01", 7, 1_700_000_000_000_000_000, 1_700_000_000_001_000_000, "HALPE_26", people
    )


@settings(max_examples=200, deadline=None)
@given(ANY_MESSAGE, st.binary(min_size=8, max_size=8))
def test_every_message_survives_the_wire(draft, key_id) -> None:
    message = built(draft)
    frame = wire.encode(message, key_id)
    envelope = wire.peek(frame)
    assert (envelope.topic, envelope.key_id) == (wire.topic_of(message), key_id)
    assert_equal(wire.decode(frame), message)
    assert wire.encode(wire.decode(frame), key_id) == frame


def test_nan_and_infinity_survive_in_outputs() -> None:
    health = messages.CameraHealth("cam_01", False, float("nan"), float("inf"), 0, 0, 0)
    frame = wire.encode(messages.EngineHealth(1, True, {"fit": (1.0, 2.0, float("inf"))}, 0, 0))
    assert typing.cast(messages.EngineHealth, wire.decode(frame)).stages_ms["fit"][2] == float("inf")
    assert np.isnan(health.median_px)


@settings(max_examples=300, deadline=None)
@given(ANY_MESSAGE, st.data())
def test_flipped_or_cut_bytes_give_a_wire_error(draft, data) -> None:
    message = built(draft)
    frame = bytearray(wire.encode(message))
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 4))):
            frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        if bytes(frame) == wire.encode(message):
            return
    else:
        del frame[data.draw(st.integers(0, len(frame) - 1)) :]
    with pytest.raises(wire.WireError):
        wire.decode(bytes(frame))


def resealed(frame: bytes, body: bytes) -> bytes:
    """The frame with another body and a correct checksum: what a broken sender would send."""
    head = frame[: wire.peek(frame).body_start] + body
    return head + struct.pack("<I", zlib.crc32(head))


@settings(max_examples=500, deadline=None)
@given(ANY_MESSAGE, st.data())
def test_a_damaged_body_with_a_good_checksum_is_a_message_or_a_body_error(draft, data) -> None:
    frame = wire.encode(built(draft))
    body = bytearray(frame[wire.peek(frame).body_start : -4])
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(wire.BodyError):
        wire.encode(wire.decode(resealed(frame, bytes(body))), topic="any")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(PLAIN, st.sampled_from(sorted(wire.KINDS)))
def test_any_msgpack_under_any_kind(plain, kind) -> None:
    head = b"x\0" + struct.pack("<2sHH8s", b"KC", wire.SCHEMA_VERSION, kind, wire.NO_KEY)
    head += typing.cast(bytes, msgpack.packb(plain, use_bin_type=True))
    with pytest.raises(wire.BodyError):
        wire.decode(head + struct.pack("<I", zlib.crc32(head)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(data)


def with_head(version: int = wire.SCHEMA_VERSION, kind: int = 2, magic: bytes = b"KC") -> bytes:
    head = b"in/x\0" + struct.pack("<2sHH8s", magic, version, kind, wire.NO_KEY) + b"\x90"
    return head + struct.pack("<I", zlib.crc32(head))


def test_each_damage_has_its_own_name() -> None:
    with pytest.raises(wire.FrameTooLargeError, match="1048577 bytes"):
        wire.decode(b"x" * (wire.MAX_FRAME_BYTES + 1))
    with pytest.raises(wire.NotAMessageError):
        wire.decode(b"")
    with pytest.raises(wire.NotAMessageError, match="magic"):
        wire.decode(with_head(magic=b"XX"))
    with pytest.raises(wire.SchemaVersionError, match="version 2"):
        wire.decode(with_head(version=2))
    with pytest.raises(wire.UnknownKindError, match="kind 77; known are 1 SessionHeader"):
        wire.decode(with_head(kind=77))
    with pytest.raises(wire.ChecksumError):
        wire.decode(wire.encode(picture())[:-1] + b"\0")
    with pytest.raises(wire.BodyError, match="wanted 7 fields"):
        wire.decode(with_head(kind=2))


def huge_array_bodies() -> list[bytes]:
    fields = ["cam_01", 1, 2, 3, "HALPE_26"]
    shapes = ([1 << 40, 1 << 40, 3], [0, 1 << 62, 3], [-1, -1, 3], [1, 26, 4], [1, 26], [True, 26, 3])
    return [msgpack.packb([*fields, ["<f4", s, b""], 0]) for s in shapes] + [
        msgpack.packb([*fields, ["<f8", [1, 1, 3], bytes(24)], 0]),
        msgpack.packb([*fields, ["|O", [1, 1, 3], bytes(24)], 0]),
        msgpack.packb([*fields, ["<f4", [1, 1, 3], bytes(11)], 0]),
        b"\x97" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        msgpack.packb([*fields, msgpack.Timestamp(1), 0]),
    ]


@pytest.mark.parametrize("body", huge_array_bodies())
def test_false_shapes_and_dtypes_and_bombs_are_refused(body: bytes) -> None:
    with pytest.raises(wire.BodyError):
        wire.decode(resealed(wire.encode(picture()), body))


def test_a_sender_hears_what_is_wrong_with_its_message() -> None:
    header = SessionHeader("s", "p", "HALPE_26", ())
    with pytest.raises(wire.CannotEncodeError, match="topic"):
        wire.encode(header, topic="")
    with pytest.raises(wire.CannotEncodeError, match="64 bits"):
        wire.encode(Deadline(1 << 70, 1))
    with pytest.raises(wire.CannotEncodeError, match="at most"):
        wire.encode(messages.BodySwap(1, "x" * wire.MAX_FRAME_BYTES))


def test_topics_select_in_and_out() -> None:
    assert wire.encode(picture()).startswith(b"in/camera/cam_01\0")
    assert wire.topic_of(Deadline(1, 1)) == "in/deadline"


def test_decoded_arrays_cannot_be_written() -> None:
    decoded = typing.cast(KeypointFrame, wire.decode(wire.encode(picture())))
    with pytest.raises(ValueError, match="read-only"):
        decoded.people[0, 0, 0] = 1
