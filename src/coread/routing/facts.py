"""What a rule may look at: facts of an image that name nobody, of objects that are images of a patient."""

from __future__ import annotations

from coread.domain.study import Header, Instance, Study

CODED = frozenset(
    {
        "BitsAllocated", "BodyPartExamined", "Columns", "ImageType", "Laterality", "Manufacturer",
        "ManufacturerModelName", "Modality", "NumberOfFrames", "PhotometricInterpretation", "Rows",
        "SOPClassUID", "Source", "TransferSyntaxUID", "ViewPosition",
    }
)  # fmt: skip
"""Keywords that hold codes, numbers or devices. ``Source`` is CoRead's own: where the object came from, such
as ``dimse:CR_ROOM_2`` or ``stow``."""

FREE_TEXT = frozenset({"InstitutionName", "SeriesDescription", "StationName", "StudyDescription"})
"""Keywords that people type into. They may be matched; that they name nobody cannot be promised."""

MATCHABLE = CODED | FREE_TEXT

NUMBERS = frozenset({"BitsAllocated", "Columns", "NumberOfFrames", "Rows"})
"""Keywords whose value is a number, and is shown in an explanation."""

_TERMS = """
ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT
IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF
RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG
US VA XA XAPROTOCOL XC
"""
MODALITIES = frozenset(_TERMS.split())
"""Defined terms of Modality (0008,0060), PS3.3 C.7.3.1.1.1. Only these are repeated in an explanation: the
element may hold anything."""

# SOP classes that are made of images and show none of their own: PS3.4 table B.5-1.
_DERIVED_PREFIXES = tuple(
    "1.2.840.10008.5.1.4.1.1." + branch
    for branch in (
        "9.100.",  # waveform presentation states
        "11.",  # presentation states
        "30",  # parametric map
        "66",  # raw data, registration, fiducials, segmentation
        "67",  # real world value mapping
        "68.",  # surface scan
        "78.",  # ophthalmic measurements
        "79.",  # ophthalmic report
        "88.",  # structured reports, key object selection
        "90.",  # content assessment
        "91.",  # microscopy bulk annotations
        "104.",  # encapsulated documents
        "200.",  # protocols
        "481.",  # radiotherapy objects
        "501.3",  # threat report
    )
)
# Portal images, plain and enhanced: the images among the radiotherapy objects.
_RT_IMAGES = frozenset(f"1.2.840.10008.5.1.4.1.1.481.{leaf}" for leaf in (1, 23, 24))
_OWN_MANUFACTURER = "CoRead"
_READER_SOURCE = "reader:"


def is_derived(header: Header) -> bool:
    """Tell whether an object is a result, a report or a plan rather than an image of a patient.

    Examples
    --------
    >>> from coread.domain.study import InstanceRef
    >>> report = InstanceRef("1.2", "1.2.1", "1.2.1.1", "1.2.840.10008.5.1.4.1.1.88.33")
    >>> is_derived(Header(report, "1.2.840.10008.1.2.1", {"Modality": "SR"}))
    True

    Notes
    -----
    A secondary capture counts as an image, because scanned film is one, unless CoRead made it. *Does not*
    know the secondary captures of other makers' software.
    """
    uid = header.ref.sop_class_uid
    made_here = header.facts.get("Manufacturer", "") == _OWN_MANUFACTURER
    return made_here or (uid.startswith(_DERIVED_PREFIXES) and uid not in _RT_IMAGES)


def originals(study: Study) -> tuple[Instance, ...]:
    """Give the images of a study that may trigger a reader, in the study's order: never what one has made."""
    arrived = (i for i in study.instances if not i.source.startswith(_READER_SOURCE))
    return tuple(i for i in arrived if not is_derived(i.header))


def known_modality(value: str) -> str:
    """Return `value` if it is a defined term of Modality, else an empty text."""
    return value if value in MODALITIES else ""


def values_of(instance: Instance, keyword: str) -> tuple[str, ...]:
    """Values of an instance's element without padding; none if it is absent or empty."""
    own = {
        "Source": instance.source,
        "SOPClassUID": instance.ref.sop_class_uid,
        "TransferSyntaxUID": instance.header.transfer_syntax_uid,
    }
    text = own.get(keyword) or instance.header.facts.get(keyword, "")
    return tuple(value for part in text.split("\\") if (value := part.strip()))
