"""Keys, certificates and logins on disk: private, never overwritten, and who lacks one is told how to get it."""

from __future__ import annotations

import io
import ssl
from pathlib import Path

import pytest

from kincast.deploy.authority import (
    AuthorityError,
    create_authority,
    display_certificate,
    issue_display_certificate,
    own_names,
)
from kincast.deploy.cli import main
from kincast.deploy.display_process import access_for
from kincast.deploy.keys import (
    KeyFileError,
    KeyMissingError,
    KeysExistError,
    client_keys,
    create_keys,
    key_id,
    server_keys,
)
from kincast.deploy.logins import LoginsError, add_login, read_logins
from kincast.streaming.display.access import UnprotectedDisplayError, check_password


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


# ---------------------------------------------------------------- certificates and logins


def test_a_browser_that_trusts_the_authority_trusts_the_display_by_its_names_alone(tmp_path: Path) -> None:
    create_authority(tmp_path)
    made = issue_display_certificate(tmp_path, ["lab.example", "127.0.0.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)

    def handshake(name: str, authority: Path | None) -> None:
        client = ssl.create_default_context(cafile=authority)
        ends = [ssl.MemoryBIO() for _ in range(2)]
        ours = client.wrap_bio(ends[0], ends[1], server_hostname=name)
        theirs = server.wrap_bio(ends[1], ends[0], server_side=True)
        waiting = [ours, theirs]
        for _ in range(10):
            for end in list(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    pass
        assert not waiting

    handshake("lab.example", tmp_path / "ca.pem")
    handshake("127.0.0.1", tmp_path / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake("other.example", tmp_path / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake("lab.example", None)


def test_the_authority_is_never_overwritten_and_its_secrets_are_private(tmp_path: Path) -> None:
    create_authority(tmp_path)
    issue_display_certificate(tmp_path, own_names())
    authority = (tmp_path / "ca.pem").read_bytes()
    with pytest.raises(AuthorityError, match="holds an authority already"):
        create_authority(tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == authority
    for secret in ("ca.key", "display.key"):
        assert (tmp_path / secret).stat().st_mode & 0o077 == 0
    (tmp_path / "display.key").chmod(0o644)
    with pytest.raises(AuthorityError, match="chmod 600"):
        display_certificate(tmp_path, "localhost")


def test_what_is_wrong_with_a_certificate_is_told(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="kincast keys init"):
        display_certificate(tmp_path, "lab.example")
    create_authority(tmp_path)
    for names in ([], ["two words"], ["http://lab.example"], ["lab..example"]):
        with pytest.raises(AuthorityError):
            issue_display_certificate(tmp_path, names)
    issue_display_certificate(tmp_path, ["Lab.example"])
    assert display_certificate(tmp_path, "LAB.example").names == ("lab.example",)
    with pytest.raises(AuthorityError, match=r"not for other\.example but for lab\.example"):
        display_certificate(tmp_path, "other.example")
    key = (tmp_path / "display.key").read_bytes()
    issue_display_certificate(tmp_path, ["lab.example"])
    (tmp_path / "display.key").write_bytes(key)
    with pytest.raises(AuthorityError, match="do not belong together"):
        display_certificate(tmp_path, "lab.example")
    (tmp_path / "display.pem").write_text("nonsense")
    with pytest.raises(AuthorityError, match="no certificate"):
        display_certificate(tmp_path, "lab.example")


def test_logins_hold_no_password_and_their_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(LoginsError, match="kincast keys login"):
        read_logins(tmp_path)
    add_login(tmp_path, "therapist", "correct horse")
    add_login(tmp_path, "second", "battery staple")
    logins = read_logins(tmp_path)
    assert list(logins) == ["therapist", "second"]
    assert check_password("correct horse", logins["therapist"])
    assert not check_password("battery staple", logins["therapist"])
    assert "correct" not in (tmp_path / "logins.json").read_text()
    assert (tmp_path / "logins.json").stat().st_mode & 0o077 == 0
    for user, password in (("a b", "correct horse"), ("", "correct horse"), ("a", "short")):
        with pytest.raises(LoginsError):
            add_login(tmp_path, user, password)
    for damaged in ("", "[]", "{}", '{"a": 1}', '{"a": "scrypt$?$?"}'):
        (tmp_path / "logins.json").write_text(damaged)
        with pytest.raises(LoginsError):
            read_logins(tmp_path)


def test_the_command_makes_all_that_a_display_in_the_network_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "keys"
    assert main(["keys", "init", str(folder), "cam_01", "--host", "lab.example"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert main(["keys", "login", str(folder), "therapist"]) == 0
    access = access_for("0.0.0.0", 7480, folder, "lab.example")
    assert access.tls
    assert access.host_allowed("lab.example:7480")
    assert not access.host_allowed("evil.example:7480")
    with pytest.raises(AuthorityError, match="kincast keys certificate"):
        access_for("0.0.0.0", 7480, folder, "other.example")
    assert main(["keys", "certificate", str(folder), "other.example"]) == 0
    assert access_for("0.0.0.0", 7480, folder, "other.example").names == ("other.example",)
    with pytest.raises(UnprotectedDisplayError):
        access_for("0.0.0.0", 7480, folder, "")
    with pytest.raises(UnprotectedDisplayError):
        access_for("0.0.0.0", 7480, None, "lab.example")
    (folder / "logins.json").unlink()
    with pytest.raises(LoginsError):
        access_for("0.0.0.0", 7480, folder, "other.example")
    assert main(["keys", "certificate", str(folder)]) == 2
    assert "give at least one name" in capsys.readouterr().err
