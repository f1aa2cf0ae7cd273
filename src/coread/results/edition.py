"""One edition of results: what all objects of a reading, or of a signed report, have in common."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import highdicom as hd

from coread import __version__
from coread.domain import codes
from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Finding, Presence
from coread.domain.reading import ReaderIdentity, Reading
from coread.domain.study import InstanceRef
from coread.results.source import Dataset, Source, add_items, name_schemes, name_truly, text_element
from coread.results.wording import clip

MANUFACTURER = "CoRead"
MODEL = "CoRead"


class Kind(StrEnum):
    """Kinds of result objects."""

    SR = "sr"
    SEG = "seg"
    PARAMETRIC_MAP = "parametric_map"
    PRESENTATION_STATE = "presentation_state"
    SECONDARY_CAPTURE = "secondary_capture"
    FHIR = "fhir"
    PDF = "pdf"
    """Encapsulated PDF of a signed report."""


#: Series Number (0020,0011) by kind: far above what modalities count to, so that results sort last.
_SERIES_NUMBERS = {
    Kind.SR: 9001,
    Kind.SEG: 9002,
    Kind.PARAMETRIC_MAP: 9003,
    Kind.PRESENTATION_STATE: 9004,
    Kind.SECONDARY_CAPTURE: 9005,
    Kind.PDF: 9006,
}


@dataclass(frozen=True, slots=True)
class ResultObject:
    """One object that leaves the clinic."""

    kind: Kind
    media_type: str
    id: str
    """SOP Instance UID, or ``<resource type>/<id>`` for FHIR."""
    data: bytes
    """PS3.10 file, or UTF-8 JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Issue(ABC):
    """What is written at one time about one study: the common part of every edition."""

    written_at: datetime
    sources: tuple[Source, ...]
    """Images of the study; at least one."""

    @property
    def first(self) -> Source:
        """The image from which patient and study are taken."""
        return self.sources[0]

    @property
    @abstractmethod
    def title(self) -> str:
        """Name of what is written about, for the series' description."""

    @abstractmethod
    def derive_uid(self, *role: str) -> str:
        """Return a UID that is a function of what is written about and of `role`."""

    @abstractmethod
    def contributions(self) -> list[hd.ContributingEquipment]:
        """Return the readers that had a part in it."""

    def series(self, kind: Kind, instance_number: int = 1) -> dict[str, Any]:
        """Return the constructor arguments that place an object in its series."""
        return {
            "series_instance_uid": self.derive_uid("series", kind),
            "series_number": _SERIES_NUMBERS[kind],
            "instance_number": instance_number,
            "series_description": clip(f"{MODEL} {self.title} {kind.replace('_', ' ')}", 64),
            "manufacturer": MANUFACTURER,
            "specific_character_set": "ISO_IR 192",
        }

    def finish(self, result: Dataset, kind: Kind, source: Source, frame: int = 1) -> ResultObject:
        """Give a constructed object its patient, its times and its true references, and write it."""
        self._stamp_times(result, source)
        self._stamp_dimensions(result)
        if contributions := self.contributions():
            result.ContributingEquipmentSequence = contributions
        result.InstanceCreatorUID = self.derive_uid("creator")
        name_truly(result, (source, *self.sources), frame)
        name_schemes(result)
        add_items(result, source.identity())
        stream = io.BytesIO()
        result.save_as(stream, enforce_file_format=True)
        return ResultObject(kind, "application/dicom", str(result.SOPInstanceUID), stream.getvalue())

    def _stamp_times(self, result: Dataset, source: Source) -> None:
        moment = source.local(self.written_at)
        date, time = f"{moment:%Y%m%d}", f"{moment:%H%M%S.%f}"
        for day, clock in _TIMES:
            if day in result:
                result[day] = text_element(day, date)
                result[clock] = text_element(clock, time)

    def _stamp_dimensions(self, result: Dataset) -> None:
        # highdicom draws this UID by chance.
        uid = self.derive_uid("dimensions", str(result.SOPInstanceUID))
        for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
            for item in result.get(keyword) or ():
                item.DimensionOrganizationUID = uid


