"""Four eyes: one person asks, another one approves, and the act is done once, within a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, update

from coread.domain.person import Person
from coread.errors import AccessDenied, AccountConflict, NotFound
from coread.governance.oversight.tables import APPROVALS
from coread.governance.oversight.words import checked_reason
from coread.governance.register import Register, new_id
from coread.ledger import Ledger, Transactions

State: TypeAlias = Literal["asked", "granted", "refused", "used"]

#: Acts that may be asked for: who stands behind a pseudonym, and another key for the ledger.
APPROVABLE = ("reidentify", "rotate-ledger-key")

#: A request that nobody decided on is over after this.
_WAITS = timedelta(days=7)
_MOST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Approval:
    """One request, and what became of it."""

    id: str
    kind: str
    """One of `APPROVABLE`."""
    subject: str
    """What it is about, e.g. ``study-7/A-0042``; empty for the ledger's key."""
    reason: str
    state: State
    asked_by: str
    """Id of a person."""
    asked_at: datetime
    decided_by: str
    decided_at: datetime | None
    until: datetime
    """Of a request: until when it may be decided on; of a granted one: until when the act may be done."""
    used_at: datetime | None

    def is_waiting(self, at: datetime) -> bool:
        """Tell whether somebody has to decide."""
        return self.state == "asked" and at < self.until


class Approvals:
    """All requests that were ever made.

    Parameters
    ----------
    database, ledger
        The ledger lies in the database.
    lasts_s
        Within which time what was approved must be done.
    """

    def __init__(self, database: Transactions, ledger: Ledger, lasts_s: float = 86400) -> None:
        self._register = Register(database, ledger)
        self._lasts = timedelta(seconds=lasts_s)

    def ask(self, kind: str, subject: str, reason: str, person: Person, at: datetime) -> Approval:
        """Ask for an act.

        Raises
        ------
        AccountConflict
            If no such act needs an approval, the subject is too long, or the reason tells too little.
        """
        subject = " ".join(subject.split())
        if kind not in APPROVABLE or len(subject) > _MOST_SUBJECT or not subject.isprintable():
            raise AccountConflict("a request for no act of the list", f"one of {', '.join(APPROVABLE)}")
        row = {"id": new_id("a"), "kind": kind, "subject": subject, "reason": checked_reason(reason)}
        times = {"asked_us": at, "until_us": at + _WAITS}
        with self._register.turn() as connection:
            values = {**row, **times, "state": "asked", "asked_by": person.id}
            connection.execute(insert(APPROVALS).values(**values))
            facts = {"act": kind, "about": subject, "reason": row["reason"]}
            self._register.record(connection, "approval.asked", row["id"], person.actor, at, **facts)
        return self.get(row["id"])

    def decide(self, id: str, is_granted: bool, person: Person, at: datetime) -> Approval:
        """Grant or refuse a request of somebody else.

        Raises
        ------
        NotFound
            If there is no such request.
        AccessDenied
            If it is one's own.
        AccountConflict
            If it was decided on already, or is over.
        """
        found = self.get(id)
        if person.id == found.asked_by:
            raise AccessDenied("one's own request", "a second person", "let a colleague decide")
        state: State = "granted" if is_granted else "refused"
        values = {"decided_by": person.id, "decided_us": at, "until_us": at + self._lasts}
        self._step(found, "asked", state, person.actor, at, values)
        return self.get(id)

    def use(self, id: str, kind: str, subject: str, *, by: str, at: datetime) -> Approval:
        """Take an approval for the one act that it allows; a second time it allows nothing.

        Raises
        ------
        NotFound
            If there is no such approval.
        AccessDenied
            If it is for another act.
        AccountConflict
            If it was not granted, was used, or is over.
        """
        found = self.get(id)
        if (found.kind, found.subject) != (kind, subject):
            raise AccessDenied("an approval of another act", f"one for {kind}", "ask for this act")
        self._step(found, "granted", "used", by, at, {"used_us": at})
        return self.get(id)

    def get(self, id: str) -> Approval:
        """Return the request of this id.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._register.read() as connection:
            row = connection.execute(select(APPROVALS).where(APPROVALS.c.id == id)).mappings().first()
        if row is None:
            raise NotFound("an id of no request", "one of the list", "look at the list anew")
        return _approval(row)

    def list(self, asked_by: str = "", limit: int = 200) -> list[Approval]:
        """Return all requests, or a person's, the newest first."""
        statement = select(APPROVALS).order_by(APPROVALS.c.asked_us.desc()).limit(limit)
        if asked_by:
            statement = statement.where(APPROVALS.c.asked_by == asked_by)
        with self._register.read() as connection:
            return [_approval(row) for row in connection.execute(statement).mappings()]

    def count_waiting(self, at: datetime) -> int:
        """Return how many requests wait for somebody to decide."""
        waits: ColumnElement[bool] = (APPROVALS.c.state == "asked") & (APPROVALS.c.until_us > at)
        with self._register.read() as connection:
            statement = select(func.count()).select_from(APPROVALS).where(waits)
            return int(connection.execute(statement).scalar_one())

    def _step(
        self, found: Approval, before: State, after: State, by: str, at: datetime, values: dict[str, object]
    ) -> None:
        """Take a request from one state to the next, once, in time, and on record."""
        with self._register.turn() as connection:
            is_due = (
                (APPROVALS.c.id == found.id) & (APPROVALS.c.state == before) & (APPROVALS.c.until_us > at)
            )
            statement = update(APPROVALS).where(is_due).values(state=after, **values)
            if not connection.execute(statement).rowcount:
                raise AccountConflict(
                    f"a request that is not {before} any more, or is over",
                    f"one that is {before}",
                    "look at the list anew, or ask again",
                )
            facts = {"act": found.kind, "about": found.subject}
            self._register.record(connection, f"approval.{after}", found.id, by, at, **facts)


def _approval(row: RowMapping) -> Approval:
    return Approval(
        id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        reason=row["reason"],
        state=row["state"],
        asked_by=row["asked_by"],
        asked_at=row["asked_us"],
        decided_by=row["decided_by"],
        decided_at=row["decided_us"],
        until=row["until_us"],
        used_at=row["used_us"],
    )
