"""Blanks places of the stored pixels: in every frame, in every transfer syntax, and nothing beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from coread.dicom import DicomObject
from coread.errors import UnsupportedPixels
from coread.governance.deidentify.pixels.image import ImageFacts
from coread.governance.deidentify.stream.elements import EXPLICIT_BIG, EXPLICIT_LITTLE

Mask = npt.NDArray[np.bool_]

_RLE = "1.2.840.10008.1.2.5"
_JPEG_LS, _JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
_J2K_LOSSLESS, _J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
#: In which lossless syntax a compressed image is written again, and by which of pydicom's encoders.
_ENCODERS = {
    _RLE: (_RLE, "pydicom"),
    _JPEG_LS: (_JPEG_LS, "pyjpegls"),
    _JPEG_LS_NEAR: (_JPEG_LS, "pyjpegls"),
    _J2K_LOSSLESS: (_J2K_LOSSLESS, "pylibjpeg"),
    _J2K: (_J2K_LOSSLESS, "pylibjpeg"),
}
_NATIVE_PLACED = frozenset(("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "PALETTE COLOR"))


@dataclass(frozen=True, slots=True)
class Painted:
    """Pixel data after blanking."""

    value: bytes
    transfer_syntax_uid: str
    photometric_interpretation: str
    is_encapsulated: bool
    samples_interleaved: bool
    """Whether the colours of a pixel now lie together (Planar Configuration 0) although they did not."""


def blank(native: bytes | memoryview | None, facts: ImageFacts, mask: Mask, opened: DicomObject) -> Painted:
    """Blank the pixels under a mask in every frame.

    Native pixel data is painted where it lies. Compressed data is decoded, painted and written again in
    the same transfer syntax where that is lossless and an encoder exists, in its lossless sibling (JPEG-LS,
    JPEG 2000), else uncompressed: what was decoded is then kept exactly, whatever the loss before.

    Parameters
    ----------
    native
        The value of Pixel Data where it is not encapsulated, else None.
    facts
        The Image Pixel module.
    mask
        bool [row, column], the same for every frame.
    opened
        The object, for decoding.

    Raises
    ------
    UnsupportedPixels, BrokenPixelData
        If the pixels cannot be decoded.
    """
    if native is not None and _is_plain(facts):
        value = _painted_in_place(native, facts, mask)
        return Painted(value, facts.transfer_syntax_uid, facts.photometric, False, False)
    return _painted_decoded(facts, mask, opened)


def _is_plain(facts: ImageFacts) -> bool:
    return facts.bits_allocated in (8, 16, 32) and facts.photometric in _NATIVE_PLACED


def _painted_in_place(native: bytes | memoryview, facts: ImageFacts, mask: Mask) -> bytes:
    order = ">" if facts.transfer_syntax_uid == EXPLICIT_BIG else "<"
    kind = "i" if facts.is_signed else "u"
    painted = bytearray(native)
    count = facts.frames * facts.rows * facts.columns * facts.samples
    values = np.frombuffer(painted, np.dtype(f"{order}{kind}{facts.bits_allocated // 8}"))
    if values.size < count:
        raise UnsupportedPixels("pixel data shorter than its frames", "Rows x Columns x frames values")
    values = values[:count]
    if facts.samples == 1:
        shaped = values.reshape(facts.frames, facts.rows, facts.columns)
        shaped[:, mask] = _black(shaped, facts)
    else:
        _paint_colour(values, facts, mask)
    return bytes(painted)


def _paint_colour(values: npt.NDArray[Any], facts: ImageFacts, mask: Mask) -> None:
    black = (0, 128, 128) if facts.photometric == "YBR_FULL" else (0, 0, 0)
    if facts.planar:
        planes = values.reshape(facts.frames, facts.samples, facts.rows, facts.columns)
        for sample, value in enumerate(black):
            planes[:, sample][:, mask] = value
    else:
        values.reshape(facts.frames, facts.rows, facts.columns, facts.samples)[:, mask] = black


def _black(stored: npt.NDArray[Any], facts: ImageFacts) -> Any:
    """Return the stored value that is shown darkest in this image."""
    if facts.photometric == "PALETTE COLOR":
        return facts.darkest_entry
    return stored.max() if facts.photometric == "MONOCHROME1" else stored.min()


def _painted_decoded(facts: ImageFacts, mask: Mask, opened: DicomObject) -> Painted:
    frames = np.stack([opened.stored(number) for number in range(1, facts.frames + 1)])
    colour = frames.ndim == 4
    frames[:, mask] = 0 if colour else _black(frames, facts)
    photometric = "RGB" if colour else facts.photometric
    syntax, plugin = _ENCODERS.get(facts.transfer_syntax_uid, (EXPLICIT_LITTLE, ""))
    plain = frames.astype(frames.dtype.newbyteorder("<"), copy=False).tobytes()
    if plugin:
        try:
            return Painted(
                _encoded(plain, facts, photometric, syntax, plugin), syntax, photometric, True, colour
            )
        except (RuntimeError, ValueError, NotImplementedError):
            pass  # an encoder that cannot write these pixels: they are kept uncompressed below
    return Painted(plain, EXPLICIT_LITTLE, photometric, False, colour)


def _encoded(plain: bytes, facts: ImageFacts, photometric: str, syntax: str, plugin: str) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    dataset.Rows, dataset.Columns = facts.rows, facts.columns
    dataset.NumberOfFrames = facts.frames
    dataset.SamplesPerPixel = facts.samples
    dataset.PhotometricInterpretation = photometric
    if facts.samples > 1:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = facts.bits_allocated, facts.bits_stored
    dataset.HighBit, dataset.PixelRepresentation = facts.bits_stored - 1, int(facts.is_signed)
    dataset.PixelData = plain
    dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    return bytes(dataset.PixelData)
