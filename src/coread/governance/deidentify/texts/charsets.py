"""Texts of data elements in and out of their bytes (Specific Character Set, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes, encode_string
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

_ESCAPE = 0x1B
_ASCII = ("ascii",)


@lru_cache(maxsize=256)
def encodings_of(character_sets: bytes) -> tuple[str, ...]:
    """Return Python's names of the encodings that a value of Specific Character Set names."""
    names = [name.strip() for name in character_sets.decode("ascii", "replace").rstrip("\0 ").split("\\")]
    try:
        return tuple(convert_encodings(names))
    except (LookupError, ValueError):
        return _ASCII


def decoded(value: bytes | memoryview, encodings: Sequence[str] = _ASCII, *, is_name: bool = False) -> str:
    """Return the text of a value, its padding kept; what cannot be decoded is read byte by byte."""
    data = bytes(value)
    if data.isascii() and _ESCAPE not in data:
        return data.decode("ascii")
    if len(encodings) == 1 and _ESCAPE not in data:
        return _decoded_plainly(data, encodings[0])
    try:
        return decode_bytes(data, list(encodings), PN_DELIMS if is_name else TEXT_VR_DELIMS)
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _decoded_plainly(data: bytes, encoding: str) -> str:
    for name in (encoding, "utf-8"):
        try:
            return data.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("latin-1")


def encoded(text: str, encodings: Sequence[str] = _ASCII) -> bytes:
    """Return the bytes of a text; characters that the encodings do not have become ``?``."""
    if text.isascii():
        return text.encode("ascii")
    try:
        return encode_string(text, list(encodings))
    except (LookupError, ValueError):
        return text.encode(encodings[0], "replace")
