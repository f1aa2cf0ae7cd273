"""The object store: bytes under keys that tell nothing, on a local disk."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Protocol

from coread.archive.uncached import UncachedFile
from coread.errors import LowDisk, ObjectLost

Buffer = bytes | bytearray | memoryview

#: Objects that are written beside each other before another folder is taken.
OBJECTS_PER_FOLDER = 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DRAFT_MODE = 0o600
_KEPT_MODE = 0o400
_SUFFIX = ".dcm"
_DIGESTERS = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="digest")
#: Younger drafts are left alone: one may be made, but not locked yet.
_SETTLING_S = 5


class Draft(Protocol):
    """One object while it arrives."""

    key: str
    """Key under which the object will be kept."""

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        ...

    def write(self, data: Buffer) -> None:
        """Add bytes. Raises LowDisk when there is no room; the draft is then of no more use."""
        ...

    def sha256(self) -> str:
        """Hex digest of the bytes written so far."""
        ...

    def begin_digest(self) -> None:
        """Start to digest the bytes, beside the caller's next work. Nothing may be written after."""
        ...

    def sync_and_keep(self) -> str:
        """Make the bytes durable and return their key. Raises LowDisk when there is no room."""
        ...

    def discard(self) -> None:
        """Forget the bytes, kept or not. Does nothing the second time."""
        ...


class ObjectStore(Protocol):
    """Bytes under keys. An object, once kept, is never changed."""

    def check_room(self) -> None:
        """Raise LowDisk when less than the watermark is free."""
        ...

    def free_bytes(self) -> int:
        """Return how many bytes can still be written."""
        ...

    def draft(self) -> Draft:
        """Begin an object. Raises LowDisk when less than the watermark is free."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a kept object. Raises ObjectLost when it is not there."""
        ...

    def read(self, key: str) -> bytes:
        """Return a kept object's bytes. Raises ObjectLost when it is not there."""
        ...

    def size(self, key: str) -> int:
        """Return a kept object's size in bytes. Raises ObjectLost when it is not there."""
        ...

    def kept_at_s(self, key: str) -> float:
        """Return when an object was kept, in seconds since 1970. Raises ObjectLost."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; of no object, do nothing."""
        ...

    def keys(self, newer_than_s: float | None = None) -> Iterator[str]:
        """Give the keys of all kept objects, or of those kept after a time (seconds since 1970)."""
        ...

    def abandoned(self) -> Iterator[str]:
        """Give the keys of drafts whose writer has died."""
        ...


