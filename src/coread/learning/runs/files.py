"""Writing a file so that it is either the old one or the new one, whenever the power goes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


def replace_file(path: Path, write: Callable[[BinaryIO], None], *, synced: bool = True) -> None:
    """Let `write` fill a file beside `path`, and put it in its place once its bytes are on disk.

    Parameters
    ----------
    path
        The file to make or to replace; its folder must exist.
    write
        Given the open file.
    synced
        Wait for the disk. False for one of thousands of files whose hashes are kept elsewhere.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if synced:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, held: Any) -> None:
    """Write JSON that a person can read, numbers rounded to 6 digits (see `plain`)."""
    text = json.dumps(plain(held), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, lambda file: _put(file, text.encode()))


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def plain(held: Any, digits: int = 6) -> Any:
    """Data classes, arrays, paths and numbers as JSON types.

    Parameters
    ----------
    held
        What to write.
    digits
        To which floats are rounded; what is not finite becomes None.
    """
    if is_dataclass(held) and not isinstance(held, type):
        return plain(asdict(held), digits)
    if isinstance(held, Mapping):
        return {str(key): plain(value, digits) for key, value in held.items()}
    if isinstance(held, list | tuple | np.ndarray):
        return [plain(value, digits) for value in held]
    return str(held) if isinstance(held, Path) else _plain_number(held, digits)


def _plain_number(held: Any, digits: int) -> Any:
    if isinstance(held, bool | np.bool_):
        return bool(held)
    if isinstance(held, float | np.floating):
        return round(float(held), digits) if np.isfinite(held) else None
    return int(held) if isinstance(held, np.integer) else held
