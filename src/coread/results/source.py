"""One source image as the result objects need it: identity, geometry, grey scale.

This is the room's one file that imports pydicom. highdicom takes and gives pydicom data
sets; to build the clean description that its constructors want, and to set identity
elements without validation messages that would repeat a patient's data, the classes
`Dataset` and `DataElement` cannot be avoided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as ItemSequence

from coread.dicom import DicomObject
from coread.domain.identity import is_uid
from coread.domain.study import InstanceRef

__all__ = [
    "STAND_IN_SOP_CLASS_UID",
    "DataElement",
    "Dataset",
    "Plane",
    "Source",
    "add_items",
    "holds_frames",
    "items",
    "legal_date",
    "name_schemes",
    "name_truly",
    "text_element",
]

#: Identity elements of the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1), Type 1 and 2
#: first: these are always written, empty where the source is silent.
_REQUIRED_IDENTITY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"),
)
_FURTHER_IDENTITY = ("IssuerOfPatientID", "PatientAge", "StudyDescription")

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_AGE = re.compile(r"\d{3}[DWMY]")
_OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)")
#: Unpaired parts among the terms of PS3.16 annex L. dciodvfy knows the same (asked term by term); any
#: other part may have a side.
_UNPAIRED = frozenset(
    (
        *("ABDOMEN", "ABDOMENPELVIS", "AORTA", "BACK", "BLADDER", "BRAIN", "CEREBELLUM", "CERVIX"),
        *("CHEST", "CHESTABDOMEN", "CHESTABDPELVIS", "CIRCLEOFWILLIS", "COCCYX", "COLON"),
        *("CORONARYARTERY", "CSPINE", "CTSPINE", "DUODENUM", "ESOPHAGUS", "FACE", "GALLBLADDER"),
        *("HEAD", "HEADNECK", "HEART", "ILEUM", "ILIUM", "JAW", "JEJUNUM", "LARYNX", "LIVER"),
        *("LSPINE", "LSSPINE", "MAXILLA", "MEDIASTINUM", "MOUTH", "NECK", "NECKCHEST"),
        *("NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NOSE", "PANCREAS", "PELVIS", "PENIS", "PHARYNX"),
        *("PROSTATE", "RECTUM", "SCALP", "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH"),
        *("THYMUS", "THYROID", "TLSPINE", "TONGUE", "TRACHEA", "TSPINE", "URETER", "URETHRA"),
        *("UTERUS", "VAGINA", "VULVA", "WHOLEBODY"),
    )
)
_SEXES = ("M", "F", "O", "")

#: highdicom decides by SOP class which modules to expect, and does not know every class. Every source
#: is shown to it as one of these two plain ones; `name_truly` then writes the true class and frame.
STAND_IN_SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.7"
_STAND_IN_PLANE = "1.2.840.10008.5.1.4.1.1.2"

#: Of concepts for which PS3.16 has no code (PS3.16 section 8.2: private designators begin with 99).
PRIVATE_SCHEME = "99COREAD"

#: Storage classes that have one frame (PS3.3 annex A): in a reference to one, a frame may not be named,
#: not even where an odd object holds several.
_ONE_FRAME = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{rest}"
    for rest in (
        *("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "4", "6", "6.1", "7", "128"),
        *("77.1.1", "77.1.2", "77.1.3", "77.1.4"),
    )
)


@dataclass(frozen=True, slots=True)
class Plane:
    """Where one frame lies in the patient (PS3.3 section C.7.6.2), LPS, millimetres."""

    frame_of_reference_uid: str
    position_lps_mm: tuple[float, ...]
    """Centre of the first pixel."""
    orientation: tuple[float, ...]
    """Direction cosines of a row, then of a column."""
    spacing_mm: tuple[float, ...]
    """Between rows, then between columns."""
    thickness_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One image that a reader read."""

    image: DicomObject

    @property
    def ref(self) -> InstanceRef:
        """The image's identifiers."""
        return self.image.header.ref

    @property
    def facts(self) -> Mapping[str, str]:
        """Header facts as text, by keyword."""
        return self.image.header.facts

    @property
    def rows(self) -> int:
        """Rows of the stored frame."""
        return int(self.facts.get("Rows", "0") or 0)

    @property
    def columns(self) -> int:
        """Columns of the stored frame."""
        return int(self.facts.get("Columns", "0") or 0)

    @property
    def is_monochrome(self) -> bool:
        """Whether a grayscale presentation state may refer to the image."""
        return self.facts.get("PhotometricInterpretation", "").startswith("MONOCHROME")

    @property
    def is_inverse(self) -> bool:
        """Whether the lowest value is shown white."""
        return self.facts.get("PhotometricInterpretation", "") == "MONOCHROME1"

    @property
    def number_of_frames(self) -> int:
        """Frames that the header claims; 1 where it is silent."""
        text = self.facts.get("NumberOfFrames", "1")
        return max(int(text), 1) if text.isdecimal() else 1

    @property
    def has_frames(self) -> bool:
        """Whether a reference to the image names a frame."""
        return self.number_of_frames > 1 and holds_frames(self.ref.sop_class_uid)

    def reference(self, frame: int = 1) -> Dataset:
        """Describe the image to highdicom, with no more than the constructors read.

        It names no patient: identity is written by `identity` afterwards. Geometry is
        given only where it is whole.
        """
        plane = self.plane(frame)
        described = Dataset()
        described.update(_nameless())
        described.StudyInstanceUID = self.ref.study_instance_uid
        described.SeriesInstanceUID = self.ref.series_instance_uid
        described.SOPInstanceUID = self.ref.sop_instance_uid
        described.SOPClassUID = STAND_IN_SOP_CLASS_UID if plane is None else _STAND_IN_PLANE
        described.Modality = self.facts.get("Modality", "") or "OT"
        described.Rows, described.Columns = self.rows, self.columns
        described.SamplesPerPixel = 1 if self.is_monochrome else 3
        described.LossyImageCompression = self._lossy()
        if plane is not None:
            described.FrameOfReferenceUID = plane.frame_of_reference_uid
            described.ImagePositionPatient = list(plane.position_lps_mm)
            described.ImageOrientationPatient = list(plane.orientation)
            described.PixelSpacing = list(plane.spacing_mm)
            described.SliceThickness = plane.thickness_mm
        return described

    def _lossy(self) -> str:
        return "01" if str(self.image.dataset.get("LossyImageCompression", "")) == "01" else "00"

    def identity(self) -> tuple[DataElement, ...]:
        """Elements by which a result finds its way home: the patient's and the study's."""
        required = [_element(keyword, _legal(keyword, self.facts)) for keyword in _REQUIRED_IDENTITY]
        further = [_element(keyword, _legal(keyword, self.facts)) for keyword in _FURTHER_IDENTITY]
        return (*required, *(element for element in further if not element.is_empty), *self._zone())

    def _zone(self) -> tuple[DataElement, ...]:
        offset = str(self.image.dataset.get("TimezoneOffsetFromUTC", ""))
        return (_element("TimezoneOffsetFromUTC", offset),) if _OFFSET.fullmatch(offset) else ()

    def local(self, moment: datetime) -> datetime:
        """Return `moment` in the time zone that the image declares, if it declares one."""
        zone = _OFFSET.fullmatch(str(self.image.dataset.get("TimezoneOffsetFromUTC", "")))
        if zone is None:
            return moment
        sign = 1 if zone[1] == "+" else -1
        return moment.astimezone(timezone(sign * timedelta(hours=int(zone[2]), minutes=int(zone[3]))))

    def body_part(self) -> tuple[DataElement, ...]:
        """Body Part Examined (0018,0015) and Laterality (0020,0060) as its series has them.

        Laterality is Type 2C: required, empty if unknown, for a paired body part; forbidden for an
        unpaired one (PS3.3 section C.7.3.1). Where the source names no part, it may be a paired one.
        """
        part, side = self.facts.get("BodyPartExamined", ""), self.facts.get("Laterality", "")
        part = part if re.fullmatch("[A-Z0-9 _]{1,16}", part) else ""
        named = (_element("BodyPartExamined", part),) if part else ()
        if part in _UNPAIRED:
            return named
        return (*named, _element("Laterality", side if side in ("R", "L") else ""))

    def burned_in(self) -> str:
        """Burned In Annotation (0028,0301) of the image, empty where it does not say."""
        value = str(self.image.dataset.get("BurnedInAnnotation", ""))
        return value if value in ("YES", "NO") else ""

    def patient_orientation(self) -> list[str]:
        """Patient Orientation (0020,0020), empty unless two values are given."""
        value = self.image.dataset.get("PatientOrientation") or []
        words = [str(word) for word in value] if not isinstance(value, str) else []
        return words if len(words) == 2 and all(re.fullmatch("[APRLHF]{1,3}", word) for word in words) else []

    def aspect(self) -> tuple[float, float]:
        """Height and width of one pixel on screen, in any common unit."""
        spacing = self.image.pixel_spacing_mm
        if spacing and min(spacing) > 0:
            return (float(spacing[0]), float(spacing[1]))
        ratio = _floats(self.image.dataset.get("PixelAspectRatio"), 2)
        return (ratio[0], ratio[1]) if ratio and min(ratio) > 0 else (1.0, 1.0)

    def plane(self, frame: int = 1) -> Plane | None:
        """Return where a frame lies in the patient, or None where the header does not say it wholly."""
        read = _Groups(self.image.dataset, frame)
        uid = str(self.image.dataset.get("FrameOfReferenceUID", ""))
        position = _floats(read.value("PlanePositionSequence", "ImagePositionPatient"), 3)
        orientation = _floats(read.value("PlaneOrientationSequence", "ImageOrientationPatient"), 6)
        spacing = _floats(read.value("PixelMeasuresSequence", "PixelSpacing"), 2)
        thickness = _floats(read.value("PixelMeasuresSequence", "SliceThickness"), 1) or (1.0,)
        # A frame of reference that bears another thing's UID is none, and no result may repeat it.
        is_frame = is_uid(uid) and uid not in (self.ref.study_instance_uid, self.ref.series_instance_uid)
        if not (is_frame and position and _is_orthonormal(orientation) and spacing and min(spacing) > 0):
            return None
        return Plane(uid, position, orientation, spacing, max(thickness[0], 1e-3))

    def modality_lut(self, frame: int = 1) -> tuple[DataElement, ...]:
        """Elements of the Modality LUT (PS3.3 section C.11.1) as the image has them."""
        read = _Groups(self.image.dataset, frame)
        macro = "PixelValueTransformationSequence"
        lut = _lut_items(self.image.dataset.get("ModalityLUTSequence"))
        slope = _floats(read.value(macro, "RescaleSlope"), 1)
        intercept = _floats(read.value(macro, "RescaleIntercept"), 1)
        if lut:
            return (DataElement("ModalityLUTSequence", "SQ", ItemSequence(lut[:1])),)
        if not (slope and intercept) or slope[0] == 0:
            return ()
        kind = str(read.value(macro, "RescaleType") or "US")
        return (
            _element("RescaleIntercept", f"{intercept[0]:.10g}"),
            _element("RescaleSlope", f"{slope[0]:.10g}"),
            _element("RescaleType", kind),
        )

    def softcopy_voi_lut(self, frame: int = 1) -> tuple[DataElement, ...]:
        """Softcopy VOI LUT Sequence (0028,3110) that shows the image as its own VOI does."""
        item = _voi_item(_Groups(self.image.dataset, frame))
        return () if item is None else (DataElement("SoftcopyVOILUTSequence", "SQ", ItemSequence([item])),)


