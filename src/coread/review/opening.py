"""A study as one doctor may see it: what may not be shown yet is not in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from coread.archive import Query
from coread.casebook import AskedQuestion, CaseState, Entry, EntryKind
from coread.domain.consent import no_consent
from coread.domain.finding import Finding
from coread.domain.reading import Outcome, Reading
from coread.review.acts.asking import askable, asked_places
from coread.review.acts.signing import hurdles, rejected_sentences
from coread.review.acts.statements import statement_of
from coread.review.drafting import draft_faults, suggested
from coread.review.evidence import in_words, of_finding, opinions, performance, who
from coread.review.follow_up.measured import measured_nodules
from coread.review.sources import Sources
from coread.review.study_review import (
    Change,
    Delivered,
    FindingPanel,
    Prior,
    Question,
    ReadingView,
    StudyReview,
)
from coread.review.table import Facts, Table
from coread.review.worklist.assembling import lock_of
from coread.review.worklist.catching_up import unasked

_MOST_PRIORS = 50
_TELLING = frozenset({EntryKind.DECIDED, EntryKind.UNDONE})
_WILD = frozenset("*?\\")


def review_of(table: Table, since: int) -> StudyReview:
    """Make the value that pages show.

    Parameters
    ----------
    table
        The study as laid out.
    since
        Revision that the person has seen before; what came after it is told in `StudyReview.changes`.
    """
    case, record, sources = table.case, table.record, table.sources
    withheld = table.withheld_by
    may_see_draft = withheld in ("", "never") or _is_own_draft(table)
    return StudyReview(
        study_instance_uid=case.study_instance_uid,
        revision=case.revision,
        state=case.state,
        study_version=case.study_version,
        is_growing=table.state.is_open,
        is_changed_since_signing=case.is_changed,
        facts=table.facts,
        mode=table.study_mode,
        is_revealed=not withheld,
        reveal_by=withheld,
        findings=tuple(_panel(table, *found) for found in table.findings.values()),
        readings=tuple(_reading_views(table)),
        opinions=opinions(unasked(table.shown), sources.cards),
        decisions=table.visible,
        impression=record.impressions.get(table.person.id),
        draft=record.draft.draft if record.draft and may_see_draft else None,
        draft_faults=draft_faults(record, rejected_sentences(table)) if may_see_draft else (),
        suggested_template=suggested(table.imaging),
        reports=record.reports,
        deliveries=_deliveries(table) if case.state.is_signed else (),
        lock=lock_of(case, table.person, sources),
        hurdles=hurdles(table),
        priors=_priors(table),
        questions=tuple(
            named_question(asked, sources)
            for asked in sources.casebook.questions.of_study(case.study_instance_uid)
        ),
        is_teaching_case=sources.casebook.marks.is_teaching(case.study_instance_uid),
        askable=askable(table),
        asked=asked_places(table),
        nodules=tuple(measured_nodules(table.visible)),
        changes=tuple(_change(table, entry) for entry in table.entries if _is_news(table, entry, since)),
    )


def _panel(table: Table, reading: Reading, finding: Finding) -> FindingPanel:
    sources, uid = table.sources, finding.tracking_uid
    name = reading.reader.name
    card = sources.cards(name)
    declared = card.declared(finding.code) if card else None
    passed = declared.explanation_passed if declared else True
    standing = table.record.standing.get(uid)
    image = _image_facts(table, finding)
    evaluation = of_finding(sources.evaluations(name), finding.code, card.finding if card else None)
    measured = performance(evaluation, who(table.facts, image), card.evidence_grade if card else "")
    return FindingPanel(
        finding=finding,
        reading_uid=reading.uid,
        reader=reading.reader,
        card=card,
        mode=table.mode(name),
        words=in_words(finding.confidence),
        explanation="shown" if finding.heat_map else "none-made" if passed else "none-passed",
        performance=measured,
        nudge=nudge_of(table, finding),
        decision=standing.decision if standing else None,
        is_outdated=table.is_outdated(uid),
        statement=statement_of(finding),
        can_reconsider=bool(finding.characteristics) and sources.reconsider(name) is not None,
    )


def nudge_of(table: Table, finding: Finding) -> str:
    """Return what this person is asked before accepting this finding; empty for nothing."""
    if not table.sources.policy.nudges(table.person.id, finding.tracking_uid):
        return ""
    return "say-why" if finding.boxes else "show-place"


def _image_facts(table: Table, finding: Finding) -> Facts:
    image = table.image(finding.image.sop_instance_uid)
    return image.header.facts if image else {}


def _reading_views(table: Table) -> Iterator[ReadingView]:
    newest = {reading.uid for reading in table.newest}
    made = _times_of_readings(table)
    for reading in table.readings:
        name = reading.reader.name
        permit = table.ai_permit
        is_withheld = permit.is_allowed and bool(table.reveal_by(name))
        outcome = reading.outcome if permit.is_allowed else Outcome.ABSTAINED
        reason = reading.reason if permit.is_allowed else no_consent(permit)
        yield ReadingView(
            reading_uid=reading.uid,
            reader=reading.reader,
            study_version=reading.study_version,
            mode=table.mode(name),
            is_withheld=is_withheld,
            is_newest=reading.uid in newest,
            outcome=None if is_withheld else outcome,
            reason=None if is_withheld else reason,
            card=table.sources.cards(name),
            made_at=made.get(reading.uid),
            prompt=reading.prompt,
        )


def _times_of_readings(table: Table) -> dict[str, datetime]:
    """When each reading was made: a reading itself knows no clock."""
    records = table.sources.ledger.events(table.study_instance_uid, "reading.made")
    return {record.event.facts.get("reading", ""): record.event.at for record in records}


def _is_own_draft(table: Table) -> bool:
    return table.record.draft is not None and table.record.draft.person_id == table.person.id


def _deliveries(table: Table) -> tuple[Delivered, ...]:
    found = table.sources.deliveries.of_study(table.study_instance_uid)
    return tuple(Delivered(d.object_id, d.destination, str(d.state), d.detail, d.changed_at) for d in found)


def _priors(table: Table) -> tuple[Prior, ...]:
    """Return the other studies of the same Patient ID and issuer, newest first."""
    patient = table.facts.get("PatientID", "")
    if not patient or _WILD & set(patient):
        return ()
    issuer = table.facts.get("IssuerOfPatientID", "")
    found = table.sources.archive.find_studies(Query({"PatientID": patient}, limit=_MOST_PRIORS))
    others = [
        facts
        for facts in found
        if facts["StudyInstanceUID"] != table.study_instance_uid
        and facts.get("IssuerOfPatientID", "") == issuer
    ]
    uids = [facts["StudyInstanceUID"] for facts in others]
    cases = table.sources.casebook.queue.cases(uids) if uids else {}
    counts = table.sources.casebook.report_counts(uids) if uids else {}
    return tuple(
        Prior(uid, facts, cases[uid].state if uid in cases else CaseState.NEW, counts[uid])
        for uid, facts in zip(uids, others, strict=True)
    )


def named_question(asked: AskedQuestion, sources: Sources) -> Question:
    """Put names to a question."""
    names = sources.names
    return Question(
        id=asked.id,
        study_instance_uid=asked.study_instance_uid,
        asker_id=asked.asker_id,
        asker_name=names(asked.asker_id),
        colleague_id=asked.colleague_id,
        colleague_name=names(asked.colleague_id),
        text=asked.text,
        asked_at=asked.asked_at,
        answer=asked.answer,
        answered_at=asked.answered_at,
    )


def _is_news(table: Table, entry: Entry, since: int) -> bool:
    is_telling = entry.kind in _TELLING and bool(table.withheld_by)
    return entry.revision > since and not is_telling


def _change(table: Table, entry: Entry) -> Change:
    args = (entry.finding_uid,) if entry.finding_uid else ()
    if entry.kind is EntryKind.IMAGES:
        args = (entry.payload,)
    if entry.kind is EntryKind.READING:
        reader = next((str(r.reader) for r in table.readings if r.uid == entry.payload), "")
        args = (reader,)
    name = table.sources.names(entry.person_id) if entry.person_id else ""
    return Change(entry.revision, str(entry.kind), args, entry.at, entry.person_id, name)
