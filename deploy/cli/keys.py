"""``kincast keys``: how engine, nodes, display and browsers know each other."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from kincast.models.errors import UserMistakeError


class NamesMissingError(UserMistakeError):
    """The action needs names and none was given."""


class PasswordsDifferError(UserMistakeError):
    """A new password was not typed the same way twice."""


@dataclass(frozen=True)
class Keys:
    """Keys (CURVE) for engine, display and nodes; an authority, certificate and logins for a display in the network.

    init: keys of the engine, the display and the cameras named, an authority and the display's certificate;
    add: keys of further cameras; certificate: a new certificate for the host names given;
    login: who may log in to an exposed display (asks for the password).
    """

    action: Positional[Literal["init", "add", "certificate", "login"]]
    """What to make."""
    folder: Positional[Path]
    """Folder of the keys, as named in the rig file."""
    names: Positional[tuple[str, ...]] = ()
    """Cameras as in the rig file (init, add), host names (certificate), users (login)."""
    host: tuple[str, ...] = ()
    """init: further names or addresses by which browsers reach the display."""

    def run(self) -> int:
        if self.action != "init" and not self.names:
            raise NamesMissingError(f"kincast keys {self.action} {self.folder}: give at least one name")
        match self.action:
            case "init":
                self._keys_of(["engine", "display", *self.names])
                self._init_certificate()
            case "add":
                self._keys_of(self.names)
            case "certificate":
                self._certificate(self.names)
            case "login":
                self._logins()
        return 0

    def _keys_of(self, names: Sequence[str]) -> None:
        from kincast.deploy.keys import create_keys

        create_keys(self.folder, names)
        for name in names:
            print(f"{self.folder / name}.public  {self.folder / name}.secret")

    def _init_certificate(self) -> None:
        from kincast.deploy.authority import own_names

        self._certificate([*own_names(), *self.host])
        print(f"{self.folder / 'ca.pem'}: install it as a trusted authority where the display is looked at")
        print(f"{self.folder / 'ca.key'}: signs certificates; keep it somewhere safe")

    def _certificate(self, names: Sequence[str]) -> None:
        from kincast.deploy.authority import create_authority, issue_display_certificate

        if not (self.folder / "ca.pem").exists():
            create_authority(self.folder)
        made = issue_display_certificate(self.folder, names)
        print(f"{made.certificate}: for {', '.join(made.names)}, until {made.expires:%Y-%m-%d}")

    def _logins(self) -> None:
        from kincast.deploy.logins import add_login

        for user in self.names:
            add_login(self.folder, user, _password(user))
            print(f"{user} may log in to the display")


def _password(user: str) -> str:
    """Asked for twice at a terminal, else one line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {user}: ")
    if getpass.getpass("Once more: ") != password:
        raise PasswordsDifferError("the two passwords differ; nothing was changed")
    return password
