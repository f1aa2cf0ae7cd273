"""A doctor who signs at the desk of a clinic."""

from __future__ import annotations

from uuid import uuid4

from signed_reports import statement_of

from coread.clinic import Clinic
from coread.domain.codes import CONSOLIDATION
from coread.domain.person import Person, Role
from coread.domain.review import RejectReason, SignedReport, Verdict

DOCTOR = Person("p-6f1c2a9be0d4", "li.wei", "LI Wei 李伟", frozenset({Role.DOCTOR}))


def new_key() -> str:
    """Make a key as a page makes it."""
    return uuid4().hex


def sign(clinic: Clinic, study_uid: str, *, reject: bool = False, language: str = "en") -> SignedReport:
    """Decide on every finding (accept all and edit the last, or reject all), draft the report, sign it."""
    desk = clinic.desk
    review = desk.open(study_uid, DOCTOR)
    readings = clinic.readings.of_study(study_uid)
    found = {f.tracking_uid: f for reading in readings for f in reading.findings}
    uids = [panel.finding_uid for panel in review.findings]
    for uid in uids:
        decided: dict[str, object] = {"verdict": Verdict.ACCEPTED}
        if reject:
            decided = {"verdict": Verdict.REJECTED, "reason": RejectReason.ARTEFACT}
        elif uid == uids[-1]:
            statement = statement_of(found[uid], code=CONSOLIDATION)
            decided = {"verdict": Verdict.EDITED, "statement": statement}
        review = desk.decide(study_uid, DOCTOR, uid, revision=review.revision, key=new_key(), **decided)
    draft = desk.draft(study_uid, "generic", language, DOCTOR)
    texts = {section.name: section.text for section in draft.sections}
    texts["impression"] = texts.get("impression") or "Nothing else."
    desk.save_draft(study_uid, DOCTOR, "generic", language, texts, revision=review.revision, key=new_key())
    review = desk.look(study_uid, DOCTOR)
    return desk.sign(study_uid, DOCTOR, revision=review.revision, key=new_key())


def add(clinic: Clinic, study_uid: str, words: str = "Compared with 2023: unchanged.") -> SignedReport:
    """Sign an addendum of words."""
    review = clinic.desk.look(study_uid, DOCTOR)
    sections = {"impression": words}
    return clinic.desk.addendum(study_uid, DOCTOR, sections, revision=review.revision, key=new_key())
