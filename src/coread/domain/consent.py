"""Consent: who agreed to which use of what belongs to him, and whether the use may go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from coread.domain.reading import Reason

Door = TypeVar("Door", bound=Callable[..., object])

DOOR_MARK = "__passes_uses__"


class Use(StrEnum):
    """What a person's images may be used for; each is asked for by itself."""

    CARE = "care"
    """Read by doctors, for this person's own care."""
    AI = "ai-in-care"
    """Read by AI readers beside the doctor, for this person's own care."""
    LEARNING = "learning"
    """Learnt from in this house."""
    FEDERATION = "federation"
    """Learnt from together with other houses; images stay, what was learnt leaves."""
    TEACHING = "teaching"
    """Shown to learners, or de-identified and given away for teaching."""


NEEDS: Mapping[Use, tuple[Use, ...]] = {
    Use.CARE: (Use.CARE,),
    Use.AI: (Use.CARE, Use.AI),
    Use.LEARNING: (Use.LEARNING,),
    Use.FEDERATION: (Use.LEARNING, Use.FEDERATION),
    Use.TEACHING: (Use.TEACHING,),
}
"""What else must be allowed for a use: AI in care is a part of care, a federation a part of learning."""


class Act(StrEnum):
    """What a person decided."""

    GIVEN = "given"
    REFUSED = "refused"
    """Asked, and said no; or objected where nobody had to ask."""
    WITHDRAWN = "withdrawn"
    """Said no after having said yes."""


class Status(StrEnum):
    """How a person stands to a use at one time: a function of the decisions, see `Act` for three of them."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    """Given until a day that is past."""
    NOT_ASKED = "not-asked"
    """No decision is on record, or none that has begun: the jurisdiction's rule holds."""
    UNKNOWN_PERSON = "unknown-person"
    """The study names nobody, so that nobody can have agreed or objected."""


class Rule(StrEnum):
    """What holds where a person has decided nothing; in the order of strictness."""

    OPT_IN = "opt-in"
    """Not without consent."""
    OPT_OUT = "opt-out"
    """Unless the person objects."""
    NOT_NEEDED = "not-needed"
    """On another legal basis than consent. An objection on record is kept to all the same."""


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Whom images are of, as DICOM names a patient: Patient ID with its issuer (PS3.3 C.7.1.1)."""

    patient_id: str
    """Patient ID (0010,0020)."""
    issuer: str = ""
    """Issuer of Patient ID (0010,0021); empty where none is named. Another issuer is another person."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient_id", self.patient_id.strip(" \0"))
        object.__setattr__(self, "issuer", self.issuer.strip(" \0"))

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> PatientIdentity:
        """Take it from an object's or a study's facts.

        Examples
        --------
        >>> PatientIdentity.of({"PatientID": "P1 "})
        PatientIdentity(patient_id='P1', issuer='')
        """
        return cls(facts.get("PatientID", ""), facts.get("IssuerOfPatientID", ""))

    @property
    def is_known(self) -> bool:
        """Whether it names anybody."""
        return bool(self.patient_id)


