"""Where public keys, signed heads and what witnesses were sent are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DBAPIError

from coread.ledger.canonical import utc_text
from coread.ledger.heads.head import SignedHead, read_note
from coread.ledger.tables import HEADS, KEYS, SENDINGS

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A public key that signs or signed heads."""

    id: str
    """SHA-256 of the public key in hex."""
    public: bytes
    since_size: int
    """Number of events when it was taken into use."""
    at: str
    former_id: str
    """Key that vouches for it; empty for the first, or where the former was lost."""
    endorsement: bytes
    """Its signature on this key."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of one head at one witness."""

    witness: str
    size: int
    state: str
    """``waiting``, ``sent``, ``refused`` or ``overtaken`` by a later head that was sent."""
    attempts: int
    detail: str
    changed_at: str
    receipt: bytes
    """E.g. a time-stamp token (RFC 3161)."""


def keys(connection: Connection) -> list[KnownKey]:
    """Return the known keys, the first one first."""
    order = (KEYS.c.since_size, KEYS.c.at, KEYS.c.key_id)
    found = connection.execute(select(KEYS).order_by(*order))
    return [KnownKey(r[0], bytes(r[1]), r[2], r[3], r[4], bytes(r[5])) for r in found]


def add_key(connection: Connection, key: KnownKey) -> None:
    """Keep a public key."""
    row = {"key_id": key.id, "public_key": key.public, "since_size": key.since_size, "at": key.at}
    connection.execute(
        insert(KEYS).values(row | {"former_id": key.former_id, "endorsement": key.endorsement})
    )


def notes(connection: Connection) -> list[tuple[int, str]]:
    """Return size and note of every head as stored, by size; a note that cannot be read is empty."""
    try:
        return [(row[0], row[1]) for row in connection.execute(_NOTES)]
    except DBAPIError:  # SQLite gives no text that is not UTF-8
        sizes = connection.execute(select(HEADS.c.size).order_by(HEADS.c.size)).scalars().all()
        return [(size, "") for size in sizes]


_NOTES = select(HEADS.c.size, HEADS.c.note).order_by(HEADS.c.size)


def last_head(connection: Connection) -> SignedHead | None:
    """Return the head of the largest log; None if there is none that can be read."""
    note = connection.execute(select(HEADS.c.note).order_by(HEADS.c.size.desc()).limit(1)).scalar()
    try:
        return read_note(note) if note else None
    except (TypeError, ValueError):
        return None


def head_of(connection: Connection, size: int) -> SignedHead | None:
    """Return the head of this size."""
    note = connection.execute(select(HEADS.c.note).where(HEADS.c.size == size)).scalar()
    return read_note(note) if note else None


def add_head(connection: Connection, head: SignedHead, witnesses: Sequence[str]) -> None:
    """Keep a head; it waits for each witness."""
    at = utc_text(head.head.at)
    connection.execute(insert(HEADS).values(size=head.head.size, at=at, note=head.note))
    for name in witnesses:
        row = {"witness": name, "size": head.head.size, "state": "waiting", "changed_at": at}
        connection.execute(insert(SENDINGS).values(row))


def due(connection: Connection, witness: str, now: datetime) -> int:
    """Return the size of the newest head that is to be sent to a witness now; 0 for none.

    The newest alone: it speaks for all before it, as a consistency proof shows.
    """
    query = (
        select(SENDINGS.c.size, SENDINGS.c.next_at)
        .where(SENDINGS.c.witness == witness, SENDINGS.c.state == "waiting")
        .order_by(SENDINGS.c.size.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    # A pause is kept by the witness, not by the head: the longest that any waiting head is at.
    latest = (
        select(SENDINGS.c.next_at)
        .where(SENDINGS.c.witness == witness, SENDINGS.c.state == "waiting")
        .order_by(SENDINGS.c.next_at.desc())
        .limit(1)
    )
    pause = connection.execute(latest).scalar() or ""
    return int(row[0]) if row and pause <= utc_text(now) else 0


def mark_sent(connection: Connection, witness: str, size: int, receipt: bytes, now: datetime) -> None:
    """Record that a witness keeps a head; those before it need not be sent any more."""
    mine = (SENDINGS.c.witness == witness) & (SENDINGS.c.state == "waiting")
    done = {"state": "sent", "receipt": receipt, "detail": "", "changed_at": utc_text(now)}
    connection.execute(update(SENDINGS).where(mine, SENDINGS.c.size == size).values(done))
    over = {"state": "overtaken", "changed_at": utc_text(now)}
    connection.execute(update(SENDINGS).where(mine, SENDINGS.c.size < size).values(over))


def mark_failed(
    connection: Connection, witness: str, size: int, detail: str, again: bool, now: datetime
) -> None:
    """Record that a witness did not take a head; `again` says whether it is tried once more, later."""
    own = (SENDINGS.c.witness == witness) & (SENDINGS.c.state == "waiting")
    tries = connection.execute(
        select(SENDINGS.c.attempts).where(own).order_by(SENDINGS.c.attempts.desc()).limit(1)
    ).scalar()
    next_at = utc_text(now + pause_after(tries or 0))
    row: Mapping[str, Any] = {
        "state": "waiting" if again else "refused",
        "attempts": (tries or 0) + 1,
        "next_at": next_at,
        "detail": detail,
        "changed_at": utc_text(now),
    }
    connection.execute(update(SENDINGS).where(own, SENDINGS.c.size == size).values(row))


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many tries in vain: 10 s, doubling up to an hour."""
    return min(_FIRST_PAUSE * (1 << min(attempts, _MOST_DOUBLINGS)), _LONGEST_PAUSE)


def sendings(connection: Connection, limit: int = 100) -> list[Sending]:
    """Return what became of heads at witnesses, the newest head first."""
    query = select(SENDINGS).order_by(SENDINGS.c.size.desc(), SENDINGS.c.witness).limit(limit)
    return [
        Sending(r.witness, r.size, r.state, r.attempts, r.detail, r.changed_at, bytes(r.receipt or b""))
        for r in connection.execute(query)
    ]
