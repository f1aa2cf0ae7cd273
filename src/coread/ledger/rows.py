"""How events and the tree's edge lie in their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, insert, or_, select, text, update
from sqlalchemy.exc import DBAPIError

from coread.domain.event import Event
from coread.ledger.canonical import commitment_of, divided, leaf_of, utc_text
from coread.ledger.checking import Kept
from coread.ledger.frontier import Frontier, Node
from coread.ledger.merkle import Hash, leaf_hash
from coread.ledger.prepared import Prepared
from coread.ledger.records import FORGOTTEN, NO_TIME, StoredEvent
from coread.ledger.tables import EVENTS, FRONTIER, NODES

#: Stands in the tree for an event that was gone before the tree was begun.
_LOST = leaf_hash(b"")
_CHUNK = 500
_PRIVATE = {"subject": FORGOTTEN, "key": None, "private": None, "salt": None}
_WHOLE = {"kind": FORGOTTEN, "actor": FORGOTTEN, "at": NO_TIME, "facts": "{}"}

_LAST = select(func.max(EVENTS.c.sequence)).scalar_subquery()
_EDGE = Prepared(select(FRONTIER.c.size, FRONTIER.c.peaks, _LAST.label("last")))
_KEEP_EDGE = Prepared(update(FRONTIER).values(size=bindparam("size"), peaks=bindparam("peaks")))
_BEGIN_EDGE = Prepared(insert(FRONTIER))
_APPEND = Prepared(insert(EVENTS))
# A node that is there already was written by nobody but the ledger, or `verify` tells: care goes on.
_KEEP_NODES = Prepared(
    text(
        "INSERT INTO ledger_nodes (level, position, hash) VALUES (:level, :position, :hash)"
        " ON CONFLICT DO NOTHING"
    )
)


def new_row(sequence: int, event: Event, salt: bytes) -> dict[str, Any]:
    """Make the row of an event, its leaf of form 2."""
    at = utc_text(event.at)
    facts, private = divided(event.facts)
    commitment = commitment_of(salt, private, event.key, event.subject)
    return {
        "sequence": sequence,
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "at": at,
        "facts": facts,
        "key": event.key or None,
        "leaf_hash": leaf_hash(leaf_of(sequence, (event.actor, at, event.kind), facts, commitment)),
        "private": private,
        "salt": salt,
        "commitment": commitment,
    }


def add_events(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new rows."""
    _APPEND.run(connection, *rows)


def edge(connection: Connection) -> tuple[Frontier, list[Node]]:
    """Return the tree's right edge, brought up to the rows, with the nodes that this completed.

    Rows that are gone from the end leave their place in the tree: what is appended next stands after it, so
    that the hole shows for ever.
    """
    found = _EDGE.run(connection, {}).first()
    last = found["last"] if found else connection.execute(select(func.max(EVENTS.c.sequence))).scalar()
    grown = _frontier(found)
    return grown, _caught_up(connection, grown, last or 0) if (last or 0) > grown.size else []


def keep_edge(connection: Connection, grown: Frontier, nodes: Sequence[Node]) -> None:
    """Write the right edge and the nodes that were completed."""
    row = {"size": grown.size, "peaks": grown.to_bytes()}
    if not _KEEP_EDGE.run(connection, row).rowcount:
        _BEGIN_EDGE.run(connection, {"id": 1} | row)
    if nodes:
        made = [{"level": n.level, "position": n.index, "hash": n.hash} for n in nodes]
        _KEEP_NODES.run(connection, *made)


def grow_from_rows(connection: Connection) -> None:
    """Make the tree of the rows that an earlier version of CoRead left."""
    keep_edge(connection, *edge(connection))


def known_keys(connection: Connection, keys: list[str]) -> dict[str, int]:
    """Return the sequences of keys that are recorded already."""
    if not keys:
        return {}
    query = select(EVENTS.c.key, EVENTS.c.sequence).where(EVENTS.c.key.in_(keys))
    return {row.key: row.sequence for row in connection.execute(query)}


