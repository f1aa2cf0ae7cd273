"""What the ledger gives back, with what it asks of a database."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection

from coread.domain.event import Event
from coread.ledger.canonical import commitment_of, encode, from_utc_text, leaf_of, to_bytes
from coread.ledger.merkle import Hash, leaf_hash, verify_consistency, verify_inclusion

#: Subject of an event whose private part is gone.
FORGOTTEN = "forgotten"
#: Time of an event of form 1 whose content is gone: its leaf hash alone is left.
NO_TIME = "1970-01-01T00:00:00.000000Z"
#: Kind of the event that says which private parts were deleted.
FORGETTING = "ledger.forgotten"


class Transactions(Protocol):
    """A database as the ledger sees it; `coread.archive.Database` is one."""

    def read(self) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """Open a transaction that is durable once the block is left without an error."""
        ...


def _facts(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: str) -> datetime:
    try:
        at = from_utc_text(text)
    except (TypeError, ValueError):
        at = from_utc_text(NO_TIME)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the log as it is stored, so that a change of any byte shows."""

    sequence: int
    kind: str
    subject: str
    actor: str
    at: str
    facts: str
    key: str | None
    leaf_hash: Hash
    private: str | None = None
    salt: bytes | None = None
    commitment: bytes | None = None

    @property
    def is_forgotten(self) -> bool:
        """Whether its private part was deleted."""
        is_gone = self.key is None and self.private is None and self.salt is None
        return self.subject == FORGOTTEN and is_gone

    @property
    def entry(self) -> bytes:
        """The leaf's bytes, made of what is stored."""
        if self.commitment is not None:
            head = (self.actor, self.at, self.kind)
            return leaf_of(self.sequence, head, self.facts, self.commitment)
        return to_bytes(
            f'{{"actor":{encode(self.actor)},"at":{encode(self.at)},"facts":{self.facts},'
            f'"key":{encode(self.key or "")},"kind":{encode(self.kind)},"subject":{encode(self.subject)}}}'
        )

    @property
    def is_as_written(self) -> bool:
        """Whether every byte fits the leaf hash; a forgotten part fits by being gone whole."""
        if not self._is_sound:
            return False
        if self.commitment is None:
            is_whole = self.private is None and self.salt is None
            return self._is_blank or (is_whole and self._has_its_hash)
        return self._has_its_hash and (self.is_forgotten or self._keeps_its_commitment)

    @property
    def _is_sound(self) -> bool:
        """Whether each column holds what it may: SQLite stores anything anywhere."""
        texts = (self.kind, self.subject, self.actor, self.at, self.facts)
        return (
            all(isinstance(text, str) for text in texts)
            and all(text is None or isinstance(text, str) for text in (self.key, self.private))
            and all(data is None or isinstance(data, bytes) for data in (self.salt, self.commitment))
            and isinstance(self.leaf_hash, bytes)
            and self.key != ""  # an event without a key has none
        )

    @property
    def _is_blank(self) -> bool:
        """Whether all of an event of form 1 was deleted: its leaf cannot be divided."""
        left = (self.kind, self.actor, self.at, self.facts)
        return self.is_forgotten and left == (FORGOTTEN, FORGOTTEN, NO_TIME, "{}")

    @property
    def _has_its_hash(self) -> bool:
        return leaf_hash(self.entry) == self.leaf_hash

    @property
    def _keeps_its_commitment(self) -> bool:
        if self.private is None or self.salt is None:
            return False
        return commitment_of(self.salt, self.private, self.key or "", self.subject) == self.commitment

    @property
    def event(self) -> Event:
        """The event itself, open and private facts together; what was damaged beyond reading is left out."""
        texts = (self.kind, self.subject, self.actor, self.key or "")
        kind, subject, actor, key = (text if isinstance(text, str) else "" for text in texts)
        facts = _facts(self.facts) | _facts(self.private or "{}")
        return Event(kind, subject, actor, _time(self.at), facts, key)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event with its place in the ledger."""

    sequence: int
    """Place, counted from 1 without holes."""
    event: Event
    leaf_hash: bytes
    """RFC 6962 hash of the event's leaf, as it was when recorded."""
    is_intact: bool = True
    """Whether the stored event still has this hash."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The proof that an event stands in a tree."""

    sequence: int
    """Place of the event, from 1."""
    leaf_hash: Hash
    size: int
    """Of the tree."""
    path: tuple[Hash, ...]
    """Lowest first; never more than 64."""
    root: Hash

    @property
    def holds(self) -> bool:
        """Whether the path leads from the leaf to the root."""
        return verify_inclusion(self.leaf_hash, self.sequence - 1, self.size, self.path, self.root)


@dataclass(frozen=True, slots=True)
class Growth:
    """The proof that a later tree only added to an earlier one."""

    sizes: tuple[int, int]
    path: tuple[Hash, ...]
    roots: tuple[Hash, Hash]

    @property
    def holds(self) -> bool:
        """Whether the path joins both roots."""
        return verify_consistency(self.sizes, self.path, self.roots)


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """One place at which the ledger is not as it was written."""

    sequence: int
    what: str
    """One of

    ``changed``
        The event no longer has its hash, or stands in another place.
    ``missing``
        Events are gone from here on, up to the next that is there.
    ``unaccounted``
        Events from here on were not written by the ledger.
    ``root``
        The events up to here do not give the root that was kept.
    ``node``
        An inner node of the tree, up to this event, is not as it was.
    ``head``
        A signed head of this size is not that of these events.
    ``signature``
        The signature of the head of this size does not hold.
    ``rolled-back``
        A witness has seen a ledger of this size: a backup was put in its place.
    ``rewritten``
        A witness has seen another ledger of this size.
    """
