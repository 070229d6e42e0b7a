"""Sockets: loopback by default, encrypted and authenticated with keys, oversized messages never decoded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import zmq

from kincast.streaming import wire
from kincast.streaming.transport import (
    AddressInUseError,
    ClientKeys,
    Doorman,
    ExposedAddressError,
    ServerKeys,
    address_of,
    bound,
    connected,
    is_loopback,
)

ANY = "tcp://127.0.0.1:0"


class KeepingContext(zmq.Context):
    """Holds on to its sockets, so that they are closed by destroy() and not by the garbage collector."""

    kept: list[zmq.Socket] = []  # noqa: RUF012

    def socket(self, *args, **kwargs) -> zmq.Socket:
        made = super().socket(*args, **kwargs)
        self.kept.append(made)
        return made


@pytest.fixture
def context():
    made = KeepingContext()
    yield made
    made.destroy(linger=0)
    made.kept.clear()


def heard(publisher: zmq.Socket, subscriber: zmq.Socket, message: bytes, for_s: float = 1.5) -> bytes | None:
    """The first message that gets through; a PUB socket discards until the subscription has arrived."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        publisher.send(message)
        if subscriber.poll(30):
            return subscriber.recv()
    return None


def test_a_message_passes(context: zmq.Context) -> None:
    subscriber = bound(context, zmq.SUB, ANY)
    subscriber.subscribe(b"in/")
    publisher = connected(context, zmq.PUB, address_of(subscriber))
    assert heard(publisher, subscriber, b"in/x\0abc") == b"in/x\0abc"


def test_only_loopback_without_being_asked(context: zmq.Context) -> None:
    for address in (
        "tcp://0.0.0.0:0",
        "tcp://192.168.1.5:7400",
        "tcp://*:7400",
        "tcp://[::]:0",
        "tcp://lab:1",
    ):
        assert not is_loopback(address)
        with pytest.raises(ExposedAddressError, match="--expose"):
            bound(context, zmq.SUB, address)
        with pytest.raises(ExposedAddressError, match="keys"):
            bound(context, zmq.SUB, address, keys=None, exposed=True)
    assert is_loopback("tcp://127.0.0.1:7400")
    assert is_loopback("tcp://[::1]:7400")
    assert is_loopback("tcp://localhost:7400")


def test_a_taken_port_is_told(context: zmq.Context) -> None:
    first = bound(context, zmq.PUB, ANY)
    with pytest.raises(AddressInUseError, match="cannot listen at"):
        bound(context, zmq.PUB, address_of(first))


def pair() -> tuple[bytes, bytes]:
    return zmq.curve_keypair()


def test_with_keys_only_known_nodes_get_through_and_are_named(context: zmq.Context) -> None:
    server_public, server_secret = pair()
    node_public, node_secret = pair()
    stranger_public, stranger_secret = pair()
    keys = ServerKeys(server_public, server_secret, {node_public: "cam_01"})
    with Doorman(context, keys):
        subscriber = bound(context, zmq.SUB, ANY, keys)
        subscriber.subscribe(b"")
        address = address_of(subscriber)
        node = connected(context, zmq.PUB, address, ClientKeys(node_public, node_secret, server_public))
        assert heard(node, subscriber, b"hello") == b"hello"
        node.send(b"again")
        assert subscriber.recv(copy=False).get("User-Id") == "cam_01"
        while subscriber.poll(100):
            subscriber.recv()

        stranger_keys = ClientKeys(stranger_public, stranger_secret, server_public)
        stranger = connected(context, zmq.PUB, address, stranger_keys)
        assert heard(stranger, subscriber, b"let me in", 0.7) is None
        bare = connected(context, zmq.PUB, address)
        assert heard(bare, subscriber, b"unencrypted", 0.7) is None

        impostor_public, _ = pair()
        fooled = connected(context, zmq.PUB, address, ClientKeys(node_public, node_secret, impostor_public))
        assert heard(fooled, subscriber, b"wrong server", 0.7) is None


def test_the_secret_is_not_printed() -> None:
    public, secret = pair()
    assert secret.decode() not in repr(ServerKeys(public, secret, {}))
    assert secret.decode() not in repr(ClientKeys(public, secret, public))


def test_an_oversized_message_is_not_received_and_others_still_are(context: zmq.Context) -> None:
    subscriber = bound(context, zmq.SUB, ANY)
    subscriber.subscribe(b"")
    big = connected(context, zmq.PUB, address_of(subscriber))
    assert heard(big, subscriber, b"x") == b"x"
    while subscriber.poll(100):
        subscriber.recv()
    big.send(bytes(wire.MAX_FRAME_BYTES + 1))
    assert not subscriber.poll(300)
    good = connected(context, zmq.PUB, address_of(subscriber))
    assert heard(good, subscriber, b"still here") == b"still here"


def test_addresses_name_the_real_port(context: zmq.Context, tmp_path: Path) -> None:
    assert address_of(bound(context, zmq.PUB, ANY)).rsplit(":", 1)[1] != "0"
