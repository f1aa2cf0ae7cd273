"""What the ledger gives back, with what it asks of a database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from coread.domain.event import Event


class Transactions(Protocol):
    """A database as the ledger sees it; `coread.archive.Database` is one."""

    def read(self) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """Open a transaction that is durable once the block is left without an error."""
        ...


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event with its place in the ledger."""

    sequence: int
    """Place, counted from 1 without holes."""
    event: Event
    leaf_hash: bytes
    """RFC 6962 hash of the event's canonical JSON, as it was when recorded."""


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """One place at which the ledger is not as it was written."""

    sequence: int
    what: str
    """One of ``changed`` (the event no longer has its hash) or ``missing`` (a hole)."""
