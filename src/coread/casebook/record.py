"""What a study's entries amount to: a pure fold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from coread.casebook.case import Entry, EntryKind
from coread.casebook.codec import from_json, to_json
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

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions that stand, oldest first."""
        return tuple(held.decision for held in self.standing.values())

    @property
    def basis(self) -> str:
        """Hex digest of what stands: a draft that was saved on another basis is not up to date."""
        return hashlib.sha256(to_json(self.decisions).encode()).hexdigest()

    @property
    def signed_finding_uids(self) -> frozenset[str]:
        """Findings whose decision stands in a signed report, and therefore for ever."""
        return frozenset(d.finding_uid for report in self.reports for d in report.decisions)


def record_of(entries: Iterable[Entry]) -> Record:
    """Fold entries, in the order of their revisions, into what stands."""
    standing: dict[str, Standing] = {}
    impressions: dict[str, Impression] = {}
    draft, drafted_by, reports = None, set(), []
    for entry in entries:
        if entry.kind in _DECISIONS:
            decision = from_json(Decision, entry.payload)
            standing.pop(entry.finding_uid, None)
            standing[entry.finding_uid] = Standing(decision, entry.revision, entry.study_version)
        elif entry.kind is EntryKind.UNDONE:
            standing.pop(entry.finding_uid, None)
        elif entry.kind is EntryKind.IMPRESSION:
            impressions[entry.person_id] = from_json(Impression, entry.payload)
        elif entry.kind is EntryKind.DRAFT:
            basis = Record(MappingProxyType(standing)).basis
            draft = SavedDraft(from_json(Draft, entry.payload), entry.revision, entry.person_id, basis)
            drafted_by.add(entry.person_id)
        elif entry.kind in _REPORTS:
            reports.append(from_json(SignedReport, entry.payload))
    return Record(standing, impressions, draft, frozenset(drafted_by), tuple(reports))
