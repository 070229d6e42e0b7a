"""CURVE keys of a rig: who the engine is, and which nodes and displays may talk to it.

One folder holds ``NAME.public`` for everybody and ``NAME.secret`` (mode 0600) for whoever lives on this machine.
Copy ``engine.public`` and a node's own pair to that node, and the node's ``.public`` to the engine.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import zmq

from kincast.models.errors import UserMistakeError
from kincast.streaming.transport import ClientKeys, ServerKeys

ENGINE = "engine"
DISPLAY = "display"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_KEY = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeysExistError(UserMistakeError):
    """Keys are never overwritten: every node that has the old ones would be locked out."""


class KeyMissingError(UserMistakeError):
    """A key that is needed is not in the folder."""


class KeyFileError(UserMistakeError):
    """A key file is damaged, or others can read a secret."""


def create_keys(folder: Path, names: Sequence[str]) -> None:
    """Make a key pair for each name that has none; the folder is made if need be.

    Raises:
        KeysExistError: one of ``names`` has a key already.
        KeyFileError: a name that cannot be a file name, or the folder cannot be written.
    """
    for name in names:
        _checked_name(name)
    existing = [name for name in names if _public(folder, name).exists() or _secret(folder, name).exists()]
    if existing:
        raise KeysExistError(
            f"{folder} holds keys of {', '.join(existing)} already; delete them by hand to lock those nodes out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in names:
            public, secret = zmq.curve_keypair()
            _write(_secret(folder, name), secret, 0o600)
            _write(_public(folder, name), public, 0o644)
    except OSError as error:
        raise KeyFileError(f"cannot write keys into {folder}: {error.strerror or error}") from error


def server_keys(folder: Path, clients: Sequence[str], server: str = ENGINE) -> ServerKeys:
    """Keys of the side that binds, letting in ``clients`` (cameras and displays by name).

    Raises:
        KeyMissingError, KeyFileError
    """
    return ServerKeys(
        public=_read(_public(folder, server), server),
        secret=_read_secret(folder, server),
        clients={_read(_public(folder, name), name): name for name in clients},
    )


def client_keys(folder: Path, name: str, server: str = ENGINE) -> ClientKeys:
    """Keys of a node or display, and the engine it insists on.

    Raises:
        KeyMissingError, KeyFileError
    """
    return ClientKeys(
        public=_read(_public(folder, name), name),
        secret=_read_secret(folder, name),
        server=_read(_public(folder, server), server),
    )


def key_id(public: bytes) -> bytes:
    """The 8 bytes that stand for a public key on the wire."""
    return hashlib.sha256(public).digest()[:8]


def _public(folder: Path, name: str) -> Path:
    return folder / f"{name}.public"


def _secret(folder: Path, name: str) -> Path:
    return folder / f"{name}.secret"


def _checked_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise KeyFileError(
            f"{name!r} cannot name a key; use letters, digits, '_', '-' and '.', at most 64 of them"
        )


def _write(path: Path, key: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key + b"\n")


def _read(path: Path, name: str) -> bytes:
    _checked_name(name)
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError as error:
        raise KeyMissingError(
            f"there is no key {path.name} in {path.parent}; make it with `kincast keys init`, or copy it there"
        ) from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if not _KEY.fullmatch(key):
        raise KeyFileError(f"{path} is no CURVE key (40 characters)")
    return key


def _read_secret(folder: Path, name: str) -> bytes:
    path = _secret(folder, name)
    key = _read(path, name)
    if path.stat().st_mode & 0o077:
        raise KeyFileError(f"others can read {path}; run: chmod 600 {path}")
    return key
