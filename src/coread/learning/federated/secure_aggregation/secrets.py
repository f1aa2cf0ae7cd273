"""The pieces that the protocol is made of: key agreement, masks from a seed, sealed notes, shared secrets."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coread.errors import FederationRefused
from coread.learning.federated.secure_aggregation.ring import Ring

KEY_BYTES, _NONCE_BYTES = 32, 12

#: A Mersenne prime, well above any 256-bit secret.
PRIME = (1 << 521) - 1
_SHARE_BYTES = 66


def new_key() -> X25519PrivateKey:
    """Make a key for one round (RFC 7748)."""
    return X25519PrivateKey.generate()


def public_of(key: X25519PrivateKey) -> bytes:
    """The public half, 32 bytes."""
    return key.public_key().public_bytes_raw()


def agreed(key: X25519PrivateKey, other: bytes, purpose: bytes) -> bytes:
    """Derive the 32 bytes that both ends of a key agreement have (HKDF, RFC 5869)."""
    shared = key.exchange(X25519PublicKey.from_public_bytes(other))
    return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(shared)


def stream(seed: bytes, count: int) -> Ring:
    """Stretch a seed, used once, to `count` numbers modulo 2^64 (ChaCha20, RFC 8439)."""
    made = Cipher(ChaCha20(seed, bytes(16)), None).encryptor().update(bytes(8 * count))
    return np.frombuffer(made, dtype="<u8").astype(np.uint64, copy=False)


def seal(key: bytes, note: bytes, about: bytes) -> bytes:
    """Encrypt a note for the other end of a key agreement (AES-256-GCM)."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, note, about)


def unseal(key: bytes, sealed: bytes, about: bytes) -> bytes:
    """Decrypt a note.

    Raises
    ------
    FederationRefused
        If it was changed, or is about something else.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
    except InvalidTag as fault:
        expected = "the note that another site sealed"
        raise FederationRefused("a changed note", expected, "", "secure aggregation") from fault


def split(secret: bytes, holders: Sequence[str], threshold: int) -> dict[str, bytes]:
    """Split 32 bytes so that any `threshold` holders have them and fewer know nothing.

    Shamir 1979 (How to share a secret, doi:10.1145/359168.359176); holder i, counted from 1 in the given
    order, gets the value of the polynomial at i.
    """
    line = [int.from_bytes(secret, "big"), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    return {
        holder: _value(line, at).to_bytes(_SHARE_BYTES, "big") for at, holder in enumerate(holders, start=1)
    }


def join(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Return the secret from shares, keyed by the holder's place (from 1).

    Raises
    ------
    FederationRefused
        If there are too few, or they do not belong together.
    """
    if len(shares) < threshold:
        found, expected = f"{len(shares)} shares", f"at least {threshold}"
        raise FederationRefused(found, expected, "wait for more sites", "secure aggregation")
    points = dict(sorted(shares.items())[:threshold])
    total = 0
    for at, share in points.items():
        top = bottom = 1
        for other in points:
            if other != at:
                top, bottom = top * other % PRIME, bottom * (other - at) % PRIME
        total = (total + int.from_bytes(share, "big") * top * pow(bottom, -1, PRIME)) % PRIME
    try:
        return total.to_bytes(KEY_BYTES, "big")
    except OverflowError as fault:
        raise FederationRefused("shares of different secrets", "shares of one", "") from fault


def _value(line: Sequence[int], at: int) -> int:
    total = 0
    for factor in reversed(line):
        total = (total * at + factor) % PRIME
    return total
