"""A study as the casebook keeps it: a head, and the entries that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CaseState(StrEnum):
    """How far people are with a study."""

    NEW = "new"
    """Nobody has decided anything yet."""
    OPEN = "open"
    """Something is decided, nothing is signed."""
    DRAFT = "draft"
    """A draft is saved."""
    SIGNED = "signed"
    AMENDED = "amended"
    """Signed, with at least one addendum."""

    @property
    def is_signed(self) -> bool:
        """Whether a signed report exists."""
        return self in (CaseState.SIGNED, CaseState.AMENDED)


class EntryKind(StrEnum):
    """What one step of a study's revision was."""

    IMAGES = "images-arrived"
    READING = "reading-arrived"
    IMPRESSION = "impression"
    DECIDED = "decided"
    ADDED = "added"
    """A finding of the doctor's own."""
    UNDONE = "undone"
    DRAFT = "draft-saved"
    SIGNED = "signed"
    ADDENDUM = "addendum"
    ACKNOWLEDGED = "acknowledged"
    """What came after the signature was seen, and asks for no addendum."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step: who did what, on which version of the study."""

    study_instance_uid: str
    revision: int
    """1 for the first, without holes."""
    kind: EntryKind
    person_id: str
    """Empty for what no person did."""
    at: datetime
    study_version: int
    finding_uid: str
    payload: str
    """JSON: the impression, decision, draft or report; for an arrival the version or the reading's UID."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a study."""

    person_id: str
    since: datetime
    until: datetime
    """The lock has ended at this time, unless something is done before."""


@dataclass(frozen=True, slots=True)
class Case:
    """The head of a study."""

    study_instance_uid: str
    revision: int = 0
    state: CaseState = CaseState.NEW
    is_pending: bool = True
    """Still to do."""
    is_changed: bool = False
    """Something happened after the last signature."""
    is_gone: bool = False
    """The archive has deleted the study."""
    points: int = 0
    arrived_at: datetime | None = None
    complete_at: datetime | None = None
    study_version: int = 0
    reading_uids: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    listing: str = "{}"
    """What the list says of it, JSON made and read by `coread.review`."""
    holder: Holder | None = None
    """Whose lock it is; it may have ended."""

    def held_by(self, at: datetime) -> Holder | None:
        """Return who holds the lock at this time."""
        return self.holder if self.holder and self.holder.until > at else None
