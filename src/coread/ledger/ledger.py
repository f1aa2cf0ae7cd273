"""Append to the ledger and read it back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from coread.domain.event import Event
from coread.errors import NotFound
from coread.ledger.checking import Check, Checked, text_of
from coread.ledger.frontier import Frontier
from coread.ledger.merkle import Hash, consistency_runs, root
from coread.ledger.records import (
    FORGETTING,
    FORGOTTEN,
    Growth,
    Inclusion,
    LedgerFault,
    RecordedEvent,
    StoredEvent,
    Transactions,
)
from coread.ledger.rows import (
    add_events,
    all_rows,
    blank,
    edge,
    keep_edge,
    kept,
    known_keys,
    naming,
    new_row,
    page,
)
from coread.ledger.tables import EVENTS
from coread.ledger.tiles import Tiles

#: Key of the advisory lock under which PostgreSQL lets one writer at a time give numbers.
_LOCK_KEY = 0x434F52454144  # "COREAD"
_PAGE = 1000
_SALT_BYTES = 32


def new_salt() -> bytes:
    """Make the random bytes without which an event's private part cannot be guessed."""
    return secrets.token_bytes(_SALT_BYTES)


class Ledger:
    """Events in one sequence without holes, as the leaves of one RFC 6962 tree.

    Writers take turns: SQLite by its one write lock, PostgreSQL by an advisory lock that
    is held from the first append to the end of the transaction. A transaction that fails
    therefore leaves no hole behind.

    Parameters
    ----------
    database
        Migrated.
    salt
        Makes 32 random bytes for each event.
    """

    def __init__(self, database: Transactions, salt: Callable[[], bytes] = new_salt) -> None:
        self._database = database
        self._salt = salt

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
        known = known_keys(connection, [event.key for event in events if event.key])
        grown, nodes = edge(connection)
        rows, places = [], []
        for event in events:
            if event.key and event.key in known:
                places.append(known[event.key])
                continue
            row = new_row(grown.size + 1, event, self._salt())
            nodes += grown.add(row["leaf_hash"])
            if event.key:
                known[event.key] = grown.size
            rows.append(row)
            places.append(grown.size)
        if rows:
            add_events(connection, rows)
            keep_edge(connection, grown, nodes)
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
        wanted = ((EVENTS.c.subject, subject), (EVENTS.c.kind, kind))
        among = [column == value for column, value in wanted if value is not None]
        with self._database.read() as connection:
            return [_recorded(row) for row in page(connection, after, limit, *among)]

    def stored(self, after: int = 0, limit: int = _PAGE) -> list[StoredEvent]:
        """Return rows as they are stored, in their sequence."""
        with self._database.read() as connection:
            return page(connection, after, limit)

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
        """Return the RFC 6962 root over the first `size` events (all by default), in O(log n).

        Of a ledger with holes it is the root over what is left.
        """
        wanted = self.size() if size is None else size
        try:
            with self._database.read() as connection:
                return Tiles(connection).root((0, wanted))
        except NotFound:
            return root(self.leaves(size))

    def edge_in(self, connection: Connection) -> Frontier:
        """Return the tree's right edge as the transaction sees it; its root is that of all events."""
        return edge(connection)[0]

    def prove(self, sequences: Collection[int], size: int) -> list[Inclusion]:
        """Prove that events stand in the tree of the first `size` events, in O(log n) for each.

        Raises
        ------
        NotFound
            If the tree has no such event, or a hash that is needed is gone.
        """
        with self._database.read() as connection:
            tiles = Tiles(connection)
            whole = tiles.root((0, size))
            return [tiles.inclusion(sequence, size, whole) for sequence in sequences]

    def prove_growth(self, earlier: int, later: int) -> Growth:
        """Prove that the tree of `later` events only added to that of `earlier`, in O(log n).

        Raises
        ------
        NotFound
            If a hash that is needed is gone.
        """
        with self._database.read() as connection:
            tiles = Tiles(connection)
            path = tuple(tiles.root(run) for run in consistency_runs(earlier, later))
            return Growth((earlier, later), path, (tiles.root((0, earlier)), tiles.root((0, later))))

    def verify(self) -> Iterator[LedgerFault]:
        """Re-make every hash from the stored events; give each place that differs or is gone.

        *Does not* know what was signed or what witnesses saw: `coread.ledger.Notary.verify` does.
        """
        yield from self.check({}, frozenset()).faults

    def check(self, heads: Mapping[int, Hash], unsigned: frozenset[int]) -> Checked:
        """Check all rows against each other and against signed heads (root by size).

        Parameters
        ----------
        heads
            Root by size.
        unsigned
            Sizes of heads whose signature does not hold.
        """
        with self._database.read() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            check = Check(kept(connection, heads, unsigned))
            faults = tuple(check.faults(all_rows(connection, _PAGE)))
        return Checked(faults, check.grown.size, check.grown.root(), tuple(check.steps_back))

    def forget(self, subjects: Collection[str], by: str, at: datetime, basis: str) -> int:
        """Delete for ever whom events were about; every proof stays as it was.

        What goes is the subject, the key and the private facts of each event about these subjects, or whose
        private facts name them, with the salt. Of events of form 1 all but the leaf hash goes. That it was
        done, by whom, on which legal basis and where, is an event itself.

        Parameters
        ----------
        subjects
            E.g. Study Instance UIDs.
        by, at
            Who, when.
        basis
            Why this is lawful; names no person.

        Returns
        -------
        int
            Number of events.
        """
        with self._database.write() as connection:
            self.lock_in(connection)
            found = naming(connection, [s for s in subjects if s not in ("", FORGOTTEN, "ledger")])
            blank(connection, found)
            facts = {"count": str(len(found)), "sequences": text_of([sequence for sequence, _ in found])}
            self.append_in(connection, [Event(FORGETTING, "ledger", by, at, facts | {"basis": basis})])
            return len(found)


def _recorded(row: StoredEvent) -> RecordedEvent:
    return RecordedEvent(row.sequence, row.event, row.leaf_hash, row.is_as_written)
