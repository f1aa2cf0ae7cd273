"""The first tables: ledger, index, arrival, results, deliveries, workers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Compared by bytes, so that one index serves equality, ranges and wildcards alike.
_UID = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")
_WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _conflicts()
    _deliveries()
    _events()
    _instances()
    _quarantine()
    _readings()
    _removals()
    _resource_terms()
    _resources()
    _series()
    _studies()
    _workers()


def _conflicts() -> None:
    op.create_table(
        "conflicts",
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", _UID, nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("series_instance_uid", _UID, nullable=False),
        sa.Column("sop_class_uid", _UID, nullable=False),
        sa.Column("transfer_syntax_uid", _UID, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data_sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("object_key"),
    )
    op.create_index("ix_conflicts_study", "conflicts", ["study_instance_uid"], unique=False)
    op.create_index("ux_conflicts_content", "conflicts", ["sop_instance_uid", "data_sha256"], unique=True)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("planned_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "changed_us"], unique=False)
    op.create_index("ix_deliveries_study", "deliveries", ["study_instance_uid"], unique=False)


def _events() -> None:
    op.create_table(
        "events",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index("ix_events_kind", "events", ["kind", "sequence"], unique=False)
    op.create_index("ix_events_subject", "events", ["subject", "sequence"], unique=False)
    op.create_index("ux_events_key", "events", ["key"], unique=True)


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("sop_instance_uid", _UID, nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("series_instance_uid", _UID, nullable=False),
        sa.Column("sop_class_uid", _UID, nullable=False),
        sa.Column("transfer_syntax_uid", _UID, nullable=False),
        sa.Column("instance_number", sa.BigInteger(), nullable=True),
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data_sha256", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid"),
    )
    op.create_index("ix_instances_received", "instances", ["received_us"], unique=False)
    op.create_index(
        "ix_instances_series",
        "instances",
        ["study_instance_uid", "series_instance_uid", "instance_number"],
        unique=False,
    )
    op.create_index("ux_instances_key", "instances", ["object_key"], unique=True)


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("error_number", sa.Integer(), nullable=False),
        sa.Column("error_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("object_key"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("ix_quarantine_received", "quarantine", ["received_us"], unique=False)


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("uid", _UID, nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("study_version", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("ix_readings_study", "readings", ["study_instance_uid", "study_version"], unique=False)


def _removals() -> None:
    op.create_table(
        "removals",
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("object_key"),
    )


def _resource_terms() -> None:
    op.create_table(
        "resource_terms",
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("term", _WORDS, nullable=False),
        sa.PrimaryKeyConstraint("resource_type", "id", "name", "term"),
    )
    op.create_index(
        "ix_resource_terms_term", "resource_terms", ["resource_type", "name", "term"], unique=False
    )


def _resources() -> None:
    op.create_table(
        "resources",
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("resource_type", "id"),
    )
    op.create_index("ix_resources_study", "resources", ["study_instance_uid"], unique=False)
    op.create_index("ix_resources_updated", "resources", ["resource_type", "updated_us"], unique=False)


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("series_instance_uid", _UID, nullable=False),
        sa.Column("modality", _WORDS, server_default="", nullable=False),
        sa.Column("series_number", _WORDS, server_default="", nullable=False),
        sa.Column("series_description", _WORDS, server_default="", nullable=False),
        sa.Column("series_date", _WORDS, server_default="", nullable=False),
        sa.Column("body_part_examined", _WORDS, server_default="", nullable=False),
        sa.Column("pps_start_date", _WORDS, server_default="", nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "series_instance_uid"),
    )
    op.create_index(
        "ix_series_body_part", "series", ["body_part_examined", "study_instance_uid"], unique=False
    )
    op.create_index("ix_series_modality", "series", ["modality", "study_instance_uid"], unique=False)
    op.create_index("ix_series_uid", "series", ["series_instance_uid"], unique=False)


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("patient_id", _WORDS, server_default="", nullable=False),
        sa.Column("patient_name", _WORDS, server_default="", nullable=False),
        sa.Column("patient_name_ideographic", _WORDS, server_default="", nullable=False),
        sa.Column("patient_name_phonetic", _WORDS, server_default="", nullable=False),
        sa.Column("patient_birth_date", _WORDS, server_default="", nullable=False),
        sa.Column("patient_sex", _WORDS, server_default="", nullable=False),
        sa.Column("study_date", _WORDS, server_default="", nullable=False),
        sa.Column("study_time", _WORDS, server_default="", nullable=False),
        sa.Column("study_moment", _WORDS, server_default="", nullable=False),
        sa.Column("accession_number", _WORDS, server_default="", nullable=False),
        sa.Column("study_id", _WORDS, server_default="", nullable=False),
        sa.Column("study_description", _WORDS, server_default="", nullable=False),
        sa.Column("referring_physician_name", _WORDS, server_default="", nullable=False),
        sa.Column("facts", sa.Text(), server_default="{}", nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("is_told_complete", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("handed_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("originals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_arrival_us", sa.BigInteger(), nullable=True),
        sa.Column("last_arrival_us", sa.BigInteger(), nullable=True),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )
    _indexes_of_studies()


def _indexes_of_studies() -> None:
    for name in (
        "accession_number",
        "last_arrival_us",
        "patient_birth_date",
        "patient_id",
        "patient_name",
        "patient_name_ideographic",
        "patient_name_phonetic",
        "patient_sex",
        "referring_physician_name",
        "study_date",
        "study_description",
        "study_id",
        "study_moment",
        "study_time",
    ):
        op.create_index(f"ix_studies_{name}", "studies", [name])
    op.create_index(
        "ix_studies_open",
        "studies",
        ["last_arrival_us"],
        unique=False,
        postgresql_where=sa.text("is_open"),
        sqlite_where=sa.text("is_open"),
    )
    op.create_index(
        "ix_studies_unhanded",
        "studies",
        ["study_instance_uid"],
        unique=False,
        postgresql_where=sa.text("version > handed_version"),
        sqlite_where=sa.text("version > handed_version"),
    )


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.String(length=128), nullable=False),
        sa.Column("beat_us", sa.BigInteger(), nullable=False),
        sa.Column("claimed_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("worker_id"),
    )
    op.create_index("ix_workers_beat", "workers", ["beat_us"], unique=False)
