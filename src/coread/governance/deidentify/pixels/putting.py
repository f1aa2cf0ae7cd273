"""Puts painted pixels into a data set, and what the header must then say of them."""

from __future__ import annotations

from coread.governance.deidentify.codestreams import without_comments
from coread.governance.deidentify.pixels.image import PHOTOMETRIC, PIXEL_DATA, PLANAR, ImageFacts
from coread.governance.deidentify.pixels.painting import Painted
from coread.governance.deidentify.stream import Element, Item
from coread.governance.deidentify.stream.elements import IMPLICIT_LITTLE

_LOSSY = 0x00282110
_JPEG_LOSSY = frozenset(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"))


def put_pixels(elements: Item, painted: Painted | None, image: ImageFacts) -> tuple[str, tuple[str, ...]]:
    """Put painted pixels in place of a data set's own; comments of compressed frames go in any case.

    Parameters
    ----------
    elements
        The data set with its pixels as they were; changed in place.
    painted
        The new pixels, None where nothing was blanked.
    image
        Its Image Pixel module.

    Returns
    -------
    transfer_syntax_uid
        In which the data set is to be written now.
    notes
        What a reviewer should know.
    """
    by_tag = {element.tag: element for element in elements}
    stored = by_tag[PIXEL_DATA]
    syntax = image.transfer_syntax_uid
    notes: tuple[str, ...] = ()
    if painted is not None:
        notes = _paint(by_tag, elements, painted, image)
        syntax = painted.transfer_syntax_uid
    if stored.encapsulated:
        stored.value = without_comments(stored.value, syntax)
    return syntax, notes


def _paint(
    by_tag: dict[int, Element], elements: Item, painted: Painted, image: ImageFacts
) -> tuple[str, ...]:
    stored, former = by_tag[PIXEL_DATA], image.transfer_syntax_uid
    stored.value, stored.encapsulated = painted.value, painted.is_encapsulated
    if former != IMPLICIT_LITTLE:
        stored.vr = b"OB" if painted.is_encapsulated or image.bits_allocated <= 8 else b"OW"
    by_tag[PHOTOMETRIC].value = painted.photometric_interpretation.encode()
    if painted.samples_interleaved and PLANAR in by_tag:
        by_tag[PLANAR].value = b"\0\0"
    if painted.transfer_syntax_uid == former:
        return ()
    if former in _JPEG_LOSSY and _LOSSY not in by_tag:
        elements.append(Element(_LOSSY, b"CS", b"01"))
        elements.sort(key=lambda element: element.tag)
    return (f"pixels written anew as {painted.transfer_syntax_uid}, were {former}",)
