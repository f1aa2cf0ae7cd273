"""DICOM objects as a source, from a folder or from the archive's consented studies.

Nothing that names a person goes into the cohort: identifiers become pseudonyms, ages above 89 become 90,
dates stay behind, and an object that says that annotations are burned into its pixels is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coread.dicom import DicomObject, open_object, scan_header
from coread.dicom.annotations import ANNOTATION_SOP_CLASS_UIDS, Annotation, read_annotations
from coread.domain.consent import Use, passes
from coread.domain.study import Header, Instance, Study
from coread.errors import CoReadError, InputFault, NotDicom
from coread.learning.cohorts.annotations.dicom import Place, Placed, place_annotations
from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import CohortImage, LeftOut
from coread.learning.cohorts.pseudonyms import Pseudonyms, age_years
from coread.learning.cohorts.sources.tables import facts, sha256
from coread.learning.cohorts.taking import Found

_HEAD_BYTES = 1 << 20

_UNSEARCHED = "Pixels were not searched for burned-in text; only objects that declare it were left out."

_AS_THEY_ARE = {"MR", "PT", "NM"}
"""Modalities whose window is an operator's choice: their values are kept in the scanner's own units."""

Consented = Callable[[str], bool]
"""Asked with a Study Instance UID; True if its patient agreed to learning from it."""


def nobody(study_instance_uid: str) -> bool:
    """Say that nobody has agreed: what holds until governance says otherwise."""
    return False


class Files(Protocol):
    """Bytes of objects that may be learnt from."""

    def headers(self) -> Iterator[tuple[str, Header] | LeftOut]:
        """Give a key and the header of each object, or why it is left out."""
        ...

    def read(self, key: str) -> bytes:
        """Give the bytes of an object."""
        ...


@dataclass(frozen=True)
class FolderFiles:
    """Every file below a folder, in the order of names; what is no DICOM object is listed."""

    folder: Path

    def headers(self) -> Iterator[tuple[str, Header] | LeftOut]:
        """Give the headers of the files that are DICOM objects."""
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink()):
            key = path.relative_to(self.folder).as_posix()
            try:
                with path.open("rb") as file:
                    yield key, scan_header(file.read(_HEAD_BYTES), total_bytes=path.stat().st_size)
            except InputFault as fault:
                yield LeftOut(
                    key, "no-dicom" if isinstance(fault, NotDicom) else "unreadable", fault.sentence
                )

    def read(self, key: str) -> bytes:
        """Give the bytes of one file."""
        return (self.folder / key).read_bytes()


class Keeper(Protocol):
    """What of the archive is needed."""

    def study(self, study_instance_uid: str) -> Study:
        """Give a study."""
        ...

    def read_object(self, instance: Instance) -> bytes:
        """Give the bytes of an instance."""
        ...


@dataclass
class ArchiveFiles:
    """Objects of the archive's consented studies; consent is asked for each study as it is read."""

    archive: Keeper
    study_instance_uids: Sequence[str]
    consented: Consented = nobody
    _instances: dict[str, Instance] = field(default_factory=dict)

    @passes(Use.LEARNING)
    def headers(self) -> Iterator[tuple[str, Header] | LeftOut]:
        """Give the headers of consented studies, and the UIDs of the others."""
        for uid in self.study_instance_uids:
            if not self.consented(uid):
                yield LeftOut(uid, "no-consent", "nobody agreed to learning from it")
                continue
            for instance in self.archive.study(uid).instances:
                self._instances[instance.ref.sop_instance_uid] = instance
                yield instance.ref.sop_instance_uid, instance.header

    @passes(Use.LEARNING)
    def read(self, key: str) -> bytes:
        """Give the bytes of an object, if consent still holds.

        Raises
        ------
        PermissionError
            If it was withdrawn meanwhile.
        """
        instance = self._instances[key]
        if not self.consented(instance.ref.study_instance_uid):
            raise PermissionError("consent was withdrawn")
        return self.archive.read_object(instance)


