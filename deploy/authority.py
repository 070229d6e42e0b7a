"""A certificate authority of one rig: browsers in the building that trust ``ca.pem`` trust the display's certificate.

ca.pem        for every computer that shows the display (install it as a trusted authority)
ca.key        signs certificates; mode 0600; nobody needs it from day to day: keep it off the network
display.pem   certificate of the display, with its chain;  display.key  its secret, mode 0600
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kincast.models.errors import UserMistakeError

CA_DAYS = 3650
DISPLAY_DAYS = 820
"""Browsers of Apple's refuse certificates, of private authorities too, that live longer than 825 days."""
_SKEW = datetime.timedelta(hours=1)
_HOST = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_EXPLAIN = "make it with `kincast keys init`"


class AuthorityError(UserMistakeError):
    """The authority or the display's certificate is missing, damaged, expired or for another name."""


@dataclass(frozen=True)
class DisplayCertificate:
    """Files for the TLS server, and what the certificate says."""

    certificate: Path
    key: Path
    names: tuple[str, ...]
    expires: datetime.datetime


def own_names() -> list[str]:
    """The names by which this computer is known, itself included."""
    found = [socket.gethostname(), socket.getfqdn(), "localhost", "127.0.0.1", "::1"]
    return list(dict.fromkeys(name.lower() for name in found if _is_name(name.lower())))


def create_authority(folder: Path) -> None:
    """Make ``ca.pem`` and ``ca.key`` in ``folder``, which is there.

    Raises:
        AuthorityError: there is one, or the folder cannot be written.
    """
    if (folder / "ca.pem").exists() or (folder / "ca.key").exists():
        raise AuthorityError(
            f"{folder} holds an authority already (ca.pem); browsers trust it, so it is not overwritten"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"kincast authority of {socket.gethostname()[:40]}")]
    )
    now = datetime.datetime.now(datetime.UTC)
    public = key.public_key()
    certificate = (
        _dated(x509.CertificateBuilder(), now, CA_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.key", _pem(key), 0o600)
    _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def issue_display_certificate(folder: Path, names: Sequence[str]) -> DisplayCertificate:
    """Sign a certificate for the display under ``names`` (host names and addresses); an older one is replaced.

    Raises:
        AuthorityError: a name is none, the authority cannot be read, or the folder cannot be written.
    """
    names = list(dict.fromkeys(name.lower() for name in names))
    for name in names:
        if not _is_name(name):
            raise AuthorityError(
                f"{name!r} is no host name or address; give for example lab.clinic.example or 10.0.0.5"
            )
    if not names:
        raise AuthorityError(
            "a certificate needs the names by which browsers reach the display; give at least one"
        )
    authority, authority_key = _read_certificate(folder / "ca.pem"), _read_key(folder / "ca.key")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        _dated(x509.CertificateBuilder(), now, DISPLAY_DAYS)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (certificate, authority))
    _write(folder / "display.key", _pem(key), 0o600)
    _write(folder / "display.pem", chain, 0o644)
    return DisplayCertificate(
        folder / "display.pem", folder / "display.key", tuple(names), certificate.not_valid_after_utc
    )


def display_certificate(folder: Path, name: str) -> DisplayCertificate:
    """The display's certificate, fit for browsers that call it ``name``.

    Raises:
        AuthorityError: missing, damaged, expired, for other names, or others can read the key.
    """
    path, key_path = folder / "display.pem", folder / "display.key"
    certificate, key = _read_certificate(path), _read_key(key_path)
    if certificate.public_key() != key.public_key():
        raise AuthorityError(f"{path} and {key_path} do not belong together; {_again(folder, name)}")
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = (*alternative.get_values_for_type(x509.DNSName),)
    names += tuple(str(address) for address in alternative.get_values_for_type(x509.IPAddress))
    if name.lower() not in names:
        raise AuthorityError(
            f"the display's certificate is not for {name} but for {', '.join(names)}; {_again(folder, name)}"
        )
    expires = certificate.not_valid_after_utc
    if expires < datetime.datetime.now(datetime.UTC):
        raise AuthorityError(
            f"the display's certificate expired on {expires:%Y-%m-%d}; {_again(folder, name)}"
        )
    return DisplayCertificate(path, key_path, names, expires)


def _again(folder: Path, name: str) -> str:
    return f"make one with `kincast keys certificate {folder} {name}`"


def _is_name(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _HOST.fullmatch(name) is not None
    return True


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _dated(builder: x509.CertificateBuilder, now: datetime.datetime, days: int) -> x509.CertificateBuilder:
    # clocks in a clinic differ
    return builder.not_valid_before(now - _SKEW).not_valid_after(now + datetime.timedelta(days=days))


def _usage(**given: bool) -> x509.KeyUsage:
    usages = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    usages += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: given.get(name, False) for name in usages})


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except OSError as error:
        raise AuthorityError(f"cannot write {path}: {error.strerror or error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise AuthorityError(
            f"there is no {path.name} in {path.parent}; {_EXPLAIN}, or copy it there"
        ) from error
    except OSError as error:
        raise AuthorityError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise AuthorityError(f"{path} is no certificate (PEM)") from error


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise AuthorityError(f"{path} is no private key (PEM without a password)") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{path} is no key of an elliptic curve; {_EXPLAIN}")
    if path.stat().st_mode & 0o077:
        raise AuthorityError(f"others can read {path}; run: chmod 600 {path}")
    return key
