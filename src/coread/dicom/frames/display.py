"""From stored values to what a person or a reader sees: the grayscale pipeline of PS3.4 annex N.2."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from coread.dicom import sop_classes
from coread.dicom.frames.groups import functional_group
from coread.dicom.frames.luts import palette_rgb, sequence_lut
from coread.dicom.frames.pixels import Array, PixelFacts, stored_values
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import BrokenPixelData, UnsupportedPixels

Grey = npt.NDArray[np.float32]
Bytes8 = npt.NDArray[np.uint8]
Window = tuple[float, float]
"""(Window Center, Window Width) in modality units, e.g. Hounsfield units."""

_BLOCK_ROWS = 32  # 1 MB of indices for 4,096 columns: stays in the cache
# ITU-R BT.601, the weights that PS3.3 C.7.6.3.1.2 uses for YBR_FULL.
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def grey_frame(dataset: Dataset, syntax: str, facts: PixelFacts, frame: int, window: Window | None) -> Grey:
    """Return one frame as float32 [row, column] in 0..1, dense structures bright.

    Modality LUT or rescale, then VOI LUT or window, then the inversion of MONOCHROME1; pixel
    padding becomes 0. Colour becomes luminance. Where an object gives no VOI transformation,
    pixels of at most 8 bits keep their full range, others are stretched from least to greatest.

    Parameters
    ----------
    window
        Used in place of the object's own VOI transformation when given.

    Raises
    ------
    BadQuery, BrokenPixelData, UnsupportedPixels
        As for `stored_values`.
    """
    stored = stored_values(dataset, syntax, facts, frame)
    big = syntax == sop_classes.EXPLICIT_BIG
    if not facts.is_grey:
        luminance: Grey = _rgb(dataset, facts, stored, big).astype(np.float32) @ _LUMINANCE / np.float32(255)
        return luminance
    return _on_screen(dataset, stored, lambda values: _shown(dataset, facts, frame, window, big, values))


def _shown(
    dataset: Dataset, facts: PixelFacts, frame: int, window: Window | None, big_endian: bool, stored: Array
) -> Grey:
    """Take stored values of any shape through the whole pipeline to 0..1."""
    padding = _padding(dataset, facts, stored)
    # Values beyond float32 come out as infinite, and are clipped to white or black below.
    with np.errstate(over="ignore", invalid="ignore"):
        units = _modality(dataset, stored, frame, big_endian)
        shown = _voi(dataset, facts, frame, window, big_endian)(units, padding)
    if facts.photometric_interpretation == "MONOCHROME1":
        shown = 1 - shown
    if padding is not None:
        shown = np.where(padding, 0, shown)
    grey: Grey = np.clip(np.nan_to_num(shown), 0, 1).astype(np.float32, copy=False)
    return grey


def _on_screen(dataset: Dataset, stored: Array, to_screen: Callable[[Array], Array]) -> Array:
    """Apply a function of the stored value: once to each possible value, then look every pixel up.

    A radiograph has millions of pixels but only thousands of values, and somebody waits for it. The range
    ends at the least and the greatest value that occur, so that a stretch between them is the same; where
    there is padding, which is left out of the stretch, the pixels themselves are asked.
    """
    narrow = stored.dtype.kind in "iu" and stored.itemsize <= 2
    if not narrow or stored.size < 1 << 16 or "PixelPaddingValue" in dataset:
        return to_screen(stored)
    least, greatest = int(stored.min()), int(stored.max())
    table = to_screen(np.arange(least, greatest + 1).astype(stored.dtype))
    shown = np.empty(stored.shape, table.dtype)
    for top in range(0, len(stored), _BLOCK_ROWS):
        place = stored[top : top + _BLOCK_ROWS].astype(np.intp)
        place -= least
        np.take(table, place, out=shown[top : top + _BLOCK_ROWS], mode="clip")  # "raise" would buffer
    return shown


def values_in_units(dataset: Dataset, syntax: str, facts: PixelFacts, frame: int) -> Grey:
    """Return one grey frame as float32 [row, column] in modality units, e.g. Hounsfield units for CT.

    Modality LUT or rescale (PS3.3 C.11.1); where the object has neither, the stored values.

    Raises
    ------
    BadQuery, BrokenPixelData, UnsupportedPixels
        As for `stored_values`; also for colour, which has no modality units.
    """
    if not facts.is_grey:
        raise UnsupportedPixels("a colour image", "a grey image", where="PhotometricInterpretation")
    stored = stored_values(dataset, syntax, facts, frame)
    units = _modality(dataset, stored, frame, syntax == sop_classes.EXPLICIT_BIG)
    grey: Grey = units.astype(np.float32, copy=False)
    return grey


def rendered_frame(
    dataset: Dataset, syntax: str, facts: PixelFacts, frame: int, window: Window | None
) -> Bytes8:
    """Return one frame for the screen: uint8 [row, column], or [row, column, 3] for colour.

    Raises
    ------
    BadQuery, BrokenPixelData, UnsupportedPixels
        As for `stored_values`.
    """
    stored = stored_values(dataset, syntax, facts, frame)
    big = syntax == sop_classes.EXPLICIT_BIG
    if not facts.is_grey:
        return _rgb(dataset, facts, stored, big)
    levels: Bytes8 = _on_screen(
        dataset, stored, lambda values: _levels(_shown(dataset, facts, frame, window, big, values))
    )
    return levels


def _levels(grey: Grey) -> Bytes8:
    levels: Bytes8 = np.rint(grey * np.float32(255)).astype(np.uint8)
    return levels


def _holder(dataset: Dataset, frame: int, keyword: str) -> Dataset:
    return functional_group(dataset, frame, keyword) or dataset


def _modality(dataset: Dataset, stored: Array, frame: int, big_endian: bool) -> Array:
    """Apply Modality LUT or rescale (PS3.3 C.11.1) and return modality units."""
    lut = sequence_lut(dataset, "ModalityLUTSequence", big_endian=big_endian)
    if lut is not None:
        return lut.apply(stored)
    holder = _holder(dataset, frame, "PixelValueTransformationSequence")
    slope = _first_number(holder, "RescaleSlope")
    intercept = _first_number(holder, "RescaleIntercept") or 0.0
    if not slope or (slope == 1 and intercept == 0):
        return stored
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


_Voi = Callable[[Array, Array | None], Array]


def _voi(dataset: Dataset, facts: PixelFacts, frame: int, window: Window | None, big_endian: bool) -> _Voi:
    """Choose the VOI transformation (PS3.3 C.11.2): what was asked for, LUT, window, or none."""
    if window is not None:
        return _windowed(*window, "LINEAR")
    holder = _holder(dataset, frame, "FrameVOILUTSequence")
    lut = sequence_lut(holder, "VOILUTSequence", big_endian=big_endian)
    if lut is not None:
        return lambda values, _: lut.apply(values) / np.float32((1 << lut.bits) - 1)
    center, width = _first_number(holder, "WindowCenter"), _first_number(holder, "WindowWidth")
    function = str(holder.get("VOILUTFunction") or "LINEAR").strip()
    if center is not None and width is not None and width > 0:
        return _windowed(center, width, function)
    if facts.bits_stored <= 8 and not facts.is_signed:
        greatest = np.float32((1 << facts.bits_stored) - 1)
        return lambda values, _: values / greatest if values.dtype.kind in "iu" else _stretched(values, _)
    return _stretched


def _windowed(center: float, width: float, function: str) -> _Voi:
    """Return the window of PS3.3 C.11.2.1.2 or C.11.2.1.3 as a function to 0..1."""
    if function == "SIGMOID":
        # Beyond 80 the curve is flat within float32, and its exponential would overflow.
        return lambda values, _: (
            1 / (1 + np.exp(np.clip(-4 * (values.astype(np.float32) - center) / width, -80, 80)))
        )
    if function == "LINEAR_EXACT":
        return lambda values, _: (values.astype(np.float32) - center) / width + 0.5
    if width <= 1:
        return lambda values, _: (values > center - 0.5).astype(np.float32)
    return lambda values, _: (values.astype(np.float32) - (center - 0.5)) / (width - 1) + 0.5


def _stretched(values: Array, padding: Array | None) -> Array:
    """Stretch from the least to the greatest value that is no padding."""
    inner = values if padding is None else values[~padding]
    inner = inner[np.isfinite(inner)] if inner.dtype.kind == "f" else inner
    if not inner.size or inner.min() == inner.max():
        return np.zeros(values.shape, np.float32)
    least, greatest = float(inner.min()), float(inner.max())
    return ((values.astype(np.float64) - least) / (greatest - least)).astype(np.float32)


def _padding(dataset: Dataset, facts: PixelFacts, stored: Array) -> Array | None:
    """Tell which pixels are padding (PS3.3 C.7.5.1.1.2), or None where none can be."""
    value = _first_number(dataset, "PixelPaddingValue")
    if value is None or stored.dtype.kind == "f":
        return None
    limit = _first_number(dataset, "PixelPaddingRangeLimit")
    least, greatest = sorted((_as_stored(value, facts), _as_stored(value if limit is None else limit, facts)))
    mask = (stored >= least) & (stored <= greatest)
    return mask if mask.any() else None


def _as_stored(value: float, facts: PixelFacts) -> int:
    """Give a padding value the sign of the pixels, whichever VR (US or SS) it was written in."""
    number = int(value) & ((1 << facts.bits_allocated) - 1)
    negative = facts.is_signed and number >> (facts.bits_allocated - 1)
    return number - (1 << facts.bits_allocated) if negative else number


def _rgb(dataset: Dataset, facts: PixelFacts, stored: Array, big_endian: bool) -> Bytes8:
    """Return red, green, blue as uint8 [row, column, 3]."""
    if facts.photometric_interpretation == "PALETTE COLOR":
        return palette_rgb(dataset, stored, big_endian=big_endian)
    bits = facts.bits_stored
    if bits == 8:
        return stored.astype(np.uint8, copy=False)
    scaled = stored.astype(np.float64) * (255 / ((1 << bits) - 1))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _first_number(holder: Dataset, keyword: str) -> float | None:
    """Return the first value of a numeric element as a finite float, or None where it has none."""
    try:
        element = holder.get(keyword)
        if element is None or element == "":
            return None
        number = float(np.ravel(np.asarray(element, np.float64))[0])
    except LIBRARY_ERRORS:
        raise _unreadable(keyword) from None
    return number if math.isfinite(number) else None


def _unreadable(keyword: str) -> BrokenPixelData:
    return BrokenPixelData(
        found="a value that cannot be read",
        expected="a value by PS3.3 section C.11",
        remedy="correct the object at its source",
        where=keyword,
    )
