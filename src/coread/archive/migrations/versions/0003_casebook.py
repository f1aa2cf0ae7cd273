"""The casebook: what people decide, and whose turn it is.

The database itself refuses to change or delete evidence: entries, reports, questions and answers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_UID = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")
_WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_APPEND_ONLY = ("case_entries", "case_reports", "case_questions", "case_answers")

_REFUSAL = """
CREATE FUNCTION coread_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""


def upgrade() -> None:
    """Make the tables."""
    _cases()
    _entries()
    _keys()
    _reports()
    _verdicts()
    _marks()
    _questions()
    _personal()
    _refuse_changes()


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="new", nullable=False),
        sa.Column("is_pending", sa.Boolean(), nullable=False),
        sa.Column("is_changed", sa.Boolean(), nullable=False),
        sa.Column("is_gone", sa.Boolean(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), server_default="0", nullable=False),
        sa.Column("arrived_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("complete_us", sa.BigInteger(), nullable=True),
        sa.Column("study_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reading_uids", sa.Text(), server_default="", nullable=False),
        sa.Column("modalities", _WORDS, server_default="", nullable=False),
        sa.Column("listing", sa.Text(), server_default="{}", nullable=False),
        sa.Column("lock_person_id", sa.String(length=64), nullable=True),
        sa.Column("locked_us", sa.BigInteger(), nullable=True),
        sa.Column("lock_until_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )
    order: list[str | sa.TextClause] = [
        "is_pending",
        sa.text("points DESC"),
        "arrived_us",
        "study_instance_uid",
    ]
    op.create_index("ix_cases_pending", "cases", order)
    op.create_index("ix_cases_state", "cases", ["is_gone", "state", sa.text("changed_us DESC")])
    op.create_index(
        "ix_cases_locked",
        "cases",
        ["lock_person_id"],
        postgresql_where=sa.text("lock_person_id IS NOT NULL"),
        sqlite_where=sa.text("lock_person_id IS NOT NULL"),
    )


def _entries() -> None:
    op.create_table(
        "case_entries",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("study_version", sa.Integer(), nullable=False),
        sa.Column("finding_uid", _UID, server_default="", nullable=False),
        sa.Column("payload", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "revision"),
    )


def _keys() -> None:
    op.create_table(
        "case_keys",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _reports() -> None:
    op.create_table(
        "case_reports",
        sa.Column("uid", _UID, nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("ux_case_reports_number", "case_reports", ["study_instance_uid", "number"], unique=True)
    op.create_table(
        "case_unpublished",
        sa.Column("uid", _UID, nullable=False),
        sa.Column("signed_us", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("ix_case_unpublished_signed", "case_unpublished", ["signed_us", "number", "uid"])


def _verdicts() -> None:
    op.create_table(
        "case_verdicts",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("finding_uid", _UID, nullable=False),
        sa.Column("reader", _WORDS, nullable=False),
        sa.Column("reader_version", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("age_band", sa.String(length=16), nullable=False),
        sa.Column("sex", sa.String(length=16), nullable=False),
        sa.Column("active_s", sa.Float(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "finding_uid"),
    )
    op.create_index("ix_case_verdicts_reader", "case_verdicts", ["reader", "at_us"])


def _marks() -> None:
    op.create_table(
        "case_reads",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "person_id"),
    )
    op.create_table(
        "case_teaching",
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )
    op.create_table(
        "case_progress",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _questions() -> None:
    op.create_table(
        "case_questions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("asker_id", sa.String(length=64), nullable=False),
        sa.Column("colleague_id", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_case_questions_study", "case_questions", ["study_instance_uid", "asked_us"])
    op.create_index("ix_case_questions_colleague", "case_questions", ["colleague_id", "asked_us"])
    op.create_table(
        "case_answers",
        sa.Column("question_id", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("question_id"),
    )


def _personal() -> None:
    op.create_table(
        "saved_views",
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("saved_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "name"),
    )
    op.create_table(
        "phrases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("section", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_phrases_person", "phrases", ["person_id", "language", "added_us"])


def _refuse_changes() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        op.execute(_REFUSAL)
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            if is_sqlite:
                body = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            else:
                body = "FOR EACH ROW EXECUTE FUNCTION coread_refuse_change()"
            op.execute(f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} {body}")