@dataclass
class DicomSource:
    """Images of DICOM objects, labelled by the SEG, SR and RTSTRUCT objects among them.

    Attributes
    ----------
    name, book
        As `Source` says. Labels that are not in the book are listed and left out.
    files
        Where the objects are.
    pseudonyms
        Names for patients, studies, images and readers.
    site
        Name of the site, where objects of one site come in; else a pseudonym of the institution is taken.
    release
        Makes of an object's bytes those whose pixels may leave (de-identification: burned-in text masked);
        an error of it leaves the object out. As they are if left out.
    """

    name: str
    book: CodeBook
    files: Files
    pseudonyms: Pseudonyms
    site: str = ""
    release: Callable[[bytes], bytes] | None = None
    names: dict[str, str] = field(default_factory=dict)
    """What each pseudonym of an object stands for, so far: for the builder's eyes, never written."""
    _count: int = 0

    @property
    def traps(self) -> tuple[str, ...]:
        """What is known to mislead, or to be missing."""
        return () if self.release else (_UNSEARCHED,)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Found | LeftOut]:
        images: list[tuple[str, Header]] = []
        annotating: list[tuple[str, Header]] = []
        for found in self.files.headers():
            if isinstance(found, LeftOut):
                yield replace(found, what=self._what(found.what))
            else:
                (annotating if _annotates(found[1]) else images).append(found)
        self._count = len(images)
        spoken: list[Annotation] = []
        for key, _ in annotating:
            spoken += yield from self._annotations(key)
        yield from self._images(images, spoken)

    def _annotations(self, key: str) -> Generator[LeftOut, None, tuple[Annotation, ...]]:
        try:
            return read_annotations(open_object(self.files.read(key)))
        except (CoReadError, PermissionError) as fault:
            yield LeftOut(self._what(key), "unreadable", _sentence(fault))
            return ()

    def _images(
        self, images: Iterable[tuple[str, Header]], spoken: Sequence[Annotation]
    ) -> Iterator[Found | LeftOut]:
        waiting: dict[str, list[Annotation]] = {}
        for annotation in spoken:
            waiting.setdefault(annotation.sop_instance_uid, []).append(annotation)
        seen: set[str] = set()
        for key, header in images:
            fault = _unfit(header, seen)
            if fault:
                yield LeftOut(self._what(key), *fault)
            else:
                seen.add(header.ref.sop_instance_uid)
                yield from self._frames(key, waiting.pop(header.ref.sop_instance_uid, ()))
        for left in waiting.values():
            yield from self._placed(left, {}).left_out

    def _what(self, key: str) -> str:
        name = self.pseudonyms.of("object", key)
        self.names[name] = key
        return name

    def _frames(self, key: str, spoken: Sequence[Annotation]) -> Iterator[Found | LeftOut]:
        try:
            data = self.files.read(key)
            opened = open_object(data)
            released = open_object(self.release(data)) if self.release else opened
            placed = self._placed(spoken, self._places(opened))
            for frame in range(1, opened.number_of_frames + 1):
                pixels, unit, slope = pixels_of(released, frame)
                image = self._image(opened, frame, unit, slope, sha256(data))
                yield Found(image, pixels, tuple(placed.labels.get(image.image, ())))
            yield from placed.left_out
        except (CoReadError, PermissionError) as fault:
            yield LeftOut(self._what(key), "unreadable", _sentence(fault))

    def _places(self, opened: DicomObject) -> dict[tuple[str, int], Place]:
        rows, columns = (int(opened.header.facts[word]) for word in ("Rows", "Columns"))
        uid = opened.header.ref.sop_instance_uid
        frames = range(1, opened.number_of_frames + 1)
        return {(uid, n): Place(self._name(opened, n), rows, columns, opened.plane(n)) for n in frames}

    def _placed(self, spoken: Sequence[Annotation], places: Mapping[tuple[str, int], Place]) -> Placed:
        return place_annotations(spoken, places, self.book, self._author)

    def _author(self, annotation: Annotation) -> str:
        if annotation.is_algorithm:
            return annotation.author or "algorithm"
        return self.pseudonyms.of("reader", annotation.author) if annotation.author else "unknown-reader"

    def _name(self, opened: DicomObject, frame: int) -> str:
        name = self.pseudonyms.of("image", opened.header.ref.sop_instance_uid)
        return name if opened.number_of_frames == 1 else f"{name}-f{frame:04d}"

    def _image(self, opened: DicomObject, frame: int, unit: str, slope: float, digest: str) -> CohortImage:
        ref, known = opened.header.ref, opened.header.facts
        of = self.pseudonyms.of

        def get(word: str) -> str:
            return known.get(word, "")

        return CohortImage(
            image=self._name(opened, frame),
            patient=of("patient", get("IssuerOfPatientID"), get("PatientID")),
            study=of("study", ref.study_instance_uid),
            series=of("series", ref.series_instance_uid),
            site=self.site or of("site", get("InstitutionName")),
            device=" ".join(filter(None, (get("Manufacturer"), get("ManufacturerModelName")))),
            modality=get("Modality"),
            view=get("ViewPosition"),
            sex=get("PatientSex") if get("PatientSex") in ("F", "M", "O") else "",
            age_years=age_years(get("PatientAge"), get("PatientBirthDate"), get("StudyDate")),
            spacing_mm=opened.pixel_spacing_mm,
            position=frame if opened.number_of_frames > 1 else _whole(get("InstanceNumber")),
            grey_unit=unit,
            grey_slope=slope,
            source=self._what(ref.sop_instance_uid),
            source_sha256=digest,
            facts=facts(
                body_part=get("BodyPartExamined"),
                laterality=get("ImageLaterality") or get("Laterality"),
                along_normal_mm=_along_normal(opened, frame),
            ),
        )


