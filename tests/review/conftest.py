"""A reading room on each database system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from reviewing import ReadingRoom, reading_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[ReadingRoom]:
    """Give a room on SQLite, for what does not depend on the database."""
    room = reading_room(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path)
    yield room
    room.house.database.close()


@pytest.fixture
def any_room(database_url: str, tmp_path: Path) -> Iterator[ReadingRoom]:
    """Give a room on each database system."""
    room = reading_room(database_url, tmp_path)
    yield room
    room.house.database.close()
