"""The keeper of events: an append-only record in which any later change shows."""

from coread.ledger.canonical import canonical_json, utc_text
from coread.ledger.checking import Checked
from coread.ledger.forms.account import Account, Party, Statement, account
from coread.ledger.forms.atna import audit_message, syslog_message
from coread.ledger.forms.audit_kind import AuditSource
from coread.ledger.forms.balp import audit_event
from coread.ledger.forms.export import Exporter, proof_lines
from coread.ledger.forms.prov import provenance
from coread.ledger.forms.retention import is_held, longest_rule, retention_rules
from coread.ledger.forms.table import csv_lines
from coread.ledger.forwarded import Forwarded
from coread.ledger.heads.head import SignedHead, TreeHead, read_note
from coread.ledger.heads.head import newest as newest_head
from coread.ledger.heads.notary import Notary, Verified
from coread.ledger.heads.witness import FileWitness, Witness
from coread.ledger.ledger import Ledger
from coread.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from coread.ledger.outside.verify import Report, verify_export
from coread.ledger.prepared import Prepared
from coread.ledger.records import Growth, Inclusion, LedgerFault, RecordedEvent, StoredEvent, Transactions
from coread.ledger.rows import grow_from_rows
from coread.ledger.tables import METADATA

__all__ = [
    "METADATA",
    "Account",
    "AuditSource",
    "Checked",
    "Exporter",
    "FileWitness",
    "Forwarded",
    "Growth",
    "Inclusion",
    "Ledger",
    "LedgerFault",
    "Notary",
    "Party",
    "Prepared",
    "RecordedEvent",
    "Report",
    "SignedHead",
    "Statement",
    "StoredEvent",
    "Transactions",
    "TreeHead",
    "Verified",
    "Witness",
    "account",
    "audit_event",
    "audit_message",
    "canonical_json",
    "consistency_proof",
    "csv_lines",
    "grow_from_rows",
    "inclusion_proof",
    "is_held",
    "leaf_hash",
    "longest_rule",
    "newest_head",
    "proof_lines",
    "provenance",
    "read_note",
    "retention_rules",
    "root",
    "syslog_message",
    "utc_text",
    "verify_consistency",
    "verify_export",
    "verify_inclusion",
]
