"""A casebook on each database system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from reviewing import ReadingRoom, reading_room


@pytest.fixture
def room(database_url: str, tmp_path: Path) -> Iterator[ReadingRoom]:
    room = reading_room(database_url, tmp_path)
    yield room
    room.house.database.close()
