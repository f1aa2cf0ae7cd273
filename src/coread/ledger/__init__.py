"""The keeper of events: an append-only record in which any later change shows."""

from coread.ledger.canonical import canonical_json
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
from coread.ledger.records import LedgerFault, RecordedEvent, Transactions
from coread.ledger.tables import METADATA

__all__ = [
    "METADATA",
    "Ledger",
    "LedgerFault",
    "Prepared",
    "RecordedEvent",
    "Transactions",
    "canonical_json",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]
