"""Who may log in to an exposed display: ``logins.json`` in the folder of the keys, user name -> hash of the password."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from kincast.models.errors import UserMistakeError
from kincast.streaming.display.access import BadPasswordHashError, check_password, hash_password

FILE = "logins.json"
MIN_PASSWORD = 10
_USER = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class LoginsError(UserMistakeError):
    """The logins are missing or damaged, or one cannot be added."""


def add_login(folder: Path, user: str, password: str) -> None:
    """Add a login or change its password.

    Raises:
        LoginsError: name or password cannot be used, or the file cannot be read or written.
    """
    if not _USER.fullmatch(user):
        raise LoginsError(f"{user!r} cannot log in; use 1 to 64 letters, digits, '_', '-', '.' and '@'")
    if len(password) < MIN_PASSWORD:
        raise LoginsError(f"the password of {user} is too short; use at least {MIN_PASSWORD} characters")
    path = folder / FILE
    known = read_logins(folder) if path.exists() else {}
    fresh = path.with_name(f".{FILE}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(known | {user: hash_password(password)}, file, indent=1)
        fresh.replace(path)
    except OSError as error:
        raise LoginsError(f"cannot write {path}: {error.strerror or error}") from error


def read_logins(folder: Path) -> dict[str, str]:
    """User name -> password hash.

    Raises:
        LoginsError: no file, damaged, empty, or others can read it.
    """
    path = folder / FILE
    try:
        logins = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LoginsError(
            f"nobody can log in to the display: there is no {FILE} in {folder}; run `kincast keys login {folder} NAME`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise LoginsError(f"{path} cannot be read: {error}") from error
    whole = isinstance(logins, dict) and logins and all(isinstance(v, str) for v in logins.values())
    try:
        for stored in logins.values() if whole else ():
            check_password("", stored)
    except BadPasswordHashError:
        whole = False
    if not whole:
        raise LoginsError(f"{path} is damaged; delete it and run `kincast keys login {folder} NAME`")
    if path.stat().st_mode & 0o077:
        raise LoginsError(f"others can read {path}; run: chmod 600 {path}")
    return logins
