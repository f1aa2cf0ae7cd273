"""What lies in a folder, a zip or on a medium: one item after the other, within bounds."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from coread.errors import ContainerRefused
from coread.intake.limits import Limits

_CHUNK_BYTES = 1 << 20
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_LARGEST_COMMENT = 65535
_LARGEST_ENTRY_NAME = 1024
_ZIP64_LOCATOR_BYTES = 20
#: Below this, any ratio is harmless: a black image shrinks a thousandfold.
_SMALL_BYTES = 100 << 20

#: What reading a damaged file, or one from a damaged zip, may raise.
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One file that may be an object."""

    name: str
    """Where it lies, as the person who imports knows it."""
    open: Callable[[], IO[bytes]]
    fault: str = ""
    """Why it cannot be opened; empty if it can."""
    outcome: str = "refused"
    """With a fault: ``refused`` or ``missing``."""


@dataclass(frozen=True, slots=True)
class ZipContent:
    """What a zip says that it holds."""

    items: tuple[Item, ...]
    unfolded_bytes: int


def is_zip(head: bytes) -> bool:
    """Tell whether the bytes begin a zip."""
    return head.startswith(_ZIP_STARTS)


def folder_items(folder: Path) -> Iterator[Item]:
    """Give the regular files below a folder, sorted; links are named but not followed."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            yield file_item(path, str(path.relative_to(folder)))


def file_item(path: Path, name: str) -> Item:
    """Give one file of the disk."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return Item(name, lambda: path.open("rb"))
    return Item(name, lambda: path.open("rb"), "a link or special file, which is not followed")


def count_files(folder: Path) -> int:
    """Count what `folder_items` will give."""
    return sum(len(files) for _, _, files in os.walk(folder))


def medium_items(folder: Path, references: tuple[tuple[str, ...], ...]) -> Iterator[Item]:
    """Give the files that a DICOMDIR names; names that leave its folder are refused.

    File IDs are written in upper case (PS3.10 section 8.2), while media are often mounted or copied in
    lower case: each component is looked up as written, then without regard to case.
    """
    for components in references:
        name = "/".join(components)
        path = _inside(folder, components)
        if path is None:
            yield Item(name, _nothing, "named by the DICOMDIR, but not there", "missing")
        else:
            yield file_item(path, name)


@contextmanager
def opened_zip(file: IO[bytes], limits: Limits, room_bytes: int) -> Iterator[ZipContent]:
    """Open a zip and give its files.

    Parameters
    ----------
    file
        Seekable.
    limits
        How many files, and how many bytes for one byte.
    room_bytes
        What it may unfold to.

    Raises
    ------
    ContainerRefused
        If it is no readable zip, or unfolds to more than allowed.
    """
    _check_directory(file, limits)
    try:
        container = zipfile.ZipFile(file)
    except UNREADABLE as error:
        raise _refused("a zip that cannot be read", "a whole zip file") from error
    with container:
        # An entry without a name, which no program writes, is a file: Python itself stumbles over it.
        entries = [entry for entry in container.infolist() if not entry.filename.endswith("/")]
        total = sum(entry.file_size for entry in entries)
        _check_sizes(file.seek(0, os.SEEK_END), len(entries), total, limits, room_bytes)
        yield ZipContent(tuple(_zip_item(container, entry) for entry in entries), total)


@contextmanager
def seekable(file: IO[bytes], most_bytes: int, *, is_on_disk: bool) -> Iterator[IO[bytes]]:
    """Give a file that can be sought: itself, or a nameless copy on disk of what lies within a zip.

    Raises
    ------
    ContainerRefused
        If a copy would be longer than `most_bytes`.
    """
    if is_on_disk:
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        while chunk := file.read(_CHUNK_BYTES):
            copy.write(chunk)
            if copy.tell() > most_bytes:
                raise _refused("a zip within a zip above the limit", f"at most {most_bytes} bytes")
        copy.seek(0)
        yield copy


def _zip_item(container: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Item:
    return Item(entry.filename, lambda: container.open(entry), _fault_of(entry))


def _fault_of(entry: zipfile.ZipInfo) -> str:
    if not entry.filename:
        return "no name"
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        return "a name that leads out of the zip"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link, which is not followed"
    if entry.flag_bits & 1:
        return "encrypted"
    return ""


def _check_directory(file: IO[bytes], limits: Limits) -> None:
    """Refuse a zip whose directory alone would fill the memory, before it is read."""
    most = limits.zip_entries * _LARGEST_ENTRY_NAME
    found = _directory_bytes(file)
    file.seek(0)
    if found > most:
        raise _refused(f"a directory of {found} bytes", f"at most {limits.zip_entries} files")


def _directory_bytes(file: IO[bytes]) -> int:
    """Return the size of the central directory, as the end record or the zip64 end record says."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END_RECORD_BYTES - _LARGEST_COMMENT - _ZIP64_LOCATOR_BYTES)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_END_RECORD)
    if at < 0 or len(tail) < at + _END_RECORD_BYTES:
        return 0
    directory: int = struct.unpack_from("<I", tail, at + 12)[0]
    locator = tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at]
    if directory == 0xFFFFFFFF and locator[:4] == b"PK\x06\x07":
        file.seek(min(struct.unpack_from("<Q", locator, 8)[0], size))
        record = file.read(56)
        return int(struct.unpack_from("<Q", record, 40)[0]) if len(record) == 56 else 0
    return directory


def _check_sizes(own_bytes: int, entries: int, total_bytes: int, limits: Limits, room_bytes: int) -> None:
    if entries > limits.zip_entries:
        raise _refused(f"{entries} files in a zip", f"at most {limits.zip_entries}")
    if total_bytes > room_bytes:
        raise _refused(f"a zip that unfolds to {total_bytes} bytes", f"at most {room_bytes}")
    if total_bytes > max(_SMALL_BYTES, own_bytes * limits.zip_ratio):
        times = total_bytes // max(own_bytes, 1)
        raise _refused(f"a zip that unfolds to {times} times its size", f"at most {limits.zip_ratio} times")


def _inside(folder: Path, components: tuple[str, ...]) -> Path | None:
    path = folder
    for component in components:
        found = _child(path, component)
        if found is None or found.is_symlink():
            return None
        path = found
    return path if path != folder else None


def _child(folder: Path, name: str) -> Path | None:
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name or not folder.is_dir():
        return None
    for variant in (name, name.lower(), name.upper()):
        if os.path.lexists(folder / variant):
            return folder / variant
    return next((child for child in folder.iterdir() if child.name.casefold() == name.casefold()), None)


def _nothing() -> IO[bytes]:
    raise FileNotFoundError


def _refused(found: str, expected: str) -> ContainerRefused:
    return ContainerRefused(
        found, expected, "unpack it by hand and import the folder, if you trust it", "zip file"
    )
