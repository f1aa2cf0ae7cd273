"""Every text that goes out with an object, for eyes."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.datadict import keyword_for_tag

from coread.dicom import read_meta
from coread.governance.deidentify.stream import Item, encoding_of, read_elements
from coread.governance.deidentify.texts import decoded, encodings_of

_TEXTS = frozenset((b"AE", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT", b"DA", b"DT", b"AS"))
_CHARACTER_SET = 0x00080005
_LONGEST = 400


def leftovers(data: bytes) -> Iterator[tuple[str, str]]:
    """Give (keyword, text) of each text of an object's bytes; UIDs and numbers left out."""
    meta = read_meta(data)
    elements = read_elements(data, meta.data_set_offset, encoding_of(meta.transfer_syntax_uid))
    yield from _texts(elements, ("ascii",))


def _texts(elements: Item, encodings: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for element in elements:
        if element.tag == _CHARACTER_SET:
            encodings = encodings_of(bytes(element.value))
        for item in element.items or ():
            yield from _texts(item, encodings)
        if element.items is None and element.vr in _TEXTS:
            text = decoded(element.value, encodings, is_name=element.vr == b"PN").strip(" \0")
            if text:
                yield keyword_for_tag(element.tag) or f"{element.tag:08X}", text[:_LONGEST]
