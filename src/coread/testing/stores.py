"""The contract of object stores as tests, with a second store that lives in memory.

Inherit :class:`StoreTests` and say which store::

    class TestMyStore(StoreTests):
        def store(self) -> ObjectStore:
            return MyStore(...)
"""

from __future__ import annotations

import hashlib
import io
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from coread.archive import Draft, ObjectStore
from coread.errors import CoReadError, LowDisk, ObjectLost

Buffer = bytes | bytearray | memoryview


class MemoryStore:
    """Objects in memory: for tests that need no disk, or a store that runs full.

    Parameters
    ----------
    capacity_bytes
        What fits.
    low_bytes
        The watermark: no object is begun with less free.
    """

    def __init__(self, capacity_bytes: int = 1 << 30, low_bytes: int = 0) -> None:
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.capacity_bytes = capacity_bytes
        self._low_bytes = low_bytes
        self._drafted_bytes = 0

    def free_bytes(self) -> int:
        """Return what still fits; see `ObjectStore`."""
        kept = sum(len(data) for data, _ in self.objects.values())
        return self.capacity_bytes - kept - self._drafted_bytes

    def check_room(self) -> None:
        """Raise LowDisk below the watermark; see `ObjectStore`."""
        if self.free_bytes() < self._low_bytes:
            raise LowDisk("a store in memory that is full")

    def draft(self) -> MemoryDraft:
        """Begin an object; see `ObjectStore`."""
        self.check_room()
        return MemoryDraft(self)

    def open(self, key: str) -> BinaryIO:
        """Open a kept object; see `ObjectStore`."""
        return io.BytesIO(self.read(key))

    def read(self, key: str) -> bytes:
        """Return a kept object's bytes; see `ObjectStore`."""
        return self._entry(key)[0]

    def size(self, key: str) -> int:
        """Return a kept object's size; see `ObjectStore`."""
        return len(self._entry(key)[0])

    def kept_at_s(self, key: str) -> float:
        """Return when it was kept; see `ObjectStore`."""
        return self._entry(key)[1]

    def delete(self, key: str) -> None:
        """Remove an object; see `ObjectStore`."""
        self.objects.pop(key, None)

    def keys(self, newer_than_s: float | None = None) -> Iterator[str]:
        """Give the keys of kept objects; see `ObjectStore`."""
        for key, (_, at_s) in sorted(self.objects.items()):
            if newer_than_s is None or at_s >= newer_than_s:
                yield key

    def abandoned(self) -> Iterator[str]:
        """Give nothing: drafts in memory die with their process."""
        return iter(())

    def reserve(self, size_bytes: int) -> None:
        """Count bytes of drafts as taken; raises LowDisk when they do not fit."""
        if size_bytes > self.free_bytes():
            raise LowDisk("a store in memory that is full")
        self._drafted_bytes += size_bytes

    def keep(self, key: str, data: bytes) -> None:
        """Turn a draft into an object."""
        self._drafted_bytes -= len(data)
        self.objects[key] = (data, time.time())

    def _entry(self, key: str) -> tuple[bytes, float]:
        try:
            return self.objects[key]
        except KeyError:
            raise ObjectLost("no object under this key") from None


class MemoryDraft:
    """An object of a `MemoryStore` while it arrives; see `coread.archive.Draft`."""

    def __init__(self, store: MemoryStore) -> None:
        name = secrets.token_hex(18)
        self.key = f"{name[:2]}/{name[2:4]}/{name[4:]}.dcm"
        self._store = store
        self._data: bytearray | None = bytearray()
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: Buffer) -> None:
        """Add bytes; see `Draft`."""
        if self._data is None:
            raise ValueError("Expected a draft that is not yet kept or discarded.")
        try:
            self._store.reserve(len(data))
        except LowDisk:
            self.discard()
            raise
        self._data += data
        self._digest.update(data)
        self.size_bytes = len(self._data)

    def sha256(self) -> str:
        """Return the digest so far; see `Draft`."""
        return self._digest.hexdigest()

    def begin_digest(self) -> None:
        """Do nothing: what is written is digested at once; see `Draft`."""

    def sync_and_keep(self) -> str:
        """Keep the bytes; see `Draft`."""
        if self._data is not None:
            self._store.keep(self.key, bytes(self._data))
            self._data = None
        return self.key

    def discard(self) -> None:
        """Forget the bytes; see `Draft`."""
        if self._data is not None:
            self._store.reserve(-len(self._data))
            self._data = None
        self._store.delete(self.key)


