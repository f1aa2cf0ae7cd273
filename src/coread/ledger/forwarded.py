"""How far events have gone to other systems: each target has a place up to which it has all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from coread.ledger.canonical import utc_text
from coread.ledger.heads.keeping import pause_after
from coread.ledger.records import Transactions
from coread.ledger.tables import FORWARDED


@dataclass(frozen=True, slots=True)
class Place:
    """Where one target stands."""

    target: str
    sequence: int
    """It has every event up to this."""
    attempts: int = 0
    """Tries in vain since."""
    next_at: str = ""
    """Not before this time, as the ledger writes times."""
    detail: str = ""
    """Why the last try was in vain."""


class Forwarded:
    """Keeps the places.

    Parameters
    ----------
    database
        Migrated.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def place(self, target: str) -> Place:
        """Return where a target stands; a new one stands before the first event."""
        with self._database.read() as connection:
            row = connection.execute(select(FORWARDED).where(FORWARDED.c.target == target)).first()
        return Place(*row) if row else Place(target, 0)

    def places(self) -> list[Place]:
        """Return where all targets stand."""
        with self._database.read() as connection:
            return [Place(*row) for row in connection.execute(select(FORWARDED).order_by(FORWARDED.c.target))]

    def advance(self, target: str, sequence: int) -> None:
        """Record that a target has every event up to a sequence."""
        self._keep(Place(target, sequence))

    def put_off(self, place: Place, detail: str, now: datetime) -> None:
        """Record a try in vain; the pause until the next one doubles, up to an hour."""
        next_at = utc_text(now + pause_after(place.attempts))
        self._keep(Place(place.target, place.sequence, place.attempts + 1, next_at, detail))

    def _keep(self, place: Place) -> None:
        row: dict[str, str | int] = {"sequence": place.sequence, "attempts": place.attempts}
        row |= {"next_at": place.next_at, "detail": place.detail}
        with self._database.write() as connection:
            own = FORWARDED.c.target == place.target
            if not connection.execute(update(FORWARDED).where(own).values(row)).rowcount:
                connection.execute(insert(FORWARDED).values(row | {"target": place.target}))
