"""The archive's tables.

Times are microseconds since 1970 in UTC (``*_us``). Text that is searched is compared by
its bytes (collation "C" on PostgreSQL, BINARY on SQLite), so that one index serves equality,
ranges and wildcards alike. ``facts`` holds the index facts of `coread.domain.study.Header` as JSON.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

METADATA = MetaData()


def _words() -> TypeEngine[str]:
    return Text().with_variant(Text(collation="C"), "postgresql")


def _uid() -> TypeEngine[str]:
    return String(64).with_variant(String(64, collation="C"), "postgresql")


def _searched(name: str) -> Column[str]:
    return Column(name, _words(), nullable=False, server_default="")


STUDIES = Table(
    "studies",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    # What a query may ask.
    _searched("patient_id"),
    _searched("patient_name"),
    _searched("patient_name_ideographic"),
    _searched("patient_name_phonetic"),
    _searched("patient_birth_date"),
    _searched("patient_sex"),
    _searched("study_date"),
    _searched("study_time"),
    _searched("study_moment"),
    _searched("accession_number"),
    _searched("study_id"),
    _searched("study_description"),
    _searched("referring_physician_name"),
    Column("facts", Text, nullable=False, server_default="{}"),
    # How far its arrival is.
    Column("is_open", Boolean, nullable=False, server_default=text("true")),
    Column("is_told_complete", Boolean, nullable=False, server_default=text("false")),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("handed_version", Integer, nullable=False, server_default="0"),
    Column("originals", Integer, nullable=False, server_default="0"),
    Column("expected", Integer),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("first_arrival_us", BigInteger),
    Column("last_arrival_us", BigInteger),
    Column("closed_us", BigInteger),
    *(
        Index(f"ix_studies_{name}", name)
        for name in (
            "patient_id",
            "patient_name",
            "patient_name_ideographic",
            "patient_name_phonetic",
            "patient_birth_date",
            "patient_sex",
            "study_date",
            "study_time",
            "study_moment",
            "accession_number",
            "study_id",
            "study_description",
            "referring_physician_name",
            "last_arrival_us",
        )
    ),
)
Index(
    "ix_studies_open",
    STUDIES.c.last_arrival_us,
    postgresql_where=STUDIES.c.is_open,
    # SQLite uses a partial index only where the query says the same words, and SQLAlchemy says these.
    sqlite_where=text("is_open = 1"),
)
Index(
    "ix_studies_unhanded",
    STUDIES.c.study_instance_uid,
    postgresql_where=STUDIES.c.version > STUDIES.c.handed_version,
    sqlite_where=STUDIES.c.version > STUDIES.c.handed_version,
)

SERIES = Table(
    "series",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    Column("series_instance_uid", _uid(), primary_key=True),
    _searched("modality"),
    _searched("series_number"),
    _searched("series_description"),
    _searched("series_date"),
    _searched("body_part_examined"),
    _searched("pps_start_date"),
    Column("instances", Integer, nullable=False),
    Column("facts", Text, nullable=False, server_default="{}"),
    Index("ix_series_uid", "series_instance_uid"),
    Index("ix_series_modality", "modality", "study_instance_uid"),
    Index("ix_series_body_part", "body_part_examined", "study_instance_uid"),
)

INSTANCES = Table(
    "instances",
    METADATA,
    Column("sop_instance_uid", _uid(), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("series_instance_uid", _uid(), nullable=False),
    Column("sop_class_uid", _uid(), nullable=False),
    Column("transfer_syntax_uid", _uid(), nullable=False),
    Column("instance_number", BigInteger),
    Column("object_key", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("data_sha256", String(64)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Index("ix_instances_series", "study_instance_uid", "series_instance_uid", "instance_number"),
    Index("ux_instances_key", "object_key", unique=True),
    Index("ix_instances_received", "received_us"),
)

CONFLICTS = Table(
    "conflicts",
    METADATA,
    Column("object_key", String(64), primary_key=True),
    Column("sop_instance_uid", _uid(), nullable=False),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("series_instance_uid", _uid(), nullable=False),
    Column("sop_class_uid", _uid(), nullable=False),
    Column("transfer_syntax_uid", _uid(), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("data_sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Index("ux_conflicts_content", "sop_instance_uid", "data_sha256", unique=True),
    Index("ix_conflicts_study", "study_instance_uid"),
)

QUARANTINE = Table(
    "quarantine",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("object_key", String(64), nullable=False, unique=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("error_number", Integer, nullable=False),
    Column("error_text", Text, nullable=False),
    Index("ix_quarantine_received", "received_us"),
)

#: Keys whose rows are gone and whose bytes are about to go; kept until they have.
REMOVALS = Table("removals", METADATA, Column("object_key", String(64), primary_key=True))

READINGS = Table(
    "readings",
    METADATA,
    Column("uid", _uid(), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("study_version", Integer, nullable=False),
    Column("reader", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reading", Text, nullable=False),
    Index("ix_readings_study", "study_instance_uid", "study_version"),
)

RESOURCES = Table(
    "resources",
    METADATA,
    Column("resource_type", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("json", Text, nullable=False),
    Index("ix_resources_study", "study_instance_uid"),
    Index("ix_resources_updated", "resource_type", "updated_us"),
)

RESOURCE_TERMS = Table(
    "resource_terms",
    METADATA,
    Column("resource_type", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("term", _words(), primary_key=True),
    Index("ix_resource_terms_term", "resource_type", "name", "term"),
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("object_id", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("detail", Text, nullable=False, server_default=""),
    Column("planned_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Index("ix_deliveries_study", "study_instance_uid"),
    Index("ix_deliveries_state", "state", "changed_us"),
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("worker_id", String(128), primary_key=True),
    Column("beat_us", BigInteger, nullable=False),
    Column("claimed_by", String(128)),
    Index("ix_workers_beat", "beat_us"),
)
