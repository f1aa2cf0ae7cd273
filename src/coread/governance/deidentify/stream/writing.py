"""A tree of elements to the bytes of a data set (PS3.5 section 7)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable

from coread.governance.deidentify.stream.elements import (
    ITEM,
    LONG_VRS,
    SEQUENCE_END,
    UNDEFINED,
    Element,
    Encoding,
    vr_of,
)

_NUL_PADDED = frozenset((b"UI", b"OB", b"UN"))


def write_elements(elements: Iterable[Element], encoding: Encoding, prefix: bytes = b"") -> bytes:
    """Write a data set; sequences and items get explicit lengths, group lengths are left out.

    The same elements give the same bytes.

    Parameters
    ----------
    prefix
        What stands before the data set in its file; joined here, so that pixels are copied once.
    """
    pieces: list[bytes | memoryview] = [] if encoding.deflated else [prefix]
    _Writer(encoding).write(elements, pieces)
    data = b"".join(pieces)
    if not encoding.deflated:
        return data
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data) + deflater.flush()
    return prefix + deflated + b"\0" * (len(deflated) % 2)


class _Writer:
    def __init__(self, encoding: Encoding) -> None:
        order = "<" if encoding.little else ">"
        self.explicit = encoding.explicit
        self.short: Callable[..., bytes] = struct.Struct(f"{order}HH2sH").pack
        self.long: Callable[..., bytes] = struct.Struct(f"{order}HH2s2xL").pack
        self.implicit: Callable[..., bytes] = struct.Struct(f"{order}HHL").pack

    def write(self, elements: Iterable[Element], pieces: list[bytes | memoryview]) -> int:
        """Append the bytes of elements to `pieces` and return how many they are."""
        total = 0
        for element in elements:
            tag = element.tag
            if not tag & 0xFFFF:
                continue
            if element.items is not None:
                body: list[bytes | memoryview] = []
                size = self._items(element, body)
                if not self.explicit and vr_of(tag) != b"SQ":
                    # A private sequence in Implicit VR is known for one by its undefined length alone.
                    body.append(self.implicit(SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0))
                    head, size = self._head(tag, b"SQ", UNDEFINED), size + 8
                else:
                    head = self._head(tag, b"SQ", size)
                pieces.append(head)
                pieces.extend(body)
                total += len(head) + size
            elif element.encapsulated:
                head = self._head(tag, element.vr, UNDEFINED)
                tail = self.implicit(SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)
                pieces += (head, element.value, tail)
                total += len(head) + len(element.value) + 8
            else:
                value = element.value
                size = len(value)
                if size & 1:
                    value = bytes(value) + (b"\0" if element.vr in _NUL_PADDED else b" ")
                    size += 1
                if self.explicit and element.vr not in LONG_VRS:
                    pieces += (self.short(tag >> 16, tag & 0xFFFF, element.vr, size), value)
                    total += 8 + size
                else:
                    head = self._head(tag, element.vr, size)
                    pieces += (head, value)
                    total += len(head) + size
        return total

    def _head(self, tag: int, vr: bytes, size: int) -> bytes:
        if not self.explicit:
            return self.implicit(tag >> 16, tag & 0xFFFF, size)
        if vr in LONG_VRS:
            return self.long(tag >> 16, tag & 0xFFFF, vr, size)
        return self.short(tag >> 16, tag & 0xFFFF, vr, size)

    def _items(self, element: Element, pieces: list[bytes | memoryview]) -> int:
        total = 0
        for item in element.items or ():
            body: list[bytes | memoryview] = []
            size = self.write(item, body)
            pieces.append(self.implicit(ITEM >> 16, ITEM & 0xFFFF, size))
            pieces.extend(body)
            total += size + 8
        return total
