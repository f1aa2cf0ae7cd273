"""Migrations lead to the tables that the code knows; commits are as durable as they say."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from keeping import House
from sqlalchemy import MetaData, event, text

from coread.archive import Database
from coread.archive.tables import METADATA
from coread.casebook.tables import METADATA as CASEBOOK_METADATA
from coread.errors import Busy, LowDisk
from coread.governance import METADATA as GOVERNANCE_METADATA
from coread.ledger import METADATA as LEDGER_METADATA


def test_migrations_make_the_tables_that_the_code_knows(house: House) -> None:
    known = MetaData()
    for metadata in (METADATA, CASEBOOK_METADATA, GOVERNANCE_METADATA, LEDGER_METADATA):
        for table in metadata.tables.values():
            table.to_metadata(known)
    with house.database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, known) == []


def test_processes_may_migrate_at_one_time(database_url: str) -> None:
    faults = ["not yet"] * 4

    def migrate() -> None:
        database = Database(database_url)
        database.migrate()
        faults.remove("not yet")
        database.close()

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.parametrize(("kind", "level"), [("write", 2), ("write_filing", 1)])
def test_sqlite_syncs_as_it_says(small_house: House, kind: str, level: int) -> None:
    with getattr(small_house.database, kind)() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_failed_write_changes_nothing(house: House) -> None:
    insert = text("INSERT INTO removals VALUES ('x')")

    def fail() -> None:
        with house.database.write() as connection:
            connection.execute(insert)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with house.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM removals")).scalar() == 0


def test_a_reader_sees_one_state(house: House) -> None:
    count = text("SELECT count(*) FROM removals")
    with house.database.write() as writer:
        writer.execute(text("INSERT INTO removals VALUES ('x')"))
        with house.database.read() as reader:
            assert reader.execute(count).scalar() == 0


def test_a_database_that_cannot_be_reached_is_busy() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Busy), database.write():
        pass


def test_a_full_database_is_low_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'full.sqlite'}")
    database.migrate()

    @event.listens_for(database._engine, "begin")
    def _(connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")

    def fill() -> None:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE big AS SELECT zeroblob(1000000) AS x"))

    with pytest.raises(LowDisk):
        fill()
    database.close()


def test_a_connection_in_use_at_the_end_is_closed_when_it_is_given_back(database_url: str) -> None:
    database = Database(database_url)
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
        driver = connection.connection.driver_connection
        database.close()
    with pytest.raises(Exception, match="closed"):
        driver.execute("SELECT 1")
