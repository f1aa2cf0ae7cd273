"""Where names hide beside the data set's own texts: file meta, overlays, documents, binary values.

A part of the auditor (:mod:`coread.testing.leaks`); it knows nothing of how a folder was de-identified.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.dicom import DicomObject, read_meta
from coread.errors import CoReadError

_OVERLAY = re.compile(r"60[01][02468ACE]3000")
_DOCUMENT, _MIME_TYPE = "00420011", "00420012"
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_SHOWN = re.compile(rb"\(((?:\\.|[^()\\])*)\)|<([0-9A-Fa-f\s]{4,})>")
#: Most bytes that one stream may become, so that none fills the memory.
_MOST_BYTES = 64 << 20
_NAME = re.compile(r"[^\W\d_]{2,}\^[^\W\d_]{2,}[\w^.\- ]*")
_ENCODINGS = ("utf-8", "gb18030")
_PREAMBLE_BYTES = 128


def meta_words(data: bytes) -> Iterator[str]:
    """Give what file meta and preamble say of machines: application entity titles, runs of text."""
    try:
        meta = read_meta(data)
    except CoReadError:
        return
    if meta.source_ae:
        yield meta.source_ae
    head = data[: meta.data_set_offset]
    for found in re.findall(rb"(?:\x16|\x17|\x18)\x00AE..([ -~]{4,16})", head, re.DOTALL):
        yield found.decode("ascii").strip()
    if meta.has_preamble:
        yield from (run.decode("ascii") for run in re.findall(rb"[A-Za-z][ -~]{4,}", data[:_PREAMBLE_BYTES]))


def binary_values(model: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Give tag and bytes of each short binary value of a data set in the DICOM JSON model, in any depth."""
    for tag, element in model.items():
        if "InlineBinary" in element:
            yield tag, base64.b64decode(element["InlineBinary"])
        for value in element.get("Value", ()):
            if element["vr"] == "SQ":
                yield from binary_values(value)


def names_in(value: bytes) -> Iterator[str]:
    """Give what is written as DICOM writes names (``Family^Given``) in a value whose form nobody knows."""
    for encoding in _ENCODINGS:
        try:
            text = value.decode(encoding)
        except UnicodeDecodeError:
            continue
        yield from _NAME.findall(text)
        return


def overlay_planes(opened: DicomObject) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Give tag and picture of each overlay plane, uint8 [row, column], its bits white."""
    model = opened.json("")
    for tag in model:
        if not _OVERLAY.fullmatch(tag):
            continue
        group = tag[:4]
        rows, columns = (_number(model, f"{group}{element}") for element in ("0010", "0011"))
        bits = np.unpackbits(np.frombuffer(_bytes(opened, model, tag), np.uint8), bitorder="little")
        count = rows * columns
        for first in range(0, len(bits) // count * count if count else 0, count or 1):
            yield tag, bits[first : first + count].reshape(rows, columns) * np.uint8(255)


def documents(opened: DicomObject) -> Iterator[tuple[str, bytes]]:
    """Give media type and bytes of an encapsulated document (PS3.3 C.24.2)."""
    model = opened.json("")
    if _DOCUMENT in model:
        kinds = model.get(_MIME_TYPE, {}).get("Value") or ["unknown"]
        yield str(kinds[0]), _bytes(opened, model, _DOCUMENT)


def texts_of_document(data: bytes) -> Iterator[str]:
    """Give what a document says, as far as it can be read without a program for its kind.

    Of PDF the compressed streams are opened and the strings that are shown are joined (ISO 32000-1 section
    9.4.3); glyphs that are numbered by the font's own table are not read.
    """
    yield from _as_text(data)
    for stream in _STREAM.findall(data):
        try:
            opened = zlib.decompressobj().decompress(stream, _MOST_BYTES)
        except zlib.error:
            continue
        yield from _as_text(opened)
        shown = [plain or bytes.fromhex(_even(coded)) for plain, coded in _SHOWN.findall(opened)]
        yield from _as_text(b"".join(shown))
        yield from _as_text(b" ".join(shown))


def _even(coded: bytes) -> str:
    digits = re.sub(rb"\s", b"", coded).decode("ascii")
    return digits + "0" * (len(digits) % 2)


def _as_text(data: bytes) -> Iterator[str]:
    yield data.decode("utf-8", "replace")
    if b"\0" in data:
        yield data.decode("utf-16-be", "replace")


def _number(model: dict[str, Any], tag: str) -> int:
    return int((model.get(tag, {}).get("Value") or [0])[0])


def _bytes(opened: DicomObject, model: dict[str, Any], tag: str) -> bytes:
    element = model[tag]
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    return opened.bulk_data(tag) if "BulkDataURI" in element else b""
