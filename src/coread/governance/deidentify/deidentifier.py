"""One object in, one de-identified object out, or a reason why it stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from coread.dicom import FileMeta, open_object, part10_prefix, read_meta
from coread.errors import InputFault
from coread.governance.deidentify.header import Change, HeaderCleaner, Plan, plan_for
from coread.governance.deidentify.header.subject import Subject, subject_of
from coread.governance.deidentify.marking import mark
from coread.governance.deidentify.overlays import clean_overlays
from coread.governance.deidentify.pixels import (
    PixelFindings,
    TextFinder,
    clean_pixels,
    is_suspicious,
    shows_face,
)
from coread.governance.deidentify.pixels.cleaning import Judge
from coread.governance.deidentify.pixels.image import ImageFacts, image_facts
from coread.governance.deidentify.pixels.putting import put_pixels
from coread.governance.deidentify.refusing import refusal_of
from coread.governance.deidentify.replacing import Pseudonyms
from coread.governance.deidentify.rules import Profile
from coread.governance.deidentify.rules.profile import CLEAN_PIXELS
from coread.governance.deidentify.stream import Element, Item, encoding_of, read_elements, write_elements
from coread.governance.deidentify.texts import Known, collect, decoded, encodings_of

_FACTS = {
    0x00080008: "ImageType",
    0x00080016: "SOPClassUID",
    0x00080018: "SOPInstanceUID",
    0x00080060: "Modality",
    0x00080064: "ConversionType",
    0x00080070: "Manufacturer",
    0x00081030: "StudyDescription",
    0x0008103E: "SeriesDescription",
    0x00081090: "ManufacturerModelName",
    0x00100010: "PatientName",
    0x00100020: "PatientID",
    0x00100021: "IssuerOfPatientID",
    0x00100030: "PatientBirthDate",
    0x00180015: "BodyPartExamined",
    0x00181030: "ProtocolName",
    0x00280301: "BurnedInAnnotation",
    0x00280302: "RecognizableVisualFeatures",
}
_LEVELS = {0x00080018: "instance", 0x0020000D: "study", 0x0020000E: "series"}
_CHARACTER_SET, _PATIENT_ID = 0x00080005, 0x00100020
_PERSON = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate")


@dataclass(frozen=True)
class Deidentified:
    """An object that may go out, and what was done to it. All but `data` stays inside the hospital."""

    data: bytes = field(repr=False)
    """A whole file of PS3.10."""
    subject: Subject = field(repr=False)
    uids: Mapping[str, str] = field(repr=False)
    """``study``, ``series`` and ``instance``: the new UIDs."""
    former_uids: Mapping[str, str] = field(repr=False)
    person: Mapping[str, str] = field(repr=False)
    """Patient ID with its issuer, name and date of birth as they were, by keyword: for the vault."""
    changes: tuple[Change, ...] = field(repr=False)
    pixels: PixelFindings | None = None
    """None where the pixels were not looked at, or there are none."""
    face: bool = False
    """Whether a face may be drawn from it."""
    notes: tuple[str, ...] = ()
    """What a reviewer should know: a changed transfer syntax, pixels that nobody looked at."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An object that stays, and why."""

    reason: str


class Deidentifier:
    """De-identifies objects under one profile and one domain of pseudonyms.

    Parameters
    ----------
    profile
        What is done.
    pseudonyms
        Of the domain (a project, a receiver).
    finder
        Finds burned-in text; None where none is installed.
    """

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms, finder: TextFinder | None = None) -> None:
        self.profile = profile
        self.pseudonyms = pseudonyms
        self._finder = finder
        self._plan = plan_for(profile)

    def deidentify(self, data: bytes) -> Deidentified | Refused:
        """De-identify one file's bytes. An object that cannot be read whole does not go out."""
        try:
            return _Run(self._plan, self.pseudonyms, self._finder, data).outcome()
        except InputFault as fault:
            return Refused(f"cannot be read whole: {fault.sentence} [{fault.number}]")