def stored_event(row: Row[Any]) -> StoredEvent:
    """Make the value of a row."""
    columns: tuple[Any, ...] = tuple(row)
    return StoredEvent(*columns)


def page(connection: Connection, after: int, limit: int, *among: ColumnElement[bool]) -> list[StoredEvent]:
    """Return rows in their sequence; one that the database cannot give comes as one that fits nothing."""

    def asked(what: Any) -> Any:
        return select(what).where(EVENTS.c.sequence > after, *among).order_by(EVENTS.c.sequence).limit(limit)

    try:
        return [stored_event(row) for row in connection.execute(asked(EVENTS))]
    except DBAPIError:
        numbers = connection.execute(asked(EVENTS.c.sequence)).scalars().all()
        return [_lone(connection, sequence) for sequence in numbers]


def all_rows(connection: Connection, limit: int) -> Iterator[StoredEvent]:
    """Return every row in its sequence."""
    after = -(1 << 62)
    while found := page(connection, after, limit):
        yield from found
        after = found[-1].sequence


def kept(connection: Connection, heads: Mapping[int, Hash], unsigned: frozenset[int]) -> Kept:
    """Return what stands beside the events."""
    found = _EDGE.run(connection, {}).first()
    nodes = connection.execute(select(NODES)).all()
    try:
        frontier = Frontier.from_bytes(found["size"], bytes(found["peaks"])) if found else None
    except (TypeError, ValueError):
        frontier = None
    return Kept(frontier, {(row[0], row[1]): row[2] for row in nodes}, heads, unsigned)


def naming(connection: Connection, subjects: Sequence[str]) -> list[tuple[int, bool]]:
    """Return the events that are about subjects or name them: sequence, and whether its leaf is divided."""
    found: dict[int, bool] = {}
    for subject in subjects:
        query = select(
            EVENTS.c.sequence, EVENTS.c.commitment.is_not(None), EVENTS.c.subject, EVENTS.c.private
        ).where(
            or_(EVENTS.c.subject == subject, EVENTS.c.private.contains(subject, autoescape=True)),
            EVENTS.c.subject != "ledger",
        )
        # Whole: 1.2.1 is not named by 1.2.10.
        named = re.compile(rf"(?<![\w.-]){re.escape(subject)}(?![\w.-])")
        for sequence, is_divided, about, private in connection.execute(query):
            if about == subject or named.search(private or ""):
                found[sequence] = bool(is_divided)
    return sorted(found.items())


def blank(connection: Connection, found: Sequence[tuple[int, bool]]) -> None:
    """Delete the private part of events whose leaf is divided, all but the leaf hash of the others."""
    for is_divided, values in ((True, _PRIVATE), (False, _PRIVATE | _WHOLE)):
        numbers = [sequence for sequence, divided_one in found if divided_one is is_divided]
        for at in range(0, len(numbers), _CHUNK):
            among = EVENTS.c.sequence.in_(numbers[at : at + _CHUNK])
            connection.execute(update(EVENTS).where(among).values(values))


def _frontier(found: Mapping[Any, Any] | None) -> Frontier:
    """Read the edge; one that was damaged is made anew, for care goes on and `verify` tells."""
    try:
        return Frontier.from_bytes(found["size"], bytes(found["peaks"])) if found else Frontier()
    except (TypeError, ValueError):
        return Frontier()


def _caught_up(connection: Connection, grown: Frontier, last: int) -> list[Node]:
    query = select(EVENTS.c.sequence, EVENTS.c.leaf_hash).where(EVENTS.c.sequence > grown.size)
    nodes: list[Node] = []
    for sequence, leaf in connection.execute(query.order_by(EVENTS.c.sequence)):
        while grown.size + 1 < sequence <= last:
            nodes += grown.add(_LOST)
        nodes += grown.add(bytes(leaf))
    return nodes


def _lone(connection: Connection, sequence: int) -> StoredEvent:
    try:
        row = connection.execute(select(EVENTS).where(EVENTS.c.sequence == sequence)).one()
    except DBAPIError:
        return StoredEvent(sequence, "", "", "", "", "", None, b"")
    return stored_event(row)
