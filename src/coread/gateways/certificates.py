"""Certificates for development: an authority of one's own, and what it vouches for.

They make TLS work on a desk and in tests. A hospital takes its certificates from its own authority: whoever
reads the file ``authority.key`` can pretend to be any of its peers.

Sources: RFC 5280 (profile of certificates), RFC 6125 (names in subjectAltName), PS3.15 annex B (what DICOM
peers ask of TLS).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from coread.errors import SettingsFault

#: By which everybody can see in a certificate what it is.
WARNING = "CoRead DEVELOPMENT ONLY"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_PRIVATE, _PUBLIC = 0o600, 0o644
#: Clocks of two machines differ; a certificate that begins a little ago is good on both.
_SKEW = timedelta(minutes=5)
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip

_Key: TypeAlias = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Made:
    """Files of a development authority and of those that it vouches for."""

    folder: Path
    authority: Path
    server: Path
    server_key: Path
    clients: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: _Key
    at: datetime
    until: datetime


def make_development_certificates(
    folder: Path,
    at: datetime,
    *,
    hosts: Sequence[str] = (),
    clients: Sequence[str] = ("client",),
    days: int = 90,
) -> Made:
    """Make an authority, a server's certificate and one for each client.

    Keys are of the curve P-256, in files that only their owner can read. Servers' certificates are good for
    calling as well, since a DICOM peer does both.

    Parameters
    ----------
    folder
        Made if absent. ``authority.pem``, ``server.pem``, ``server.key`` and ``<client>.pem``,
        ``<client>.key`` come into it, and ``authority.key``.
    at
        Time zone aware; they begin a few minutes earlier.
    hosts
        Names and addresses by which the server is called, beside those of loopback.
    clients
        File names of the clients.
    days
        How long they hold.

    Raises
    ------
    SettingsFault
        If one of the files is there already, or a client's name is no plain file name.
    """
    _check(folder, clients)
    folder.mkdir(parents=True, exist_ok=True)
    authority = _new_authority(at, at + timedelta(days=days))
    _keep(folder / "authority", authority.certificate, authority.key)
    _issue(authority, folder / "server", "server", (*LOOPBACK, *hosts))
    for name in clients:
        _issue(authority, folder / name, name, ())
    return Made(
        folder,
        folder / "authority.pem",
        folder / "server.pem",
        folder / "server.key",
        tuple(folder / f"{name}.pem" for name in clients),
    )


def _check(folder: Path, clients: Sequence[str]) -> None:
    odd = [name for name in clients if not name or Path(name).name != name or name in {"authority", "server"}]
    if odd or len(set(clients)) != len(clients):
        raise SettingsFault("a client's name that is no file name of its own", "plain names, each once")
    names = ("authority", "server", *clients)
    there = [
        f"{name}.{kind}" for name in names for kind in ("pem", "key") if (folder / f"{name}.{kind}").exists()
    ]
    if there:
        raise SettingsFault(
            f"files that are there already: {', '.join(there)}",
            "a folder without them",
            "name another folder, or take the old ones away: nothing is written over",
            where=folder.name,
        )


def _new_authority(at: datetime, until: datetime) -> _Authority:
    key, name = ec.generate_private_key(ec.SECP256R1()), _named("authority")
    builder = (
        _begun(name, name, key.public_key(), at, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    )
    return _Authority(builder.sign(key, hashes.SHA256()), key, at, until)


def _issue(authority: _Authority, place: Path, name: str, hosts: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _begun(_named(name), authority.certificate.subject, key.public_key(), authority.at, authority.until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(issuer, critical=False)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_name_of(host) for host in dict.fromkeys(hosts)])
        builder = builder.add_extension(names, critical=False)
    _keep(place, builder.sign(authority.key, hashes.SHA256()), key)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, at: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, WARNING),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{name} (development)"),
        ]
    )


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in allowed for use in _USES})


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _keep(place: Path, certificate: x509.Certificate, key: _Key) -> None:
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(place.with_name(f"{place.name}.key"), plain, _PRIVATE)
    _write(place.with_name(f"{place.name}.pem"), certificate.public_bytes(pem), _PUBLIC)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there, never readable by more people than `mode` says."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
