"""Facts and pixels in, the bytes of a PS3.10 file out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmwrite
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID

from coread.dicom import sop_classes
from coread.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import MalformedObject, UnknownTransferSyntax

#: A value, several values, or the items of a sequence, by DICOM keyword.
Facts = Mapping[str, Any]

_JPEG_QUALITY = 95

# Named, because pydicom would else take GDCM, which may end the process.
_ENCODERS = {
    sop_classes.RLE_LOSSLESS: "pydicom",
    sop_classes.JPEG_LS: "pyjpegls",
    sop_classes.JPEG_2000_LOSSLESS: "pylibjpeg",
}


def write_object(
    facts: Facts,
    pixels: npt.NDArray[Any] | None = None,
    *,
    transfer_syntax_uid: str = sop_classes.EXPLICIT_LITTLE,
) -> bytes:
    """Write one SOP instance; the same arguments give the same bytes.

    Parameters
    ----------
    facts
        DICOM keyword to value. Text with backslashes is several values; a sequence is a list of such
        mappings. SOPClassUID and SOPInstanceUID are needed.
    pixels
        Stored values: [row, column], [frame, row, column] or, for colour, with a last axis of 3.
        The Image Pixel module (PS3.3 C.7.6.3) is written from their type where `facts` do not say it.
    transfer_syntax_uid
        Native, RLE, JPEG baseline (8-bit), JPEG-LS lossless, JPEG 2000 lossless.

    Raises
    ------
    MalformedObject
        If a value does not fit its element.
    UnknownTransferSyntax
        If objects cannot be written in the transfer syntax.
    """
    sop_classes.encoding_of(transfer_syntax_uid)
    try:
        dataset = _dataset({**_pixel_facts(pixels, facts), **facts})
        dataset.file_meta = _file_meta(dataset, transfer_syntax_uid)
        if pixels is not None:
            _put_pixels(dataset, pixels, transfer_syntax_uid)
        file = io.BytesIO()
        dcmwrite(file, dataset, enforce_file_format=True, overwrite=False)
    except NotImplementedError:
        raise UnknownTransferSyntax(
            found="a transfer syntax in which objects are not written",
            where="TransferSyntaxUID (0002,0010)",
        ) from None
    except LIBRARY_ERRORS:
        raise MalformedObject(
            found="a value that does not fit its element", expected="values by PS3.5 table 6.2-1"
        ) from None
    return file.getvalue()


def _dataset(facts: Facts) -> Dataset:
    dataset = Dataset()
    for keyword, value in facts.items():
        if tag_for_keyword(keyword) is None:
            raise ValueError("an unknown keyword")
        is_sequence = dictionary_VR(keyword) == "SQ"
        setattr(dataset, keyword, Sequence([_dataset(item) for item in value]) if is_sequence else value)
    return dataset


def _file_meta(dataset: Dataset, transfer_syntax_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _pixel_facts(pixels: npt.NDArray[Any] | None, facts: Facts) -> dict[str, Any]:
    if pixels is None:
        return {}
    is_colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    shape = pixels.shape[:-1] if is_colour else pixels.shape
    bits = pixels.dtype.itemsize * 8
    written: dict[str, Any] = {
        "SamplesPerPixel": 3 if is_colour else 1,
        "PhotometricInterpretation": "RGB" if is_colour else "MONOCHROME2",
        "Rows": shape[-2],
        "Columns": shape[-1],
        "BitsAllocated": bits,
    }
    if is_colour:
        written["PlanarConfiguration"] = 0
    if len(shape) == 3:
        written["NumberOfFrames"] = shape[0]
    if pixels.dtype.kind in "iu":
        stored = int(facts.get("BitsStored", bits))
        is_signed = int(pixels.dtype.kind == "i")
        written |= {"BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": is_signed}
    return written


def _put_pixels(dataset: Dataset, pixels: npt.NDArray[Any], transfer_syntax_uid: str) -> None:
    if transfer_syntax_uid == sop_classes.JPEG_BASELINE:
        _put_jpeg(dataset, pixels)
        return
    big = transfer_syntax_uid == sop_classes.EXPLICIT_BIG
    data = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
    keyword = {"f4": "FloatPixelData", "f8": "DoubleFloatPixelData"}.get(pixels.dtype.str[1:], "PixelData")
    setattr(dataset, keyword, data + b"\0" * (len(data) % 2))
    if keyword == "PixelData":
        dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    if transfer_syntax_uid not in sop_classes.NATIVE:
        dataset.file_meta.TransferSyntaxUID = UID(sop_classes.EXPLICIT_LITTLE)
        plugin = _ENCODERS.get(transfer_syntax_uid, "")
        if not plugin:
            raise NotImplementedError
        dataset.compress(transfer_syntax_uid, encoding_plugin=plugin, generate_instance_uid=False)


def _put_jpeg(dataset: Dataset, pixels: npt.NDArray[Any]) -> None:
    frames = pixels if dataset.get("NumberOfFrames") else pixels[np.newaxis]
    dataset.PixelData = encapsulate([_jpeg(frame) for frame in frames])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    if dataset.SamplesPerPixel == 3:
        dataset.PhotometricInterpretation = "YBR_FULL_422"


def _jpeg(frame: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:2")
    return file.getvalue()
