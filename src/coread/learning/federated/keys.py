"""Keys: with one a site's node is let in, with the other orders, answers and key exchanges are signed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from coread.errors import FederationRefused

NODE, SIGNING = "node.key", "signing.key"


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key (RFC 8032)."""

    key: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """The public half, 64 hexadecimal digits."""
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, data: bytes) -> bytes:
        """Sign."""
        return self.key.sign(data)


def verifier(public: str, signature: bytes, data: bytes) -> bool:
    """Tell whether the key `public` (hex) signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_key(folder: Path) -> SigningKey:
    """Open the signing key of a folder; made at the first call.

    Raises
    ------
    FederationRefused
        If the file is no such key.
    """
    path = folder / SIGNING
    if not path.exists():
        _keep(path, _pem(Ed25519PrivateKey.generate(), PrivateFormat.PKCS8))
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError as fault:
        raise FederationRefused("a file that is no key", "an Ed25519 key", "restore it", path.name) from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise FederationRefused("a key of another kind", "an Ed25519 key", "restore it", path.name)
    return SigningKey(key)


def node_key(folder: Path) -> tuple[Path, str]:
    """Private key file with which the node shows who it is, and its public half as OpenSSH writes it.

    NIST P-384, the curve that SuperLink asks for. Made at the first call.
    """
    path = folder / NODE
    if not path.exists():
        made = ec.generate_private_key(ec.SECP384R1())
        _keep(
            path.with_suffix(".pub"), made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        )
        _keep(path, _pem(made, PrivateFormat.OpenSSH))
    return path, path.with_suffix(".pub").read_text().strip()


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def _keep(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
