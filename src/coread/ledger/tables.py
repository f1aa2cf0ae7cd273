"""The ledger's one table."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()

EVENTS = Table(
    "events",
    METADATA,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("key", Text),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Index("ix_events_subject", "subject", "sequence"),
    Index("ix_events_kind", "kind", "sequence"),
    Index("ux_events_key", "key", unique=True),
)
