"""One page of the list, put together from heads, facts and the policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from coread.archive import Query
from coread.casebook import Case, Listed, Wanted, from_json, to_json
from coread.domain.consent import Use, passes
from coread.domain.person import Person
from coread.domain.review import Mode
from coread.review.sources import Sources
from coread.review.study_review import Lock
from coread.review.worklist.catching_up import CatchingUp
from coread.review.worklist.entry import Counts, Entry, Filter, Worklist
from coread.review.worklist.listing import Listing
from coread.review.worklist.searching import name_patterns
from coread.review.worklist.urgency import OVERDUE, waiting_reasons

_MOST_FOUND = 500
#: No name or number is longer, none holds a backslash, and no group of a name an equals sign (PS3.5).
_LONGEST = 64
_MOST_OPEN = 10_000


class Lists:
    """Makes pages of the reading list."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._catching_up = CatchingUp(sources)

    def page(self, person: Person, wanted: Filter) -> Worklist:
        """Return one page of the list as this person may see it."""
        is_behind = self._catching_up.run()
        now = self._from.clock()
        listed = self._listed(person, wanted, now)
        has_more = len(listed) > wanted.limit
        arriving = self._from.studies.list(is_open=True, limit=_MOST_OPEN)
        growing = frozenset(state.study_instance_uid for state in arriving)
        entries = self._entries(person, listed[: wanted.limit], growing, now)
        return Worklist(entries, self._counts(person, len(growing)), has_more, is_behind)

    def _listed(self, person: Person, wanted: Filter, now: datetime) -> list[Listed]:
        """Return one head more than the page holds."""
        asked = Wanted(
            person_id=person.id,
            states=wanted.states,
            uids=self._matching(wanted.text),
            modality=wanted.modality,
            is_unread=wanted.is_unread,
            is_mine=wanted.is_mine,
            is_teaching=wanted.is_teaching,
        )
        queue = self._from.casebook.queue
        if wanted.states:
            return queue.page(asked, wanted.limit + 1, wanted.offset)
        overdue_at = now - timedelta(hours=self._from.policy.overdue_h)
        return queue.by_urgency(asked, (overdue_at, OVERDUE), wanted.limit + 1, wanted.offset)

    def _matching(self, text: str) -> tuple[str, ...] | None:
        """Return the studies whose patient, name or accession number begins with the text; None for any."""
        text = text.strip()
        if not text:
            return None
        if "\\" in text or "=" in text or len(text) > _LONGEST:
            return ()
        found: dict[str, None] = {}
        plain = text if "*" in text else f"{text}*"
        asked = [("PatientID", plain), ("AccessionNumber", plain)]
        asked += [("PatientName", pattern) for pattern in name_patterns(text)]
        for keyword, pattern in asked:
            for facts in self._from.archive.find_studies(Query({keyword: pattern}, limit=_MOST_FOUND)):
                found[facts["StudyInstanceUID"]] = None
        return tuple(found)

    def _entries(
        self, person: Person, listed: list[Listed], growing: frozenset[str], now: datetime
    ) -> tuple[Entry, ...]:
        uids = [held.case.study_instance_uid for held in listed]
        facts, listed = self._facts(uids), self._permitted(listed)
        return tuple(
            self._entry(person, held, facts.get(uid, {}), uid in growing, now)
            for uid, held in zip(uids, listed, strict=True)
        )

    @passes(Use.AI, Use.TEACHING)
    def _permitted(self, listed: list[Listed]) -> list[Listed]:
        """Leave out of each head what its patient does not agree to: what readers said, the teaching mark."""
        consents = self._from.consents
        answered = [h.case.study_instance_uid for h in listed if from_json(Listing, h.case.listing).answers]
        silent = consents.denied(answered, Use.AI)
        taught = [held.case.study_instance_uid for held in listed if held.is_teaching]
        unmarked = consents.denied(taught, Use.TEACHING)
        return [_without(held, silent, unmarked) for held in listed]

    def _facts(self, uids: list[str]) -> dict[str, dict[str, str]]:
        if not uids:
            return {}
        query = Query({"StudyInstanceUID": "\\".join(uids)}, limit=len(uids))
        return {facts["StudyInstanceUID"]: facts for facts in self._from.archive.find_studies(query)}

    def _entry(
        self, person: Person, held: Listed, facts: dict[str, str], is_growing: bool, now: datetime
    ) -> Entry:
        case = held.case
        listing = from_json(Listing, case.listing)
        listing = listing.withheld(self._silent(person, case, listing))
        arrived = case.arrived_at or now
        reasons = listing.reasons
        if case.is_pending:
            reasons += waiting_reasons(arrived, now, self._from.policy.overdue_h)
        return Entry(
            study_instance_uid=case.study_instance_uid,
            facts=facts,
            urgency=round(sum(reason.points for reason in reasons), 1),
            reasons=reasons,
            answers=listing.answers,
            state=case.state,
            lock=lock_of(case, person, self._from),
            is_unread=held.is_unread,
            is_growing=is_growing,
            is_changed_since_signing=case.is_changed,
            is_teaching_case=held.is_teaching,
            arrived_at=case.arrived_at,
            complete_at=case.complete_at,
            waiting_s=max(0.0, (now - arrived).total_seconds()),
            revision=case.revision,
        )

    def _silent(self, person: Person, case: Case, listing: Listing) -> frozenset[str]:
        """Return the readers whose answer this person may not see in the list."""
        names: Iterable[str] = (answer.reader for answer in listing.answers)
        mode = self._from.policy.mode
        if case.state.is_signed:
            return frozenset(n for n in names if mode(person, n, listing.site) is Mode.TRIAGE_ONLY)
        return frozenset(n for n in names if mode(person, n, listing.site) is not Mode.CONCURRENT)

    def _counts(self, person: Person, arriving: int) -> Counts:
        tally = self._from.casebook.queue.tally(person.id)
        return Counts(tally.pending, tally.unread, tally.by_state, arriving, tally.questions)


def _without(held: Listed, silent: frozenset[str], unmarked: frozenset[str]) -> Listed:
    uid = held.case.study_instance_uid
    if uid in silent:
        told = to_json(from_json(Listing, held.case.listing).silenced())
        held = replace(held, case=replace(held.case, listing=told))
    return replace(held, is_teaching=False) if uid in unmarked else held


def lock_of(case: Case, person: Person, sources: Sources) -> Lock | None:
    """Return who holds a study now, with the name to be shown."""
    holder = case.held_by(sources.clock())
    if holder is None:
        return None
    name = sources.names(holder.person_id)
    return Lock(holder.person_id, name, holder.since, holder.until, holder.person_id == person.id)
