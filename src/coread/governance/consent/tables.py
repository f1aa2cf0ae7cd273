"""The tables of consent: who stands behind a reference, and what was decided, row after row.

``consent_people`` is the only place where a reference leads to a person; once its row is gone, decisions and
ledger point to nobody. ``consent_decisions`` is never changed (the database refuses it). Times are
microseconds since 1970 in UTC (``*_us``).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text
from sqlalchemy.types import TypeEngine

from coread.governance.tables import METADATA, Moment


def _words() -> TypeEngine[str]:
    return Text().with_variant(Text(collation="C"), "postgresql")


PEOPLE = Table(
    "consent_people",
    METADATA,
    Column("ref", String(40), primary_key=True),
    Column("issuer", _words(), nullable=False),
    Column("patient_id", _words(), nullable=False),
    Index("ux_consent_people_identity", "issuer", "patient_id", unique=True),
)

DECISIONS = Table(
    "consent_decisions",
    METADATA,
    # The order of decisions is that of their places, whatever the clock said.
    Column("place", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("uid", String(64), nullable=False),
    Column("person_ref", String(40), nullable=False),
    Column("use", String(24), nullable=False),
    Column("act", String(16), nullable=False),
    Column("recorded_us", Moment, nullable=False),
    Column("from_us", Moment, nullable=False),
    Column("until_us", Moment),
    Column("actor", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("evidence_sha256", String(64), nullable=False, server_default=""),
    Column("jurisdiction", String(8), nullable=False, server_default=""),
    Index("ux_consent_decisions_uid", "uid", unique=True),
    Index("ix_consent_decisions_person", "person_ref", "place"),
    Index("ix_consent_decisions_act", "act", "place"),
)
