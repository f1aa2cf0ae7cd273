"""A signed tree head: how large the log was, with which root, when, and who says so.

The text is a checkpoint as transparency logs write it (C2SP ``tlog-checkpoint``), signed as a signed note
(C2SP ``signed-note``), so that tools that know those can read it::

    coread-6f1c2a9be0d4          name of the log
    1234                         number of events
    q2l…=                        root (RFC 6962), base64
    2026-11-26T03:00:00.000000Z  when
                                 (an empty line ends what is signed)
    — coread-6f1c2a9be0d4 Az3g…  name, then base64 of 4 bytes of the key's hash and the Ed25519 signature
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from coread.ledger.canonical import from_utc_text, utc_text
from coread.ledger.merkle import Hash

_NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\s+]+)\n(?P<size>[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n(?P<at>[0-9T:.Z-]{27})\n)"
    r"\n— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]{91}=)\n"
)
_ED25519 = b"\x01"
_HASH_BYTES = 4


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What the log was at one time."""

    origin: str
    """Name of the log; no spaces, no plus."""
    size: int
    """Number of events."""
    root: Hash
    at: datetime
    """UTC; never before the time of an earlier head."""

    @property
    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n{utc_text(self.at)}\n"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head with its signature."""

    head: TreeHead
    key_hash: bytes
    """Four bytes that say with which key."""
    signature: bytes
    """Ed25519 (RFC 8032) over the UTF-8 of `TreeHead.text`."""

    @property
    def note(self) -> str:
        """The whole as text."""
        signature = base64.b64encode(self.key_hash + self.signature).decode()
        return f"{self.head.text}\n— {self.head.origin} {signature}\n"

    def is_signed_by(self, verify: Callable[[bytes, bytes], bool]) -> bool:
        """Tell whether `verify(signature, data)` of a key accepts it."""
        return verify(self.signature, self.head.text.encode())


def read_note(note: str) -> SignedHead:
    """Read what `SignedHead.note` wrote; does not look at the signature.

    Raises
    ------
    ValueError
        If it is none, to the letter.
    """
    found = _NOTE.fullmatch(note)
    if found is None or found["name"] != found["origin"]:
        raise ValueError("Expected a signed tree head.")
    try:
        signature = base64.b64decode(found["signature"], validate=True)
        root = base64.b64decode(found["root"], validate=True)
    except binascii.Error as error:
        raise ValueError("Expected base64 in a signed tree head.") from error
    head = TreeHead(found["origin"], int(found["size"]), root, from_utc_text(found["at"]))
    signed = SignedHead(head, signature[:_HASH_BYTES], signature[_HASH_BYTES:])
    if signed.note != note:  # unused bits of base64
        raise ValueError("Expected a signed tree head in its one form.")
    return signed


def read_notes(text: str) -> list[SignedHead]:
    """Read notes that stand one after another.

    Raises
    ------
    ValueError
        If anything else is among them.
    """
    notes: list[SignedHead] = []
    at = 0
    while at < len(text):
        found = _NOTE.match(text, at)
        if found is None:
            raise ValueError("Expected signed tree heads and nothing else.")
        notes.append(read_note(found[0]))
        at = found.end()
    return notes


def hash_of_key(name: str, public_key: bytes) -> bytes:
    """Return the four bytes by which a note names an Ed25519 key (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_HASH_BYTES]


def newest(heads: Iterable[SignedHead]) -> SignedHead | None:
    """Return the head of the largest log."""
    return max(heads, key=lambda signed: signed.head.size, default=None)