def name_truly(result: Dataset, sources: Iterable[Source], frame: int = 1) -> None:
    """Write each image's true SOP class, and its frame, wherever `result` refers to it.

    Parameters
    ----------
    frame
        Named in derivations from images of several frames that do not name one already.
    """
    known = {source.ref.sop_instance_uid: source for source in sources}
    for keyword, item in _all_items(result):
        source = known.get(str(item.get("ReferencedSOPInstanceUID", "")))
        if source is not None:
            item.ReferencedSOPClassUID = source.ref.sop_class_uid
        if keyword == "DerivationImageSequence":
            _name_frames(item, known, frame)


def _name_frames(derivation: Dataset, known: Mapping[str, Source], frame: int) -> None:
    for item in derivation.SourceImageSequence:
        source = known.get(str(item.ReferencedSOPInstanceUID))
        if source is not None and source.has_frames and "ReferencedFrameNumber" not in item:
            item.ReferencedFrameNumber = frame


def name_schemes(result: Dataset) -> None:
    """Say whose the private coding schemes are that `result` uses (PS3.3 table C.12-1)."""
    if "CodingSchemeIdentificationSequence" in result:
        return
    if any(item.get("CodingSchemeDesignator") == PRIVATE_SCHEME for _, item in _all_items(result)):
        item = Dataset()
        item.CodingSchemeDesignator = PRIVATE_SCHEME
        item.CodingSchemeName = "CoRead concepts"
        item.CodingSchemeResponsibleOrganization = "CoRead"
        result.CodingSchemeIdentificationSequence = [item]