@dataclass(frozen=True, slots=True)
class Said:
    """One decision as it is brought to be recorded."""

    person: PatientIdentity
    use: Use
    act: Act
    actor: str
    """Who records it: ``person:<id>`` or ``token:<name>``."""
    source: str
    """How it came: ``page``, ``command-line`` or ``fhir``."""
    key: str
    """The same key is the same decision, recorded once."""
    valid_from: datetime | None = None
    """When a consent begins; at once if left out. A refusal or withdrawal always holds at once."""
    valid_until: datetime | None = None
    """When a consent ends; never if left out."""
    decided_at: datetime | None = None
    """When the person decided, where another system says so."""
    evidence_sha256: str = ""
    """Hex digest of the signed form; the form itself is kept elsewhere."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision on record; never changed, only followed by another."""

    place: int
    """Order of decisions, whatever the clock said."""
    uid: str
    person_ref: str
    """Stands for the person in the record; who it is, only the register knows."""
    use: Use
    act: Act
    recorded_at: datetime
    valid_from: datetime
    valid_until: datetime | None
    actor: str
    source: str
    evidence_sha256: str
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stands to one use at one time."""

    use: Use
    status: Status
    rule: Rule
    """What holds where nothing was decided."""
    decision: Decision | None = None
    """What the status rests on; None where the rule alone holds."""

    @property
    def is_allowed(self) -> bool:
        """Whether the person's stand lets the use go on."""
        if self.status is Status.NOT_ASKED:
            return self.rule is not Rule.OPT_IN
        if self.status is Status.UNKNOWN_PERSON:
            is_care = self.use in (Use.CARE, Use.AI)
            return self.rule is Rule.NOT_NEEDED or (is_care and self.rule is Rule.OPT_OUT)
        return self.status is Status.GIVEN


@dataclass(frozen=True, slots=True)
class Permit:
    """The answer whether a use may go on: a value, kept with what was done or left undone."""

    use: Use
    standing: Standing
    """What decides: the first that says no, else that of the use itself."""
    is_kept: bool = True
    """Whether anybody keeps consents here at all."""

    @property
    def is_allowed(self) -> bool:
        """Whether it may."""
        return self.standing.is_allowed

    @property
    def facts(self) -> Mapping[str, str]:
        """What the record says of it; names nobody."""
        if not self.is_kept:
            return {}
        said, basis = self.standing.decision, f"rule:{self.standing.rule}"
        return {
            "consent": said.uid if said else basis,
            "consent_status": str(self.standing.status),
            "purpose": str(self.use),
        }


_WHY: Mapping[Status, tuple[str, str]] = {
    Status.REFUSED: ("the patient has refused it", "患者拒绝"),
    Status.WITHDRAWN: ("the patient has withdrawn consent", "患者已撤回同意"),
    Status.EXPIRED: ("the patient's consent has ended", "患者的同意已到期"),
    Status.NOT_ASKED: ("no consent is on record", "尚无患者同意的记录"),
    Status.UNKNOWN_PERSON: ("the study names no patient who could agree", "该检查未注明患者，无人可表示同意"),
}

NO_CONSENT = "no-consent"
"""Code of the reason for which a reader is not run."""


def no_consent(permit: Permit) -> Reason:
    """Say why a reader was not run, in the words that the doctor sees."""
    told, told_zh = _WHY[permit.standing.status]
    return Reason(NO_CONSENT, f"Not read by AI: {told}.", f"未经人工智能读取：{told_zh}。")


class Consenting(Protocol):
    """Answers for studies; the governance's `StudyConsents` does."""

    def may(self, study_instance_uid: str, use: Use) -> Permit:
        """Say whether a study may be put to a use now."""
        ...

    def denied(self, study_instance_uids: Iterable[str], use: Use) -> frozenset[str]:
        """Return those of several studies that may not be put to a use now."""
        ...


class EverybodyConsents:
    """What holds where nobody keeps consents: tests, and programs without a clinic."""

    def may(self, study_instance_uid: str, use: Use) -> Permit:
        """Let everything pass, on no decision."""
        return Permit(use, Standing(use, Status.NOT_ASKED, Rule.NOT_NEEDED), is_kept=False)

    def denied(self, study_instance_uids: Iterable[str], use: Use) -> frozenset[str]:
        """Let everything pass."""
        return frozenset()


def passes(*uses: Use) -> Callable[[Door], Door]:
    """Mark a function as a door: the place at which uses pass, and at which consent is asked for them.

    The mark does nothing. A test enumerates all doors by it and tries each with a consent that was withdrawn;
    it fails where a reader is run, or a patient's object goes to learning or teaching, outside of a door.
    """

    def marked(function: Door) -> Door:
        setattr(function, DOOR_MARK, uses)
        return function

    return marked
