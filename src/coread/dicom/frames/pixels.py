"""Stored pixel values: from the bytes of one frame to an array, by PS3.5 section 8 and PS3.3 C.7.6.3."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space

from coread.dicom import sop_classes
from coread.dicom.frames import apart, codestream, isolated
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import BadQuery, BrokenPixelData, UnsupportedPixels

Array = npt.NDArray[Any]

#: Largest frame that is decoded, in pixels. A film of 43 x 35 cm at 50 um has 60 million.
MAX_FRAME_PIXELS = 1 << 27
MAX_FRAMES = 1 << 20

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_FLOATS = {"FloatPixelData": (32, "f4"), "DoubleFloatPixelData": (64, "f8")}

# One decoder for each, the sturdiest in fuzzing. Only run lengths, read by Python, are undone here.
_PLUGINS = dict.fromkeys(apart.TRANSFER_SYNTAXES, apart.NAME) | {sop_classes.RLE_LOSSLESS: "pydicom"}
# Decoded apart as well, and what comes back is read here.
_JPEG_LS = frozenset({sop_classes.JPEG_LS, sop_classes.JPEG_LS_NEAR})
_ISOLATED = _JPEG_LS | {
    sop_classes.JPEG_EXTENDED,
    sop_classes.JPEG_LOSSLESS,
    sop_classes.JPEG_LOSSLESS_SV1,
}


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """The Image Pixel module (PS3.3 C.7.6.3) of an object, checked against itself."""

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    number_of_frames: int
    keyword: str
    """PixelData, FloatPixelData or DoubleFloatPixelData."""

    @property
    def is_grey(self) -> bool:
        """Whether a pixel is one grey value."""
        return self.photometric_interpretation in _GREY

    @property
    def frame_pixels(self) -> int:
        """Values in one frame, samples counted."""
        return self.rows * self.columns * self.samples_per_pixel


def pixel_facts(dataset: Dataset) -> PixelFacts:
    """Read the Image Pixel module of `dataset`.

    Raises
    ------
    UnsupportedPixels
        If there is no pixel data, or of a kind that is not shown here.
    BrokenPixelData
        If an attribute is absent, contradicts another, or claims more than `MAX_FRAME_PIXELS`.
    """
    keyword = next((word for word in ("PixelData", *_FLOATS) if word in dataset), "")
    if not keyword:
        raise UnsupportedPixels(found="no pixel data", expected="an image", where="(7FE0,0010)")
    allocated = _FLOATS[keyword][0] if keyword in _FLOATS else _number(dataset, "BitsAllocated")
    stored = allocated if keyword in _FLOATS else _number(dataset, "BitsStored", allocated)
    facts = PixelFacts(
        rows=_number(dataset, "Rows"),
        columns=_number(dataset, "Columns"),
        samples_per_pixel=_number(dataset, "SamplesPerPixel", 1),
        photometric_interpretation=str(_value(dataset, "PhotometricInterpretation", "MONOCHROME2")).strip(),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if keyword in _FLOATS else _number(dataset, "HighBit", stored - 1),
        is_signed=keyword not in _FLOATS and _number(dataset, "PixelRepresentation", 0) == 1,
        number_of_frames=max(1, _number(dataset, "NumberOfFrames", 1)),
        keyword=keyword,
    )
    _check(facts)
    return facts


def stored_values(dataset: Dataset, transfer_syntax_uid: str, facts: PixelFacts, frame: int) -> Array:
    """Decode one frame.

    Parameters
    ----------
    frame
        Frame number, counted from 1.

    Returns
    -------
    array
        [row, column] of stored values (grey and palette: integers in their own range and sign, or
        floats), or [row, column, 3] of red, green, blue in the range of Bits Stored.

    Raises
    ------
    BadQuery
        If there is no such frame.
    BrokenPixelData
        If the bytes are too few, contradict the Image Pixel module or cannot be decoded.
    UnsupportedPixels
        If no decoder for the transfer syntax is at hand.
    """
    check_frame(facts, frame)
    if transfer_syntax_uid not in sop_classes.NATIVE:
        return _decoded(dataset, transfer_syntax_uid, facts, frame)
    if facts.samples_per_pixel == 1:
        return _native_grey(dataset, transfer_syntax_uid, facts, frame)
    return _by_pydicom(dataset, transfer_syntax_uid, facts, frame, {})


def check_frame(facts: PixelFacts, frame: int) -> None:
    """Refuse a frame number that the object does not have.

    Raises
    ------
    BadQuery
        If `frame` is not within 1 and the number of frames.
    """
    if not 1 <= frame <= facts.number_of_frames:
        raise BadQuery(
            found=f"frame {frame}",
            expected=f"a frame number from 1 to {facts.number_of_frames}",
            where="NumberOfFrames (0028,0008)",
        )


def encoded_frame(dataset: Dataset, facts: PixelFacts, frame: int) -> bytes:
    """Return the compressed bytes of one frame of an encapsulated object (PS3.5 annex A.4).

    Raises
    ------
    BadQuery
        If there is no such frame.
    BrokenPixelData
        If the fragments cannot be told apart.
    """
    check_frame(facts, frame)
    try:
        return bytes(
            get_frame(
                dataset.PixelData,
                frame - 1,
                number_of_frames=facts.number_of_frames,
                extended_offsets=_extended_offsets(dataset),
            )
        )
    except LIBRARY_ERRORS:
        raise _broken("fragments that cannot be joined to frames") from None


def _extended_offsets(dataset: Dataset) -> tuple[bytes, bytes] | None:
    """Return the Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8) where both are there."""
    offsets, lengths = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    return (offsets, lengths) if offsets and lengths else None


def _decoded(dataset: Dataset, transfer_syntax_uid: str, facts: PixelFacts, frame: int) -> Array:
    plugin = _PLUGINS.get(transfer_syntax_uid)
    if plugin is None and transfer_syntax_uid not in _ISOLATED:
        raise UnsupportedPixels(
            found=f"pixel data in transfer syntax {transfer_syntax_uid}",
            expected="one of those that are decoded here",
            remedy="have the sender use a still image transfer syntax",
            where="TransferSyntaxUID (0002,0010)",
        )
    encoded = codestream.bare(encoded_frame(dataset, facts, frame), transfer_syntax_uid)
    claimed = codestream.frame_size(encoded, transfer_syntax_uid)
    if claimed is not None and claimed != (facts.rows, facts.columns):
        raise _broken("a compressed frame of another size than Rows and Columns")
    if plugin is None:
        return _isolated(encoded, transfer_syntax_uid, facts)
    options = _decoder_options(facts, _number(dataset, "PlanarConfiguration", 0))
    return _by_pydicom(
        encapsulate([encoded]), transfer_syntax_uid, facts, 1, options | {"decoding_plugin": plugin}
    )


def _decoder_options(facts: PixelFacts, planar_configuration: int) -> dict[str, Any]:
    """Say the Image Pixel module in the words of pydicom's decoders, for one frame."""
    return {
        "rows": facts.rows,
        "columns": facts.columns,
        "samples_per_pixel": facts.samples_per_pixel,
        "photometric_interpretation": facts.photometric_interpretation,
        "bits_allocated": facts.bits_allocated,
        "bits_stored": facts.bits_stored,
        "pixel_representation": int(facts.is_signed),
        "planar_configuration": planar_configuration,
        "number_of_frames": 1,
        "pixel_keyword": facts.keyword,
    }


