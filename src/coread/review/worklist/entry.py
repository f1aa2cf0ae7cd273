"""The reading list as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from coread.casebook import CaseState
from coread.domain.codes import Code
from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.errors import BadQuery
from coread.review.study_review import Lock

MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which part of the list is wanted."""

    text: str = ""
    """Patient ID, patient's name or accession number, or how one of them begins; ``*`` and ``?`` are DICOM's
    wildcards."""
    states: tuple[CaseState, ...] = ()
    """Empty: what is still to do, the most urgent first. Else these states, the latest change first."""
    modality: str = ""
    is_unread: bool = False
    """Only what this person has not opened since it last changed."""
    is_mine: bool = False
    """Only what this person holds."""
    is_teaching: bool = False
    limit: int = 50
    offset: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT or not 0 <= self.offset <= 1_000_000:
            raise BadQuery(
                f"limit {self.limit} and offset {self.offset}",
                f"a limit of 1 to {MAX_LIMIT}, and an offset of 0 to 1,000,000",
                where="worklist filter",
            )


@dataclass(frozen=True, slots=True)
class SavedView:
    """A filter under a name of the person's own."""

    name: str
    filter: Filter


@dataclass(frozen=True, slots=True)
class UrgencyReason:
    """One part of a study's urgency."""

    code: str
    """``priority`` (args: ``high`` or ``stat``) or ``words`` (args: the word), ``modality`` (args: which),
    ``finding`` (args: meaning, its Chinese, probability), ``disagreement`` (args: meaning, its Chinese),
    ``withheld`` (what readers said and this person may not see), ``overdue`` (args: hours allowed),
    ``waiting`` (args: hours)."""
    points: float
    args: tuple[str, ...] = ()
    """What the words of a page are filled with."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One reader's answer, in the few words that a list has room for."""

    reader: str
    is_withheld: bool = False
    """True: there is an answer, and this person may not see it before opening the study, or never."""
    outcome: Outcome | None = None
    code: Code | None = None
    """Of the most probable finding, if any."""
    probability: float | None = None
    presence: Presence | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list."""

    study_instance_uid: str
    facts: Mapping[str, str]
    """As `coread.archive.Archive.find_studies` gives them: PatientName, PatientID, StudyDate..."""
    urgency: float
    """0..100."""
    reasons: tuple[UrgencyReason, ...]
    """Their points sum up to `urgency`."""
    answers: tuple[Answer, ...]
    state: CaseState
    lock: Lock | None
    is_unread: bool
    is_growing: bool
    """Images are still arriving."""
    is_changed_since_signing: bool
    is_teaching_case: bool
    arrived_at: datetime | None
    """First image."""
    complete_at: datetime | None
    """When the newest version was complete."""
    waiting_s: float
    revision: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many studies there are."""

    pending: int
    """Still to do."""
    unread: int
    """Of these, not yet opened by this person since the last change."""
    by_state: Mapping[CaseState, int]
    arriving: int
    """Studies whose images are still arriving, known or not yet in the list."""
    questions: int
    """Open questions of colleagues to this person."""


@dataclass(frozen=True, slots=True)
class Worklist:
    """One page of the list."""

    entries: tuple[Entry, ...]
    counts: Counts
    has_more: bool
    is_behind: bool = False
    """More has happened than could be taken in at once; the next page asked for takes in more."""