@dataclass(frozen=True, slots=True)
class _Groups:
    """Elements of one frame: at the root, or in the functional groups of an enhanced image."""

    dataset: Dataset
    frame: int

    def value(self, macro: str, keyword: str) -> object:
        at_root = self.dataset.get(keyword)
        if at_root is not None:
            return at_root
        groups = self.dataset.get("PerFrameFunctionalGroupsSequence") or []
        own = groups[self.frame - 1 : self.frame]
        for group in (*own, *(self.dataset.get("SharedFunctionalGroupsSequence") or [])):
            for item in group.get(macro) or []:
                if item.get(keyword) is not None:
                    return item.get(keyword)
        return None


def holds_frames(sop_class_uid: str) -> bool:
    """Whether images of this class may have several frames."""
    return sop_class_uid not in _ONE_FRAME


def items(result: Dataset, keyword: str) -> Iterator[Dataset]:
    """Yield every sequence item below `result` that stands in a sequence of this keyword."""
    return (item for found, item in _all_items(result) if found == keyword)


def add_items(result: Dataset, elements: Iterable[DataElement]) -> None:
    """Set `elements` in `result`, in place of any that stand there."""
    for element in elements:
        result[element.tag] = element


def text_element(keyword: str, text: str) -> DataElement:
    """Make an element of `text` as it is."""
    return _element(keyword, text)


