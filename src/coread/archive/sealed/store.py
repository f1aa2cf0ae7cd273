"""A store on a disk whose files nobody can read without the keys."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from coread.archive.objects import DiskStore
from coread.archive.sealed.afterwards import SealedAfterwards, alone, clear_abandoned, deleted, seal_all
from coread.archive.sealed.drafting import SealedDraft
from coread.archive.sealed.form import (
    HEAD_BYTES,
    MAGIC,
    PIECE_BYTES,
    SLOT_BYTES,
    SLOTS,
    Sealing,
    key_in,
    plain_size,
    slot,
)
from coread.archive.sealed.keyring import ID_BYTES, Keyring
from coread.archive.sealed.reading import SealedFile
from coread.errors import ObjectLost

_BUFFER_BYTES = PIECE_BYTES


class SealedStore:
    """Objects as encrypted files; those that were kept before stay readable as they are.

    Parameters
    ----------
    disk
        Keeps the files.
    ring
        Keys that open them; the one in use closes new ones.
    """

    def __init__(self, disk: DiskStore, ring: Keyring) -> None:
        self._disk = disk
        self._ring = ring
        # What identifies no person needs no seal.
        self.check_room = disk.check_room
        self.free_bytes = disk.free_bytes
        self.kept_at_s = disk.kept_at_s
        self.keys = disk.keys
        self.abandoned = disk.abandoned
        clear_abandoned(disk.root)

    def delete(self, key: str) -> None:
        """Remove an object; see `ObjectStore`."""
        deleted(self._disk.path(key))

    def draft(self) -> SealedDraft:
        """Begin an object; see `ObjectStore`."""
        return SealedDraft(self._disk.draft(), self._ring)

    def open(self, key: str) -> BinaryIO:
        """Open a kept object; see `ObjectStore`.

        Raises
        ------
        ObjectLost
            If it is not there, or no key of the ring opens it.
        """
        file = self._disk.open(key)
        begun = file.read(HEAD_BYTES)
        if not begun.startswith(MAGIC):
            file.seek(0)
            return file
        data_key = key_in(begun, self._ring, key.encode())
        if data_key is None:
            file.close()
            raise _closed()
        size = plain_size(os.fstat(file.fileno()).st_size)
        raw = SealedFile(file, Sealing.of(data_key), size)
        return cast("BinaryIO", io.BufferedReader(raw, _BUFFER_BYTES))

    def read(self, key: str) -> bytes:
        """Return a kept object's bytes; see `ObjectStore`."""
        with self.open(key) as file:
            return file.read()

    def size(self, key: str) -> int:
        """Return a kept object's plain size in bytes; see `ObjectStore`."""
        with self._disk.open(key) as file:  # one file for both: it may be sealed at this moment
            is_sealed = file.read(len(MAGIC)) == MAGIC
            size = os.fstat(file.fileno()).st_size
        return plain_size(size) if is_sealed else size

    def rewrap(self, progress: Callable[[int], None] | None = None) -> int:
        """Close every object's key by the key in use, and return how many were changed.

        Pictures are not touched. Killed at any moment, every object still opens by the former or the new key,
        and the next call goes on.

        Raises
        ------
        ObjectLost
            If no key of the ring opens an object.
        Busy
            If another command seals or rewraps.
        """
        changed = 0
        with alone(self._disk.root):
            for count, key in enumerate(self._disk.keys(), start=1):
                changed += _rewrap(self._disk.path(key), key, self._ring)
                if progress:
                    progress(count)
        return changed

    def seal(
        self, ring: Callable[[], Keyring], progress: Callable[[int], None] | None = None
    ) -> SealedAfterwards:
        """Seal every object that was kept before the store was sealed.

        Each is read back before its plain file goes. Killed at any moment nothing is lost, and the next call
        goes on with what still lies plain. Readers and deletions go on meanwhile.

        Parameters
        ----------
        ring
            Reads the keys, once nobody else can change which of them are needed.
        progress
            Told how many objects were looked at.

        Raises
        ------
        Busy
            If another command seals or rewraps.
        LowDisk
            If there is no room for the copy of one object.
        ChecksumMismatch
            If a copy does not read back as what was to be sealed.
        """
        with alone(self._disk.root) as working:
            return seal_all(self._disk, ring(), working, progress)

    def wrapping_keys(self) -> Iterator[str]:
        """Give the id of the key that closes each object, in hex; ``none`` for those that are not sealed."""
        for key in self._disk.keys():  # noqa: SIM118 - a method of the store
            with self._disk.open(key) as file:
                begun = file.read(HEAD_BYTES)
            yield begun[len(MAGIC) : len(MAGIC) + ID_BYTES].hex() if begun.startswith(MAGIC) else "none"


def _rewrap(path: Path, key: str, ring: Keyring) -> bool:
    with path.open("rb") as file:
        begun = file.read(HEAD_BYTES)
    starts = [len(MAGIC) + number * SLOT_BYTES for number in range(SLOTS)]
    if not begun.startswith(MAGIC) or all(begun[s : s + ID_BYTES] == ring.current for s in starts):
        return False
    data_key = key_in(begun, ring, key.encode())
    if data_key is None:
        raise _closed()
    fd = _writable(path)
    try:
        for start in sorted(starts, key=lambda start: _opens(begun, start, ring, key)):
            os.pwrite(fd, slot(ring, data_key, key.encode()), start)
            os.fsync(fd)
    finally:
        os.close(fd)
    return True


def _opens(begun: bytes, start: int, ring: Keyring, key: str) -> bool:
    """Tell whether a slot opens; such a one is written last, when the other is whole again."""
    held = begun[start : start + SLOT_BYTES]
    return ring.unwrap(held[:ID_BYTES], held[ID_BYTES:], key.encode()) is not None


def _writable(path: Path) -> int:
    """Open a kept file for writing.

    The owner's right to write marks a draft, and an unlocked draft is taken for abandoned: so the file is
    locked for the moment in which it has that right.
    """
    with path.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        mode = path.stat().st_mode
        path.chmod(mode | 0o200)
        try:
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        finally:
            path.chmod(mode)


def _closed() -> ObjectLost:
    return ObjectLost(
        "a sealed object that none of our keys opens",
        "the key that closed it",
        "bring the former keys back into the file of data.keys",
    )
