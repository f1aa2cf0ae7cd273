"""The pseudonym vault: two persons together see who stands behind a pseudonym, and it is on record."""

from coread.governance.vault.preparing import prepare
from coread.governance.vault.sealing import Sealed, open_sealed, public_key_of, seal
from coread.governance.vault.shares import Share, make_shares, open_share, split_key
from coread.governance.vault.tables import METADATA
from coread.governance.vault.vault import Entry, Opening, Vault

__all__ = [
    "METADATA",
    "Entry",
    "Opening",
    "Sealed",
    "Share",
    "Vault",
    "make_shares",
    "open_sealed",
    "open_share",
    "prepare",
    "public_key_of",
    "seal",
    "split_key",
]
