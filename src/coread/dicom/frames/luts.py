"""Look-up tables: modality and VOI (PS3.3 C.11.1, C.11.2), palette colour (C.7.6.3.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import BrokenPixelData

_MAX_ENTRIES = 1 << 16
_COLOURS = ("Red", "Green", "Blue")


@dataclass(frozen=True, slots=True)
class Lut:
    """One table with its descriptor."""

    entries: npt.NDArray[np.uint16]
    first_mapped: int
    """The value that the first entry stands for."""
    bits: int
    """Bits of an entry; the greatest output is 2 ** bits - 1."""

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """Map `values`; those outside the table take its first or last entry."""
        index = np.rint(np.nan_to_num(values)).astype(np.int64) - self.first_mapped
        mapped: npt.NDArray[np.uint16] = self.entries[np.clip(index, 0, self.entries.size - 1)]
        return mapped


def sequence_lut(holder: Dataset, keyword: str, *, big_endian: bool) -> Lut | None:
    """Return the first table of the sequence `keyword`, None where there is none.

    Raises
    ------
    BrokenPixelData
        If descriptor or data cannot be read.
    """
    try:
        sequence = holder.get(keyword)
        if not sequence:
            return None
        return _lut(sequence[0].LUTDescriptor, sequence[0]["LUTData"].value, big_endian)
    except LIBRARY_ERRORS:
        raise _unreadable(keyword) from None


def palette_rgb(dataset: Dataset, values: npt.NDArray[Any], *, big_endian: bool) -> npt.NDArray[np.uint8]:
    """Return the colours of palette indices as uint8 [row, column, 3].

    Raises
    ------
    BrokenPixelData
        If descriptor or data cannot be read.
    """
    try:
        if "RedPaletteColorLookupTableData" not in dataset:
            return _to_bytes(apply_color_lut(values, dataset))
        tables = [_palette(dataset, colour, big_endian) for colour in _COLOURS]
    except LIBRARY_ERRORS:
        raise _unreadable("RedPaletteColorLookupTableData") from None
    # Some writers say 16 bits and fill 8 of them.
    bits = 8 if max(int(table.entries.max()) for table in tables) < 256 else tables[0].bits
    shift = max(bits - 8, 0)
    return np.stack([(table.apply(values) >> shift).astype(np.uint8) for table in tables], axis=-1)


def _palette(dataset: Dataset, colour: str, big_endian: bool) -> Lut:
    descriptor = dataset[f"{colour}PaletteColorLookupTableDescriptor"].value
    return _lut(descriptor, dataset[f"{colour}PaletteColorLookupTableData"].value, big_endian)


def _to_bytes(colours: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    shift = 8 * (colours.dtype.itemsize - 1)
    rgb: npt.NDArray[np.uint8] = (colours[..., :3] >> shift).astype(np.uint8)
    return rgb


def _lut(descriptor: Any, data: Any, big_endian: bool) -> Lut:
    count, first_mapped, bits = (int(number) for number in descriptor)
    if not 1 <= bits <= 16:
        raise ValueError("entries of an impossible size")
    # The count is unsigned even where signed pixels make the descriptor signed; 0 means 65,536.
    return Lut(_entries(data, count % _MAX_ENTRIES or _MAX_ENTRIES, big_endian), first_mapped, bits)


def _entries(data: Any, count: int, big_endian: bool) -> npt.NDArray[np.uint16]:
    """Read the table, which is written as words or, where all entries fit, as single bytes."""
    if isinstance(data, bytes):
        is_bytes = len(data) in (count, count + count % 2)
        kind = np.dtype("u1" if is_bytes else (">u2" if big_endian else "<u2"))
        entries = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    else:
        entries = np.atleast_1d(np.asarray(data))
    if not entries.size:
        raise ValueError("an empty table")
    return entries[:count].astype(np.uint16)


def _unreadable(keyword: str) -> BrokenPixelData:
    return BrokenPixelData(
        found="a look-up table that cannot be read",
        expected="descriptor and data by PS3.3 section C.11",
        remedy="correct the object at its source",
        where=keyword,
    )
