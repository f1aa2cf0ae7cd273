"""Seals what was kept before encryption was switched on, one object after the other.

A sealed copy is written beside the store, made durable, and read back from the disk. Only then it takes the
plain file's place, in one rename: killed at any moment, the place holds the whole plain object or the whole
sealed one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from coread.archive.objects import DiskDraft, DiskStore
from coread.archive.sealed.drafting import SealedDraft
from coread.archive.sealed.form import HEAD_BYTES, MAGIC, Sealing, key_in, plain_size
from coread.archive.sealed.keyring import Keyring
from coread.archive.sealed.reading import SealedFile
from coread.errors import Busy, ChecksumMismatch

_CHUNK_BYTES = 1 << 20
_WORKING, _LOCK = "sealing", "lock"


@dataclass(frozen=True, slots=True)
class SealedAfterwards:
    """What one run of sealing did."""

    sealed: int
    """Objects that lay plain and are sealed now."""
    sealed_bytes: int
    """Their plain size together."""
    were_sealed: int
    """Objects that were sealed before."""
    gone: int
    """Objects that the clinic deleted meanwhile; they stay deleted."""


@contextlib.contextmanager
def alone(root: Path) -> Iterator[Path]:
    """Be the only program that seals or rewraps the store of this folder; give the empty folder to work in.

    Raises
    ------
    Busy
        If another does so now.
    """
    folder = root / _WORKING
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                "objects that another command is sealing or closing anew",
                "one such command at a time",
                "wait until it has ended, or end it; nothing is lost",
            ) from error
        _clear(folder)
        yield folder


def clear_abandoned(root: Path) -> None:
    """Remove the copy that a killed sealing left; nothing where one is at work."""
    if (root / _WORKING).is_dir():
        with contextlib.suppress(Busy), alone(root):
            pass


def _clear(folder: Path) -> None:
    for left in folder.iterdir():
        if left.name != _LOCK:
            left.unlink()


def seal_all(
    disk: DiskStore, ring: Keyring, working: Path, progress: Callable[[int], None] | None = None
) -> SealedAfterwards:
    """Seal every object that lies plain; see `SealedStore.seal`."""
    sealed = size_bytes = were_sealed = gone = 0
    for count, key in enumerate(disk.keys(), start=1):
        size = seal_one(disk, ring, key, working)
        if size is None:
            is_there = disk.path(key).exists()
            were_sealed, gone = were_sealed + is_there, gone + (not is_there)
        else:
            sealed, size_bytes = sealed + 1, size_bytes + size
        if progress:
            progress(count)
    return SealedAfterwards(sealed, size_bytes, were_sealed, gone)


def seal_one(disk: DiskStore, ring: Keyring, key: str, working: Path) -> int | None:
    """Seal one object and return its plain size; None where it was sealed before or is gone.

    Raises
    ------
    LowDisk
        If there is no room for the copy.
    ChecksumMismatch
        If the copy does not read back as what was to be sealed; the plain file then stays.
    """
    path = disk.path(key)
    try:
        plain = path.open("rb")
    except FileNotFoundError:
        return None
    with plain:
        if plain.read(len(MAGIC)) == MAGIC:
            return None
        plain.seek(0)
        disk.check_room()
        copy = working / path.name
        copy.unlink(missing_ok=True)
        digest = _copied(plain, DiskDraft(key, copy, lambda: None), ring)
        if _read_back(copy, ring, key) != digest:
            raise _unequal(copy)
        held = os.fstat(plain.fileno())
        os.utime(copy, ns=(held.st_atime_ns, held.st_mtime_ns))  # when it was kept, by which it is found
        return held.st_size if _put_in_place(copy, path, plain) else None


def _copied(plain: BinaryIO, room: DiskDraft, ring: Keyring) -> str:
    draft = SealedDraft(room, ring)
    try:
        shutil.copyfileobj(plain, draft, _CHUNK_BYTES)
        draft.sync_and_keep()
    except BaseException:  # an interrupt too must not leave half a copy; it goes on its way
        draft.discard()
        raise
    return draft.sha256()


def _read_back(copy: Path, ring: Keyring, key: str) -> str:
    """Return the digest of what a sealed copy holds, read from the disk and not from memory."""
    file = copy.open("rb")
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    data_key = key_in(file.read(HEAD_BYTES), ring, key.encode())
    if data_key is None:
        file.close()
        raise _unequal(copy)
    size = plain_size(os.fstat(file.fileno()).st_size)
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    with SealedFile(file, Sealing.of(data_key), size) as sealed:
        while count := sealed.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def _put_in_place(copy: Path, path: Path, plain: BinaryIO) -> bool:
    """Let the copy stand where the plain file stood; tell whether it was still there.

    Whoever deletes an object holds the same lock (`deleted`), so that none comes back.
    """
    fcntl.flock(plain, fcntl.LOCK_EX)
    if not _is_same(plain, path):
        copy.unlink()
        return False
    copy.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def deleted(path: Path) -> None:
    """Remove an object's file; of no file, do nothing."""
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_same(file, path):
                path.unlink(missing_ok=True)
                return


def _is_same(file: BinaryIO, path: Path) -> bool:
    """Tell whether an open file still stands at its place: neither deleted nor replaced."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _unequal(copy: Path) -> ChecksumMismatch:
    copy.unlink(missing_ok=True)
    return ChecksumMismatch(
        "a sealed copy that does not read back as what was written; the plain object stays as it was",
        "the bytes that were sealed",
        "look at the disk, then run the command again",
    )
