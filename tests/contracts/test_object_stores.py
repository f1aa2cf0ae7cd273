"""The shipped contract of object stores, on every store that we have."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coread.archive import DiskStore, Keyring, SealedStore
from coread.testing.stores import FullStoreTests, MemoryStore, StoreTests


class TestDiskStore(StoreTests):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "objects"

    def store(self) -> DiskStore:
        return DiskStore(self.folder, low_disk_bytes=1)


class TestDiskStoreThatSyncsFolders(TestDiskStore):
    def store(self) -> DiskStore:
        return DiskStore(self.folder, sync_folders=True)


class TestSealedStore(TestDiskStore):
    """The disk, with every object encrypted."""

    ring = Keyring.new()

    def store(self) -> SealedStore:
        return SealedStore(DiskStore(self.folder, low_disk_bytes=1), self.ring)


class TestMemoryStore(StoreTests):
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestFullMemory(FullStoreTests):
    def store(self) -> MemoryStore:
        return MemoryStore(capacity_bytes=100_000)

    def too_much(self) -> int:
        return 100_001 + 15


class TestFullDisk(FullStoreTests):
    """A real file system of 2 MiB that really runs out."""

    @pytest.fixture(autouse=True)
    def _mounted(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path / "small"
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(self.folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a small file system cannot be mounted here (needs root)")
        yield
        subprocess.run(["umount", str(self.folder)], check=True)

    def store(self) -> DiskStore:
        return DiskStore(self.folder / "objects")

    def too_much(self) -> int:
        return 4 << 20


class TestFullQuota(FullStoreTests):
    """The limit on the size of one file, which every user may set for a process."""

    @pytest.fixture(autouse=True)
    def _limited(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path / "objects"
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def store(self) -> DiskStore:
        return DiskStore(self.folder)

    def too_much(self) -> int:
        return 2 << 20