def _element(keyword: str, text: str) -> DataElement:
    # Validation is off: its warnings repeat the value, and the value is a person's.
    tag = tag_for_keyword(keyword) or 0
    return DataElement(tag, dictionary_VR(tag), text, validation_mode=config.IGNORE)


def _nameless() -> Dataset:
    empty = Dataset()
    for keyword in _REQUIRED_IDENTITY:
        empty[keyword] = _element(keyword, "")
    return empty


def _legal(keyword: str, facts: Mapping[str, str]) -> str:
    """Return the fact as it is, or empty where its form would make the result illegal."""
    text = facts.get(keyword, "")
    if keyword.endswith("Date"):
        return legal_date(text)
    if keyword.endswith("Time"):
        return text if _TIME.fullmatch(text) else ""
    if keyword == "PatientSex":
        return text if text in _SEXES else ""
    if keyword == "PatientAge":
        return text if _AGE.fullmatch(text) else ""
    return text.encode("utf-8", "replace").decode()


def legal_date(text: str) -> str:
    """Return a date as eight digits, or empty where it is none.

    Examples
    --------
    >>> legal_date("19600229"), legal_date("1960.02.29"), legal_date("19610229")
    ('19600229', '19600229', '')
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    try:
        datetime(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return ""
    return "".join(match.groups())


def _floats(value: object, count: int) -> tuple[float, ...]:
    """Return `count` finite numbers, or none at all."""
    try:
        parts = [value] if isinstance(value, int | float | str) else list(value or [])  # type: ignore[call-overload]
        numbers = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        return ()
    return numbers if len(numbers) == count and all(abs(n) < 1e9 for n in numbers) else ()


def _is_orthonormal(cosines: tuple[float, ...]) -> bool:
    if len(cosines) != 6:
        return False
    row, column = cosines[:3], cosines[3:]
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    return abs(dot) < 1e-3 and all(abs(sum(c * c for c in v) - 1) < 1e-2 for v in (row, column))


def _voi_item(read: _Groups) -> Dataset | None:
    luts = _lut_items(read.dataset.get("VOILUTSequence"))
    centres = _numbers(read.value("FrameVOILUTSequence", "WindowCenter"))
    widths = _numbers(read.value("FrameVOILUTSequence", "WindowWidth"))
    item = Dataset()
    if centres and len(centres) == len(widths) and widths[0] >= 1:
        # A state shows one window: the first, with which viewers open the image.
        item[0x00281050] = DataElement(0x00281050, "DS", f"{centres[0]:.10g}")
        item[0x00281051] = DataElement(0x00281051, "DS", f"{widths[0]:.10g}")
        function = str(read.value("FrameVOILUTSequence", "VOILUTFunction") or "")
        if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            item.VOILUTFunction = function
        return item
    if luts:
        item[0x00283010] = DataElement(0x00283010, "SQ", ItemSequence(luts))
        return item
    return None


def _numbers(value: object) -> tuple[float, ...]:
    count = 1 if isinstance(value, int | float | str) or value is None else len(value)  # type: ignore[arg-type]
    return _floats(value, count)


def _lut_items(sequence: object) -> list[Dataset]:
    """Copy whole LUT items, without their text (its character set is the source's, not ours)."""
    luts = [lut for lut in sequence or [] if lut.get("LUTDescriptor") and lut.get("LUTData")]  # type: ignore[attr-defined]
    return [_lut_item(lut) for lut in luts]


def _lut_item(lut: Dataset) -> Dataset:
    # An implicit source leaves US or SS open, which an item without Pixel Representation cannot resolve.
    copied = Dataset()
    descriptor = [int(number) for number in lut.LUTDescriptor]
    copied[0x00283002] = DataElement(0x00283002, "SS" if min(descriptor) < 0 else "US", descriptor)
    is_packed = isinstance(lut.LUTData, bytes)
    copied[0x00283006] = DataElement(0x00283006, "OW" if is_packed else "US", lut.LUTData)
    if "ModalityLUTType" in lut:
        copied.ModalityLUTType = str(lut.ModalityLUTType)
    return copied


def _all_items(dataset: Dataset) -> Iterator[tuple[str, Dataset]]:
    for element in dataset:
        if element.VR != "SQ":
            continue
        for item in element.value:
            yield element.keyword, item
            yield from _all_items(item)
