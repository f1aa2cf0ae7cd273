"""How each keeper of this room changes its rows: one change at a time, on record in the same transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from sqlalchemy import Connection

from coread.domain.event import Event
from coread.ledger import Ledger, Transactions


class Register:
    """A database and the ledger that lies in it."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def read(self) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads."""
        return self._database.read()

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Open a transaction in which what was read stays true until it ends: writers take turns."""
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            yield connection

    def record(
        self, connection: Connection, kind: str, subject: str, by: str, at: datetime, **facts: str
    ) -> None:
        """Put an event on record with the change that it tells of."""
        self._ledger.append_in(connection, [Event(kind, subject, by, at, facts)])


def new_id(prefix: str) -> str:
    """Make an identifier that says nothing, e.g. ``p-6f1c2a9be0d4``."""
    return f"{prefix}-{secrets.token_hex(6)}"
