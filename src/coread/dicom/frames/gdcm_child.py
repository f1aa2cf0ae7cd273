"""The process in which GDCM decodes, so that its end is not the clinic's.

Run as a script, it imports nothing of CoRead: it reads tasks from standard input until that closes,
and answers each on standard output. On damaged codestreams GDCM may abort the whole process; the parent
(`coread.dicom.frames.isolated`) then takes the frame for broken and starts another child.

Task: `TASK` (transfer syntax UID, rows, columns, samples per pixel, bits allocated, bits stored, length),
then that many bytes. Answer: `ANSWER` (length), then that many bytes; 0 says that there is no frame.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

TASK = struct.Struct("<64sIIHHHI")
ANSWER = struct.Struct("<I")


def serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    """Answer tasks until there are no more."""
    while len(head := tasks.read(TASK.size)) == TASK.size:
        uid, *shape, length = TASK.unpack(head)
        frame = _decode(uid.rstrip(b"\0").decode("ascii"), shape, tasks.read(length))
        answers.write(ANSWER.pack(len(frame)) + frame)
        answers.flush()


def _decode(uid: str, shape: list[int], encoded: bytes) -> bytes:
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
    return frame if len(frame) == rows * columns * samples * allocated // 8 else b""


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
