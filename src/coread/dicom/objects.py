"""An object opened: its header, its data set, its frames as a person sees them."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from coread.dicom import frames, json_model, sop_classes
from coread.dicom.frames import Window
from coread.dicom.part10 import Buffer
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.dicom.scanner import MAX_DEPTH, scan_header
from coread.dicom.structure import check_structure
from coread.domain.study import Header
from coread.errors import MalformedObject


class DicomObject:
    """One SOP instance, parsed. Pixels are decoded when asked for, one frame at a time.

    Frames are counted from 1. Made by `open_object`.
    """

    def __init__(self, header: Header, dataset: Dataset) -> None:
        self.unreadable = _emptied(dataset)
        """Tags (``GGGGEEEE``) of elements whose value could not be read; they are empty in `dataset`."""
        self.header = header
        self.dataset = dataset
        """The pydicom data set; only this room, results and de-identification touch it."""

    @cached_property
    def _facts(self) -> frames.PixelFacts:
        return frames.pixel_facts(self.dataset)

    @property
    def _is_big_endian(self) -> bool:
        return self.header.transfer_syntax_uid == sop_classes.EXPLICIT_BIG

    @property
    def has_pixels(self) -> bool:
        """Whether the object holds pixel data."""
        return any(word in self.dataset for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))

    @property
    def number_of_frames(self) -> int:
        """Frames in the object; 0 where it holds no pixel data.

        Raises
        ------
        BrokenPixelData, UnsupportedPixels
            If the Image Pixel module cannot be read.
        """
        return self._facts.number_of_frames if self.has_pixels else 0

    @property
    def photometric_interpretation(self) -> str:
        """Photometric Interpretation (0028,0004), as stored."""
        return self._facts.photometric_interpretation

    @property
    def pixel_spacing_mm(self) -> tuple[float, float] | None:
        """Distance of pixel centres as (between rows, between columns) in mm, None where unknown."""
        return frames.pixel_spacing_mm(self.dataset)

    def plane(self, frame: int = 1) -> frames.Plane | None:
        """Return where a frame lies in the patient, None where the object does not say it."""
        return frames.plane_of(self.dataset, frame)

    def stored(self, frame: int = 1) -> npt.NDArray[Any]:
        """Return the stored values of one frame, [row, column] or [row, column, 3] (RGB).

        Raises
        ------
        BadQuery, BrokenPixelData, UnsupportedPixels
            As for `coread.dicom.frames.stored_values`.
        """
        return frames.stored_values(self.dataset, self.header.transfer_syntax_uid, self._facts, frame)

    def display(self, frame: int = 1) -> npt.NDArray[np.float32]:
        """Return one frame as float32 [row, column] in 0..1, dense structures bright.

        Modality LUT or rescale and VOI LUT or window are applied, MONOCHROME1 is inverted, pixel
        padding is 0, colour is turned to luminance.

        Raises
        ------
        BadQuery, BrokenPixelData, UnsupportedPixels
            As for `coread.dicom.frames.stored_values`.
        """
        return frames.grey_frame(self.dataset, self.header.transfer_syntax_uid, self._facts, frame, None)

    def in_units(self, frame: int = 1) -> npt.NDArray[np.float32]:
        """Return one grey frame as float32 [row, column] in modality units, e.g. Hounsfield units for CT.

        Raises
        ------
        BadQuery, BrokenPixelData, UnsupportedPixels
            As for `coread.dicom.frames.values_in_units`.
        """
        return frames.values_in_units(self.dataset, self.header.transfer_syntax_uid, self._facts, frame)

    def rendered(self, frame: int = 1, window: Window | None = None) -> npt.NDArray[np.uint8]:
        """Return one frame for the screen: uint8 [row, column], or [row, column, 3] for colour.

        Parameters
        ----------
        window
            (center, width) in modality units in place of the object's own window; grey images only.

        Raises
        ------
        BadQuery, BrokenPixelData, UnsupportedPixels
            As for `coread.dicom.frames.stored_values`.
        """
        return frames.rendered_frame(
            self.dataset, self.header.transfer_syntax_uid, self._facts, frame, window
        )

    def png(self, frame: int = 1, max_px: int | None = None, window: Window | None = None) -> bytes:
        """Return one rendered frame as a PNG file, its longer side at most `max_px` pixels."""
        return _image_file(self.rendered(frame, window), max_px, "PNG")

    def jpeg(
        self,
        frame: int = 1,
        max_px: int | None = None,
        quality: int = 90,
        window: Window | None = None,
    ) -> bytes:
        """Return one rendered frame as a JPEG file, its longer side at most `max_px` pixels."""
        return _image_file(self.rendered(frame, window), max_px, "JPEG", quality=quality)

    def frame_bytes(self, frame: int = 1) -> tuple[bytes, str]:
        """Return one frame as it is kept, and its transfer syntax UID.

        Native pixel data of any byte order is given as Explicit VR Little Endian.

        Raises
        ------
        BadQuery, BrokenPixelData, UnsupportedPixels
            If there is no such frame.
        """
        syntax = self.header.transfer_syntax_uid
        if syntax in sop_classes.NATIVE:
            return self.frame_uncompressed(frame), sop_classes.EXPLICIT_LITTLE
        return frames.encoded_frame(self.dataset, self._facts, frame), syntax

    def frame_uncompressed(self, frame: int = 1) -> bytes:
        """Return the stored values of one frame, little endian.

        Native colour is given as it is kept, so that it fits the header that a client reads beside it;
        decompressed colour as interleaved RGB.

        Raises
        ------
        BadQuery, BrokenPixelData, UnsupportedPixels
            As for `coread.dicom.frames.stored_values`.
        """
        syntax = self.header.transfer_syntax_uid
        if syntax in sop_classes.NATIVE and self._facts.samples_per_pixel > 1:
            return frames.native_colour(self.dataset, syntax, self._facts, frame)
        values = self.stored(frame)
        if self._facts.bits_allocated == 1:
            return np.packbits(values.astype(bool), bitorder="little").tobytes()
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()

    def json(self, bulk_data_url: str) -> json_model.Json:
        """Return the data set in the DICOM JSON model, large values as ``<bulk_data_url>/<path>``."""
        model = json_model.dataset_json(self.dataset, bulk_data_url, big_endian=self._is_big_endian)
        model["00083002"] = {"vr": "UI", "Value": [self.header.transfer_syntax_uid]}
        return dict(sorted(model.items()))

    def header_json(self) -> json_model.Json:
        """Return the data set in the DICOM JSON model without its large values."""
        return json_model.dataset_json(self.dataset, None, big_endian=self._is_big_endian)

    def bulk_data(self, path: str) -> bytes:
        """Return the large value that `json` pointed to by ``<bulk_data_url>/<path>``.

        Raises
        ------
        NotFound
            If the path names no binary element.
        """
        return json_model.bulk_data(self.dataset, path, big_endian=self._is_big_endian)


def open_object(source: Buffer | Path, *, max_depth: int = MAX_DEPTH) -> DicomObject:
    """Parse a whole object.

    Parameters
    ----------
    source
        The bytes of a PS3.10 file, or its path. Files without preamble or meta header are read too.
    max_depth
        Sequences within sequences that are followed.

    Raises
    ------
    NotDicom, TruncatedObject, MissingIdentifier, InvalidUid, UnknownTransferSyntax
        As for `scan_header`.
    MalformedObject
        If the data set cannot be read.
    NestingTooDeep
        If sequences nest deeper than `max_depth`.
    """
    data = source.read_bytes() if isinstance(source, Path) else bytes(source)
    header = scan_header(data, total_bytes=len(data))
    check_structure(data, max_depth=max_depth)
    try:
        dataset = dcmread(io.BytesIO(data), force=True)
    except LIBRARY_ERRORS:
        raise MalformedObject(
            found="a data set that cannot be read",
            expected="data elements by PS3.5 section 7",
            remedy="correct the object at its source",
            where="data set",
        ) from None
    return DicomObject(header, dataset)


def _emptied(dataset: Dataset) -> tuple[str, ...]:
    """Empty the top-level elements whose value cannot be read, and return their tags.

    One broken element, a weight that is no number, must not make the image unusable.
    """
    emptied = []
    for tag in list(dataset.keys()):
        try:
            dataset[tag]
        except LIBRARY_ERRORS:
            del dataset[tag]
            dataset.add_new(tag, _vr_of(int(tag)), None)
            emptied.append(f"{int(tag):08X}")
    return tuple(emptied)


def _vr_of(tag: int) -> str:
    try:
        return dictionary_VR(tag).split(" ")[0]
    except KeyError:
        return "UN"


def _image_file(values: npt.NDArray[np.uint8], max_px: int | None, kind: str, quality: int = 90) -> bytes:
    image = Image.fromarray(values)
    if max_px is not None:
        image.thumbnail((max_px, max_px), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()
