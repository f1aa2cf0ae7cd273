"""The size that a compressed frame claims, read from its own header before any decoder sees it.

A decoder allocates by the codestream, not by Rows and Columns; comparing both first keeps
memory bounded. JPEG: ISO 10918-1 B.2.2; JPEG-LS: ISO 14495-1 C.2.2; JPEG 2000: ISO 15444-1 A.5.1.
"""

from __future__ import annotations

import struct

from coread.dicom import sop_classes

_JPEG_2000 = frozenset(
    {
        sop_classes.JPEG_2000,
        sop_classes.JPEG_2000_LOSSLESS,
        sop_classes.HTJ2K,
        sop_classes.HTJ2K_LOSSLESS,
        sop_classes.HTJ2K_LOSSLESS_RPCL,
    }
)
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xDA)) | {0x01, 0xFF}
_SIZ = b"\xff\x4f\xff\x51"

Size = tuple[int, int]


def jpeg_precision(frame: bytes) -> int:
    """Return the bits per sample that a JPEG codestream claims, 0 where it has no frame header."""
    start = _jpeg_frame_header(frame)
    return frame[start + 4] if start else 0


def frame_size(frame: bytes, transfer_syntax_uid: str) -> Size | None:
    """Return (rows, columns) by the codestream, (0, 0) where it has no header, None for RLE.

    Examples
    --------
    >>> frame_size(b"not a codestream", sop_classes.JPEG_BASELINE)
    (0, 0)
    """
    if transfer_syntax_uid == sop_classes.RLE_LOSSLESS:
        return None
    return _jpeg_2000_size(frame) if transfer_syntax_uid in _JPEG_2000 else _jpeg_size(frame)


def bare(frame: bytes, transfer_syntax_uid: str) -> bytes:
    """Return a JPEG 2000 codestream without the file wrapper (JP2) that some writers leave around it."""
    start = frame.find(_SIZ) if transfer_syntax_uid in _JPEG_2000 else 0
    return frame[max(start, 0) :]


def _jpeg_2000_size(frame: bytes) -> Size:
    start = frame.find(_SIZ)
    if start < 0 or start + 24 > len(frame):
        return (0, 0)
    right, bottom, left, top = struct.unpack_from(">IIII", frame, start + 8)
    return (bottom - top, right - left)


def _jpeg_size(frame: bytes) -> Size:
    start = _jpeg_frame_header(frame)
    if not start:
        return (0, 0)
    rows, columns = struct.unpack_from(">HH", frame, start + 5)
    return (rows, columns)


def _jpeg_frame_header(frame: bytes) -> int:
    """Return where the SOF marker stands, 0 where there is none."""
    offset = 2
    while offset + 9 <= len(frame) and frame[offset] == 0xFF:
        marker = frame[offset + 1]
        if marker in _FRAME_HEADERS:
            return offset
        if marker == 0xFF:
            offset += 1
        elif marker in _WITHOUT_LENGTH:
            offset += 2
        else:
            offset += 2 + int(struct.unpack_from(">H", frame, offset + 2)[0])
    return 0
