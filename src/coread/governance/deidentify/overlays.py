"""Overlay planes (PS3.3 C.9.2): kept only if their bits were looked at and hold no text."""

from __future__ import annotations

import struct

import numpy as np

from coread.governance.deidentify.pixels.finding import TextFinder
from coread.governance.deidentify.pixels.image import PIXEL_DATA, ImageFacts
from coread.governance.deidentify.stream import Element, Item
from coread.governance.deidentify.stream.elements import EXPLICIT_BIG

_OVERLAY_GROUPS = frozenset(range(0x6000, 0x6020, 2))
_ROWS, _COLUMNS, _DATA = 0x0010, 0x0011, 0x3000


def clean_overlays(elements: Item, image: ImageFacts | None, finder: TextFinder | None) -> None:
    """Drop every overlay, or with a finder those that hold text; clear what lies beside the pixel's bits.

    An overlay plane whose bits are gone says nothing: its whole group goes with it. Planes of old
    objects that lie in unused bits of Pixel Data (Overlay Bit Position) are cleared there.

    Parameters
    ----------
    elements
        The data set; changed in place.
    image
        Its Image Pixel module, None where it has none.
    finder
        Finds text in an overlay; None drops all of them.
    """
    groups = {element.tag >> 16 for element in elements} & _OVERLAY_GROUPS
    if not groups:
        return
    if image is not None:
        clear_unused_bits(elements, image)
    big = image is not None and image.transfer_syntax_uid == EXPLICIT_BIG
    dropped = {group for group in groups if finder is None or _holds_text(elements, group, finder, big=big)}
    elements[:] = [element for element in elements if element.tag >> 16 not in dropped]


def _holds_text(elements: Item, group: int, finder: TextFinder, *, big: bool) -> bool:
    values = {e.tag & 0xFFFF: e.value for e in elements if e.tag >> 16 == group}
    if not {_ROWS, _COLUMNS, _DATA} <= values.keys():
        return True  # nobody can look at it
    rows, columns = (struct.unpack(">H" if big else "<H", values[n])[0] for n in (_ROWS, _COLUMNS))
    data = np.frombuffer(bytes(values[_DATA]), ">u2" if big else "<u2").astype("<u2").view("u1")
    bits = np.unpackbits(data, bitorder="little")
    count = rows * columns
    if not count or bits.size < count:
        return True
    planes = bits[: bits.size // count * count].reshape(-1, rows, columns)
    return any(finder.find(plane * np.uint8(255)) for plane in planes if plane.any())


def clear_unused_bits(elements: Item, image: ImageFacts) -> None:
    """Clear the bits above Bits Stored where an overlay says that it lies there."""
    is_embedded = any(
        e.tag >> 16 in _OVERLAY_GROUPS and e.tag & 0xFFFF == 0x0102 and bytes(e.value) not in (b"", b"\0\0")
        for e in elements
    )
    pixels: Element | None = next((e for e in elements if e.tag == PIXEL_DATA), None)
    if not is_embedded or pixels is None or pixels.encapsulated or image.bits_allocated != 16:
        return
    order = ">" if image.transfer_syntax_uid == EXPLICIT_BIG else "<"
    values = np.frombuffer(bytes(pixels.value), f"{order}u2")
    if image.is_signed:
        shift = 16 - image.bits_stored
        cleared = (values.astype("i2") << shift) >> shift
        pixels.value = cleared.astype(f"{order}i2").tobytes()
    else:
        pixels.value = (values & ((1 << image.bits_stored) - 1)).astype(f"{order}u2").tobytes()
