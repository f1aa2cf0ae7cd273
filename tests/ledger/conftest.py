"""A small ledger, anew for each test, on SQLite; tests of both database systems take `database_url`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from recording import Recorder

from coread.archive import Database


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """Give a ledger with its notary and a clock."""
    recorder = Recorder(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path)
    yield recorder
    recorder.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give a database of each system."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()
