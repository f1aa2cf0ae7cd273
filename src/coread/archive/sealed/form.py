"""The form of a sealed file: a head with the object's key, wrapped, and pieces that open by themselves.

::

    magic (8)  two slots of: id of the wrapping key (8), nonce (12), wrapped key (32), tag (16)
    then pieces of 64 KiB plain text, each AES-256-GCM with its tag (16)

The nonce of a piece is its number and whether it is the last one (the STREAM construction: Hoang,
Reyhanitabar, Rogaway & Vizár, CRYPTO 2015, doi 10.1007/978-3-662-47989-6_24), so that pieces can be neither
moved nor cut off; each object has a key of its own, so that no nonce repeats. The object's place in the store
is bound to its key, so that one object cannot stand for another. Both slots hold the same key; where keys are
changed one is written after the other, so that a power cut leaves one that is whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from coread.archive.sealed.keyring import ID_BYTES, NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES, Keyring

MAGIC = b"CRSEAL1\n"
SLOT_BYTES = ID_BYTES + WRAPPED_BYTES
SLOTS = 2
HEAD_BYTES = len(MAGIC) + SLOTS * SLOT_BYTES
PIECE_BYTES = 1 << 16
_SEALED_PIECE = PIECE_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Sealing:
    """Closes and opens the pieces of one object."""

    _cipher: AESGCM

    @classmethod
    def of(cls, key: bytes) -> Sealing:
        """Make it of the object's key."""
        return cls(AESGCM(key))

    def close(self, number: int, piece: bytes | memoryview, *, is_last: bool) -> bytes:
        """Encrypt a piece."""
        return self._cipher.encrypt(_nonce(number, is_last), piece, None)

    def open(self, number: int, sealed: bytes, *, is_last: bool) -> bytes:
        """Decrypt a piece; raises InvalidTag where it is not the piece of this number."""
        return self._cipher.decrypt(_nonce(number, is_last), sealed, None)


def head(ring: Keyring, key: bytes, belongs_to: bytes) -> bytes:
    """Write the head of a new file."""
    return MAGIC + SLOTS * slot(ring, key, belongs_to)


def slot(ring: Keyring, key: bytes, belongs_to: bytes) -> bytes:
    """Write one slot."""
    return ring.current + ring.wrap(key, belongs_to)


def key_in(data: bytes, ring: Keyring, belongs_to: bytes) -> bytes | None:
    """Return the object's key out of a head; None where the ring opens neither slot."""
    for number in range(SLOTS):
        start = len(MAGIC) + number * SLOT_BYTES
        held = data[start : start + SLOT_BYTES]
        key = ring.unwrap(held[:ID_BYTES], held[ID_BYTES:], belongs_to)
        if key is not None:
            return key
    return None


def plain_size(sealed_size: int) -> int:
    """Return the plain size of a sealed file of this size; an empty object is one empty piece."""
    body = sealed_size - HEAD_BYTES
    pieces = -(-body // _SEALED_PIECE)
    return max(body - pieces * TAG_BYTES, 0)


def sealed_bytes(number: int, size_bytes: int) -> tuple[int, int]:
    """Return where a piece begins and ends in the file of an object of this plain size."""
    start = HEAD_BYTES + number * _SEALED_PIECE
    length = min(size_bytes - number * PIECE_BYTES, PIECE_BYTES) + TAG_BYTES
    return start, start + length


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(NONCE_BYTES - 1, "big") + bytes([is_last])
