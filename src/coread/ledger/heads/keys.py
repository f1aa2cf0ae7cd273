"""The Ed25519 key that signs heads: in a file that only its owner can read, never in the database."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from coread.errors import SettingsFault

_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its text shows the id alone."""

    _private: Ed25519PrivateKey

    @classmethod
    def new(cls) -> SigningKey:
        """Make a key."""
        return cls(Ed25519PrivateKey.generate())

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes (RFC 8032)."""
        return self._private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    @property
    def id(self) -> str:
        """SHA-256 of the public key in hex: what an outsider pins."""
        return id_of(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        return self._private.sign(data)

    def write(self, path: Path) -> None:
        """Write PKCS#8 PEM that only its owner can read; the file must not be there."""
        data = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{self.id[:12]}.draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # whole or not at all: another process may be reading
        finally:
            draft.unlink()

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"


def load_or_make(path: Path) -> SigningKey:
    """Read the key; where there is no file, make it.

    Raises
    ------
    SettingsFault
        If the file is none of an Ed25519 key, or others than its owner may read it.
    """
    try:
        SigningKey.new().write(path)
    except FileExistsError:
        pass
    except OSError as error:
        raise _fault(f"a place that cannot be written ({error.strerror})", path) from None
    return load(path)


def load(path: Path) -> SigningKey:
    """Read the key.

    Raises
    ------
    SettingsFault
        If the file is none of an Ed25519 key, or others than its owner may read it.
    """
    try:
        if path.stat().st_mode & _OTHERS:
            raise _fault("a key that others than its owner may read", path)
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise _fault(f"a key that cannot be read ({error.strerror})", path) from None
    except (TypeError, ValueError):
        raise _fault("a file that holds no unencrypted PEM key", path) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise _fault("a key of another kind", path)
    return SigningKey(private)


def id_of(public_key: bytes) -> str:
    """Return the id of a public key: SHA-256 in hex."""
    return hashlib.sha256(public_key).hexdigest()


def verifies(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether an Ed25519 signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_pem(public_key: bytes) -> str:
    """Write a public key as PEM (RFC 8410), e.g. for ``openssl pkeyutl -verify -pubin -rawin``."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def endorsement_text(origin: str, public_key: bytes) -> bytes:
    """Return what an old key signs to vouch for the next one."""
    return f"coread ledger key\n{origin}\n{public_key.hex()}\n".encode()


def _fault(found: str, path: Path) -> SettingsFault:
    return SettingsFault(
        found=found,
        expected="PEM (PKCS#8) of an Ed25519 key, readable by its owner alone (chmod 600)",
        remedy="correct the file, or let ledger.key name another place",
        where=path.name,
    )
