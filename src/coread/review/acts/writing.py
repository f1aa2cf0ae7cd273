"""One way in which every act of a doctor is written: checked, once, with its event."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coread.casebook import Act, EntryKind, Recorded, VerdictFacts, to_json
from coread.domain.event import Event
from coread.domain.person import Person
from coread.domain.reading import Reading
from coread.domain.review import SignedReport
from coread.errors import DecisionRefused, StaleReview
from coread.review.sources import Sources
from coread.review.table import Table, Tables

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What comes with every act: on which state it is taken, and which doing it is."""

    study_instance_uid: str
    person: Person
    revision: int
    """That the doctor saw."""
    key: str
    """A UUID made by the page; the same key twice acts once."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What an act comes to, once its rules have been kept."""

    kind: EntryKind
    payload: str
    event: str
    """Kind of the ledger's event."""
    facts: dict[str, str]
    finding_uid: str = ""
    verdict: VerdictFacts | None = None
    report: SignedReport | None = None
    outcome: str = ""
    needs_lock: bool = True
    reveals: tuple[Reading, ...] = ()
    """Readings that the person gets to see by this act."""


class Writer:
    """Writes acts into the casebook."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._tables = Tables(sources)

    def write(
        self, ticket: Ticket, asked: tuple[Any, ...], decide: Callable[[Table], Deed]
    ) -> tuple[Recorded, Table]:
        """Lay the study out, let `decide` keep the rules, and write what it comes to.

        The rules are kept on the revision that is then written on: nobody can change the study in between.

        Parameters
        ----------
        ticket
            Who acts on what.
        asked
            All that is asked, for the digest: another question under the same key is refused.
        decide
            Raises what the rules say against it, else returns the deed.

        Returns
        -------
        Recorded, Table
            What became of it, and the study after it.

        Raises
        ------
        DecisionRefused
            If the key is none, or stands for another act.
        StaleReview
            If the study is at another revision than the doctor saw.
        LockedByOther, NotFound
            As `coread.casebook.Casebook` says.
        """
        if not _KEY.fullmatch(ticket.key):
            raise DecisionRefused("a key that cannot be kept", "a UUID made by the page", where="key")
        question = to_json([ticket.study_instance_uid, ticket.person.id, *asked])
        digest = hashlib.sha256(question.encode(errors="surrogatepass")).hexdigest()
        journal = self._from.casebook.journal
        table = self._tables.lay(ticket.study_instance_uid, ticket.person)
        # Asked after the study is laid out: what made this revision pass may be the same doing, sent twice.
        if former := journal.repeated(ticket.key, digest):
            return former, self._tables.again(table)
        if table.case.revision != ticket.revision:
            raise stale(ticket.revision, table.case.revision)
        act = _act(ticket, digest, table, decide(table))
        recorded = journal.record(act, self._from.policy.lock_s)
        return recorded, self._tables.again(table)


def stale(seen: int, present: int) -> StaleReview:
    """Make the fault of an act on a state that has passed."""
    return StaleReview(
        f"an act on revision {seen}",
        f"revision {present}",
        "look at what changed, then act again",
        "revision",
        revision=present,
    )


def digest_of(text: str) -> str:
    """Return the SHA-256 of typed text, for the ledger; empty for no text."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _act(ticket: Ticket, digest: str, table: Table, deed: Deed) -> Act:
    at = table.sources.clock()
    common = {"revision": str(table.case.revision + 1), "version": str(table.case.study_version)}
    said = [(deed.event, common | deed.facts)]
    if deed.reveals:
        shown = {"readings": " ".join(reading.uid for reading in deed.reveals), "by": str(deed.kind)}
        said.append(("review.revealed", common | shown))
    uid, actor = ticket.study_instance_uid, ticket.person.actor
    return Act(
        study_instance_uid=ticket.study_instance_uid,
        person_id=ticket.person.id,
        kind=deed.kind,
        key=ticket.key,
        digest=digest,
        revision=ticket.revision,
        study_version=table.case.study_version,
        at=at,
        payload=deed.payload,
        events=tuple(Event(kind, uid, actor, at, facts) for kind, facts in said),
        finding_uid=deed.finding_uid,
        outcome=deed.outcome,
        verdict=deed.verdict,
        report=deed.report,
        needs_lock=deed.needs_lock,
    )
