"""What a doctor says of findings: the rules of impressions, verdicts and findings of one's own."""

from __future__ import annotations

from dataclasses import dataclass

from coread.casebook import EntryKind, VerdictFacts, to_json
from coread.domain.finding import Finding
from coread.domain.identity import derive_uid
from coread.domain.reading import Reading
from coread.domain.review import Decision, Impression, RejectReason, Statement, Verdict
from coread.errors import AlreadySigned, DecisionRefused, NotFound
from coread.review.acts.accounting import circumstances, decision_record
from coread.review.acts.statements import (
    check_seconds,
    check_statement,
    check_text,
    check_words,
    statement_of,
)
from coread.review.acts.writing import Deed, Ticket, digest_of
from coread.review.evidence import age_band, who
from coread.review.opening import nudge_of
from coread.review.table import Table


@dataclass(frozen=True, slots=True)
class Saying:
    """What a doctor says of one finding, as it comes from the page."""

    finding_uid: str
    verdict: Verdict
    statement: Statement | None = None
    reason: RejectReason | None = None
    comment: str = ""
    active_s: float = 0.0
    shown: tuple[str, ...] = ()
    nudge: str = ""


def impression_deed(table: Table, impression: Impression) -> Deed:
    """Keep the rules of an impression: one for each person, before the readers are shown.

    Raises
    ------
    DecisionRefused
        If the readers were shown already, the person has given one, or the confidence is no share.
    """
    if not 0 <= impression.confidence <= 1:
        raise DecisionRefused("a confidence that is no share", "0 to 1", where="confidence")
    check_text(impression.text, "text")
    if table.person.id in table.record.impressions:
        raise DecisionRefused("a second impression", "one for each doctor", "write it into the draft")
    if table.newest and not table.withheld_by:
        raise DecisionRefused(
            "an impression after the readers were shown", "an impression before", "write it into the draft"
        )
    facts = {"is_abnormal": str(impression.is_abnormal).lower(), "confidence": f"{impression.confidence:g}"}
    facts |= {"mode": str(table.study_mode), "text_sha256": digest_of(impression.text)}
    return Deed(
        EntryKind.IMPRESSION,
        to_json(impression),
        "impression.recorded",
        facts,
        needs_lock=False,
        reveals=table.revealed_by("impression"),
    )


def decision_deed(table: Table, saying: Saying) -> Deed:
    """Keep the rules of a verdict on a reader's finding.

    Raises
    ------
    NotFound
        If the finding is not before this doctor: not of this study, or not shown yet.
    AlreadySigned
        If the decision stands in a signed report.
    DecisionRefused
        If reason, statement, comment or the answer to a nudge is missing or wrong.
    """
    reading, finding = _finding(table, saying.finding_uid)
    _refuse_signed(table, saying.finding_uid)
    _check_saying(table, saying, finding)
    decision = Decision(
        finding_uid=saying.finding_uid,
        verdict=saying.verdict,
        reading_uid=reading.uid,
        statement=_stated(table, saying, finding),
        person_id=table.person.id,
        at=table.sources.clock(),
        reason=saying.reason,
        comment=saying.comment,
        active_s=saying.active_s,
        shown=saying.shown,
        nudge=saying.nudge,
    )
    return Deed(
        EntryKind.DECIDED,
        to_json(decision),
        "finding.decided",
        _event_facts(table, decision, finding)
        | _reader_facts(reading, finding)
        | decision_record(table, reading, finding),
        finding_uid=saying.finding_uid,
        verdict=_verdict_facts(table, decision, reading, finding),
    )


def addition_deed(table: Table, statement: Statement, ticket: Ticket) -> Deed:
    """Keep the rules of a finding that the doctor adds; its UID is a function of the act's key.

    Raises
    ------
    DecisionRefused
        If the statement cannot stand; see `check_statement`.
    """
    check_statement(table, statement)
    uid = derive_uid("statement", table.study_instance_uid, ticket.key)
    decision = Decision(uid, None, "", statement, table.person.id, table.sources.clock())
    facts = _event_facts(table, decision, None) | circumstances(table) | {"verdict": "added"}
    return Deed(EntryKind.ADDED, to_json(decision), "finding.decided", facts, finding_uid=uid, outcome=uid)


