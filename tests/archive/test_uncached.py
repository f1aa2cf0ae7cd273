"""A file written past the cache holds what was written, on file systems with and without such writes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.archive import uncached
from coread.archive.uncached import BLOCK_BYTES, UncachedFile


def write(path: Path, parts: list[bytes]) -> bytes:
    """Write `parts`; return what was flushed block by block, with the rest."""
    path.unlink(missing_ok=True)
    file = UncachedFile(path, 0o600)
    flushed = bytearray()
    for part in parts:
        file.write(part, flushed.extend)
    rest = bytes(file.pending)
    assert file.size_bytes == sum(map(len, parts))
    file.finish(0o400)
    return bytes(flushed) + rest


@given(st.lists(st.integers(0, 3 * BLOCK_BYTES // 2), max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "object"
    parts = [os.urandom(size) for size in sizes]
    assert write(path, parts) == b"".join(parts) == path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("refuses", ["open", "write"])
def test_a_file_system_without_uncached_writes_does_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: str
) -> None:
    real_open, real_write = os.open, os.write
    direct: set[int] = set()

    def open_(path, flags, mode=0o777):
        if flags & os.O_DIRECT and refuses == "open":
            Path(path).touch()
            raise OSError(errno.EINVAL, "no uncached writes")
        fd = real_open(path, flags & ~os.O_DIRECT, mode)
        direct.add(fd)
        return fd

    def write_(fd, data):
        if refuses == "write" and fd in direct:
            direct.discard(fd)
            raise OSError(errno.EINVAL, "no uncached writes")
        return real_write(fd, data)

    monkeypatch.setattr(uncached.os, "open", open_)
    monkeypatch.setattr(uncached.os, "write", write_)
    monkeypatch.setattr(uncached, "_stop_direct", lambda fd: True)
    data = os.urandom(BLOCK_BYTES + 1000)
    assert write(tmp_path / "object", [data]) == data == (tmp_path / "object").read_bytes()


def test_a_disk_that_refuses_for_good_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd, data):
        raise OSError(errno.EINVAL, "no")

    file = UncachedFile(tmp_path / "object", 0o600)
    file.write(b"something", lambda block: None)
    monkeypatch.setattr(uncached.os, "write", refuse)
    with pytest.raises(OSError, match="no"):
        file.finish(0o400)
    file.close()


def test_no_other_object_shines_through(tmp_path: Path) -> None:
    """The block is used again: what it held before must not be written with what comes after."""
    write(tmp_path / "first", [b"x" * 8192])
    write(tmp_path / "second", [b"y" * 100])
    assert (tmp_path / "second").read_bytes() == b"y" * 100
