"""A study laid out on the desk: what the keepers have of it, before anything is withheld."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from coread.archive import StudyState
from coread.casebook import Case, Entry, Record, record_of
from coread.domain.consent import Permit, Use, passes
from coread.domain.finding import Finding
from coread.domain.identity import is_uid
from coread.domain.person import Person
from coread.domain.reading import Reading
from coread.domain.review import Decision, Mode
from coread.domain.study import Instance
from coread.errors import NotFound
from coread.review.modes import most_open, reveal_by
from coread.review.sources import Sources
from coread.review.worklist.catching_up import Glance, bring_up, glance_at, newest

Facts = Mapping[str, str]

_TRIES = 3
#: Modality (0008,0060) of objects that are made of images: PS3.3 section C.7.3.1.1.1.
_RESULTS = frozenset({"DOC", "KO", "PR", "REG", "RTSTRUCT", "SEG", "SR"})


@dataclass(frozen=True)
class Table:
    """One study as one person has it before him."""

    person: Person
    case: Case
    entries: tuple[Entry, ...]
    record: Record
    glance: Glance
    sources: Sources
    images: dict[str, Instance | None] = field(default_factory=dict)
    """Images that were looked up already."""

    @property
    def state(self) -> StudyState:
        """How far the study's arrival is."""
        return self.glance.state

    @property
    def facts(self) -> Facts:
        """Facts of the study."""
        return self.glance.facts

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Every reading of every version."""
        return self.glance.readings

    @property
    def study_instance_uid(self) -> str:
        """Which study it is."""
        return self.case.study_instance_uid

    def image(self, sop_instance_uid: str) -> Instance | None:
        """Return an image of the archive, looked up once; None for one that was deleted after it was read."""
        if sop_instance_uid not in self.images:
            try:
                self.images[sop_instance_uid] = self.sources.archive.get(sop_instance_uid)
            except NotFound:
                self.images[sop_instance_uid] = None
        return self.images[sop_instance_uid]

    @property
    def imaging(self) -> tuple[str, ...]:
        """Modalities of the study's images, without those of results and reports."""
        return tuple(modality for modality in self.case.modalities if modality not in _RESULTS)

    @cached_property
    def newest(self) -> tuple[Reading, ...]:
        """The newest reading of each reader."""
        return newest(self.readings)

    def mode(self, reader: str) -> Mode:
        """Return the mode in which this person reads with a reader here."""
        return self.sources.policy.mode(self.person, reader, self.facts.get("InstitutionName", ""))

    @cached_property
    def study_mode(self) -> Mode:
        """The most open of the readers' modes."""
        return most_open([self.mode(r.reader.name) for r in self.newest], self.mode(""))

    def reveal_by(self, reader: str) -> str:
        """Return what would reveal a reader's answer; empty if it is shown."""
        return reveal_by(self.mode(reader), self.person.id, self.case, self.record)

    @cached_property
    def withheld_by(self) -> str:
        """What would reveal the rest, ``impression``, ``draft`` or ``never``; empty if all is shown."""
        reasons = {self.reveal_by(reading.reader.name) for reading in self.newest}
        return next((reason for reason in ("impression", "draft", "never") if reason in reasons), "")

    @cached_property
    def ai_permit(self) -> Permit:
        """Whether the patient lets AI readers help in care now."""
        return self.sources.consents.may(self.study_instance_uid, Use.AI)

    @cached_property
    @passes(Use.AI)
    def shown(self) -> tuple[Reading, ...]:
        """The newest readings that this person may see; none where the patient does not agree to AI.

        What was decided before consent was withdrawn is the doctor's word, and stays.
        """
        if not self.ai_permit.is_allowed:
            return ()
        return tuple(reading for reading in self.newest if not self.reveal_by(reading.reader.name))

    def revealed_by(self, act: str) -> tuple[Reading, ...]:
        """Return the newest readings that ``impression`` or ``draft`` would show to this person."""
        return tuple(reading for reading in self.newest if self.reveal_by(reading.reader.name) == act)

    @cached_property
    def findings(self) -> Mapping[str, tuple[Reading, Finding]]:
        """The findings that this person may see, by tracking UID."""
        return {f.tracking_uid: (reading, f) for reading in self.shown for f in reading.findings}

    @cached_property
    def visible(self) -> tuple[Decision, ...]:
        """What stands, without decisions on findings that this person may not see."""
        silent = [r for r in self.readings if self.reveal_by(r.reader.name)]
        hidden = {finding.tracking_uid for reading in silent for finding in reading.findings}
        return tuple(d for d in self.record.decisions if d.verdict is None or d.finding_uid not in hidden)

    def superseded(self, finding_uid: str) -> tuple[Reading, Finding] | None:
        """Return a finding that a reader no longer states, and on which a decision stands."""
        standing = self.record.standing.get(finding_uid)
        own = [r for r in self.readings if standing and r.uid == standing.decision.reading_uid]
        if standing is None or not own or self.reveal_by(own[0].reader.name):
            return None
        finding = self._finding_of(standing.decision)
        return (own[0], finding) if finding else None

    def is_outdated(self, finding_uid: str) -> bool:
        """Tell whether a decision was taken on another statement of the reader than the present one."""
        standing = self.record.standing.get(finding_uid)
        if standing is None or standing.decision.verdict is None:
            return False
        if finding_uid in self.record.signed_finding_uids:
            return False
        present = self.findings.get(finding_uid)
        if present is None:
            return self._is_superseded(standing.decision) and standing.study_version < self.case.study_version
        return self._finding_of(standing.decision) != present[1]

    def _is_superseded(self, decision: Decision) -> bool:
        return decision.reading_uid not in {reading.uid for reading in self.newest}

    def _finding_of(self, decision: Decision) -> Finding | None:
        own = (r for r in self.readings if r.uid == decision.reading_uid)
        held = (f for reading in own for f in reading.findings if f.tracking_uid == decision.finding_uid)
        return next(held, None)


class Tables:
    """Lays studies out."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def lay(self, study_instance_uid: str, person: Person) -> Table:
        """Bring a study up to date and lay it out for a person.

        Raises
        ------
        NotFound
            If the archive has nothing of it (any more).
        """
        if not is_uid(study_instance_uid):
            raise NotFound("no Study Instance UID", "a UID", "open the study from the list")
        glance = glance_at(study_instance_uid, self._from)
        for _ in range(_TRIES):
            case, entries = self._from.casebook.journal.read(study_instance_uid)
            present = bring_up(case, glance, self._from)
            if present is case:
                break
            glance = glance_at(study_instance_uid, self._from)  # another process may have seen more
        return Table(person, case, entries, record_of(entries), glance, self._from)

    def again(self, table: Table) -> Table:
        """Lay out the same study with what has been written since; the archive is not asked again."""
        case, entries = self._from.casebook.journal.read(table.study_instance_uid)
        return replace(table, case=case, entries=entries, record=record_of(entries))
