"""Bytes of a data set to a tree of elements (PS3.5 section 7)."""

from __future__ import annotations

import struct
import zlib

from coread.errors import MalformedObject, NestingTooDeep, TruncatedObject
from coread.governance.deidentify.stream.elements import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Element,
    Encoding,
    Item,
    vr_of,
)

#: Sequences within sequences that are followed. Real objects nest less than ten deep.
MAX_DEPTH = 32
#: Bytes that a deflated data set may grow to.
MAX_INFLATED_BYTES = 1 << 30
#: Values up to this size are copied; longer ones are looked at in place.
_COPIED_BYTES = 4096

_IMPLICIT = Encoding(explicit=False, little=True)
#: What is not simply a value: sequences, and what was written without knowing what it is.
_SPECIAL = frozenset((b"SQ", b"UN"))
_BULK = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV"))


def read_elements(data: bytes, offset: int, encoding: Encoding) -> Item:
    """Read a whole data set.

    Parameters
    ----------
    data
        The bytes of the file.
    offset
        Where the data set starts, in bytes.
    encoding
        How it is written; where the first element shows no value representation although the transfer
        syntax wants one (and the other way round) the element is believed, as pydicom does.

    Raises
    ------
    TruncatedObject
        If the bytes end inside an element.
    MalformedObject
        If they are no data elements.
    NestingTooDeep
        If sequences nest deeper than `MAX_DEPTH`.
    """
    if encoding.deflated:
        data, offset = _inflated(data[offset:]), 0
    reader = _Reader(data, encoding.little)
    explicit = encoding.explicit
    if encoding.little and len(data) >= offset + 6:
        vr = data[offset + 4 : offset + 6]
        explicit = vr in SHORT_VRS or vr in LONG_VRS
    try:
        elements, _ = reader.elements(offset, len(data), explicit, 0)
    except struct.error:
        raise _cut() from None
    return elements


def _cut() -> TruncatedObject:
    return TruncatedObject("the end of the bytes inside an element", "a whole data set", "send it again")


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:
        raise MalformedObject("a deflated data set that does not inflate", "RFC 1951") from None
    if inflater.unconsumed_tail:
        raise MalformedObject("a deflated data set that grows without measure", "less than 1 GiB")
    return inflated


class _Reader:
    """One pass over the bytes."""

    def __init__(self, data: bytes, little: bool) -> None:
        self.data = data
        self.view = memoryview(data)
        order = "<" if little else ">"
        self.explicit_head = struct.Struct(f"{order}HH2sH").unpack_from
        self.implicit_head = struct.Struct(f"{order}HHL").unpack_from
        self.long_length = struct.Struct(f"{order}L").unpack_from

    def elements(self, position: int, end: int, explicit: bool, depth: int) -> tuple[Item, int]:
        """Read elements up to `end` or the item's delimiter; return them and where reading stopped."""
        found = Item(position)
        add = found.append
        data, limit = self.data, len(self.data)
        while position + 8 <= end:
            if explicit:
                group, element, vr, length = self.explicit_head(data, position)
                tag = group << 16 | element
                start = position + 8
                if vr in LONG_VRS:
                    length = self.long_length(data, start)[0]
                    start += 4
                elif vr not in SHORT_VRS:
                    if tag == ITEM_END:
                        return found, position + 8
                    raise MalformedObject(
                        "no value representation",
                        "two letters of PS3.5 table 6.2-1",
                        where=f"byte {position}",
                    )
            else:
                group, element, length = self.implicit_head(data, position)
                tag = group << 16 | element
                if tag == ITEM_END:
                    return found, position + 8
                vr = vr_of(tag)
                start = position + 8
            stop = start + length
            if length <= _COPIED_BYTES and stop <= limit and vr not in _SPECIAL:
                add(Element(tag, vr, data[start:stop]))
                position = stop
                continue
            made, position = self._valued(tag, vr, start, length, explicit, depth)
            add(made)
        if end not in (position, limit):
            raise MalformedObject("an item whose elements overrun it", "elements within their item")
        return found, position

    def _valued(
        self, tag: int, vr: bytes, start: int, length: int, explicit: bool, depth: int
    ) -> tuple[Element, int]:
        if vr == b"SQ" or length == UNDEFINED:
            return self._nested(tag, vr, start, length, explicit, depth)
        end = start + length
        if end > len(self.data):
            raise _cut()
        if vr == b"UN" and explicit and vr_of(tag) != b"UN":
            return self._known_as(tag, start, end, depth), end
        value = self.view[start:end] if length > _COPIED_BYTES else self.data[start:end]
        return Element(tag, vr, value), end

    def _nested(
        self, tag: int, vr: bytes, start: int, length: int, explicit: bool, depth: int
    ) -> tuple[Element, int]:
        if depth >= MAX_DEPTH:
            raise NestingTooDeep("sequences within sequences", f"at most {MAX_DEPTH}")
        if length == UNDEFINED and (vr in _BULK or tag == PIXEL_DATA):
            end = self._end_of_fragments(start)
            return Element(tag, vr, self.view[start : end - 8], encapsulated=True), end
        # PS3.5 section 6.2.2: a sequence of VR UN is written in Implicit VR Little Endian.
        items, end = self._items(start, length, explicit and vr != b"UN", depth)
        return Element(tag, b"SQ", items=items), end

    def _items(self, position: int, length: int, explicit: bool, depth: int) -> tuple[list[Item], int]:
        end = len(self.data) if length == UNDEFINED else position + length
        if end > len(self.data):
            raise _cut()
        items: list[Item] = []
        while position + 8 <= end:
            group, element, size = self.implicit_head(self.data, position)
            tag = group << 16 | element
            if tag == SEQUENCE_END:
                return items, position + 8
            if tag != ITEM:
                raise MalformedObject(
                    "something else than an item", "items in a sequence", where=f"byte {position}"
                )
            stop = len(self.data) if size == UNDEFINED else position + 8 + size
            if stop > len(self.data):
                raise _cut()
            item, after = self.elements(position + 8, stop, explicit, depth + 1)
            item.offset = position
            items.append(item)
            position = after if size == UNDEFINED else stop
        if length == UNDEFINED:
            raise _cut()
        return items, end

    def _end_of_fragments(self, position: int) -> int:
        while True:
            group, element, size = self.implicit_head(self.data, position)
            position += 8
            tag = group << 16 | element
            if tag == SEQUENCE_END:
                return position
            if tag != ITEM or position + size > len(self.data):
                raise _cut()
            position += size

    def _known_as(self, tag: int, start: int, end: int, depth: int) -> Element:
        """Read a public element of VR UN as what the dictionary says it is."""
        vr = vr_of(tag)
        if vr == b"SQ":
            try:
                items, _ = _Reader(self.data[start:end], True)._items(0, end - start, False, depth)
            except (MalformedObject, TruncatedObject, struct.error):
                return Element(tag, b"UN", self.data[start:end])
            return Element(tag, b"SQ", items=items)
        fits = end - start < 0x10000 or vr in LONG_VRS
        return Element(tag, vr if fits else b"UN", self.data[start:end])
