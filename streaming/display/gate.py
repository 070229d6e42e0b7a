"""ASGI gate in front of the display: Host, Origin and login checks, security headers, the login form."""

from __future__ import annotations

import asyncio
import html
import http.cookies
import time
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kincast.streaming.display.access import Access, LoginSessions

COOKIE = "kincast_display"
MAX_FORM_BYTES = 4096
MIN_LOGIN_S = 0.3

_LOGIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>kincast: log in</title>
<body><h1>kincast</h1><p role="alert">{message}</p>
<form method="post" action="/login"><p><label>Name <input name="user" autocomplete="username" autofocus></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password"></label></p>
<p><button>Log in</button></p></form><p>Research software, not a certified medical device.</p></body></html>"""


def _policy(host: str, tls: bool) -> str:
    socket = f"{'wss' if tls else 'ws'}://{host}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        f"connect-src 'self' {socket}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _cookie(headers: Headers) -> str:
    try:
        jar = http.cookies.SimpleCookie(headers.get("cookie", ""))
    except http.cookies.CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


class Gate:
    """Refuses what :class:`Access` does not allow, before any route sees it."""

    def __init__(self, app: ASGIApp, access: Access, sessions: LoginSessions) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal is not None:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        policy = _policy(headers.get("host", ""), self._access.tls)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                guarded = MutableHeaders(scope=message)
                guarded["Content-Security-Policy"] = policy
                guarded["X-Content-Type-Options"] = "nosniff"
                guarded["Referrer-Policy"] = "no-referrer"
                guarded["Cross-Origin-Opener-Policy"] = "same-origin"
                guarded["Cross-Origin-Resource-Policy"] = "same-origin"
                if self._access.tls:
                    guarded["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._access.host_allowed(host):
            return PlainTextResponse("this display is not known by that name", 421)
        if scope["type"] == "websocket" and not self._access.origin_allowed(headers.get("origin", ""), host):
            return PlainTextResponse("other sites may not use this display", 403)
        if not self._access.logins or scope["path"] == "/login":
            return None
        if self._sessions.valid(_cookie(headers), time.monotonic()):
            return None
        return RedirectResponse("/login", 303)


def login_routes(sessions: LoginSessions, tls: bool) -> list[Route]:
    """``GET /login`` shows the form, ``POST /login`` sets the session cookie."""

    def form(message: str, status: int = 200) -> Response:
        return HTMLResponse(_LOGIN_PAGE.format(message=html.escape(message)), status)

    async def show(_: Request) -> Response:
        return form("Log in to see the display.")

    async def enter(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                return PlainTextResponse("form too large", 413)
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=8)
        user, password = (fields.get(name, [""])[0] for name in ("user", "password"))
        started = time.monotonic()
        token = await asyncio.to_thread(sessions.login, user, password, started)
        await asyncio.sleep(max(0.0, MIN_LOGIN_S - (time.monotonic() - started)))
        if token is None:
            locked = sessions.locked(time.monotonic())
            return form(
                "Too many attempts; wait a minute." if locked else "Wrong name or password.",
                429 if locked else 401,
            )
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, secure=tls, samesite="strict", path="/")
        return answer

    return [Route("/login", show), Route("/login", enter, methods=["POST"])]
