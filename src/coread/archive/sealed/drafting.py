"""An object while it arrives in a sealed store."""

from __future__ import annotations

import hashlib
import os

from coread.archive.objects import Buffer, DiskDraft
from coread.archive.sealed.form import PIECE_BYTES, Sealing, head
from coread.archive.sealed.keyring import KEY_BYTES, Keyring


class SealedDraft:
    """One object while it arrives: plain bytes in, sealed pieces out."""

    __slots__ = ("_digest", "_draft", "_is_kept", "_number", "_pending", "_sealing", "_size", "key")

    def __init__(self, draft: DiskDraft, ring: Keyring) -> None:
        self.key = draft.key
        key = os.urandom(KEY_BYTES)
        self._draft = draft
        self._sealing = Sealing.of(key)
        self._digest = hashlib.sha256()
        self._pending = bytearray()
        self._number = self._size = 0
        self._is_kept = False
        draft.write(head(ring, key, self.key.encode()))

    @property
    def size_bytes(self) -> int:
        """Plain bytes written so far."""
        return self._size

    def write(self, data: Buffer) -> None:
        """Add bytes; see `Draft`."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._size += len(view)
        self._pending += view
        # The last piece is closed as such, so one full piece always waits.
        whole = (len(self._pending) - 1) // PIECE_BYTES
        for place in range(whole):
            self._close(self._pending[place * PIECE_BYTES : (place + 1) * PIECE_BYTES], is_last=False)
        if whole > 0:
            del self._pending[: whole * PIECE_BYTES]

    def sha256(self) -> str:
        """Return the hex digest of the plain bytes written so far."""
        return self._digest.hexdigest()

    def begin_digest(self) -> None:
        """Do nothing: the digest is made as bytes come."""

    def sync_and_keep(self) -> str:
        """Make the bytes durable and return their key; see `Draft`."""
        if not self._is_kept:
            self._is_kept = True
            self._close(self._pending, is_last=True)
        return self._draft.sync_and_keep()

    def discard(self) -> None:
        """Forget the bytes; see `Draft`."""
        self._draft.discard()

    def _close(self, piece: bytearray, *, is_last: bool) -> None:
        self._draft.write(self._sealing.close(self._number, bytes(piece), is_last=is_last))
        self._number += 1
