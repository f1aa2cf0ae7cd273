"""Events as comma-separated values (RFC 4180)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from coread.ledger.canonical import utc_text
from coread.ledger.records import RecordedEvent

COLUMNS = ("sequence", "at", "kind", "actor", "subject", "facts", "leaf_hash")
#: A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(records: Iterable[RecordedEvent]) -> Iterator[str]:
    """Write a head line, then one line for each event; facts are JSON in one cell."""
    yield _line(COLUMNS)
    for record in records:
        event = record.event
        facts = json.dumps(dict(event.facts), ensure_ascii=False, sort_keys=True)
        cells = (str(record.sequence), utc_text(event.at), event.kind, event.actor, event.subject, facts)
        yield _line((*(_harmless(cell) for cell in cells), record.leaf_hash.hex()))


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(list(cells))
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
