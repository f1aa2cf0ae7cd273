"""What a doctor has before him: one study with all that may be shown of it, as one value.

What may not be shown yet is not in here; no page has to hide anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from coread.casebook import CaseState
from coread.domain.bundle import Card
from coread.domain.codes import Code
from coread.domain.finding import Finding, Presence
from coread.domain.reading import Outcome, Prompt, ReaderIdentity, Reason
from coread.domain.review import Decision, Draft, Impression, Mode, SignedReport, Statement


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to the study: a step of its revision."""

    revision: int
    code: str
    """Of `coread.casebook.EntryKind`: ``images-arrived``, ``reading-arrived``, ``impression``, ``decided``,
    ``added``, ``undone``, ``draft-saved``, ``signed``, ``addendum``, ``acknowledged``."""
    args: tuple[str, ...]
    """E.g. the study version, the reader, the finding's UID."""
    at: datetime
    person_id: str = ""
    """Empty for what no person did."""
    person_name: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who works on the study."""

    person_id: str
    person_name: str
    since: datetime
    until: datetime
    """When it ends by itself, if nothing more is done."""
    is_mine: bool


@dataclass(frozen=True, slots=True)
class ConfidenceWords:
    """A calibrated probability in words."""

    code: str
    """``consistent-with``, ``probable``, ``possible``, ``less-likely`` or ``unlikely``."""
    lower_code: str
    """The word for the lower end of the interval."""
    upper_code: str
    is_wide: bool
    """Whether the interval reaches over more than two of the words: the number says little."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured share or area with its interval."""

    value: float
    lower: float
    upper: float
    level: float


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """How a reader did on one part of its test patients."""

    source: str
    """Where the test patients come from, as the evaluation names it."""
    dimension: str
    """``all``, ``age_years``, ``sex``, ``view`` or another that the evaluation has."""
    group: str
    """E.g. ``40-64``; empty for all."""
    images: int
    patients: int
    positives: int
    is_enough: bool
    """False: so few cases that the figures say little."""
    auc: Measured | None
    sensitivity: Measured | None
    specificity: Measured | None


@dataclass(frozen=True, slots=True)
class Performance:
    """How a reader does on people like this one."""

    rows: tuple[PerformanceRow, ...]
    """All patients of each source, then the groups that this person belongs to."""
    untested: tuple[tuple[str, str], ...]
    """(dimension, value) of this person for which the evaluation has no group: nothing was measured."""
    evidence_grade: str
    """``human_trial``, ``retrospective``, ``simulated``, ``synthetic``; empty if not known."""


@dataclass(frozen=True, slots=True)
class FindingPanel:
    """One finding of a reader with all that belongs beside it."""

    finding: Finding
    reading_uid: str
    reader: ReaderIdentity
    card: Card | None
    """With what the reader cannot see (`limits`); None where the reader is not installed any more."""
    mode: Mode
    words: ConfidenceWords
    explanation: str
    """``shown``: the finding bears a heat map; ``none-passed``: the reader's explanations failed their test;
    ``none-made``: there is none for this finding."""
    performance: Performance
    nudge: str = ""
    """``say-why`` or ``show-place`` where an answer is asked for before the finding may be accepted."""
    decision: Decision | None = None
    """The standing one."""
    is_outdated: bool = False
    """The decision was taken on another statement of the reader than the present one: decide again."""
    statement: Statement | None = None
    """What accepting it would state."""
    can_reconsider: bool = False
    """Whether the reader's answer follows from characteristics that the doctor may correct."""

    @property
    def finding_uid(self) -> str:
        """What decisions name the finding by."""
        return self.finding.tracking_uid


@dataclass(frozen=True, slots=True)
class ReadingView:
    """One reader's answer, abstentions and refusals too."""

    reading_uid: str
    reader: ReaderIdentity
    study_version: int
    mode: Mode
    is_withheld: bool
    """True: there is an answer, and it is not shown yet; `outcome` is None."""
    is_newest: bool
    """False for what the reader said of an earlier version of the study."""
    outcome: Outcome | None = None
    reason: Reason | None = None
    card: Card | None = None
    made_at: datetime | None = None
    """When the reader gave it, by the ledger."""
    prompt: Prompt | None = None
    """Where it was asked to look; None for a reading of the whole study."""


