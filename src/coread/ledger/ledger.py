"""Append to the ledger and read it back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Row, func, insert, select, text

from coread.domain.event import Event
from coread.ledger.canonical import canonical_json, facts_json, from_utc_text, utc_text
from coread.ledger.merkle import leaf_hash, root
from coread.ledger.prepared import Prepared
from coread.ledger.records import LedgerFault, RecordedEvent, Transactions
from coread.ledger.tables import EVENTS

#: Key of the advisory lock under which PostgreSQL lets one writer at a time give numbers.
_LOCK_KEY = 0x434F52454144  # "COREAD"
_PAGE = 1000

_LAST = Prepared(select(func.max(EVENTS.c.sequence)))
_APPEND = Prepared(insert(EVENTS))


class Ledger:
    """Events in one sequence without holes.

    Writers take turns: SQLite by its one write lock, PostgreSQL by an advisory lock that
    is held from the first append to the end of the transaction. A transaction that fails
    therefore leaves no hole behind.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def append(self, event: Event) -> int:
        """Record one event and return its sequence; of a key already recorded, the former sequence."""
        return self.append_many([event])[0]

    def append_many(self, events: Sequence[Event]) -> list[int]:
        """Record several events in one transaction and return their sequences."""
        with self._database.write() as connection:
            return self.append_in(connection, events)

    def lock_in(self, connection: Connection) -> None:
        """Take the writers' turn early, so that a caller's own checks hold until it commits."""
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})

    def append_in(self, connection: Connection, events: Sequence[Event]) -> list[int]:
        """Record events in a transaction that the caller opened with ``Database.write``."""
        if not events:
            return []
        self.lock_in(connection)
        known = _known_keys(connection, [event.key for event in events if event.key])
        sequence = _LAST.run(connection, {}).scalar() or 0
        rows, places = [], []
        for event in events:
            if event.key and event.key in known:
                places.append(known[event.key])
                continue
            sequence += 1
            if event.key:
                known[event.key] = sequence
            rows.append(_row(sequence, event))
            places.append(sequence)
        if rows:
            _APPEND.run(connection, *rows)
        return places

    def events(
        self,
        subject: str | None = None,
        kind: str | None = None,
        *,
        after: int = 0,
        limit: int = _PAGE,
    ) -> list[RecordedEvent]:
        """Return events in their sequence.

        Parameters
        ----------
        subject, kind
            Only events of this subject or kind.
        after
            Only events of a higher sequence.
        limit
            At most so many.
        """
        query = select(EVENTS).where(EVENTS.c.sequence > after).order_by(EVENTS.c.sequence).limit(limit)
        if subject is not None:
            query = query.where(EVENTS.c.subject == subject)
        if kind is not None:
            query = query.where(EVENTS.c.kind == kind)
        with self._database.read() as connection:
            return [_recorded(row) for row in connection.execute(query)]

    def size(self) -> int:
        """Return the number of events."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(EVENTS.c.sequence))).scalar() or 0

    def leaves(self, size: int | None = None) -> list[bytes]:
        """Return the leaf hashes of the first `size` events (all by default), for `merkle`."""
        query = select(EVENTS.c.leaf_hash).order_by(EVENTS.c.sequence)
        if size is not None:
            query = query.where(EVENTS.c.sequence <= size)
        with self._database.read() as connection:
            return [bytes(leaf) for leaf in connection.execute(query).scalars()]

    def root(self, size: int | None = None) -> bytes:
        """Return the RFC 6962 root over the first `size` events (all by default)."""
        return root(self.leaves(size))

    def verify(self) -> Iterator[LedgerFault]:
        """Re-make every leaf hash from the stored event; give each place that differs or is gone.

        *Does not* find a ledger that was re-written as a whole: compare `root` with one kept elsewhere.
        """
        expected = 1
        while page := self.events(after=expected - 1):
            for record in page:
                for missing in range(expected, record.sequence):
                    yield LedgerFault(missing, "missing")
                if leaf_hash(canonical_json(record.event)) != record.leaf_hash:
                    yield LedgerFault(record.sequence, "changed")
                expected = record.sequence + 1


def _known_keys(connection: Connection, keys: list[str]) -> dict[str, int]:
    if not keys:
        return {}
    query = select(EVENTS.c.key, EVENTS.c.sequence).where(EVENTS.c.key.in_(keys))
    return {row.key: row.sequence for row in connection.execute(query)}


def _row(sequence: int, event: Event) -> dict[str, object]:
    return {
        "sequence": sequence,
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "at": utc_text(event.at),
        "facts": facts_json(event),
        "key": event.key or None,
        "leaf_hash": leaf_hash(canonical_json(event)),
    }


def _recorded(row: Row[tuple[object, ...]]) -> RecordedEvent:
    event = Event(
        kind=row.kind,
        subject=row.subject,
        actor=row.actor,
        at=from_utc_text(row.at),
        facts=json.loads(row.facts),
        key=row.key or "",
    )
    return RecordedEvent(row.sequence, event, bytes(row.leaf_hash))
