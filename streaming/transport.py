"""ZeroMQ sockets as kincast uses them: bounded, on loopback unless told otherwise, encrypted where keys are given.

The engine binds (it is the one well-known place of a rig), nodes and displays connect. Keypoints and results go
by PUB/SUB; nobody uses ZeroMQ's CONFLATE, which breaks with topics: who is behind drains to the latest itself
(:mod:`kincast.streaming.backlog`) and counts what it discards.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

import zmq
from zmq.auth.thread import ThreadAuthenticator

from kincast.models.errors import UserMistakeError
from kincast.streaming import wire

INGEST_QUEUE = 2000
"""Messages ZeroMQ holds for us per connection: 4 s of 8 cameras at 60 fps; beyond that it discards."""
PUBLISH_QUEUE = 256
ZAP_DOMAIN = b"kincast"


class ExposedAddressError(UserMistakeError):
    """A socket would listen beyond this machine without keys, or without being asked to."""


class AddressInUseError(UserMistakeError):
    """Another process has the port."""


@dataclass(frozen=True)
class ServerKeys:
    """CURVE keys of the side that binds (40 characters each), and who may connect: public key -> name."""

    public: bytes
    secret: bytes = field(repr=False)
    clients: Mapping[bytes, str]


@dataclass(frozen=True)
class ClientKeys:
    """CURVE keys of the side that connects, and the public key it insists the other side has."""

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes


class Doorman:
    """Decides who may connect to the sockets of a context; must run before the first of them binds.

    Without a running authenticator libzmq would let every client with any key in.
    """

    def __init__(self, context: zmq.Context, keys: ServerKeys) -> None:
        self._names = dict(keys.clients)
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.curve_user_id = self._name  # type: ignore[method-assign]
        self._authenticator.start()
        self._authenticator.configure_curve_callback("*", self)
        self._authenticator.configure_curve_callback(ZAP_DOMAIN.decode(), self)

    def callback(self, domain: str, key: bytes) -> bool:
        """Asked by the authenticator for every new connection."""
        return key in self._names

    def _name(self, key: bytes) -> str:
        from zmq.utils import z85

        return self._names[z85.encode(key)]

    def stop(self) -> None:
        """End its thread."""
        self._authenticator.stop()

    def __enter__(self) -> Doorman:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def bound(
    context: zmq.Context, kind: int, address: str, keys: ServerKeys | None = None, exposed: bool = False
) -> zmq.Socket:
    """A socket of ``kind`` (zmq.SUB, PUB, ROUTER) listening at ``tcp://host:port`` (port 0: any free one).

    Raises:
        ExposedAddressError: the host is not loopback and ``exposed`` or ``keys`` is missing.
        AddressInUseError
    """
    if not is_loopback(address) and not (exposed and keys is not None):
        raise ExposedAddressError(
            f"{address} can be reached from other machines; that needs --expose and keys "
            "(kincast keys init). On this machine alone use tcp://127.0.0.1:PORT"
        )
    socket = _socket(context, kind)
    if keys is not None:
        socket.zap_domain = ZAP_DOMAIN
        socket.curve_secretkey = keys.secret
        socket.curve_publickey = keys.public
        socket.curve_server = True  # before bind: afterwards it would have no effect on this endpoint
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        socket.close()
        raise AddressInUseError(f"cannot listen at {address}: {error.strerror or error}") from error
    return socket


def connected(context: zmq.Context, kind: int, address: str, keys: ClientKeys | None = None) -> zmq.Socket:
    """A socket of ``kind`` (zmq.PUB, SUB, REQ) connected to ``tcp://host:port``; the other side may start later."""
    socket = _socket(context, kind)
    if keys is not None:
        socket.curve_secretkey = keys.secret
        socket.curve_publickey = keys.public
        socket.curve_serverkey = keys.server
    socket.connect(address)
    return socket


def address_of(socket: zmq.Socket) -> str:
    """Where a bound socket really listens (its port was free to choose)."""
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    if address.startswith(("inproc://", "ipc://")):
        return True
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _socket(context: zmq.Context, kind: int) -> zmq.Socket:
    socket = context.socket(kind)
    socket.linger = 0
    socket.maxmsgsize = wire.MAX_FRAME_BYTES  # a larger message costs its sender the connection, unread
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = 5
    socket.heartbeat_ivl = 1000
    socket.heartbeat_timeout = 3000
    socket.reconnect_ivl = 100
    socket.reconnect_ivl_max = 1000
    if kind in (zmq.SUB, zmq.ROUTER, zmq.DEALER):
        socket.rcvhwm = INGEST_QUEUE
    if kind == zmq.PUB:
        socket.sndhwm = PUBLISH_QUEUE
    return socket
