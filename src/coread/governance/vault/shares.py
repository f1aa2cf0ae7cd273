"""The vault's private key, split so that any two custodians have it together and none alone.

For each pair of custodians one holds random bytes, the other the key XORed with them: a one-time pad, so
that one custodian's share says nothing about the key, whatever the computing power. A share lies encrypted
under its custodian's passphrase (scrypt, RFC 7914; AES-256-GCM).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from coread.errors import AccessDenied

_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 32, 16, 12
_FORM = "coread vault share 1"
_MIN_PASSPHRASE = 12
# OWASP Password Storage Cheat Sheet (2024): scrypt with N = 2^17, r = 8, p = 1.
_N, _R, _P = 1 << 17, 8, 1


@dataclass(frozen=True, slots=True)
class Share:
    """One custodian's share, open in memory."""

    custodian: str
    pieces: Mapping[str, bytes] = field(repr=False)
    """Bytes that give the key together with the other custodian's, by that custodian's name."""


def split_key(key: bytes, custodians: Sequence[str]) -> tuple[Share, ...]:
    """Split a key among custodians.

    Raises
    ------
    ValueError
        If there are fewer than two, or two of one name.
    """
    if len(set(custodians)) != len(custodians) or len(custodians) < 2:
        raise ValueError("At least two custodians of different names are needed.")
    pieces: dict[str, dict[str, bytes]] = {name: {} for name in custodians}
    for first, second in combinations(custodians, 2):
        pad = os.urandom(len(key))
        pieces[first][second] = pad
        pieces[second][first] = _xor(key, pad)
    return tuple(Share(name, pieces[name]) for name in custodians)


def joined(first: Share, second: Share) -> bytes:
    """Return the key from two shares.

    Raises
    ------
    AccessDenied
        If both are one person's, or the shares do not belong together.
    """
    if first.custodian == second.custodian:
        raise AccessDenied("one custodian twice", "two different custodians", "ask the second custodian")
    if second.custodian not in first.pieces or first.custodian not in second.pieces:
        raise AccessDenied("shares of different vaults", "two shares of one vault")
    return _xor(first.pieces[second.custodian], second.pieces[first.custodian])


def make_shares(key: bytes, passphrases: Mapping[str, str]) -> dict[str, str]:
    """Return one text file for each custodian, encrypted under the passphrase that is given with the name.

    Raises
    ------
    ValueError
        If there are fewer than two custodians, or a passphrase is shorter than 12 characters.
    """
    if any(len(words) < _MIN_PASSPHRASE for words in passphrases.values()):
        raise ValueError(f"A passphrase of at least {_MIN_PASSPHRASE} characters is needed.")
    return {s.custodian: _locked(s, passphrases[s.custodian]) for s in split_key(key, list(passphrases))}


def _locked(share: Share, passphrase: str) -> str:
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    plain = json.dumps({name: _text(piece) for name, piece in share.pieces.items()}).encode()
    locked = AESGCM(_derived(passphrase, salt)).encrypt(nonce, plain, share.custodian.encode())
    written = {"form": _FORM, "custodian": share.custodian, "salt": _text(salt), "nonce": _text(nonce)}
    return json.dumps({**written, "locked": _text(locked)}, ensure_ascii=False, indent=1)


def open_share(text: str, passphrase: str) -> Share:
    """Open a custodian's share file.

    Raises
    ------
    AccessDenied
        If the passphrase is wrong or the file is no share.
    """
    try:
        written = json.loads(text)
        custodian = str(written["custodian"])
        salt, nonce, locked = (base64.b64decode(written[key]) for key in ("salt", "nonce", "locked"))
        plain = AESGCM(_derived(passphrase, salt)).decrypt(nonce, locked, custodian.encode())
        pieces = {name: base64.b64decode(piece) for name, piece in json.loads(plain).items()}
    except (InvalidTag, KeyError, TypeError, ValueError):
        raise AccessDenied("a share that this passphrase does not open", "the custodian's own") from None
    return Share(custodian, pieces)


def _derived(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=_N, r=_R, p=_P).derive(passphrase.encode())


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
