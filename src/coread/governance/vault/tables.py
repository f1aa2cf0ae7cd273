"""The vault's tables; they lie best in a database of their own, apart from images and from what goes out.

Regulation (EU) 2016/679 Art. 4(5) wants the additional information "kept separately"; GB/T 37964 does too.
"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData()

ENTRIES = Table(
    "vault_entries",
    METADATA,
    Column("domain", String(64), primary_key=True),
    Column("pseudonym", String(64), primary_key=True),
    # Ephemeral public key, nonce and AES-GCM text, see sealing.py.
    Column("sealed", LargeBinary, nullable=False),
    Column("at", Text, nullable=False),
)
