"""The process in which strangers' codestreams are decoded, so that a decoder's end is not the clinic's.

On damaged codestreams GDCM may abort its whole process, CharLS may count to 2**31 before it gives up, and
OpenJPEG has written beyond its heap. Run as a script, this imports nothing of CoRead but what shuts it in
(`coread.apart.inside`): it reads tasks from standard input until that closes, and answers each on standard
output. For each task the process may use so much memory and processor time and no more; it writes no file,
leaves no core and, where the system lets it, has no network. Where it ends or is late, the parent
(`coread.dicom.frames.isolated`) takes the frame for broken and starts another child.

Task: `TASK` (transfer syntax UID, rows, columns, samples per pixel, bits allocated, bits stored, length),
then that many bytes. Answer: `ANSWER` (length), then that many bytes; 0 says that there is no frame.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO

from coread.apart.inside import limit_memory, limit_processor, mapped_bytes, shut_in

TASK = struct.Struct("<64sIIHHHI")
ANSWER = struct.Struct("<I")

#: Memory for a task: so many bytes for each sample and each encoded byte, so many beside for the libraries.
#: OpenJPEG holds each sample twice in 32 bits, GDCM's Python face each byte of a frame up to eight times.
_PER_SAMPLE_BYTES, _PER_ENCODED_BYTE, _BESIDE_BYTES = 24, 4, 512 << 20
#: Processor time for a task, in seconds; the parent gives up earlier, if there still is one.
_PROCESSOR_S = 30

_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_BASELINE = ("1.2.840.10008.1.2.4.50",)
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{last}" for last in (90, 91, 201, 202, 203))


def serve(tasks: BinaryIO, answers: BinaryIO, confine: Callable[[Sequence[int], int], None]) -> None:
    """Answer tasks until there are no more; `confine` is told each task's shape and length beforehand."""
    while len(head := tasks.read(TASK.size)) == TASK.size:
        uid, *shape, length = TASK.unpack(head)
        confine(shape, length)
        try:
            frame = _decode(uid.rstrip(b"\0").decode("ascii"), shape, tasks.read(length))
        except MemoryError:
            return
        answers.write(ANSWER.pack(len(frame)))
        answers.write(frame)
        answers.flush()


def limits_above(began_with_bytes: int) -> Callable[[Sequence[int], int], None]:
    """Return what limits memory and processor time to a task's need above what the process began with."""

    def limit(shape: Sequence[int], length: int) -> None:
        rows, columns, samples, *_ = shape
        need = rows * columns * samples * _PER_SAMPLE_BYTES + length * _PER_ENCODED_BYTE
        limit_memory(began_with_bytes + need + _BESIDE_BYTES)
        limit_processor(_PROCESSOR_S)

    return limit


def _decode(uid: str, shape: list[int], encoded: bytes) -> bytes | bytearray:
    rows, columns, samples, allocated, _ = shape
    if uid in _JPEG_2000:
        frame = _by_openjpeg(encoded)
    elif uid in _JPEG_BASELINE:
        frame = _by_pillow(encoded, samples)
    else:
        frame = _by_charls(encoded) if uid in _JPEG_LS else _by_gdcm(uid, shape, encoded)
    return frame if len(frame) == rows * columns * samples * allocated // 8 else b""


def _by_openjpeg(encoded: bytes) -> bytes | bytearray:
    import _openjpeg  # type: ignore[import-not-found]  # noqa: PLC0415  (only the child loads it)

    try:
        failed, frame = _openjpeg.decode(io.BytesIO(encoded), 0, as_array=False)
    except RuntimeError:
        return b""
    return b"" if failed else frame


def _by_pillow(encoded: bytes, samples: int) -> bytes:
    from PIL import Image  # noqa: PLC0415  (only the child loads it)

    try:
        image = Image.open(io.BytesIO(encoded), formats=("JPEG",))
        if samples != 1 and "adobe_transform" not in image.info:
            # Without Adobe's marker the colours stay as they were compressed: the parent turns them to RGB.
            image.draft("YCbCr", image.size)
        return image.tobytes()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return b""


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
    shut_in()
    serve(sys.stdin.buffer, sys.stdout.buffer, limits_above(mapped_bytes()))
