"""A source that is a table with one image for each row, and what all such sources share."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from coread.domain.codes import Code
from coread.errors import CohortRefused
from coread.learning.cohorts.codebook import CodeBook, Concept
from coread.learning.cohorts.form import LeftOut
from coread.learning.cohorts.taking import Found

Row = Mapping[str, str]

LOCAL = "99COREAD"
"""A private coding scheme (PS3.3 section 8.2) for words of a source that has no code of its own."""


@dataclass(frozen=True)
class TableSource:
    """One image for each row; a row whose image cannot be read is left out with the reason.

    Attributes
    ----------
    name, book, traps
        As `Source` says.
    rows
        The rows.
    give
        Makes an image of a row, or says why not.
    """

    name: str
    book: CodeBook
    traps: tuple[str, ...]
    rows: Sequence[Row]
    give: Callable[[Row], Found | LeftOut]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Found | LeftOut]:
        for row in self.rows:
            yield self._guarded(row)

    def _guarded(self, row: Row) -> Found | LeftOut:
        what = f"{self.name}/{row.get('file') or row.get('row') or '?'}"
        try:
            return self.give(row)
        except FileNotFoundError:
            return LeftOut(what, "missing-file", "the table names a file that is not there")
        except (UnidentifiedImageError, OSError) as fault:
            return LeftOut(what, "unreadable", f"no image that can be read ({type(fault).__name__})")
        except (ValueError, KeyError, IndexError) as fault:
            return LeftOut(what, "unreadable-row", f"{type(fault).__name__}: {fault}")


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as text.

    Raises
    ------
    CohortRefused
        If the file is not there.
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))
    except FileNotFoundError:
        raise CohortRefused(
            f"no file {path.name}", "a folder that holds it", "name the folder of the set"
        ) from None


def word(name: str, meaning: str = "", **more: Any) -> Concept:
    """Give a concept of the source's own, in the private coding scheme."""
    return Concept(name, Code(name.upper().replace(" ", "_")[:16], LOCAL, meaning or name), **more)


def read_file(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    """Pixels and bytes of an image file; grey stays grey."""
    data = path.read_bytes()
    return decoded(data), data


def decoded(data: bytes) -> NDArray[np.uint8]:
    """Pixels uint8 [row, column] of a grey file, [row, column, 3] of a colour file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))


def sha256(data: bytes | NDArray[Any]) -> str:
    """Hash of bytes, or of an array's bytes."""
    return hashlib.sha256(
        data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
    ).hexdigest()


def number(text: str) -> float | None:
    """Number of a cell; None where it is empty or "nan"."""
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None


def facts(**known: Any) -> str:
    """Further facts as the manifest keeps them, without those that are unknown."""
    held = {name: value for name, value in known.items() if value not in (None, "")}
    return json.dumps(held, ensure_ascii=False, sort_keys=True)


def joined(row: Row, names: Iterable[str]) -> str:
    """Some columns of a row as further facts."""
    return facts(**{name: row[name] for name in names})
