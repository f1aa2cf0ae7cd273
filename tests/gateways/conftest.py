"""Rooms of an empty clinic, for the gateways that need them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def opened_rooms(folder: Path) -> Iterator[ClinicRooms]:
    """Give the rooms of an empty clinic on SQLite; objects of more than 4 MiB are refused."""
    database = Database(f"sqlite:///{folder / 'index.sqlite'}")
    database.migrate()
    store = DiskStore(folder / "objects")
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


@contextmanager
def opened_site(rooms: ClinicRooms) -> Iterator[httpx.Client]:
    """Give a client of the whole HTTP service, running over `rooms`."""
    with WebServer(web_app(rooms)) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[ClinicRooms]:
    """Give the rooms of a clinic that is empty for each test."""
    with opened_rooms(tmp_path) as rooms:
        yield rooms


@pytest.fixture
def site(rooms: ClinicRooms) -> Iterator[httpx.Client]:
    """Give a client of the whole HTTP service over `rooms`."""
    with opened_site(rooms) as client:
        yield client


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicRooms]:
    """Give the rooms of a clinic that a module's tests fill at first and only read from then on."""
    with opened_rooms(tmp_path_factory.mktemp("library")) as rooms:
        yield rooms


@pytest.fixture(scope="module")
def library_site(library: ClinicRooms) -> Iterator[httpx.Client]:
    """Give a client of the whole HTTP service over `library`."""
    with opened_site(library) as client:
        yield client
