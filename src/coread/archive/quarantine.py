"""Objects that could not be filed, kept with the reason."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, exists, insert, select, update

from coread.archive.clock import from_us, to_us
from coread.archive.database import Database
from coread.archive.objects import ObjectStore
from coread.archive.removals import finish_removals
from coread.archive.tables import CONFLICTS, INSTANCES, QUARANTINE, REMOVALS
from coread.domain.event import Event
from coread.errors import CoReadError, NotFound
from coread.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One object that was refused, and why."""

    id: str
    object_key: str
    sha256: str
    size_bytes: int
    source: str
    received_at: datetime
    """When it came last."""
    times: int
    """How often the same bytes came."""
    error_number: int
    error_text: str
    """What was found, expected, and what to do; no value of the object."""


class Quarantine:
    """What was refused: listed, explained, retried (by `coread.intake`) or removed."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store
        self._ledger = Ledger(database)

    def keep(self, key: str, sha256: str, source: str, error: CoReadError, at: datetime) -> str:
        """Keep refused bytes that are synced under `key`; return their id.

        The same bytes again are counted, not kept twice: a sender that tries for ever fills no disk.
        """
        row = {"object_key": key, "sha256": sha256, "size_bytes": self._store.size(key), "source": source}
        row |= {"received_us": to_us(at), "error_number": error.number, "error_text": str(error)}
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            query = select(QUARANTINE.c.id, QUARANTINE.c.object_key).where(QUARANTINE.c.sha256 == sha256)
            known = connection.execute(query).first()
            if known is None:
                id = uuid.uuid4().hex
                connection.execute(insert(QUARANTINE), [row | {"id": id, "times": 1}])
                self._ledger.append_in(connection, [_event("instance.quarantined", id, row, at)])
                return id
            id, kept_key = known
            del row["object_key"]
            statement = update(QUARANTINE).where(QUARANTINE.c.id == id)
            connection.execute(statement.values(row | {"times": QUARANTINE.c.times + 1}))
        if kept_key != key:
            self._store.delete(key)
        return str(id)

    def list(self, limit: int = 1000, offset: int = 0) -> list[Quarantined]:
        """Return what is in quarantine, the latest first."""
        query = select(QUARANTINE).order_by(QUARANTINE.c.received_us.desc(), QUARANTINE.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).mappings()
            return [_quarantined(row) for row in rows]

    def get(self, id: str) -> Quarantined:
        """Return one entry.

        Raises
        ------
        NotFound
            If there is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(select(QUARANTINE).where(QUARANTINE.c.id == id)).mappings().first()
        if row is None:
            raise _not_found()
        return _quarantined(row)

    def read(self, id: str) -> bytes:
        """Return an entry's bytes. Raises NotFound, ObjectLost."""
        return self._store.read(self.get(id).object_key)

    def remove(self, id: str, at: datetime, actor: str = "system") -> None:
        """Remove an entry and its bytes; the ledger keeps that it was.

        Raises
        ------
        NotFound
            If there is none of this id.
        """
        self._take(id, at, actor, "instance.quarantine-removed", keep_bytes=False)
        finish_removals(self._database, self._store)

    def release(self, id: str, at: datetime, actor: str = "system") -> None:
        """Forget an entry whose bytes have been filed after all. Raises NotFound."""
        self._take(id, at, actor, "instance.quarantine-released", keep_bytes=True)

    def _take(self, id: str, at: datetime, actor: str, kind: str, *, keep_bytes: bool) -> None:
        entry = self.get(id)
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if not connection.execute(delete(QUARANTINE).where(QUARANTINE.c.id == id)).rowcount:
                raise _not_found()
            if not keep_bytes and not _is_filed(connection, entry.object_key):
                connection.execute(insert(REMOVALS), [{"object_key": entry.object_key}])
            facts = {"sha256": entry.sha256, "error": str(entry.error_number)}
            self._ledger.append_in(connection, [Event(kind, id, actor, at, facts)])


def _is_filed(connection: Connection, key: str) -> bool:
    """Tell whether a retry that was cut off had filed the bytes already."""
    tables = (INSTANCES, CONFLICTS)
    query = select(*(exists().where(table.c.object_key == key) for table in tables))
    return any(connection.execute(query).one())


def _event(kind: str, id: str, row: dict[str, object], at: datetime) -> Event:
    facts = {"sha256": str(row["sha256"]), "error": str(row["error_number"])}
    return Event(kind, id, str(row["source"]), at, facts)


def _quarantined(row: RowMapping) -> Quarantined:
    values = {name: row[name] for name in Quarantined.__dataclass_fields__ if name != "received_at"}
    return Quarantined(**values, received_at=from_us(row["received_us"]))


def _not_found() -> NotFound:
    return NotFound("no object of this id in quarantine", remedy="list them with `coread quarantine list`")
