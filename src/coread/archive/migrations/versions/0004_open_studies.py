"""The index of open studies in the words in which they are asked for, so that SQLite uses it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index anew."""
    op.drop_index("ix_studies_open", table_name="studies")
    op.create_index(
        "ix_studies_open",
        "studies",
        ["last_arrival_us"],
        postgresql_where=sa.text("is_open"),
        sqlite_where=sa.text("is_open = 1"),
    )
