"""The first tables: ledger, index, arrival, results, deliveries, workers."""

from alembic import op

from coread.archive.tables import METADATA
from coread.ledger import METADATA as LEDGER_METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    LEDGER_METADATA.create_all(op.get_bind())
    METADATA.create_all(op.get_bind())