class StoreTests:
    """What every object store must hold to; inherit it and override `store`."""

    def store(self) -> ObjectStore:
        """Make an empty store."""
        raise NotImplementedError

    def test_kept_bytes_come_back(self) -> None:
        """Read, open, size and digest agree with what was written in parts."""
        store = self.store()
        data = bytes(range(256)) * 1000
        draft = _written(store, data, part_bytes=999)
        _expect(draft.size_bytes == len(data), "the draft counts other bytes than were written")
        _expect(draft.sha256() == hashlib.sha256(data).hexdigest(), "the draft's digest is another")
        key = draft.sync_and_keep()
        _expect(key == draft.key, "the key changed when the object was kept")
        _expect(store.read(key) == data, "read gave other bytes")
        _expect(store.size(key) == len(data), "size gave another number")
        with store.open(key) as file:
            file.seek(100)
            _expect(file.read(5) == data[100:105], "open gave other bytes")

    def test_any_buffer_may_be_written(self) -> None:
        """Bytes, bytearray and memoryview; the buffer may be used again after the call."""
        store = self.store()
        draft, buffer = store.draft(), bytearray(b"one")
        draft.write(memoryview(buffer))
        buffer[:] = b"two"
        draft.write(buffer)
        buffer[:] = b"xxx"
        draft.write(b"three")
        _expect(store.read(draft.sync_and_keep()) == b"onetwothree", "a buffer was kept beyond the call")

    def test_an_empty_object_is_an_object(self) -> None:
        """Nothing written is zero bytes, not nothing."""
        store = self.store()
        _expect(store.read(store.draft().sync_and_keep()) == b"", "an empty object did not come back")

    def test_keeping_twice_is_keeping_once(self) -> None:
        """The second call gives the same key and changes nothing."""
        store = self.store()
        draft = _written(store, b"abc")
        _expect(draft.sync_and_keep() == draft.sync_and_keep(), "the second key is another")
        _expect(list(store.keys()) == [draft.key], "there is not one object")

    def test_a_draft_is_not_yet_an_object(self) -> None:
        """Drafts, whether open or discarded, are not among the keys."""
        store = self.store()
        draft, gone = _written(store, b"abc"), _written(store, b"def")
        gone.discard()
        gone.discard()
        _expect(not list(store.keys()), "a draft is among the keys")
        _expect(not list(store.abandoned()), "a living draft is called abandoned")
        _expect_lost(lambda: store.read(gone.key))
        draft.sync_and_keep()
        _expect(list(store.keys()) == [draft.key], "the kept object is not among the keys")

    def test_a_kept_object_can_still_be_discarded(self) -> None:
        """The intake does so when it finds that the object is not wanted."""
        store = self.store()
        draft = _written(store, b"abc")
        key = draft.sync_and_keep()
        draft.discard()
        _expect_lost(lambda: store.read(key))

    def test_what_is_deleted_is_gone(self) -> None:
        """Deleting again does nothing; all ways to read say that the object is lost."""
        store = self.store()
        key = _written(store, b"abc").sync_and_keep()
        store.delete(key)
        store.delete(key)
        for ask in (store.read, store.size, store.open, store.kept_at_s):
            _expect_lost(lambda ask=ask: ask(key))  # type: ignore[misc]
        _expect(not list(store.keys()), "a deleted object is among the keys")

    def test_keys_tell_nothing(self) -> None:
        """Keys of equal objects differ, and have the one form."""
        store = self.store()
        keys = [_written(store, b"same").sync_and_keep() for _ in range(50)]
        _expect(len(set(keys)) == len(keys), "two objects have one key")
        for key in keys:
            shape = [len(part) for part in key.split("/")]
            _expect(shape == [2, 2, 36] and key.endswith(".dcm"), f"a key of another form: {key}")
            _expect(key.isascii() and len(key) <= 64, f"a key that is not plain: {key}")

    def test_keys_can_be_asked_by_age(self) -> None:
        """The time of keeping is that of the clock, within seconds."""
        store = self.store()
        key = _written(store, b"abc").sync_and_keep()
        _expect(abs(store.kept_at_s(key) - time.time()) < 60, "kept at another time")
        _expect(list(store.keys(time.time() - 60)) == [key], "a young object is not among the young keys")
        _expect(not list(store.keys(time.time() + 60)), "an old object is among the young keys")

    def test_threads_do_not_disturb_each_other(self) -> None:
        """Eight threads write at one time, and all bytes come back."""
        store = self.store()

        def write(number: int) -> tuple[str, bytes]:
            data = bytes([number % 256]) * (1000 + number)
            return _written(store, data, part_bytes=100).sync_and_keep(), data

        with ThreadPoolExecutor(8) as pool:
            written = list(pool.map(write, range(100)))
        _expect(all(store.read(key) == data for key, data in written), "bytes were mixed up")
        _expect(sorted(store.keys()) == sorted(key for key, _ in written), "keys are lost or too many")

    def test_there_is_room(self) -> None:
        """A store that is not full says so."""
        store = self.store()
        store.check_room()
        _expect(store.free_bytes() > 0, "no byte is free")


class FullStoreTests:
    """What a store must hold to when it runs full; inherit it and override both methods."""

    def store(self) -> ObjectStore:
        """Make an empty store that cannot take an object of `too_much` bytes."""
        raise NotImplementedError

    def too_much(self) -> int:
        """Say how many bytes do not fit; half of it must fit."""
        raise NotImplementedError

    def test_running_full_is_told_and_leaves_nothing(self) -> None:
        """LowDisk while writing or keeping; afterwards a smaller object fits."""
        store = self.store()
        draft = store.draft()
        part = b"x" * (self.too_much() // 16)
        fault = _fault_of(lambda: _fill(draft, part))
        _expect(isinstance(fault, LowDisk), f"expected LowDisk, got {fault!r}")
        draft.discard()
        _expect(not list(store.keys()), "something was kept")
        key = _written(store, part * 4).sync_and_keep()
        _expect(store.read(key) == part * 4, "the store does not work after it was full")


def _written(store: ObjectStore, data: bytes, part_bytes: int = 1 << 16) -> Draft:
    draft = store.draft()
    for start in range(0, len(data), part_bytes):
        draft.write(data[start : start + part_bytes])
    return draft


def _fill(draft: Draft, part: bytes) -> None:
    for _ in range(17):
        draft.write(part)
    draft.sync_and_keep()


def _fault_of(act: Callable[[], object]) -> CoReadError | None:
    try:
        act()
    except CoReadError as fault:
        return fault
    return None


def _expect_lost(act: Callable[[], object]) -> None:
    fault = _fault_of(act)
    _expect(isinstance(fault, ObjectLost), f"expected ObjectLost, got {fault!r}")


def _expect(holds: bool, otherwise: str) -> None:
    """Raise unless a promise holds; unlike `assert`, also under ``python -O``."""
    if not holds:
        raise AssertionError(otherwise)
