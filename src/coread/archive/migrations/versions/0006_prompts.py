"""Where doctors asked readers to look."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_UID = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "case_prompts",
        sa.Column("uid", _UID, nullable=False),
        sa.Column("study_instance_uid", _UID, nullable=False),
        sa.Column("study_version", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reading_uid", _UID, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("ix_case_prompts_study", "case_prompts", ["study_instance_uid", "asked_us"])
    op.create_index("ix_case_prompts_state", "case_prompts", ["state", "asked_us"])