def _annotates(header: Header) -> bool:
    return header.ref.sop_class_uid in ANNOTATION_SOP_CLASS_UIDS


def _unfit(header: Header, seen: Container[str]) -> tuple[str, str] | None:
    """Code and reason why an object is not taken, from its header alone."""
    if header.ref.sop_instance_uid in seen:
        return "same-object", "another file of the same SOP Instance UID was taken"
    if not header.facts.get("PatientID"):
        return "no-patient", "without a Patient ID nobody can keep a patient on one side of a split"
    if header.facts.get("BurnedInAnnotation", "").upper() == "YES":
        return "burned-in", "Burned In Annotation (0028,0301) is YES"
    if not header.facts.get("Rows"):
        return "no-pixels", "no image"
    return None


def pixels_of(opened: DicomObject, frame: int) -> tuple[NDArray[Any], str, float]:
    """Pixels, unit and slope of one frame.

    Colour is kept as it is. CT is given in Hounsfield units; MR, PT and NM in the scanner's units; other grey
    images as they are to be shown (PS3.4 N.2), as a share of 1 in 16 bits, dense structures bright.

    Raises
    ------
    BrokenPixelData, UnsupportedPixels
        If they cannot be decoded.
    """
    if opened.rendered(frame).ndim == 3:
        return opened.rendered(frame), "rgb", 1.0
    modality = opened.header.facts.get("Modality", "")
    if modality == "CT":
        return opened.in_units(frame), "HU", 1.0
    if modality in _AS_THEY_ARE:
        return opened.in_units(frame), "raw", 1.0
    return np.rint(opened.display(frame) * 65535).astype(np.uint16), "share", 1 / 65535


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _along_normal(opened: DicomObject, frame: int) -> float | None:
    """Where a slice lies along its normal, in mm: what puts the slices of a series in order."""
    plane = opened.plane(frame)
    return None if plane is None else round(float(plane.origin_lps_mm @ plane.normal), 3)


def _sentence(fault: Exception) -> str:
    return fault.sentence if isinstance(fault, CoReadError) else str(fault)