def _isolated(encoded: bytes, transfer_syntax_uid: str, facts: PixelFacts) -> Array:
    """Decode JPEG lossless, JPEG of 12 bits and JPEG-LS in a process of their own."""
    precision = codestream.jpeg_precision(encoded)
    if not 2 <= precision <= 16:
        raise _broken(f"a JPEG of {precision} bits")
    width = 8 if precision <= 8 else 16
    task = isolated.Task(
        transfer_syntax_uid, facts.rows, facts.columns, facts.samples_per_pixel, width, precision
    )
    values = np.frombuffer(isolated.decode(task, encoded), f"<u{width // 8}")
    if facts.samples_per_pixel == 1:
        # JPEG-LS knows no sign: its values are as wide as its precision says.
        bits = precision if transfer_syntax_uid in _JPEG_LS else min(facts.bits_stored, width)
        held = replace(facts, bits_allocated=width, bits_stored=bits, high_bit=bits - 1)
        return _within_stored_bits(values.reshape(facts.rows, facts.columns), held)
    colours = values.reshape(facts.rows, facts.columns, 3)
    is_ybr = facts.photometric_interpretation.startswith("YBR_FULL")
    return convert_color_space(colours.copy(), "YBR_FULL", "RGB") if is_ybr else colours


def _by_pydicom(
    source: Dataset | bytes, transfer_syntax_uid: str, facts: PixelFacts, frame: int, options: dict[str, Any]
) -> Array:
    try:
        decoder = get_decoder(transfer_syntax_uid)
        array, _ = decoder.as_array(source, index=frame - 1, **options)
    except LIBRARY_ERRORS:
        raise _broken("a frame that cannot be decoded") from None
    shape = (facts.rows, facts.columns) + (3,) * (facts.samples_per_pixel == 3)
    if array.shape != shape:
        raise _broken("a decoded frame of another shape than Rows and Columns")
    return array


def native_colour(dataset: Dataset, transfer_syntax_uid: str, facts: PixelFacts, frame: int) -> bytes:
    """Return the bytes of one native colour frame as they are kept, little endian.

    Colour space, order of the samples (Planar Configuration) and subsampling are those of the data set.

    Raises
    ------
    BadQuery, BrokenPixelData
        As for `stored_values`.
    """
    check_frame(facts, frame)
    # Two pixels share their colour differences in YBR_FULL_422 (PS3.3 C.7.6.3.1.2).
    is_halved = facts.photometric_interpretation == "YBR_FULL_422"
    samples = 2 if is_halved else facts.samples_per_pixel
    size_bytes = facts.rows * facts.columns * samples * facts.bits_allocated // 8
    data = _little_endian(dataset, transfer_syntax_uid, facts)
    part = data[(frame - 1) * size_bytes : frame * size_bytes]
    if len(part) < size_bytes:
        raise _broken(f"{len(part)} of {size_bytes} bytes of frame {frame}")
    return part


