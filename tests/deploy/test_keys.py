"""CURVE keys on disk: private, never overwritten, and who lacks one is told how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kincast.deploy.keys import (
    KeyFileError,
    KeyMissingError,
    KeysExistError,
    client_keys,
    create_keys,
    key_id,
    server_keys,
)


def test_pairs_belong_together(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys", ["engine", "cam_01", "display"])
    server = server_keys(tmp_path / "keys", ["cam_01", "display"])
    client = client_keys(tmp_path / "keys", "cam_01")
    assert client.server == server.public
    assert server.clients[client.public] == "cam_01"
    assert len(key_id(server.public)) == 8
    assert key_id(server.public) != key_id(client.public)


def test_secrets_are_private_and_stay_out_of_logs(tmp_path: Path) -> None:
    create_keys(tmp_path, ["engine", "cam_01"])
    assert (tmp_path / "engine.secret").stat().st_mode & 0o077 == 0
    secret = (tmp_path / "cam_01.secret").read_text().strip()
    assert secret not in repr(client_keys(tmp_path, "cam_01"))
    (tmp_path / "engine.secret").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        server_keys(tmp_path, ["cam_01"])


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path, ["engine"])
    with pytest.raises(KeysExistError, match="engine already"):
        create_keys(tmp_path, ["engine", "cam_01"])
    assert not (tmp_path / "cam_01.public").exists()


def test_missing_damaged_and_impossible_keys_are_told(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match="kincast keys init"):
        server_keys(tmp_path, [])
    create_keys(tmp_path, ["engine"])
    (tmp_path / "engine.public").write_text("short")
    with pytest.raises(KeyFileError, match="40 characters"):
        server_keys(tmp_path, [])
    with pytest.raises(KeyFileError, match="cannot name a key"):
        create_keys(tmp_path, ["../elsewhere"])
    with pytest.raises(KeyFileError, match="cannot name a key"):
        client_keys(tmp_path, "a/b")
