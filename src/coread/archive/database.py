"""The keepers' database: SQLite by default, PostgreSQL where several hosts share one archive."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from coread.errors import Busy, LowDisk, OutOfRoom

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_S = 30
_SWITCH_PAUSE_S = 0.02
#: A host that freezes in the middle of a transaction must not keep its locks from all others.
_FROZEN_TIMEOUT_MS = 10_000
_MIGRATION_LOCK = 0x4D494752


class Database:
    """Transactions on one database.

    On SQLite two kinds of commit exist. `write` syncs the write-ahead log (synchronous=FULL).
    `write_filing` does not (NORMAL): it survives the death of the process at once, and a power
    cut as soon as any later `write` or checkpoint synced the log. Only the filing of instances
    uses it, because every row that it writes can be made again from a file that was synced
    before: see `Archive.reconcile`. Measured on a 2-core machine with 0.5 MB files: 250 against
    130 objects/s for one sender, no clear difference from four senders on.

    On PostgreSQL both are plain commits.

    Parameters
    ----------
    url
        ``sqlite:////folder/index.sqlite`` or ``postgresql://user@host/name``.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed.render_as_string(hide_password=False)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            self._engine = _sqlite_engine(self.url, "FULL")
            self._filing_engine = _sqlite_engine(self.url, "NORMAL")
        else:
            self._engine = self._filing_engine = create_engine(
                self.url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_size=10,
                connect_args={"options": f"-c idle_in_transaction_session_timeout={_FROZEN_TIMEOUT_MS}"},
            )
        self._closers = [closer(engine) for engine in {self._engine, self._filing_engine}]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads; it sees one state of the database."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that is on disk once the block is left without an error."""
        with self._write_on(self._engine) as connection:
            yield connection

    @contextmanager
    def write_filing(self) -> Iterator[Connection]:
        """Open a transaction for rows that can be made again from synced files."""
        with self._write_on(self._filing_engine) as connection:
            yield connection

    @contextmanager
    def _write_on(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.connect() as connection, connection.execution_options(coread_write=True).begin():
                yield connection
        except OperationalError as error:
            raise _out_of_room(error) from error
        except PoolExhausted as error:
            raise Busy("all connections to the database in use", "one that is free", "try again") from error

    def migrate(self) -> None:
        """Bring the tables to this version of CoRead; safe when several processes start at once."""
        with self._write_on(self._engine) as connection:
            if not self.is_sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            command.upgrade(_alembic(connection), "head")

    def close(self) -> None:
        """Close all connections; one that a thread still uses is closed when that thread gives it back."""
        for close in self._closers:
            close()


def closer(engine: Engine) -> Callable[[], None]:
    """Give what closes every connection of an engine, those in use as soon as they are given back.

    A pool that is disposed of forgets the connections in use: given back later, they would stay open, and
    hold a place at the server, until memory is next cleared.
    """
    is_over = threading.Event()

    @event.listens_for(engine, "checkin")
    def _close_late_one(_connection: Any, record: Any) -> None:
        if is_over.is_set():
            record.invalidate()

    def close() -> None:
        is_over.set()
        engine.dispose()

    return close


def _out_of_room(error: OperationalError) -> OutOfRoom:
    reason = str(error.orig)
    if "full" in reason or "No space" in reason:
        return LowDisk("no room for the index", "room to write", "free disk space; then send again")
    return Busy(
        "a database that does not answer", "a transaction", "try again later", where=type(error).__name__
    )


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _use_write_ahead_log(connection: Any) -> None:
    """Switch a database to its write-ahead log.

    While one process switches, SQLite tells the others at once that the file is locked, whatever the busy
    timeout says (its documentation of ``sqlite3_busy_handler``): so they ask again.
    """
    until = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_SWITCH_PAUSE_S)


def _sqlite_engine(url: str, synchronous: str) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # The driver's own transactions begin too late to be "immediate": take them from it.
        connection.isolation_level = None
        _use_write_ahead_log(connection)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-16000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that begins by reading could otherwise be refused at its first write.
        is_writer = connection.get_execution_options().get("coread_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine
