"""The process in which two decoders work, so that their end is not the clinic's.

On damaged codestreams GDCM may abort its whole process, and CharLS may count to 2**31 before it
gives up. Run as a script, this imports nothing of CoRead: it reads tasks from standard input until
that closes, and answers each on standard output. Where it ends or is late, the parent
(`coread.dicom.frames.isolated`) takes the frame for broken and starts another child.

Task: `TASK` (transfer syntax UID, rows, columns, samples per pixel, bits allocated, bits stored, length),
then that many bytes. Answer: `ANSWER` (length), then that many bytes; 0 says that there is no frame.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

TASK = struct.Struct("<64sIIHHHI")
ANSWER = struct.Struct("<I")

_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")


def serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    """Answer tasks until there are no more."""
    while len(head := tasks.read(TASK.size)) == TASK.size:
        uid, *shape, length = TASK.unpack(head)
        frame = _decode(uid.rstrip(b"\0").decode("ascii"), shape, tasks.read(length))
        answers.write(ANSWER.pack(len(frame)) + frame)
        answers.flush()


def _decode(uid: str, shape: list[int], encoded: bytes) -> bytes:
    frame = _by_charls(encoded) if uid in _JPEG_LS else _by_gdcm(uid, shape, encoded)
    rows, columns, samples, allocated, _ = shape
    return frame if len(frame) == rows * columns * samples * allocated // 8 else b""


def _by_charls(encoded: bytes) -> bytes:
    import jpeg_ls  # type: ignore[import-untyped]  # noqa: PLC0415  (only the child loads it)
    import numpy as np  # noqa: PLC0415

    try:
        buffer, facts = jpeg_ls.decode_pixel_data(encoded)
    except (RuntimeError, ValueError):
        return b""
    if facts["components"] == 1 or facts["interleave_mode"] != 0:
        return bytes(buffer)
    # Plane after plane: make it pixel after pixel.
    kind = np.uint8 if facts["bits_per_sample"] <= 8 else np.uint16
    planes = np.frombuffer(buffer, kind).reshape(facts["components"], -1)
    return planes.T.tobytes()


def _by_gdcm(uid: str, shape: list[int], encoded: bytes) -> bytes:
    import gdcm  # noqa: PLC0415  (only the child loads it)

    rows, columns, samples, allocated, stored = shape
    # Each of these must stay alive until the buffer is read: GDCM's Python objects borrow.
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.RGB if samples == 3 else gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(uid)))
    image.SetPixelFormat(gdcm.PixelFormat(samples, allocated, stored, stored - 1, 0))
    # GDCM gives bytes as text with surrogates, and None where it finds no frame.
    frame: bytes = (image.GetBuffer() or "").encode("utf-8", "surrogateescape")
    return frame


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
