"""What a study's entries amount to: a pure fold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from coread.casebook.case import Entry, EntryKind
from coread.casebook.codec import from_json
from coread.domain.review import Decision, Draft, Impression, SignedReport

_DECISIONS = (EntryKind.DECIDED, EntryKind.ADDED)
_REPORTS = (EntryKind.SIGNED, EntryKind.ADDENDUM)


@dataclass(frozen=True, slots=True)
class Standing:
    """A decision that stands, with the entry that made it."""

    decision: Decision
    revision: int
    study_version: int


@dataclass(frozen=True, slots=True)
class SavedDraft:
    """The last saved draft."""

    draft: Draft
    revision: int
    person_id: str
    basis: str
    """`Record.basis` when it was saved."""


@dataclass(frozen=True, slots=True)
class Record:
    """All that people have done with a study."""

    standing: Mapping[str, Standing] = field(default_factory=dict)
    """By finding UID, in the order in which they were decided."""
    impressions: Mapping[str, Impression] = field(default_factory=dict)
    """By person."""
    draft: SavedDraft | None = None
    drafted_by: frozenset[str] = frozenset()
    """Everybody who saved a draft."""
    reports: tuple[SignedReport, ...] = ()
    basis: str = ""
    """Hex digest of what stands: a draft that was saved on another basis is not up to date."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions that stand, oldest first."""
        return tuple(held.decision for held in self.standing.values())

    @property
    def signed_finding_uids(self) -> frozenset[str]:
        """Findings whose decision stands in a signed report, and therefore for ever."""
        return frozenset(d.finding_uid for report in self.reports for d in report.decisions)


def record_of(entries: Iterable[Entry]) -> Record:
    """Fold entries, in the order of their revisions, into what stands."""
    standing: dict[str, Entry] = {}
    impressions: dict[str, Entry] = {}
    drafts: list[tuple[Entry, str]] = []
    reports: list[Entry] = []
    for entry in entries:
        if entry.kind in _DECISIONS:
            standing.pop(entry.finding_uid, None)
            standing[entry.finding_uid] = entry
        elif entry.kind is EntryKind.UNDONE:
            standing.pop(entry.finding_uid, None)
        elif entry.kind is EntryKind.IMPRESSION:
            impressions[entry.person_id] = entry
        elif entry.kind is EntryKind.DRAFT:
            drafts.append((entry, _basis(standing)))
        elif entry.kind in _REPORTS:
            reports.append(entry)
    return Record(
        standing={uid: _standing(entry) for uid, entry in standing.items()},
        impressions={person: from_json(Impression, entry.payload) for person, entry in impressions.items()},
        draft=_saved(*drafts[-1]) if drafts else None,
        drafted_by=frozenset(entry.person_id for entry, _ in drafts),
        reports=tuple(from_json(SignedReport, entry.payload) for entry in reports),
        basis=_basis(standing),
    )


def _standing(entry: Entry) -> Standing:
    return Standing(from_json(Decision, entry.payload), entry.revision, entry.study_version)


def _saved(entry: Entry, basis: str) -> SavedDraft:
    return SavedDraft(from_json(Draft, entry.payload), entry.revision, entry.person_id, basis)


def _basis(standing: Mapping[str, Entry]) -> str:
    return hashlib.sha256("\n".join(entry.payload for entry in standing.values()).encode()).hexdigest()
