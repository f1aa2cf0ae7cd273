"""Tables of what is restricted, opened nevertheless, and approved."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, String, Table, Text

from coread.governance.tables import METADATA, Moment

RESTRICTIONS = Table(
    "study_restrictions",
    METADATA,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    # Ids of the persons who may open it as any other, joined by spaces.
    Column("allowed", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_us", Moment, nullable=False),
)

OPENINGS = Table(
    "emergency_openings",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_us", Moment, nullable=False),
    Column("until_us", Moment, nullable=False),
    Column("reviewed_by", Text, nullable=False, server_default=""),
    Column("reviewed_us", Moment),
    Column("is_justified", Boolean),
    Column("note", Text, nullable=False, server_default=""),
    Index("ix_emergency_openings_until", "until_us"),
)

APPROVALS = Table(
    "approvals",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_by", String(32), nullable=False),
    Column("asked_us", Moment, nullable=False),
    Column("decided_by", String(32), nullable=False, server_default=""),
    Column("decided_us", Moment),
    Column("until_us", Moment, nullable=False),
    Column("used_us", Moment),
    Index("ix_approvals_asked", "asked_us"),
)
