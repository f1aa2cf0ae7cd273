"""Text of data elements: Specific Character Set (0008,0005), PS3.3 section C.12.1.1.2."""

from __future__ import annotations

from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from coread.dicom import quiet  # noqa: F401  (silences pydicom before it is used)

#: Longest text kept of one element, in bytes. PS3.5 table 6.2-1 allows 64 characters for most.
MAX_TEXT_BYTES = 1024

_ESCAPE = 0x1B


def text_of(value: bytes, character_sets: tuple[str, ...] = (), *, is_name: bool = False) -> str:
    """Return the text of an element's value, without padding and control characters.

    Bytes that the named character sets cannot explain become U+FFFD; nothing is raised.

    Parameters
    ----------
    value
        Raw value; at most `MAX_TEXT_BYTES` of it are read.
    character_sets
        The values of Specific Character Set (0008,0005), empty for ASCII.
    is_name
        Whether the element is a person name, whose component delimiters end an escape sequence.

    Examples
    --------
    >>> text_of(b"CHEST PA ")
    'CHEST PA'
    >>> text_of("王^小东".encode("gb18030"), ("GB18030",), is_name=True)
    '王^小东'
    """
    value = value[:MAX_TEXT_BYTES]
    if value.isascii() and _ESCAPE not in value:
        text = value.decode("ascii")
    else:
        text = _decode(value, character_sets, PN_DELIMS if is_name else TEXT_VR_DELIMS)
    text = text.strip(" \0")
    return text if text.isprintable() else "".join(filter(str.isprintable, text)).strip()


def without_escapes(text: str) -> str:
    """Take out the designation of GB 2312 (ISO 2022 IR 58), which pydicom leaves in what it decodes."""
    return text.replace("\x1b$)A", "")


def _decode(value: bytes, character_sets: tuple[str, ...], delimiters: set[int]) -> str:
    try:
        return without_escapes(decode_bytes(value, _encodings(character_sets), delimiters))
    except (LookupError, ValueError):
        return value.decode("ascii", "replace")


@lru_cache(maxsize=64)
def _encodings(character_sets: tuple[str, ...]) -> list[str]:
    try:
        return list(convert_encodings(list(character_sets)))
    except (LookupError, ValueError):
        return ["ascii"]
