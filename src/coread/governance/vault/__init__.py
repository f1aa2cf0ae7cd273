"""The pseudonym vault: who stands behind a pseudonym, opened by two persons together, each opening on record."""

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