class _Run:
    """One object on its way."""

    def __init__(self, plan: Plan, pseudonyms: Pseudonyms, finder: TextFinder | None, data: bytes) -> None:
        self.plan = plan
        self.profile = plan.profile
        self.pseudonyms = pseudonyms
        self.finder = finder
        self.data = data
        self.meta: FileMeta = read_meta(data)
        self.syntax = self.meta.transfer_syntax_uid
        self.elements: Item = read_elements(data, self.meta.data_set_offset, encoding_of(self.syntax))
        self.facts = facts_of(self.elements)
        self.former_uids = _uids_of(self.elements)
        self.notes: list[str] = []

    @cached_property
    def known(self) -> Known:
        return collect(self.elements, self.plan.kept, self.pseudonyms.is_own_patient)

    def outcome(self) -> Deidentified | Refused:
        face = shows_face(self.facts)
        reason = refusal_of(self.facts, self.meta, face=face, policy=self.profile.faces)
        if reason:
            return Refused(reason)
        subject = subject_of(self.elements, self.profile, self.pseudonyms)
        image = image_facts(self.elements, self.syntax)
        pixels = self._look_at(image)
        if pixels is not None and pixels.refusal:
            return Refused(pixels.refusal)
        cleaner = HeaderCleaner(self.plan, self.pseudonyms, subject, self.known)
        elements = cleaner.clean(self.elements)
        if all(element.tag != _PATIENT_ID for element in elements):
            elements.append(Element(_PATIENT_ID, b"LO", subject.pseudonym.encode()))
        if image is not None:
            painted = pixels.painted if pixels is not None else None
            self.syntax, notes = put_pixels(elements, painted, image)
            self.notes += notes
        clean_overlays(elements, image, self.finder if self.plan.cleans_graphics else None)
        looked_at = pixels is not None and pixels.looked_at
        mark(elements, self.profile, looked_at=looked_at, has_pixels=image is not None, face=face)
        return self._written(elements, subject, cleaner, pixels, face)

    def _look_at(self, image: ImageFacts | None) -> PixelFindings | None:
        look_at = self.profile.pixels.look_at
        if image is None or CLEAN_PIXELS not in self.profile.options or look_at == "never":
            return None
        if look_at == "suspicious" and not is_suspicious(self.facts):
            self.notes.append("pixels not searched for text: an original of a kind that bears none")
            return None
        judge = Judge(self.finder, self.known, self.profile.pixels.keep_harmless_words)
        return clean_pixels(self.elements, image, open_object(self.data), self.facts, judge)

    def _written(
        self,
        elements: Item,
        subject: Subject,
        cleaner: HeaderCleaner,
        pixels: PixelFindings | None,
        face: bool,
    ) -> Deidentified:
        new = _uids_of(elements)
        prefix = part10_prefix(self.facts.get("SOPClassUID", ""), new["instance"], self.syntax)
        return Deidentified(
            data=write_elements(elements, encoding_of(self.syntax), prefix),
            subject=subject,
            uids=new,
            former_uids=self.former_uids,
            person={word: self.facts[word] for word in _PERSON if self.facts.get(word)},
            changes=tuple(cleaner.changes),
            pixels=pixels,
            face=face,
            notes=tuple(self.notes),
        )


def facts_of(elements: Item) -> dict[str, str]:
    """Return the few texts that decide how an object is treated, by keyword."""
    encodings: tuple[str, ...] = ("ascii",)
    facts = {}
    for element in elements:
        if element.tag == _CHARACTER_SET:
            encodings = encodings_of(bytes(element.value))
        keyword = _FACTS.get(element.tag)
        if keyword and element.items is None:
            facts[keyword] = decoded(element.value, encodings).strip(" \0")
    return facts


def _uids_of(elements: Item) -> dict[str, str]:
    found = dict.fromkeys(_LEVELS.values(), "")
    for element in elements:
        level = _LEVELS.get(element.tag)
        if level is not None:
            found[level] = bytes(element.value).decode("latin-1").strip(" \0")
    return found
