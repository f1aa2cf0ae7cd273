"""The ledger's tables.

``events`` is the log: one row for each leaf. ``ledger_nodes`` and ``ledger_frontier`` are functions of it, so
that an append and a proof cost O(log n). ``ledger_keys`` and ``ledger_heads`` are what was signed,
``ledger_sendings`` what witnesses were sent, ``ledger_forwarded`` how far events have gone to other systems.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.types import TypeEngine

METADATA = MetaData()


def _number() -> TypeEngine[int]:
    return BigInteger().with_variant(Integer, "sqlite")


EVENTS = Table(
    "events",
    METADATA,
    Column("sequence", _number(), primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Text, nullable=False),
    # Of an event of form 2 these are the open facts alone.
    Column("facts", Text, nullable=False),
    Column("key", Text),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    # Form 2 (canonical.py): the private facts, the salt and the commitment. Form 1 has none of them.
    Column("private", Text),
    Column("salt", LargeBinary(32)),
    Column("commitment", LargeBinary(32)),
    Index("ix_events_subject", "subject", "sequence"),
    Index("ix_events_kind", "kind", "sequence"),
    Index("ux_events_key", "key", unique=True),
)

NODES = Table(
    "ledger_nodes",
    METADATA,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", _number(), primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

FRONTIER = Table(
    "ledger_frontier",
    METADATA,
    # One row, of this number.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", _number(), nullable=False),
    Column("peaks", LargeBinary, nullable=False),
)

KEYS = Table(
    "ledger_keys",
    METADATA,
    Column("key_id", String(64), primary_key=True),
    Column("public_key", LargeBinary(32), nullable=False),
    # Number of events when it was taken into use, and when that was.
    Column("since_size", _number(), nullable=False),
    Column("at", Text, nullable=False),
    # The former key's id, and its signature on this one; empty for a key that nobody vouches for.
    Column("former_id", String(64), nullable=False, server_default=""),
    Column("endorsement", LargeBinary, nullable=False),
)

HEADS = Table(
    "ledger_heads",
    METADATA,
    Column("size", _number(), primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    # The signed text, from which all else can be read (heads/head.py).
    Column("note", Text, nullable=False),
)

SENDINGS = Table(
    "ledger_sendings",
    METADATA,
    Column("witness", String(64), primary_key=True),
    Column("size", _number(), primary_key=True, autoincrement=False),
    # waiting, sent, refused, or overtaken by a later head that was sent.
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("receipt", LargeBinary),
    Column("changed_at", Text, nullable=False),
    Index("ix_ledger_sendings_state", "witness", "state", "size"),
)

FORWARDED = Table(
    "ledger_forwarded",
    METADATA,
    Column("target", String(64), primary_key=True),
    Column("sequence", _number(), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
)
