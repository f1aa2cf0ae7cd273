"""What stands between a study and its signature, and the report that is signed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from coread.domain.finding import Presence
from coread.domain.review import Draft, SignedReport
from coread.errors import NotReadyToSign
from coread.review.acts.statements import statement_of
from coread.review.drafting import draft_faults, sentence
from coread.review.study_review import Hurdle
from coread.review.table import Table


def hurdles(table: Table) -> tuple[Hurdle, ...]:
    """Say what must be done before this person can sign, or write an addendum once it is signed."""
    if table.record.reports:
        return tuple(_before_an_addendum(table))
    return (*_before_anything(table), *_of_findings(table), *_of_draft(table))


def check_ready(table: Table, found: tuple[Hurdle, ...]) -> None:
    """Raise NotReadyToSign if something stands in the way."""
    if found:
        codes = tuple(dict.fromkeys(hurdle.code for hurdle in found))
        raise NotReadyToSign(
            f"{len(found)} things to do first: {', '.join(codes)}",
            "every finding decided, and a draft that was saved after the last decision",
            "do what the page lists, then sign",
            hurdles=codes,
        )


def signed_report(table: Table, draft: Draft, at: datetime) -> SignedReport:
    """Make the report that a signature at this time makes of what lies on the table."""
    former = table.record.reports[-1] if table.record.reports else None
    return SignedReport(
        study_instance_uid=table.study_instance_uid,
        study_version=table.case.study_version,
        number=former.number + 1 if former else 1,
        draft=draft,
        decisions=table.record.decisions,
        mode=table.study_mode,
        person_id=table.person.id,
        person_name=table.person.display_name,
        signed_at=at,
        predecessor_uid=former.uid if former else "",
        impression=table.record.impressions.get(table.person.id),
        reading_uids=tuple(reading.uid for reading in table.shown),
    )


def undecided(table: Table) -> tuple[str, ...]:
    """Return the shown findings without a decision."""
    asks_for_absent = table.sources.policy.decide_absent
    return tuple(
        uid
        for uid, (_, finding) in table.findings.items()
        if uid not in table.record.standing and (asks_for_absent or finding.presence is not Presence.ABSENT)
    )


def rejected_sentences(table: Table) -> dict[str, str]:
    """Return what each rejected finding would have said in the language of the saved draft."""
    if table.record.draft is None:
        return {}
    language = table.record.draft.draft.language
    rejected = {d.finding_uid for d in table.record.decisions if not d.is_in_report}
    found = {uid: f for uid, (_, f) in table.findings.items() if uid in rejected}
    said = {uid: sentence(statement_of(finding), language) for uid, finding in found.items()}
    kept = {sentence(d.statement, language) for d in table.record.decisions if d.statement}
    return {uid: text for uid, text in said.items() if text not in kept}


def _before_anything(table: Table) -> Iterator[Hurdle]:
    if table.state.is_open:
        yield Hurdle("images-arriving")
    if table.withheld_by in ("impression", "draft"):
        yield Hurdle("not-revealed", (table.withheld_by,))
    elif len(table.visible) < len(table.record.decisions):
        yield Hurdle("hidden-decision")
    holder = table.case.held_by(table.sources.clock())
    if holder is None or holder.person_id != table.person.id:
        yield Hurdle("no-lock")


def _of_findings(table: Table) -> Iterator[Hurdle]:
    for uid in undecided(table):
        yield Hurdle("undecided-finding", (uid,))
    yield from _outdated(table)


def _outdated(table: Table) -> Iterator[Hurdle]:
    for decision in table.visible:
        if table.is_outdated(decision.finding_uid):
            yield Hurdle("outdated-decision", (decision.finding_uid,))


def _of_draft(table: Table) -> Iterator[Hurdle]:
    saved = table.record.draft
    if saved is None:
        yield Hurdle("no-draft")
        return
    if saved.basis != table.record.basis:
        yield Hurdle("draft-outdated")
    for fault in draft_faults(table.record, rejected_sentences(table)):
        if fault.code == "speaks-of-rejected":
            yield Hurdle("draft-speaks-of-rejected", (fault.finding_uid,))
    if not any(section.lines for section in saved.draft.sections):
        yield Hurdle("empty-draft")


def _before_an_addendum(table: Table) -> Iterator[Hurdle]:
    yield from _before_anything(table)
    yield from _outdated(table)
