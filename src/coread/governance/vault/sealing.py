"""Sealed to a public key: anyone may put in, only the private key takes out.

X25519 (RFC 7748) with a fresh key for each entry, HKDF-SHA-256 (RFC 5869), AES-256-GCM (SP 800-38D). What
an entry belongs to is bound to it as additional data, so that no entry can be put in another's place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coread.errors import AccessDenied

KEY_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"coread vault entry"


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed text."""

    ephemeral: bytes
    nonce: bytes
    text: bytes

    def to_bytes(self) -> bytes:
        """Return it as one piece."""
        return self.ephemeral + self.nonce + self.text

    @classmethod
    def from_bytes(cls, data: bytes) -> Sealed:
        """Take one piece apart."""
        return cls(
            data[:KEY_BYTES], data[KEY_BYTES : KEY_BYTES + _NONCE_BYTES], data[KEY_BYTES + _NONCE_BYTES :]
        )


def public_key_of(private_key: bytes) -> bytes:
    """Return the public key, 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def seal(public_key: bytes, text: bytes, belongs_to: bytes) -> Sealed:
    """Seal a text to a public key.

    Parameters
    ----------
    public_key
        32 bytes.
    text
        What is sealed.
    belongs_to
        Bound to it, not hidden: domain and pseudonym.
    """
    own = X25519PrivateKey.generate()
    ephemeral = own.public_key().public_bytes_raw()
    shared = own.exchange(X25519PublicKey.from_public_bytes(public_key))
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_key(shared, ephemeral + public_key)).encrypt(nonce, text, belongs_to)
    return Sealed(ephemeral, nonce, sealed)


def open_sealed(private_key: bytes, sealed: Sealed, belongs_to: bytes) -> bytes:
    """Return the text.

    Raises
    ------
    AccessDenied
        If the key is another, or the entry was changed or put in another's place.
    """
    own = X25519PrivateKey.from_private_bytes(private_key)
    shared = own.exchange(X25519PublicKey.from_public_bytes(sealed.ephemeral))
    key = _key(shared, sealed.ephemeral + own.public_key().public_bytes_raw())
    try:
        return AESGCM(key).decrypt(sealed.nonce, sealed.text, belongs_to)
    except InvalidTag:
        raise AccessDenied("an entry that these keys do not open", "the vault's own shares") from None


def _key(shared: bytes, both: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=both, info=_PURPOSE).derive(shared)