@dataclass(frozen=True, slots=True)
class AskableReader:
    """A reader that this doctor may ask to look at a place of this study."""

    name: str
    title: str
    title_zh: str
    points: bool
    boxes: bool
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedPlace:
    """A place at which somebody asked a reader to look, and how far the answer is."""

    uid: str
    reader: str
    prompt: Prompt
    person_id: str
    person_name: str
    asked_at: datetime
    state: str
    """``waiting``, ``answered`` or ``given-up``."""
    reading_uid: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredNodule:
    """A nodule of the report as the follow-up rules want it; what is not known is left to the doctor."""

    finding_uid: str
    diameter_mm: float
    """Mean of long and short axis."""
    composition: str
    """``solid``, ``part-solid``, ``ground-glass``, or empty where nobody said."""
    solid_mm: float
    """Of the solid part; 0 where nobody measured it."""
    is_suspicious: bool
    """Spiculated."""
    is_benign: bool
    """Calcified."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one reader says in a panel."""

    reader: str
    reading_uid: str
    outcome: Outcome
    presence: Presence | None
    """None where the reader gave no answer on this finding."""
    probability: float | None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What several readers say together of one kind of finding; dissent included."""

    code: Code
    rule: str
    """Stable name of the rule by which it was formed: ``mean-of-calibrated-probabilities/1``."""
    probability: float
    lower: float
    """Lowest of the readers' lower ends: the panel claims no more certainty than its members."""
    upper: float
    presence: Presence
    agreement: str
    """``single``, ``agree`` or ``disagree``."""
    votes: tuple[Vote, ...]
    """Every reader that was asked, dissenters and those without an answer too."""
    dissenters: tuple[str, ...]
    """Readers whose statement is not that of the panel."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Another study of the same patient."""

    study_instance_uid: str
    facts: Mapping[str, str]
    """As `coread.archive.Archive.find_studies` gives them."""
    state: CaseState
    report_count: int


@dataclass(frozen=True, slots=True)
class Question:
    """A second opinion that was asked for."""

    id: str
    study_instance_uid: str
    asker_id: str
    asker_name: str
    colleague_id: str
    colleague_name: str
    text: str
    asked_at: datetime
    answer: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far one object made of a signed report is on its way to one destination."""

    object_id: str
    destination: str
    state: str
    detail: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class DraftFault:
    """Something about the saved draft that the doctor should know."""

    code: str
    """``outdated``: decisions changed since it was saved; ``unmentioned``: a finding of the report has no
    line of its own any more; ``speaks-of-rejected``: a line is the sentence of a rejected finding."""
    finding_uid: str = ""


@dataclass(frozen=True, slots=True)
class Hurdle:
    """One thing that stands between the study and the signature."""

    code: str
    """``images-arriving``, ``not-revealed``, ``hidden-decision`` (a colleague decided on what this person may
    never see: the colleague signs), ``undecided-finding``, ``outdated-decision``, ``no-draft``,
    ``draft-outdated``, ``draft-speaks-of-rejected``, ``empty-draft``, ``no-lock``."""
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyReview:
    """All that one doctor may see and needs to know of one study."""

    study_instance_uid: str
    revision: int
    """Every write names the revision that the doctor saw."""
    state: CaseState
    study_version: int
    is_growing: bool
    """Images are still arriving."""
    is_changed_since_signing: bool
    """Images or readings came after the last signature: an addendum may be due."""
    facts: Mapping[str, str]
    """DICOM keyword to text, of the study."""
    mode: Mode
    """The most open of the readers' modes: what the doctor at most saw."""
    is_revealed: bool
    """Whether nothing is withheld."""
    reveal_by: str
    """What reveals the rest: ``impression``, ``draft``, ``never``, or empty when nothing is withheld."""
    findings: tuple[FindingPanel, ...]
    readings: tuple[ReadingView, ...]
    opinions: tuple[Opinion, ...]
    decisions: tuple[Decision, ...]
    """All that stand, the doctor's own findings (verdict None) too, oldest first."""
    impression: Impression | None
    """This person's own."""
    draft: Draft | None
    """The last saved version."""
    draft_faults: tuple[DraftFault, ...]
    suggested_template: str
    reports: tuple[SignedReport, ...]
    deliveries: tuple[Delivered, ...]
    lock: Lock | None
    hurdles: tuple[Hurdle, ...]
    """Why it cannot be signed by this person now; empty when it can."""
    priors: tuple[Prior, ...]
    questions: tuple[Question, ...]
    is_teaching_case: bool
    askable: tuple[AskableReader, ...]
    """Readers that this person may ask to look at a place."""
    asked: tuple[AskedPlace, ...]
    """What was asked, oldest first; without questions to readers whose answers are withheld."""
    nodules: tuple[MeasuredNodule, ...]
    """Measured nodules of the report, for the follow-up rules."""
    changes: tuple[Change, ...]
    """What others, other windows, scanners and readers did since this person last opened the study."""

    def own_statements(self) -> tuple[Statement, ...]:
        """Return the findings that doctors added."""
        own = (d.statement for d in self.decisions if d.verdict is None)
        return tuple(statement for statement in own if statement is not None)
