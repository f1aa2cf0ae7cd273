"""The ledger as one Merkle tree: its edge and nodes, keys, signed heads, witnesses, forwarding.

The events that are there already become the first leaves, as they are (form 1); each event from now on keeps
what points to a person apart from its leaf (form 2).
"""

import sqlalchemy as sa
from alembic import op

from coread.ledger import grow_from_rows

revision = "0005"
down_revision = "0004"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, then the tree over what is there."""
    op.add_column("events", sa.Column("private", sa.Text()))
    op.add_column("events", sa.Column("salt", sa.LargeBinary(length=32)))
    op.add_column("events", sa.Column("commitment", sa.LargeBinary(length=32)))
    _tree()
    _signed()
    _sent()
    grow_from_rows(op.get_bind())


def _tree() -> None:
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    op.create_table(
        "ledger_frontier",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", _NUMBER, nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _signed() -> None:
    op.create_table(
        "ledger_keys",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("since_size", _NUMBER, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("former_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("endorsement", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
    )
    op.create_table(
        "ledger_heads",
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )


def _sent() -> None:
    op.create_table(
        "ledger_sendings",
        sa.Column("witness", sa.String(length=64), nullable=False),
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("receipt", sa.LargeBinary()),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("witness", "size"),
    )
    op.create_index("ix_ledger_sendings_state", "ledger_sendings", ["witness", "state", "size"])
    op.create_table(
        "ledger_forwarded",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("sequence", _NUMBER, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("target"),
    )
