"""Who may reach the display: loopback unless protected, known Host names, same-origin sockets, login.

A page of another site that the therapist's browser has open must neither read the stream (cross-site
websocket hijack, DNS rebinding) nor blank the screen, so Host and Origin are checked on every request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kincast.models.errors import UserMistakeError

_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
"""OWASP's password storage cheat sheet allows N=2^14, r=8, p=5; one clinic's login is also rate limited."""


class UnprotectedDisplayError(UserMistakeError):
    """The display was to listen beyond this computer without TLS and login."""


class BadPasswordHashError(UserMistakeError):
    """A configured password hash is not one that :func:`hash_password` wrote."""


def hash_password(password: str) -> str:
    """``scrypt$salt$hash`` (base64) for the configuration; the password itself is never stored."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)
    return "$".join(("scrypt", base64.b64encode(salt).decode(), base64.b64encode(digest).decode()))


def check_password(password: str, stored: str) -> bool:
    """Constant-time comparison.

    Raises:
        BadPasswordHashError: ``stored`` is not of the form ``scrypt$salt$hash``.
    """
    try:
        kind, salt, digest = stored.split("$")
        if kind != "scrypt":
            raise ValueError(kind)
        wanted = base64.b64decode(digest, validate=True)
        got = hashlib.scrypt(password.encode(), salt=base64.b64decode(salt, validate=True), **_SCRYPT)
    except ValueError as error:
        raise BadPasswordHashError(
            "display login: the stored password hash is unreadable; write a new one with `kincast keys`"
        ) from error
    return hmac.compare_digest(got, wanted)


def is_loopback(host: str) -> bool:
    """Whether a bind address can only be reached from this computer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """Where the display listens and who may come in.

    Attributes:
        host, port: bind address; port 0 lets the system choose.
        names: host names by which browsers on the network call this computer (those of the certificate).
        tls_certificate, tls_key: PEM files.
        logins: user name -> :func:`hash_password`.

    Raises:
        UnprotectedDisplayError: not loopback, and TLS, login or names are missing.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    names: tuple[str, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    logins: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if is_loopback(self.host):
            return
        missing = [
            what
            for what, given in (
                ("a TLS certificate and key", self.tls_certificate and self.tls_key),
                ("at least one login", self.logins),
                ("the names by which browsers reach it", self.names),
            )
            if not given
        ]
        if missing:
            raise UnprotectedDisplayError(
                f"display: refusing to listen on {self.host}, which other computers can reach, without "
                f"{' and '.join(missing)}. Listen on 127.0.0.1 or ::1, or give what is missing "
                "(`kincast keys init` makes a certificate)"
            )

    @property
    def tls(self) -> bool:
        return self.tls_certificate is not None

    def host_allowed(self, host_header: str) -> bool:
        """Whether a Host header names this display (any port: a forwarded one may differ)."""
        try:
            name = urlsplit(f"//{host_header}").hostname or ""
        except ValueError:
            return False
        known = set(self.names) | ({"localhost", "127.0.0.1", "::1"} if is_loopback(self.host) else set())
        return name in known | {self.host.lower()} - {"0.0.0.0", "::"}

    def origin_allowed(self, origin: str, host_header: str) -> bool:
        """Whether a websocket's Origin is the page of this very server; a missing one is refused."""
        scheme = "https" if self.tls else "http"
        return origin == f"{scheme}://{host_header}"


@dataclass
class LoginSessions:
    """Tokens of people who are logged in, and failures to slow down guessing. Times in seconds (monotonic)."""

    logins: dict[str, str]
    lifetime: float = 12 * 3600.0
    max_failures: int = 10
    window: float = 60.0
    _expiry: dict[str, float] = field(default_factory=dict)
    _failures: list[float] = field(default_factory=list)

    def locked(self, now: float) -> bool:
        """Too many wrong passwords within the last minute."""
        self._failures = [t for t in self._failures if t > now - self.window]
        return len(self._failures) >= self.max_failures

    def login(self, user: str, password: str, now: float) -> str | None:
        """A new token, or None for a wrong name or password, or while locked."""
        if self.locked(now):
            return None
        # an unknown name costs the same time as a wrong password
        stored = self.logins.get(user) or next(iter(self.logins.values()), None)
        if stored is None or not check_password(password, stored) or user not in self.logins:
            self._failures.append(now)
            return None
        token = secrets.token_urlsafe(32)
        self._expiry[token] = now + self.lifetime
        return token

    def valid(self, token: str, now: float) -> bool:
        """Whether ``token`` was handed out and has not expired."""
        self._expiry = {t: end for t, end in self._expiry.items() if end > now}
        return token in self._expiry
