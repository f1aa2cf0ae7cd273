"""Tiny synthetic patients: whole DICOM objects made of a few arguments, for tests and demonstrations.

Nobody is depicted. The names are such as no person bears, so that a test can search logs for them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from coread.dicom import part10_prefix, write_object
from coread.domain.identity import derive_uid
from coread.errors import (
    BrokenPixelData,
    CoReadError,
    InvalidUid,
    MissingIdentifier,
    NestingTooDeep,
    NotDicom,
    TruncatedObject,
    UnknownTransferSyntax,
)
from coread.testing.iods import MODULES, SOP_CLASSES, general, report

Pixels = npt.NDArray[Any]
Facts = Mapping[str, Any]

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

#: Kinds of `broken` objects, and what is raised when one is scanned, opened or shown.
BROKEN: Mapping[str, type[CoReadError]] = {
    "zero_size": NotDicom,
    "not_dicom": NotDicom,
    "only_prefix": MissingIdentifier,
    "truncated": TruncatedObject,
    "truncated_header": TruncatedObject,
    "wrong_length": TruncatedObject,
    "two_gigabytes": TruncatedObject,
    "deep_nesting": NestingTooDeep,
    "unknown_transfer_syntax": UnknownTransferSyntax,
    "broken_pixels": BrokenPixelData,
    "contradicting_pixels": BrokenPixelData,
    "missing_uid": MissingIdentifier,
    "path_in_uid": InvalidUid,
}

# How `dicom_from_pixels` names what identifies an object, and the keyword that it becomes.
_IDENTITY = {
    "patient_id": "PatientID",
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "sop_uid": "SOPInstanceUID",
    "sop_class": "SOPClassUID",
}


def dicom_from_pixels(
    pixels: Pixels,
    *,
    modality: str = "DX",
    facts: Facts | None = None,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
    **identity: str,
) -> bytes:
    """Wrap real or synthetic pixels as a valid object.

    Parameters
    ----------
    pixels
        uint8 or uint16 (CT: int16) [row, column]; US and OT also uint8 [row, column, 3];
        [frame, row, column] where the SOP class has frames.
    modality
        A key of `SOP_CLASSES`.
    facts
        DICOM keyword to value; wins over what is written otherwise. A value of None leaves an element out.
    transfer_syntax_uid
        As for `coread.dicom.write_object`.
    **identity
        `patient_id`, `study_uid`, `series_uid`, `sop_uid`, `sop_class`. What is not given is a function of
        the pixels, so that the same picture is the same object.
    """
    unknown = identity.keys() - _IDENTITY.keys()
    if unknown:
        raise TypeError(f"Expected {sorted(_IDENTITY)}, got {sorted(unknown)}.")
    written = general(modality) | MODULES.get(modality, dict)() | _window(pixels, modality)
    chosen = {_IDENTITY[name]: value for name, value in identity.items() if value}
    written = _with_identity(written | dict(facts or {}) | chosen, pixels)
    present = {keyword: value for keyword, value in written.items() if value is not None}
    return write_object(present, pixels, transfer_syntax_uid=transfer_syntax_uid)


def chest_radiograph(
    seed: int = 0,
    *,
    size_px: int = 64,
    photometric: str = "MONOCHROME2",
    facts: Facts | None = None,
    transfer_syntax_uid: str = EXPLICIT_LITTLE,
    **identity: str,
) -> bytes:
    """Make a DX object of a drawn chest: bright mediastinum and ribs, two dark lungs, noise by `seed`.

    Identity arguments as for `dicom_from_pixels`. Under MONOCHROME1 the stored values are inverted,
    so that the same chest is shown.
    """
    pixels = chest_pixels(seed, size_px)
    extra: dict[str, Any] = {"PatientID": f"SYN-{seed:04d}", "BitsStored": 12}
    if photometric == "MONOCHROME1":
        pixels = 4095 - pixels
        extra |= {"PhotometricInterpretation": photometric, "PresentationLUTShape": "INVERSE"}
    extra |= dict(facts or {})
    return dicom_from_pixels(pixels, facts=extra, transfer_syntax_uid=transfer_syntax_uid, **identity)


def chest_pixels(seed: int = 0, size_px: int = 64) -> npt.NDArray[np.uint16]:
    """Draw a chest as uint16 [row, column] of 12 bits, dense structures bright."""
    y, x = np.mgrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
    body = 0.45 + 0.35 * np.exp(-((x / 0.18) ** 2)) + 0.05 * np.cos(18 * y)
    for centre in (-0.45, 0.45):
        body -= 0.35 * (((x - centre) / 0.32) ** 2 + ((y + 0.05) / 0.65) ** 2 < 1)
    noise = np.random.default_rng(seed).normal(0, 0.01, body.shape)
    drawn: npt.NDArray[np.uint16] = np.rint(np.clip(body + noise, 0, 1) * 4095).astype(np.uint16)
    return drawn


def ct_slice(seed: int = 0, *, position: int = 0, facts: Facts | None = None, **identity: str) -> bytes:
    """Make one axial CT slice, `position` counted along the z axis in slices of 2 mm."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    inside = (x / 0.8) ** 2 + (y / 0.7) ** 2 < 1
    noise = np.random.default_rng([seed, position]).normal(0, 10, x.shape)
    pixels = np.where(inside, 40 + noise, -1000).astype(np.int16)
    place = {
        "ImagePositionPatient": [-80.0, -80.0, 2.0 * position],
        "SliceLocation": 2.0 * position,
        "InstanceNumber": position + 1,
        "PatientID": f"SYN-{seed:04d}",
    }
    return dicom_from_pixels(pixels, modality="CT", facts=place | dict(facts or {}), **identity)


