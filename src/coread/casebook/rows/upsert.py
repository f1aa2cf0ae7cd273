"""One row, made or changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Insert a row, or change the one of the same primary key; return how many rows were written.

    Parameters
    ----------
    connection
        Of a write transaction.
    table
        Whose primary key are the columns of `key`.
    key, values
        Columns.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values({**key, **values})
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=dict(values))
    return connection.execute(statement).rowcount
