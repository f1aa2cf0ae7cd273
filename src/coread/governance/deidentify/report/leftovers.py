"""Everything that goes out with an object as text, for eyes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from pydicom.datadict import keyword_for_tag

from coread.dicom import read_meta
from coread.governance.deidentify.pixels.image import image_facts
from coread.governance.deidentify.stream import Element, Item, encoding_of, read_elements
from coread.governance.deidentify.texts import decoded, encodings_of

_TEXTS = frozenset((b"AE", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT", b"DA", b"DT", b"AS"))
_CHARACTER_SET, _MODALITY = 0x00080005, 0x00080060
_LONGEST = 400
_PRIVATE = 0x10000
#: How numbers are stored, by value representation (PS3.5 section 6.2).
_NUMBERS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d"}


@dataclass
class Leftovers:
    """What an object says in words, and of what kind it is."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    """Keyword and text; UIDs and numbers left out."""
    representations: list[str] = field(default_factory=list)
    """Value representation of each of `texts`."""
    private: list[tuple[str, str]] = field(default_factory=list)
    """Creator with tag, and value, of each private attribute."""
    modality: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 0


def leftovers(data: bytes) -> Leftovers:
    """Collect every text and every private attribute of an object's bytes."""
    meta = read_meta(data)
    elements = read_elements(data, meta.data_set_offset, encoding_of(meta.transfer_syntax_uid))
    found = Leftovers()
    _collect(elements, ("ascii",), found)
    image = image_facts(elements, meta.transfer_syntax_uid)
    if image is not None:
        found.rows, found.columns, found.frames = image.rows, image.columns, image.frames
    return found


def _collect(elements: Item, encodings: tuple[str, ...], found: Leftovers) -> None:
    creators = {}
    for element in elements:
        if element.tag == _CHARACTER_SET:
            encodings = encodings_of(bytes(element.value))
        elif element.tag == _MODALITY:
            found.modality = decoded(element.value).strip(" \0")
        for item in element.items or ():
            _collect(item, encodings, found)
        low = element.tag & 0xFFFF
        if element.tag & _PRIVATE and 0x10 <= low <= 0xFF:
            creators[element.tag] = decoded(element.value, encodings).strip(" \0")
        elif element.tag & _PRIVATE:
            creator = creators.get(element.tag & ~0xFFFF | low >> 8, "?")
            name = f"{creator} ({element.tag >> 16:04X},xx{low & 0xFF:02X})"
            found.private.append((name, _value(element, encodings)))
        elif element.items is None and element.vr in _TEXTS:
            _text(element, encodings, found)


def _text(element: Element, encodings: tuple[str, ...], found: Leftovers) -> None:
    text = decoded(element.value, encodings, is_name=element.vr == b"PN").strip(" \0")
    if text:
        found.texts.append((keyword_for_tag(element.tag) or f"{element.tag:08X}", text[:_LONGEST]))
        found.representations.append(element.vr.decode("latin-1"))


def _value(element: Element, encodings: tuple[str, ...]) -> str:
    """Return a private value as a person can judge it: text, numbers, or how many bytes there are."""
    if element.items is not None:
        return f"({len(element.items)} items)"
    form = _NUMBERS.get(element.vr)
    data = bytes(element.value[:_LONGEST])
    if form is not None:
        size = struct.calcsize(form)
        whole = data[: len(data) // size * size]
        return "\\".join(f"{value:g}" for value in struct.unpack(f"<{len(whole) // size}{form}", whole))
    text = decoded(data, encodings).strip(" \0")
    return text if text.isprintable() else f"({len(element.value)} bytes)"
