"""The display's web server: the built page, and one websocket per screen.

``create_app`` makes the Starlette application around any source of messages; ``serve`` runs it with uvicorn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from kincast.models.errors import UserMistakeError
from kincast.streaming.display.access import Access, LoginSessions
from kincast.streaming.display.feedback import FeedbackTarget, FeedbackTracker, UnknownFeedbackTargetError
from kincast.streaming.display.gate import Gate, login_routes
from kincast.streaming.display.hub import Hub, Mailbox
from kincast.streaming.display.scene import Scene
from kincast.streaming.messages import EngineHealth, LiveFrame

STATIC = Path(__file__).parent / "static"
MAX_CLIENT_MESSAGE_BYTES = 4096
Source = AsyncIterator[LiveFrame | EngineHealth | Scene]
_log = logging.getLogger(__name__)


class DisplayAddressError(UserMistakeError):
    """The display cannot listen where it was told to."""


class TlsFilesError(UserMistakeError):
    """Certificate or key of the display cannot be used."""


class PageNotBuiltError(UserMistakeError):
    """The display's page was not built at install."""


@dataclass(frozen=True)
class DisplayConfig:
    """Where the display listens, who may come in, and what the feedback starts with."""

    access: Access = field(default_factory=Access)
    target: FeedbackTarget = field(default_factory=FeedbackTarget)
    static: Path = STATIC


def create_app(source: Source, scene: Scene, config: DisplayConfig) -> Starlette:
    """The application; it starts reading ``source`` when the server starts. ``app.state.hub`` holds its state.

    Raises:
        PageNotBuiltError: ``config.static`` holds no page.
    """
    index = config.static / "index.html"
    if not index.is_file():
        raise PageNotBuiltError(
            f"display: no page in {config.static}; build it with `make install` or "
            "`python -m kincast.streaming.display.build`"
        )
    feedback = FeedbackTracker()
    feedback.aim(config.target)
    hub = Hub(scene, feedback)
    sessions = LoginSessions(config.access.logins)

    async def page(_: Request) -> Response:
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    async def live(web_socket: WebSocket) -> None:
        await _serve_screen(web_socket, hub)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        reader = asyncio.create_task(_read(source, hub))
        try:
            yield
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    routes: list[BaseRoute] = [
        Route("/", page),
        Route("/patient", page),
        WebSocketRoute("/live", live),
        Mount("/assets", StaticFiles(directory=config.static / "assets")),
    ]
    if config.access.logins:
        routes += login_routes(sessions, config.access.tls)
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.hub = hub
    app.add_middleware(Gate, access=config.access, sessions=sessions)
    return app


async def serve(
    source: Source,
    scene: Scene,
    config: DisplayConfig | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until cancelled or interrupted; ``on_ready`` gets the address once the port is open.

    Raises:
        PageNotBuiltError, DisplayAddressError, TlsFilesError
    """
    config = config or DisplayConfig()
    access = config.access
    app = create_app(source, scene, config)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            ssl_certfile=access.tls_certificate,
            ssl_keyfile=access.tls_key,
            ws="websockets-sansio",
            ws_max_size=MAX_CLIENT_MESSAGE_BYTES,
            # compression costs milliseconds per frame and little is gained on float32
            ws_per_message_deflate=False,
            ws_ping_interval=5.0,
            ws_ping_timeout=10.0,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    try:
        server.config.load()
    except (OSError, ssl.SSLError) as error:
        raise TlsFilesError(
            f"display: certificate {access.tls_certificate} with key {access.tls_key} cannot be used ({error}); "
            "both must be PEM files that belong together (`kincast keys init` makes them)"
        ) from error
    with _listening(access) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
            if on_ready is not None and server.started:
                on_ready(_address(access, listener.getsockname()[1]))
            await asyncio.shield(task)
        finally:
            server.should_exit = True
            await task


def _listening(access: Access) -> socket.socket:
    """The bound socket. uvicorn itself would end the process where the port is taken."""
    family = socket.AF_INET6 if ":" in access.host else socket.AF_INET
    try:
        return socket.create_server((access.host, access.port), family=family)
    except (OSError, OverflowError) as error:
        raise DisplayAddressError(
            f"display: cannot listen at {access.host} port {access.port}: {error}; "
            "choose another port, or 0 for any free one"
        ) from error


def _address(access: Access, port: int) -> str:
    name = access.names[0] if access.names else access.host
    name = f"[{name}]" if ":" in name else name
    return f"{'https' if access.tls else 'http'}://{name}:{port}/"


async def _read(source: Source, hub: Hub) -> None:
    # the screens say what broke rather than freeze; one bad message does not end the display
    try:
        async for message in source:
            try:
                hub.accept(message)
            except Exception as error:
                _log.exception("a message of the engine could not be shown")
                hub.report_source_error(_sentence(error))
    except Exception as error:
        _log.exception("the stream from the engine broke")
        hub.report_source_error(_sentence(error))


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


async def _serve_screen(web_socket: WebSocket, hub: Hub) -> None:
    await web_socket.accept()
    patient = web_socket.query_params.get("role") == "patient"
    mailbox = hub.join("patient" if patient else "therapist")
    delivery = asyncio.create_task(mailbox.deliver(web_socket))
    listening = asyncio.create_task(_listen(web_socket, hub, mailbox))
    try:
        await asyncio.wait((delivery, listening), return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(mailbox)
        for task in (delivery, listening):
            task.cancel()
        # a socket that died while sending is the end of this screen, nothing else
        await asyncio.gather(delivery, listening, return_exceptions=True)


async def _listen(web_socket: WebSocket, hub: Hub, mailbox: Mailbox) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            _obey(await web_socket.receive_text(), hub, mailbox)


def _obey(text: str, hub: Hub, mailbox: Mailbox) -> None:
    """One message of a page. What makes no sense is ignored; only the therapist's screen sets the target."""
    try:
        message = json.loads(text)
        match message:
            case {"type": "ack", "seq": int(seq)}:
                mailbox.acknowledge(seq)
            case {"type": "blank", "on": bool(on), "request": int(request)}:
                mailbox.obeyed = request
                hub.set_blank(on)
            case {
                "type": "target",
                "coordinate": str(name),
                "statistic": "max" | "min" as statistic,
                "low": int() | float() as low,
                "high": int() | float() as high,
            } if mailbox.role == "therapist":
                hub.set_target(FeedbackTarget(name, statistic, float(low), float(high)))
    except (ValueError, RecursionError, UnknownFeedbackTargetError) as error:
        _log.info("ignored a message of a screen: %s", error)
