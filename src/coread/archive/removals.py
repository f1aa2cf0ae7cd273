"""Deleting bytes after their rows, so that a crash between leaves neither."""

from __future__ import annotations

from sqlalchemy import delete, select

from coread.archive.database import Database
from coread.archive.objects import ObjectStore
from coread.archive.tables import REMOVALS

_PAGE = 500


def finish_removals(database: Database, store: ObjectStore) -> None:
    """Delete the bytes of which the rows are gone; also what a crash left of it."""
    while keys := _next(database):
        for key in keys:
            store.delete(key)
        with database.write() as connection:
            connection.execute(delete(REMOVALS).where(REMOVALS.c.object_key.in_(keys)))


def _next(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(REMOVALS.c.object_key).limit(_PAGE)).scalars())
