"""Rooms of an empty clinic, for the gateways that need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from coread.archive import Archive, Database, DiskStore, Quarantine, Readings, Resources, Studies
from coread.gateways.serving import WebServer
from coread.gateways.web import web_app
from coread.intake import Intake, Limits
from coread.ledger import Ledger


@dataclass
class ClinicRooms:
    """What a gateway may be given."""

    database: Database
    archive: Archive
    intake: Intake
    quarantine: Quarantine
    readings: Readings
    resources: Resources
    studies: Studies
    ledger: Ledger


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[ClinicRooms]:
    """Give the rooms of an empty clinic on SQLite; objects of more than 4 MiB are refused."""
    database = Database(f"sqlite:///{tmp_path / 'index.sqlite'}")
    database.migrate()
    store = DiskStore(tmp_path / "objects")
    archive, quarantine = Archive(database, store), Quarantine(database, store)
    intake = Intake(archive, quarantine, Limits(object_bytes=4 << 20), lambda: datetime.now(UTC))
    yield ClinicRooms(
        database,
        archive,
        intake,
        quarantine,
        Readings(database),
        Resources(database),
        Studies(database),
        Ledger(database),
    )
    database.close()


@pytest.fixture
def site(rooms: ClinicRooms) -> Iterator[httpx.Client]:
    """Give a client of the whole HTTP service, running over an empty clinic."""
    with WebServer(web_app(rooms)) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client