def mr_slice(seed: int = 0, *, facts: Facts | None = None, **identity: str) -> bytes:
    """Make one MR slice of 12 bits."""
    extra = {"PatientID": f"SYN-{seed:04d}", "BitsStored": 12} | dict(facts or {})
    return dicom_from_pixels(chest_pixels(seed), modality="MR", facts=extra, **identity)


def ultrasound(seed: int = 0, *, facts: Facts | None = None, **identity: str) -> bytes:
    """Make one ultrasound picture in colour."""
    grey = (chest_pixels(seed) >> 4).astype(np.uint8)
    extra = {"PatientID": f"SYN-{seed:04d}"} | dict(facts or {})
    return dicom_from_pixels(np.dstack([grey, grey, grey]), modality="US", facts=extra, **identity)


def text_report(seed: int = 0, *, facts: Facts | None = None, **identity: str) -> bytes:
    """Make a Basic Text SR, an object without pixels."""
    extra = {"PatientID": f"SYN-{seed:04d}"} | {_IDENTITY[k]: v for k, v in identity.items() if v}
    written = general("SR") | report() | extra | dict(facts or {})
    written |= {"AcquisitionDate": None, "AcquisitionTime": None}
    key = np.array([seed], np.uint32)
    return write_object({k: v for k, v in _with_identity(written, key).items() if v is not None})


def _with_identity(facts: dict[str, Any], pixels: Pixels) -> dict[str, Any]:
    """Fill in what identifies the object, as a function of the picture and of what is given."""
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    facts.setdefault("PatientID", f"SYN-{digest[:8]}")
    facts.setdefault("StudyInstanceUID", derive_uid("study", facts["PatientID"]))
    study = facts["StudyInstanceUID"] or ""
    facts.setdefault("SeriesInstanceUID", derive_uid("series", study, facts["Modality"]))
    parts = (study, facts["SeriesInstanceUID"] or "", digest, str(facts.get("InstanceNumber")))
    facts.setdefault("SOPInstanceUID", derive_uid("instance", *parts))
    if "FrameOfReferenceUID" in facts and facts["FrameOfReferenceUID"] == "":
        facts["FrameOfReferenceUID"] = derive_uid("frame of reference", study)
    return facts


def _window(pixels: Pixels, modality: str) -> dict[str, Any]:
    """Return a window that shows the picture as it is: the whole range of its bits (PS3.3 C.11.2.1.2)."""
    if modality == "CT":
        return {"WindowCenter": 40, "WindowWidth": 400}
    if pixels.ndim > 2 and pixels.shape[-1] == 3:
        return {}
    values = 256 if pixels.dtype == np.uint8 else 4096
    return {"WindowCenter": values / 2, "WindowWidth": values}


def broken(kind: str) -> bytes:
    """Make a malformed object of one of the kinds of `BROKEN`."""
    good = chest_radiograph()
    return _BREAKS[kind](good)


def _without_study_uid(_: bytes) -> bytes:
    return chest_radiograph(facts={"StudyInstanceUID": None})


def _path_in_uid(good: bytes) -> bytes:
    at = good.index(b"\x20\x00\x0d\x00UI") + 8
    trick = b"../../../../etc/passwd"
    return good[:at] + trick + good[at + len(trick) :]


def _unknown_syntax(good: bytes) -> bytes:
    return good.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x14\x001.2.840.10008.1.9.9\0", 1)


def _claim(good: bytes, length: int) -> bytes:
    """Let the pixel data claim another length than it has."""
    at = good.rindex(b"\xe0\x7f\x10\x00") + 8
    return good[:at] + struct.pack("<I", length) + good[at + 4 :]


def _claim_text(good: bytes, length: int) -> bytes:
    """Let the study date claim another length than it has."""
    at = good.index(b"\x08\x00\x20\x00DA") + 6
    return good[:at] + struct.pack("<H", length) + good[at + 2 :]


def _nested(_: bytes) -> bytes:
    """Nest 1,000 sequences of undefined length within each other."""
    prefix = part10_prefix(SOP_CLASSES["DX"], "1.2.3", EXPLICIT_LITTLE)
    opened = struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    return prefix + opened * 1000


def _noise_as_jpeg_2000(_: bytes) -> bytes:
    good = chest_radiograph(transfer_syntax_uid="1.2.840.10008.1.2.4.90")
    at = good.index(b"\xff\x4f\xff\x51") + 60
    return good[:at] + bytes(255 - value for value in good[at : at + 200]) + good[at + 200 :]


def _more_rows(good: bytes) -> bytes:
    at = good.index(b"\x28\x00\x10\x00US") + 8
    return good[:at] + struct.pack("<H", 0xFFF0) + good[at + 2 :]


_BREAKS: Mapping[str, Callable[[bytes], bytes]] = {
    "zero_size": lambda _: b"",
    "not_dicom": lambda _: b"This is a letter, not an image. " * 20,
    "only_prefix": lambda _: part10_prefix(SOP_CLASSES["DX"], "1.2.3", EXPLICIT_LITTLE),
    "truncated": lambda good: good[:-1000],
    "truncated_header": lambda good: good[:600],
    "wrong_length": lambda good: _claim_text(good, 0xFFF0),
    "two_gigabytes": lambda good: _claim(good, 0x7FFFFFFE),
    "deep_nesting": _nested,
    "unknown_transfer_syntax": _unknown_syntax,
    "broken_pixels": _noise_as_jpeg_2000,
    "contradicting_pixels": _more_rows,
    "missing_uid": _without_study_uid,
    "path_in_uid": _path_in_uid,
}
