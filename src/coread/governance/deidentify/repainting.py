"""A de-identified object's pixels made anew from the original under another mask; its header stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coread.dicom import open_object, part10_prefix, read_meta
from coread.errors import UnsupportedPixels
from coread.governance.deidentify.overlays import clear_unused_bits
from coread.governance.deidentify.pixels.image import PHOTOMETRIC, PIXEL_DATA, PLANAR, image_facts
from coread.governance.deidentify.pixels.painting import blank
from coread.governance.deidentify.pixels.putting import put_pixels
from coread.governance.deidentify.stream import Item, encoding_of, read_elements, write_elements

_OF_THE_PIXELS = frozenset((PIXEL_DATA, PHOTOMETRIC, PLANAR))


def repaint(original: bytes, deidentified: bytes, mask: npt.NDArray[np.bool_]) -> bytes:
    """Return the de-identified object with the original's pixels, blank under a mask in every frame.

    No key is needed: nothing of the header is made anew but what the pixels' form asks for.

    Parameters
    ----------
    original
        A file of PS3.10 as it was.
    deidentified
        What was made of it.
    mask
        All that shall be blank, bool [row, column]; what only the former mask held comes back.

    Raises
    ------
    UnsupportedPixels, BrokenPixelData
        If there are no pixels, or they cannot be decoded.
    """
    old_syntax, old = _elements_of(original)
    _, new = _elements_of(deidentified)
    image = image_facts(old, old_syntax)
    if image is None or mask.shape != (image.rows, image.columns):
        raise UnsupportedPixels("no pixels of this mask's size", "the image that was de-identified")
    clear_unused_bits(old, image)
    pixels = next(element for element in old if element.tag == PIXEL_DATA)
    native = None if pixels.encapsulated else pixels.value
    painted = blank(native, image, mask, open_object(original)) if mask.any() else None
    own = [element for element in old if element.tag in _OF_THE_PIXELS]
    kept = [element for element in new if element.tag not in _OF_THE_PIXELS]
    elements = Item()
    elements += sorted([*kept, *own], key=lambda element: element.tag)
    syntax, _ = put_pixels(elements, painted, image)
    sop_class, instance = (_text(new, tag) for tag in (0x00080016, 0x00080018))
    return part10_prefix(sop_class, instance, syntax) + write_elements(elements, encoding_of(syntax))


def _elements_of(data: bytes) -> tuple[str, Item]:
    meta = read_meta(data)
    syntax = meta.transfer_syntax_uid
    return syntax, read_elements(data, meta.data_set_offset, encoding_of(syntax))


def _text(elements: Item, tag: int) -> str:
    value = next((bytes(element.value) for element in elements if element.tag == tag), b"")
    return value.decode("latin-1").strip(" \0")
