"""What persons agree to: who stands behind a reference, and the decisions, which nobody can change."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "consent_people",
        sa.Column("ref", sa.String(length=40), nullable=False),
        sa.Column("issuer", _WORDS, nullable=False),
        sa.Column("patient_id", _WORDS, nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index("ux_consent_people_identity", "consent_people", ["issuer", "patient_id"], unique=True)
    op.create_table(
        "consent_decisions",
        sa.Column("place", _NUMBER, nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("person_ref", sa.String(length=40), nullable=False),
        sa.Column("use", sa.String(length=24), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence_sha256", sa.String(length=64), server_default="", nullable=False),
        sa.Column("jurisdiction", sa.String(length=8), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_index("ux_consent_decisions_uid", "consent_decisions", ["uid"], unique=True)
    op.create_index("ix_consent_decisions_person", "consent_decisions", ["person_ref", "place"])
    op.create_index("ix_consent_decisions_act", "consent_decisions", ["act", "place"])
    _refuse_changes("consent_decisions")


def _refuse_changes(table: str) -> None:
    """Refuse to change or delete a row, by the function of revision 0003."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for verb in ("UPDATE", "DELETE"):
        if is_sqlite:
            body = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        else:
            body = "FOR EACH ROW EXECUTE FUNCTION coread_refuse_change()"
        op.execute(f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} {body}")
