"""The facts of the Image Pixel module that painting needs (PS3.3 C.7.6.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from coread.governance.deidentify.stream import Element, Item
from coread.governance.deidentify.stream.elements import EXPLICIT_BIG

PIXEL_DATA, PHOTOMETRIC, PLANAR = 0x7FE00010, 0x00280004, 0x00280006
_SAMPLES, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _REPRESENTATION = 0x00280100, 0x00280101, 0x00280103
_PALETTE_DESCRIPTOR = 0x00281101
_PALETTES = (0x00281201, 0x00281202, 0x00281203)
#: Weights of red, green and blue in luminance (ITU-R BT.601).
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """How the pixels of an object lie in its bytes."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    planar: bool
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    darkest_entry: int
    """Index of the darkest colour of a palette; 0 where there is no palette."""


def image_facts(elements: Item, transfer_syntax_uid: str) -> ImageFacts | None:
    """Return the facts of an image, None where the data set holds no pixels or does not describe them."""
    by_tag = {element.tag: element for element in elements}
    number = _Numbers(by_tag, ">" if transfer_syntax_uid == EXPLICIT_BIG else "<")
    rows, columns = number(_ROWS), number(_COLUMNS)
    if PIXEL_DATA not in by_tag or not rows or not columns:
        return None
    allocated = number(_ALLOCATED)
    return ImageFacts(
        transfer_syntax_uid=transfer_syntax_uid,
        rows=rows,
        columns=columns,
        frames=number.frames(),
        samples=number(_SAMPLES) or 1,
        photometric=_text(by_tag.get(PHOTOMETRIC)),
        planar=bool(number(PLANAR)),
        bits_allocated=allocated,
        bits_stored=number(_STORED) or allocated,
        is_signed=bool(number(_REPRESENTATION)),
        darkest_entry=number.darkest(),
    )


def _text(element: Element | None) -> str:
    return bytes(element.value).decode("latin-1").strip(" \0") if element is not None else ""


class _Numbers:
    """Unsigned shorts by tag."""

    def __init__(self, by_tag: dict[int, Element], order: str) -> None:
        self.by_tag = by_tag
        self.order = order

    def __call__(self, tag: int) -> int:
        element = self.by_tag.get(tag)
        if element is None or len(element.value) < 2:
            return 0
        return int(struct.unpack_from(f"{self.order}H", element.value)[0])

    def frames(self) -> int:
        text = _text(self.by_tag.get(_FRAMES))
        return max(int(text), 1) if text.isdecimal() else 1

    def darkest(self) -> int:
        tables = [self.by_tag.get(tag) for tag in _PALETTES]
        descriptor = self.by_tag.get(_PALETTE_DESCRIPTOR)
        if descriptor is None or any(table is None for table in tables):
            return 0
        _, first, bits = struct.unpack_from(f"{self.order}3H", descriptor.value)
        size = f"{self.order}u{1 if bits == 8 else 2}"
        columns = [np.frombuffer(bytes(t.value), size).astype(float) for t in tables if t is not None]
        length = min(map(len, columns))
        light = sum(w * c[:length] for w, c in zip(_LUMINANCE, columns, strict=True))
        return int(first + np.argmin(light)) if length else 0
