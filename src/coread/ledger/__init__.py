"""The keeper of events: an append-only record in which any later change shows."""

from coread.ledger.canonical import canonical_json
from coread.ledger.checking import Checked
from coread.ledger.ledger import Ledger
from coread.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from coread.ledger.prepared import Prepared
from coread.ledger.records import Growth, Inclusion, LedgerFault, RecordedEvent, StoredEvent, Transactions
from coread.ledger.rows import grow_from_rows
from coread.ledger.tables import METADATA

__all__ = [
    "METADATA",
    "Checked",
    "Growth",
    "Inclusion",
    "Ledger",
    "LedgerFault",
    "Prepared",
    "RecordedEvent",
    "StoredEvent",
    "Transactions",
    "canonical_json",
    "consistency_proof",
    "grow_from_rows",
    "inclusion_proof",
    "leaf_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]
