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
        Columns. Without values a row that is there stays as it is.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values({**key, **values})
    if values:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=dict(values))
    else:
        statement = statement.on_conflict_do_nothing()
    return connection.execute(statement).rowcount