def _little_endian(dataset: Dataset, transfer_syntax_uid: str, facts: PixelFacts) -> bytes:
    data: bytes = dataset[facts.keyword].value or b""
    is_of_words = facts.bits_allocated == 16 or dataset[facts.keyword].VR == "OW"
    if transfer_syntax_uid != sop_classes.EXPLICIT_BIG or not is_of_words:
        return data
    return np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().tobytes()


def _native_grey(dataset: Dataset, transfer_syntax_uid: str, facts: PixelFacts, frame: int) -> Array:
    """Read one native frame of one sample per pixel."""
    data = dataset[facts.keyword].value or b""
    if facts.bits_allocated == 1:
        return _bits(data, facts, frame)
    size_bytes = facts.frame_pixels * facts.bits_allocated // 8
    is_big = transfer_syntax_uid == sop_classes.EXPLICIT_BIG
    if is_big and facts.bits_allocated == 8 and dataset[facts.keyword].VR == "OW":
        data = np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().tobytes()
    part = data[(frame - 1) * size_bytes : frame * size_bytes]
    if len(part) < size_bytes:
        raise _broken(f"{len(part)} of {size_bytes} bytes of frame {frame}")
    kind = _FLOATS[facts.keyword][1] if facts.keyword in _FLOATS else f"u{facts.bits_allocated // 8}"
    values = np.frombuffer(part, ("<", ">")[is_big] + kind).reshape(facts.rows, facts.columns)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return values if facts.keyword in _FLOATS else _within_stored_bits(values, facts)


def _bits(data: bytes, facts: PixelFacts, frame: int) -> Array:
    """Unpack a frame of single bits; frames follow each other without padding (PS3.5 section 8.1.1)."""
    start = (frame - 1) * facts.frame_pixels
    stop = start + facts.frame_pixels
    part = np.frombuffer(data[start // 8 : (stop + 7) // 8], np.uint8)
    values = np.unpackbits(part, bitorder="little")[start % 8 :][: facts.frame_pixels]
    if values.size < facts.frame_pixels:
        raise _broken(f"too few bits for frame {frame}")
    return values.reshape(facts.rows, facts.columns)


def _within_stored_bits(values: Array, facts: PixelFacts) -> Array:
    """Keep the stored bits alone and give them their sign.

    Bits above High Bit or below the lowest stored bit may hold overlays or anything else
    (PS3.5 section 8.1.1).
    """
    above = facts.bits_allocated - 1 - facts.high_bit
    unused = facts.bits_allocated - facts.bits_stored
    if facts.is_signed:
        values = values.view(f"i{facts.bits_allocated // 8}")
    if unused == 0:
        return values
    within: Array = np.right_shift(np.left_shift(values, above), unused)
    return within


def _check(facts: PixelFacts) -> None:
    if not (facts.rows and facts.columns) or facts.frame_pixels > MAX_FRAME_PIXELS:
        raise _broken(f"a frame of {facts.rows} rows and {facts.columns} columns")
    if facts.number_of_frames > MAX_FRAMES:
        raise _broken(f"{facts.number_of_frames} frames")
    if facts.bits_allocated not in (1, 8, 16, 32, 64):
        raise UnsupportedPixels(found=f"{facts.bits_allocated} bits allocated", expected="1, 8, 16, 32 or 64")
    if not facts.bits_stored <= facts.high_bit + 1 <= facts.bits_allocated or not facts.bits_stored:
        raise _broken("Bits Allocated, Bits Stored and High Bit that contradict each other")
    _check_colours(facts)


def _check_colours(facts: PixelFacts) -> None:
    samples = {1: _GREY | {"PALETTE COLOR"}, 3: _COLOUR}.get(facts.samples_per_pixel, frozenset())
    if facts.photometric_interpretation not in samples:
        raise UnsupportedPixels(
            found=f"{facts.samples_per_pixel} samples per pixel in a colour space that does not fit",
            expected="grey, palette, RGB or YBR",
            where="PhotometricInterpretation (0028,0004)",
        )


def _value(dataset: Dataset, keyword: str, default: object) -> object:
    try:
        value = dataset.get(keyword)
    except LIBRARY_ERRORS:
        raise _broken("a value that cannot be read", keyword) from None
    return default if value in (None, "") else value


def _number(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = _value(dataset, keyword, default)
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        raise _broken("no single number", keyword) from None
    if not 0 <= number <= 0xFFFFFFFF:
        raise _broken("a number out of range", keyword)
    return int(number)


def _broken(found: str, where: str = "pixel data") -> BrokenPixelData:
    return BrokenPixelData(
        found=found,
        expected="pixel data that agrees with the Image Pixel module",
        remedy="send the object again; if it stays so, it is broken at the source",
        where=where,
    )