class DiskDraft:
    """An object that is being written to its final place.

    While it is written the file is locked and may be written by its owner; when it is kept it
    becomes read-only. A file that is writable and not locked is therefore what a dead process
    left behind. No rename is needed, and one sync makes bytes, size and mode durable together.
    """

    __slots__ = ("_digesting", "_file", "_path", "_sha", "_watch", "key")

    def __init__(self, key: str, path: Path, watch: Callable[[], None]) -> None:
        self.key = key
        self._path = path
        self._watch = watch
        self._sha = hashlib.sha256()
        self._digesting: Future[None] | None = None
        self._file = UncachedFile(path, _DRAFT_MODE)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def fd(self) -> int:
        """The file descriptor; -1 when the draft is kept or discarded."""
        return self._file.fd

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._file.size_bytes

    def write(self, data: Buffer) -> None:
        """Add bytes; see `Draft`."""
        try:
            self._file.write(data, self._sha.update)
        except OSError as error:
            self._give_up(error)

    def begin_digest(self) -> None:
        """Start to digest; see `Draft`."""
        if self._digesting is None:
            with contextlib.suppress(RuntimeError):  # no thread starts while the process ends
                self._digesting = _DIGESTERS.submit(self._sha.update, self._file.pending)

    def sha256(self) -> str:
        """Return the hex digest of the bytes written so far."""
        if self._digesting is not None:
            self._digesting.result()
            return self._sha.hexdigest()
        whole = self._sha.copy()
        whole.update(self._file.pending)
        return whole.hexdigest()

    def sync_and_keep(self) -> str:
        """Make the bytes durable and return their key; see `Draft`."""
        if self.fd >= 0:
            try:
                self._file.finish(_KEPT_MODE)
            except OSError as error:
                self._give_up(error)
            self._watch()
        return self.key

    def discard(self) -> None:
        """Forget the bytes; see `Draft`."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _give_up(self, error: OSError) -> None:
        self.discard()
        if error.errno in _FULL:
            raise _low_disk("the disk filled up while an object was written") from error
        raise error


class DiskStore:
    """Objects as files ``ab/cd/<32 hex digits>.dcm`` below one folder.

    The digits are random: neither path nor name can hold what identifies a person. Objects that
    arrive together lie in one folder, which is given up for another after `OBJECTS_PER_FOLDER`.

    On ext4, XFS, Btrfs and ZFS a synced new file has a durable name as well. Where that does not
    hold, `sync_folders` syncs the folder after each object, at about half the speed for one sender.

    Parameters
    ----------
    folder
        Made if absent.
    low_disk_bytes
        The watermark: no object is begun with less free.
    sync_folders
        Whether to sync the folder, too.
    """

    def __init__(self, folder: Path, low_disk_bytes: int = 0, *, sync_folders: bool = False) -> None:
        self._root = Path(folder).resolve()
        self._root.mkdir(parents=True, exist_ok=True)
        self._low_disk_bytes = low_disk_bytes
        self._sync_folders = sync_folders
        self._lock = threading.Lock()
        self._folder = ""
        self._in_folder = OBJECTS_PER_FOLDER

    @property
    def root(self) -> Path:
        """The folder below which all objects lie."""
        return self._root

    def free_bytes(self) -> int:
        """Return the bytes free to this process's user."""
        fact = os.statvfs(self._root)
        return fact.f_bavail * fact.f_frsize

    def check_room(self) -> None:
        """Raise LowDisk when less than the watermark is free."""
        if self._low_disk_bytes and (free := self.free_bytes()) < self._low_disk_bytes:
            raise _low_disk(f"{free >> 20} MiB free", f"at least {self._low_disk_bytes >> 20} MiB")

    def draft(self) -> DiskDraft:
        """Begin an object; see `ObjectStore`."""
        self.check_room()
        folder = self._current_folder()
        key = f"{folder}/{secrets.token_hex(16)}{_SUFFIX}"
        try:
            return DiskDraft(key, self._root / key, self._after_keep(folder))
        except OSError as error:
            if error.errno in _FULL:
                raise _low_disk("no room for another file") from error
            raise

    def path(self, key: str) -> Path:
        """Return where the object of `key` lies; keys that no store gave are refused.

        Raises
        ------
        ObjectLost
            If `key` is no key.
        """
        parts = key.removesuffix(_SUFFIX).split("/")
        if [len(part) for part in parts] != [2, 2, 32] or not all(_is_hex(part) for part in parts):
            raise ObjectLost("something that is no key of this store", remedy="run `coread archive verify`")
        return self._root / key

    def open(self, key: str) -> BinaryIO:
        """Open a kept object; see `ObjectStore`."""
        try:
            return self.path(key).open("rb")
        except FileNotFoundError as error:
            raise _lost() from error

    def read(self, key: str) -> bytes:
        """Return a kept object's bytes; see `ObjectStore`."""
        with self.open(key) as file:
            return file.read()

    def size(self, key: str) -> int:
        """Return a kept object's size in bytes; see `ObjectStore`."""
        return self._stat(key).st_size

    def kept_at_s(self, key: str) -> float:
        """Return when an object was kept; see `ObjectStore`."""
        return self._stat(key).st_mtime

    def delete(self, key: str) -> None:
        """Remove an object; see `ObjectStore`."""
        self.path(key).unlink(missing_ok=True)

    def keys(self, newer_than_s: float | None = None) -> Iterator[str]:
        """Give the keys of kept objects; see `ObjectStore`."""
        for key, entry in self._entries(newer_than_s):
            if entry.st_mode & 0o222 == 0 and (newer_than_s is None or entry.st_mtime >= newer_than_s):
                yield key

    def abandoned(self) -> Iterator[str]:
        """Give the keys of drafts whose writer has died; see `ObjectStore`."""
        settled = time.time() - _SETTLING_S
        for key, entry in self._entries(None):
            is_draft = entry.st_mode & 0o222 != 0 and entry.st_mtime < settled
            if is_draft and _is_unlocked(self._root / key):
                yield key

    def _stat(self, key: str) -> os.stat_result:
        try:
            return self.path(key).stat()
        except FileNotFoundError as error:
            raise _lost() from error

    def _entries(self, newer_than_s: float | None) -> Iterator[tuple[str, os.stat_result]]:
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            if newer_than_s is not None and folder.stat().st_mtime < newer_than_s:
                continue  # no name was added to it since
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                try:
                    yield f"{folder.parent.name}/{folder.name}/{entry.name}", entry.stat()
                except FileNotFoundError:
                    continue  # removed while we looked

    def _current_folder(self) -> str:
        with self._lock:
            if self._in_folder >= OBJECTS_PER_FOLDER:
                name = secrets.token_hex(2)
                self._folder = f"{name[:2]}/{name[2:]}"
                self._in_folder = 0
                self._make_folder(self._root / self._folder)
            self._in_folder += 1
            return self._folder

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for parent in (folder, folder.parent, self._root):
            _sync_folder(parent)

    def _after_keep(self, folder: str) -> Callable[[], None]:
        if not self._sync_folders:
            return _nothing
        return lambda: _sync_folder(self._root / folder)


def _nothing() -> None:
    """Do nothing after an object was kept."""


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_unlocked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return os.fstat(file.fileno()).st_mode & 0o222 != 0
    except (BlockingIOError, FileNotFoundError):
        return False


def _is_hex(text: str) -> bool:
    return not set(text) - set("0123456789abcdef")


def _lost() -> ObjectLost:
    return ObjectLost(
        "no file under the key of an indexed object",
        remedy="run `coread archive verify`, and restore the file from a backup or send the object again",
    )


def _low_disk(found: str, expected: str = "room for one more object") -> LowDisk:
    return LowDisk(found, expected, "free disk space, or lower the watermark; then send again")