@dataclass(frozen=True, slots=True, eq=False)
class Edition(Issue):
    """A reading, its reader's card, its images and the time of writing."""

    reading: Reading
    card: Card

    @property
    def first(self) -> Source:
        """The image from which patient and study are taken: the first input, else the first given."""
        inputs = {ref.sop_instance_uid for ref in self.reading.inputs}
        return next((s for s in self.sources if s.ref.sop_instance_uid in inputs), self.sources[0])

    @property
    def title(self) -> str:
        """Name and version of the reader."""
        return str(self.reading.reader)

    def derive_uid(self, *role: str) -> str:
        """Return a UID that is a function of the reading and of `role`."""
        return self.reading.derive_uid(*role)

    @property
    def inputs(self) -> tuple[Source, ...]:
        """The images that the reading names; all that are given, if it names none of them."""
        uids = {ref.sop_instance_uid for ref in self.reading.inputs}
        uids |= {ref.sop_instance_uid for finding in self.reading.findings for ref in images_of(finding)}
        return tuple(s for s in self.sources if s.ref.sop_instance_uid in uids) or self.sources

    @property
    def pictured(self) -> tuple[Source, ...]:
        """The images that findings stand on or reach over; all inputs of a reading of the whole study.

        A reader that was asked at one place is given hundreds of slices around it.
        """
        prompt = self.reading.prompt
        if prompt is None:
            return self.inputs
        uids = {prompt.image.sop_instance_uid}
        uids |= {ref.sop_instance_uid for finding in self.reading.findings for ref in images_of(finding)}
        return tuple(source for source in self.inputs if source.ref.sop_instance_uid in uids) or self.inputs

    def source_of(self, finding: Finding) -> Source:
        """Return the image on which a finding stands."""
        return self.source_named(finding.image.sop_instance_uid)

    def source_named(self, sop_instance_uid: str) -> Source:
        """Return an image by its UID."""
        return next(source for source in self.sources if source.ref.sop_instance_uid == sop_instance_uid)

    def by_image(self) -> Iterable[tuple[Source, tuple[Finding, ...]]]:
        """Yield each image that bears findings, with its findings."""
        for source in self.sources:
            uid = source.ref.sop_instance_uid
            findings = tuple(f for f in self.reading.findings if f.image.sop_instance_uid == uid)
            if findings:
                yield source, findings

    def equipment(self) -> dict[str, Any]:
        """Return the constructor arguments of the Enhanced General Equipment module."""
        return equipment(serial_number(self.reading.reader))

    def contributions(self) -> list[hd.ContributingEquipment]:
        """Return the reader."""
        return [contribution(self.reading.reader, self.card.title, self.written_at)]


def equipment(serial: str) -> dict[str, Any]:
    """Return the constructor arguments of the Enhanced General Equipment module."""
    return {
        "manufacturer_model_name": MODEL,
        "software_versions": __version__,
        "device_serial_number": serial,
    }


def serial_number(reader: ReaderIdentity) -> str:
    """Return what tells a reader from others of its name and version: the head of its weights' hash."""
    return reader.weights_sha256[:16] or "no-weights"


def contribution(reader: ReaderIdentity, title: str, at: datetime) -> hd.ContributingEquipment:
    """Name the reader as IHE AIR (rev. 1.1, section 6.5.3.1) asks: as contributing equipment."""
    return hd.ContributingEquipment(
        manufacturer=clip(reader.manufacturer, 64) or MANUFACTURER,
        purpose_of_reference=coded(codes.PROCESSING_EQUIPMENT),
        manufacturer_model_name=clip(reader.name, 64),
        software_versions=clip(reader.version, 64),
        device_serial_number=serial_number(reader),
        contribution_datetime=at,
        contribution_description=clip(title, 64),
    )


#: Pairs of date and time elements that highdicom fills from the clock.
_TIMES = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("ContentDate", "ContentTime"),
    ("PresentationCreationDate", "PresentationCreationTime"),
    ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
)


def coded(code: Code) -> hd.sr.CodedConcept:
    """Return the code as highdicom writes it."""
    return hd.sr.CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=clip(code.meaning, 64))


def is_shown(finding: Finding) -> bool:
    """Whether the finding's region may be drawn: a region of something absent would mislead."""
    return finding.presence is not Presence.ABSENT


def images_of(finding: Finding) -> tuple[InstanceRef, ...]:
    """Return the images that a finding stands on or reaches over, each once."""
    return tuple(dict.fromkeys([finding.image, *(outline.image for outline in finding.outlines)]))
