"""A set of keepers on each database system; a store on disk, and keys to seal it with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from keeping import House, house_on

from coread.archive import DiskStore, Keyring


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    house = house_on(database_url, tmp_path)
    yield house
    house.database.close()


@pytest.fixture
def small_house(tmp_path: Path) -> Iterator[House]:
    """Give the same on SQLite only, for what does not depend on the database."""
    house = house_on(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path)
    yield house
    house.database.close()


@pytest.fixture
def disk(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "objects")


@pytest.fixture
def ring() -> Keyring:
    return Keyring.new()
