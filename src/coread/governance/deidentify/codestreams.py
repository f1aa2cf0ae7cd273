"""Comments and EXIF inside compressed frames: overwritten in place, so that no offset changes."""

from __future__ import annotations

import struct

_JPEG = "1.2.840.10008.1.2.4."
_J2K = frozenset(f"{_JPEG}{n}" for n in ("90", "91", "92", "93", "201", "202", "203"))
_SOI, _J2K_SOC = b"\xff\xd8", b"\xff\x4f"
_J2K_COMMENT, _J2K_START_OF_TILE, _J2K_START_OF_DATA = 0x64, 0x90, 0x93
_JPEG_COMMENT, _JPEG_START_OF_SCAN = 0xFE, 0xDA
#: APP0 (JFIF) and APP14 (Adobe's colour transform) say how to decode; the others hold EXIF, names, places.
_APP_KEPT = frozenset((0xE0, 0xEE))


def without_comments(value: bytes | memoryview, transfer_syntax_uid: str) -> bytes | memoryview:
    """Return encapsulated pixel data in which no comment and no application segment says anything.

    Parameters
    ----------
    value
        The items of encapsulated pixel data.
    transfer_syntax_uid
        JPEG, JPEG-LS and JPEG 2000 are looked into, others are returned as they are.
    """
    if not transfer_syntax_uid.startswith(_JPEG):
        return value
    changed = bytearray(value)
    is_j2k = transfer_syntax_uid in _J2K
    found = False
    for start, end in _fragments(value):
        spans = _j2k_spans(changed, start, end) if is_j2k else _jpeg_spans(changed, start, end)
        for first, last in spans:
            blank = (b" " if is_j2k else b"\0") * (last - first)
            if bytes(changed[first:last]) != blank:
                changed[first:last] = blank
                found = True
    return bytes(changed) if found else value


def _fragments(value: bytes | memoryview) -> list[tuple[int, int]]:
    spans, position = [], 0
    while position + 8 <= len(value):
        size = struct.unpack_from("<L", value, position + 4)[0]
        spans.append((position + 8, min(position + 8 + size, len(value))))
        position += 8 + size
    return spans[1:]  # the first item is the offset table


def _jpeg_spans(data: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    position = start + 2
    if data[start : start + 2] != _SOI:
        return spans
    while position + 4 <= end and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _JPEG_START_OF_SCAN:
            break
        if marker == 0xFF or 0xD0 <= marker <= 0xD9 or marker == 0x01:
            position += 1 if marker == 0xFF else 2
            continue
        size = struct.unpack_from(">H", data, position + 2)[0]
        is_application = 0xE0 <= marker <= 0xEF and marker not in _APP_KEPT and marker != 0xE8
        if marker == _JPEG_COMMENT or is_application:
            spans.append((position + 4, min(position + 2 + size, end)))
        position += 2 + size
    return spans


def _j2k_spans(data: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    position = start + 2
    if data[start : start + 2] != _J2K_SOC:
        return spans
    while position + 4 <= end and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in (_J2K_START_OF_TILE, _J2K_START_OF_DATA):
            break
        size = struct.unpack_from(">H", data, position + 2)[0]
        if marker == _J2K_COMMENT:
            spans.append((position + 6, min(position + 2 + size, end)))
        position += 2 + size
    return spans
