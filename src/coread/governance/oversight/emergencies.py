"""Break glass: whoever has no right to a study opens it by a reason; somebody else looks at it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, func, insert, select, update

from coread.domain.person import Person
from coread.errors import AccessDenied, AccountConflict, NotFound
from coread.governance.oversight.restrictions import Restrictions
from coread.governance.oversight.tables import OPENINGS
from coread.governance.oversight.words import checked_reason
from coread.governance.register import Register, new_id
from coread.ledger import Ledger, Transactions


@dataclass(frozen=True, slots=True)
class Opening:
    """One study that was opened in an emergency."""

    id: str
    study_instance_uid: str
    person_id: str
    reason: str
    opened_at: datetime
    until: datetime
    reviewed_by: str
    """Actor; empty while nobody has."""
    reviewed_at: datetime | None
    is_justified: bool | None
    note: str

    @property
    def is_reviewed(self) -> bool:
        """Whether somebody has looked at it."""
        return self.reviewed_at is not None


class Emergencies:
    """Every opening by a given reason, and what was thought of it.

    Parameters
    ----------
    database, ledger
        The ledger lies in the database.
    restrictions
        They let those through who gave a reason.
    lasts_s
        How long a study stays open.
    """

    def __init__(
        self, database: Transactions, ledger: Ledger, restrictions: Restrictions, lasts_s: float = 3600
    ) -> None:
        self._register = Register(database, ledger)
        self._restrictions = restrictions
        self._lasts = timedelta(seconds=lasts_s)

    def open(self, study_uid: str, person: Person, reason: str, at: datetime) -> Opening:
        """Open a restricted study for a while; on record before anything of it is shown.

        Raises
        ------
        NotFound
            If the study is not restricted, or this person may open it anyway.
        AccountConflict
            If the reason tells too little.
        """
        reason = checked_reason(reason)
        if study_uid not in self._restrictions.hidden_from(person.id, at):
            raise NotFound("a study that is not closed to you", "a restricted one", "open it as any other")
        id, until = new_id("e"), at + self._lasts
        row = {"study_instance_uid": study_uid, "person_id": person.id, "reason": reason}
        with self._register.turn() as connection:
            connection.execute(insert(OPENINGS).values(id=id, opened_us=at, until_us=until, **row))
            facts = {"opening": id, "reason": reason, "until": until.isoformat()}
            self._register.record(connection, "emergency.opened", study_uid, person.actor, at, **facts)
        self._restrictions.forget()
        return self.get(id)

    def get(self, id: str) -> Opening:
        """Return the opening of this id.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._register.read() as connection:
            row = connection.execute(select(OPENINGS).where(OPENINGS.c.id == id)).mappings().first()
        if row is None:
            raise NotFound("an id of no opening", "one of the list", "look at the list anew")
        return _opening(row)

    def list(self, *, is_reviewed: bool | None = None, limit: int = 200) -> list[Opening]:
        """Return openings, the newest first; all, or those that were or were not reviewed."""
        statement = select(OPENINGS).order_by(OPENINGS.c.opened_us.desc()).limit(limit)
        if is_reviewed is not None:
            is_null = OPENINGS.c.reviewed_us.is_(None)
            statement = statement.where(~is_null if is_reviewed else is_null)
        with self._register.read() as connection:
            return [_opening(row) for row in connection.execute(statement).mappings()]

    def count_unreviewed(self) -> int:
        """Return how many openings nobody has looked at yet."""
        statement = select(func.count()).select_from(OPENINGS).where(OPENINGS.c.reviewed_us.is_(None))
        with self._register.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def review(self, id: str, is_justified: bool, note: str, *, by: str, at: datetime) -> Opening:
        """Say what is thought of an opening; it ends where it was not justified.

        Raises
        ------
        NotFound
            If there is no such opening.
        AccessDenied
            If it is one's own.
        AccountConflict
            If it was reviewed already, or the note tells too little.
        """
        note, found = checked_reason(note), self.get(id)
        if by == f"person:{found.person_id}":
            raise AccessDenied("one's own opening", "somebody else's", "let a colleague review it")
        values = {"reviewed_by": by, "reviewed_us": at, "is_justified": is_justified, "note": note}
        if not is_justified:
            values["until_us"] = min(found.until, at)
        with self._register.turn() as connection:
            is_due = (OPENINGS.c.id == id) & OPENINGS.c.reviewed_us.is_(None)
            if not connection.execute(update(OPENINGS).where(is_due).values(**values)).rowcount:
                raise AccountConflict(
                    "an opening that was reviewed", "one that waits", "look at the list anew"
                )
            facts = {"opening": id, "justified": str(is_justified).lower(), "note": note}
            self._register.record(connection, "emergency.reviewed", found.study_instance_uid, by, at, **facts)
        self._restrictions.forget()
        return self.get(id)


def _opening(row: RowMapping) -> Opening:
    return Opening(
        id=row["id"],
        study_instance_uid=row["study_instance_uid"],
        person_id=row["person_id"],
        reason=row["reason"],
        opened_at=row["opened_us"],
        until=row["until_us"],
        reviewed_by=row["reviewed_by"],
        reviewed_at=row["reviewed_us"],
        is_justified=row["is_justified"],
        note=row["note"],
    )
