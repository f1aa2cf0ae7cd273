"""What is told about a signed report beside the report itself, and what its decisions decide on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from types import MappingProxyType

from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Finding
from coread.domain.reading import Reading
from coread.domain.review import Decision, SignedReport, Statement, Verdict
from coread.errors import ResultFault


@dataclass(frozen=True, slots=True)
class Signer:
    """The doctor who signed."""

    person_id: str
    """Opaque, as in the ledger."""
    name: str
    """As it stands under the signature."""
    organization: str = ""
    """Where the doctor signed; the images' Institution Name if left out."""
    role: Code | None = None
    """Role in the organization by CID 7452, e.g. (309343006, SCT, "Physician")."""


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What a printed report shows beside the signed words."""

    patient: Mapping[str, str]
    """Header facts of an image of the study by keyword: patient, study, order."""
    signer: Signer
    readings: tuple[Reading, ...] = ()
    """The readings that lay on the table."""
    cards: Mapping[str, Card] = field(default_factory=dict)
    """Cards by reader's name."""
    earlier: tuple[SignedReport, ...] = ()
    """Earlier signed reports of the study, in their order."""
    zone: tzinfo = UTC
    """In which times are shown."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient", MappingProxyType(dict(self.patient)))
        object.__setattr__(self, "cards", MappingProxyType(dict(self.cards)))


@dataclass(frozen=True, slots=True)
class Assessed:
    """One decision with what it was made on."""

    decision: Decision
    reading: Reading | None = None
    """None for what the doctor added."""
    finding: Finding | None = None

    @property
    def statement(self) -> Statement | None:
        """As it stands in the report; None when rejected."""
        return self.decision.statement

    @property
    def is_own(self) -> bool:
        """Whether the doctor added it."""
        return self.finding is None

    @property
    def is_accepted(self) -> bool:
        """Whether the report states what the reader found."""
        return self.decision.verdict is Verdict.ACCEPTED

    @property
    def code(self) -> Code:
        """What it is about: as the doctor calls it, else as the reader did."""
        if self.statement is not None:
            return self.statement.code
        if self.finding is None:
            raise _fault("a decision without statement and without finding", "one of both")
        return self.finding.code

    @property
    def name(self) -> str:
        """Short name for people: the reader's for a reader's finding."""
        return self.finding.tracking_id if self.finding else self.code.meaning


def assess(report: SignedReport, readings: Iterable[Reading]) -> tuple[Assessed, ...]:
    """Join each decision of a report with the finding that it was made on, in the report's order.

    Raises
    ------
    ResultFault
        If a decision names a finding that no given reading holds.
    """
    known = {finding.tracking_uid: (reading, finding) for reading in readings for finding in reading.findings}
    return tuple(_joined(decision, known) for decision in report.decisions)


def undecided(report: SignedReport, readings: Iterable[Reading]) -> tuple[tuple[Reading, Finding], ...]:
    """Return the findings that lay on the table and that the report does not decide on.

    A doctor need not decide on what a reader calls absent.
    """
    decided = {decision.finding_uid for decision in report.decisions}
    return tuple((r, f) for r in readings for f in r.findings if f.tracking_uid not in decided)


def _joined(decision: Decision, known: Mapping[str, tuple[Reading, Finding]]) -> Assessed:
    if decision.verdict is None:
        return Assessed(decision)
    if decision.finding_uid not in known:
        raise _fault("a decision on a finding that no given reading holds", "the readings of the report")
    return Assessed(decision, *known[decision.finding_uid])


def _fault(found: str, expected: str) -> ResultFault:
    return ResultFault(
        found=found, expected=expected, remedy="report this as a defect", where="results.write_signed"
    )
