"""Keys that wrap the keys of objects: one is in use, the former ones still open what they closed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from coread.errors import SettingsFault

KEY_BYTES, ID_BYTES, NONCE_BYTES, TAG_BYTES = 32, 8, 12, 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_FORM = "coread object keys 1"
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id; ``current`` wraps new objects."""

    current: bytes
    keys: Mapping[bytes, bytes] = field(repr=False)

    @classmethod
    def new(cls) -> Keyring:
        """Make a ring of one fresh key."""
        id = secrets.token_bytes(ID_BYTES)
        return cls(id, {id: secrets.token_bytes(KEY_BYTES)})

    def turned(self) -> Keyring:
        """Return the ring with a fresh key in use; the former ones stay."""
        fresh = Keyring.new()
        return Keyring(fresh.current, {**self.keys, **fresh.keys})

    def alone(self) -> Keyring:
        """Return the ring with the key in use alone: for when nothing is wrapped by a former one."""
        return Keyring(self.current, {self.current: self.keys[self.current]})

    def wrap(self, key: bytes, belongs_to: bytes) -> bytes:
        """Return an object's key closed by the key in use (AES-256-GCM, NIST SP 800-38D)."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.keys[self.current]).encrypt(nonce, key, belongs_to)

    def unwrap(self, id: bytes, wrapped: bytes, belongs_to: bytes) -> bytes | None:
        """Return an object's key; None where no key of this ring opens it."""
        if id not in self.keys:
            return None
        try:
            return AESGCM(self.keys[id]).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], belongs_to)
        except (InvalidTag, ValueError):  # other bytes, or too few of them
            return None

    def write(self, path: Path) -> None:
        """Write the ring for its owner alone, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = {id.hex(): key.hex() for id, key in self.keys.items()}
        text = json.dumps({"form": _FORM, "current": self.current.hex(), "keys": keys}, indent=1)
        draft = path.with_name(f"{path.name}.draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Keyring:
        """Read the ring; where there is no file, make it.

        Raises
        ------
        SettingsFault
            If the file is no ring, or others than its owner may read it.
        """
        if not path.exists():
            cls.new().write(path)
        try:
            if path.stat().st_mode & _OTHERS:
                raise _fault("keys that others than their owner may read", path)
            held = json.loads(path.read_bytes())
            keys = {bytes.fromhex(id): bytes.fromhex(key) for id, key in held["keys"].items()}
            current = bytes.fromhex(held["current"])
        except OSError as error:
            raise _fault(f"keys that cannot be read ({error.strerror})", path) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _fault("a file of no keys", path) from error
        if current not in keys or any(len(i) != ID_BYTES or len(k) != KEY_BYTES for i, k in keys.items()):
            raise _fault("keys of another size, or none in use", path)
        return cls(current, keys)


def _fault(found: str, path: Path) -> SettingsFault:
    return SettingsFault(
        found, "keys as `coread archive new-key` writes them (chmod 600)", "correct data.keys", path.name
    )
