"""Makes the vault's tables in a database of their own, beside a ledger of their own."""

from __future__ import annotations

from coread.governance.vault.tables import METADATA
from coread.ledger import METADATA as LEDGER_METADATA
from coread.ledger import Transactions


def prepare(database: Transactions) -> None:
    """Make the tables of vault and ledger where they are missing; nothing that is there is changed."""
    with database.write() as connection:
        METADATA.create_all(connection)
        LEDGER_METADATA.create_all(connection)
