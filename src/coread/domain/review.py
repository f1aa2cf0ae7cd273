"""What a doctor does with a study: impressions, decisions, reports, signatures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from coread.domain.codes import Code
from coread.domain.finding import Box, Measurement, Presence
from coread.domain.identity import derive_uid
from coread.domain.study import InstanceRef


class Mode(StrEnum):
    """When the doctor gets to see what the readers said."""

    BLIND_FIRST = "blind-first"
    """Only after the doctor has recorded an impression."""
    CONCURRENT = "concurrent"
    """From the beginning."""
    SECOND_READER = "second-reader"
    """Only after the doctor has written the draft of the report."""
    TRIAGE_ONLY = "triage-only"
    """Never; the readers only order the worklist."""


class Verdict(StrEnum):
    """What the doctor says of one finding of a reader."""

    ACCEPTED = "accepted"
    EDITED = "edited"
    """Accepted in another form: label, place, outline or measure."""
    REJECTED = "rejected"


class RejectReason(StrEnum):
    """Why a finding was rejected; the words that statistics count."""

    NOT_PRESENT = "not-present"
    WRONG_PLACE = "wrong-place"
    WRONG_LABEL = "wrong-label"
    ARTEFACT = "artefact"
    NORMAL_VARIANT = "normal-variant"
    KNOWN_BEFORE = "known-before"
    NOT_RELEVANT = "not-relevant"
    IMAGE_QUALITY = "image-quality"
    OTHER = "other"
    """Asks for a comment."""


@dataclass(frozen=True, slots=True)
class Trait:
    """How a finding looks, as the doctor states it, e.g. texture: part-solid."""

    concept: Code
    value: Code


@dataclass(frozen=True, slots=True)
class Statement:
    """A finding as the doctor states it; ends up in the report word for word."""

    code: Code
    presence: Presence
    image: InstanceRef | None = None
    """The image that shows it; none for a statement about the study as a whole."""
    frame: int = 1
    """Counted from 1."""
    site: Code | None = None
    boxes: tuple[Box, ...] = ()
    outline: tuple[tuple[float, float], ...] = ()
    """Closed polygon, (x, y) in pixels of the stored image, origin as in `Box`."""
    measurements: tuple[Measurement, ...] = ()
    comment: str = ""
    """Typed by the doctor."""
    traits: tuple[Trait, ...] = ()


@dataclass(frozen=True, slots=True)
class Impression:
    """What the doctor thought before the readers were shown."""

    person_id: str
    at: datetime
    is_abnormal: bool
    confidence: float
    """0..1, the doctor's own."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The standing decision on one finding."""

    finding_uid: str
    """The reader's tracking UID, or one of the doctor's own."""
    verdict: Verdict | None
    """None: a finding that the doctor added."""
    reading_uid: str
    """The reading that holds the finding; empty for the doctor's own."""
    statement: Statement | None
    """As it goes into the report; None when rejected."""
    person_id: str
    at: datetime
    reason: RejectReason | None = None
    comment: str = ""
    active_s: float = 0.0
    """Seconds that the doctor's window was active on this finding."""
    shown: tuple[str, ...] = ()
    """What was on the screen: ``box``, ``heat-map``, ``probability``, ``interval``, ``performance``..."""
    nudge: str = ""
    """Answer to a nudge against automation bias, where one was given."""

    @property
    def is_in_report(self) -> bool:
        """Whether the report speaks of it."""
        return self.statement is not None


class Origin(StrEnum):
    """Where a line of a report comes from; there is no other source of text."""

    TEMPLATE = "template"
    FINDING = "finding"
    TYPED = "typed"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report."""

    text: str
    origin: Origin
    finding_uid: str = ""
    """For `Origin.FINDING`."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report, e.g. findings or impression."""

    name: str
    """Stable key: ``technique``, ``comparison``, ``findings``, ``impression``, ``recommendation``."""
    lines: tuple[Line, ...] = ()

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class Draft:
    """One version of a report that is being written."""

    template: str
    """``chest-radiograph``, ``ct-nodule`` or ``generic``."""
    language: str
    """``en`` or ``zh``."""
    sections: tuple[Section, ...]
    version: int = 0
    """Counts the saved states of this draft."""


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report that a doctor has signed; never changed, only followed by an addendum.

    The results that go out are functions of this value.
    """

    study_instance_uid: str
    study_version: int
    number: int
    """1 for the first report of the study; an addendum has the next."""
    draft: Draft
    decisions: tuple[Decision, ...]
    """All that stood when it was signed, rejected ones too."""
    mode: Mode
    person_id: str
    person_name: str
    signed_at: datetime
    predecessor_uid: str = ""
    """UID of the report that this one amends."""
    impression: Impression | None = None
    reading_uids: tuple[str, ...] = ()
    """Readings that lay on the table."""

    @property
    def is_addendum(self) -> bool:
        """Whether it follows an earlier signed report."""
        return self.number > 1

    @property
    def uid(self) -> str:
        """Identifier of the report: a function of study and number."""
        return derive_uid("report", self.study_instance_uid, str(self.number))

    def derive_uid(self, *role: str) -> str:
        """Identifier of an object made of this report, e.g. ``report.derive_uid("sr")``."""
        return derive_uid(self.uid, *role)

    @property
    def text_sha256(self) -> str:
        """Hex digest of the words that were signed, for the ledger."""
        words = [[section.name, section.text] for section in self.draft.sections]
        return hashlib.sha256(json.dumps(words, ensure_ascii=False).encode()).hexdigest()