def undo_deed(table: Table, finding_uid: str) -> Deed:
    """Keep the rules of taking a decision back: it stands, and in no signed report.

    Raises
    ------
    DecisionRefused
        If nothing stands on this finding.
    AlreadySigned
        If it stands in a signed report.
    """
    _refuse_signed(table, finding_uid)
    standing = table.record.standing.get(finding_uid)
    if standing is None or standing.decision not in table.visible:
        raise DecisionRefused(
            "a finding on which nothing is decided", "a decision", "there is nothing to undo"
        )
    facts = {"finding": finding_uid, "before": str(standing.decision.verdict or "added")}
    facts["before_sha256"] = digest_of(to_json(standing.decision))
    return Deed(EntryKind.UNDONE, "", "finding.decision-undone", facts, finding_uid=finding_uid)


def _finding(table: Table, finding_uid: str) -> tuple[Reading, Finding]:
    if found := table.findings.get(finding_uid):
        return found
    if found := table.superseded(finding_uid):
        return found
    raise NotFound(
        "a finding that is not before you", "a finding that this page shows", "open the study again"
    )


def _refuse_signed(table: Table, finding_uid: str) -> None:
    if finding_uid in table.record.signed_finding_uids:
        raise AlreadySigned("a decision that stands in a signed report", remedy="write an addendum")


def _check_saying(table: Table, saying: Saying, finding: Finding) -> None:
    check_text(saying.comment, "comment")
    check_text(saying.nudge, "nudge")
    check_seconds(saying.active_s)
    check_words(saying.shown, "shown")
    is_rejected = saying.verdict is Verdict.REJECTED
    if is_rejected and saying.reason is None:
        raise DecisionRefused("a rejection without a reason", "one of the coded reasons", where="reason")
    if not is_rejected and saying.reason is not None:
        raise DecisionRefused("a reason without a rejection", "a reason only to reject", where="reason")
    if saying.reason is RejectReason.OTHER and not saying.comment.strip():
        raise DecisionRefused("the reason other without a comment", "a comment", where="comment")
    if saying.verdict is Verdict.ACCEPTED and nudge_of(table, finding) and not saying.nudge.strip():
        raise DecisionRefused("no answer to the question before accepting", "where or why", where="nudge")


def _stated(table: Table, saying: Saying, finding: Finding) -> Statement | None:
    """Return what goes into the report."""
    if saying.verdict is Verdict.REJECTED:
        if saying.statement is not None:
            raise DecisionRefused("a statement with a rejection", "none", where="statement")
        return None
    own = statement_of(finding)
    if saying.verdict is Verdict.ACCEPTED:
        if saying.statement not in (None, own):
            raise DecisionRefused(
                "another statement than the reader's", "the verdict edited", where="verdict"
            )
        return own
    if saying.statement is None:
        raise DecisionRefused("an edit without a statement", "the finding as you state it", where="statement")
    if saying.statement == own:
        raise DecisionRefused("an edit that changes nothing", "the verdict accepted", where="verdict")
    check_statement(table, saying.statement)
    return saying.statement


def _event_facts(table: Table, decision: Decision, finding: Finding | None) -> dict[str, str]:
    before = table.record.standing.get(decision.finding_uid)
    ref = decision.statement.image if decision.statement else finding.image if finding else None
    image = table.image(ref.sop_instance_uid) if ref else None
    return {
        "finding": decision.finding_uid,
        "verdict": str(decision.verdict or ""),
        "reason": str(decision.reason or ""),
        "before": str(before.decision.verdict or "added") if before else "",
        "before_sha256": digest_of(to_json(before.decision)) if before else "",
        "after_sha256": digest_of(to_json(decision)),
        "statement_sha256": digest_of(to_json(decision.statement)) if decision.statement else "",
        "comment_sha256": digest_of(decision.comment),
        "nudge_sha256": digest_of(decision.nudge),
        "active_s": f"{decision.active_s:g}",
        "shown": " ".join(decision.shown),
        "mode": str(table.study_mode),
        "image": ref.sop_instance_uid if ref else "",
        "image_sha256": image.sha256 if image else "",
    }


def _reader_facts(reading: Reading, finding: Finding) -> dict[str, str]:
    return {
        "reading": reading.uid,
        "reader": str(reading.reader),
        "weights_sha256": reading.reader.weights_sha256,
        "probability": f"{finding.confidence.probability:g}",
    }


def _verdict_facts(table: Table, decision: Decision, reading: Reading, finding: Finding) -> VerdictFacts:
    patient = who(table.facts, {})
    return VerdictFacts(
        reader=reading.reader.name,
        reader_version=reading.reader.version,
        verdict=str(decision.verdict),
        reason=str(decision.reason or ""),
        code=finding.code.meaning,
        modality=next(iter(table.imaging), ""),
        site=table.facts.get("InstitutionName", ""),
        age_band=age_band(patient.age_years),
        sex=patient.sex,
        active_s=decision.active_s,
    )
