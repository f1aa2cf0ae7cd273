"""The auditor's page: the ledger from its newest event back, its root, its proof, its export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response, StreamingResponse

from coread.domain.event import Event
from coread.domain.identity import is_uid
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.formats import iso
from coread.gateways.pages.rendering import render
from coread.governance import People
from coread.ledger import Ledger, Notary, RecordedEvent

_LINES = 100
_WINDOW = 5000
_MOST_LOOKS = 40
_MOST_FAULTS = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events."""

    subject: str = ""
    kind: str = ""
    actor: str = ""
    """How the actor begins."""

    @property
    def query(self) -> str:
        """As part of an address."""
        parts = {"subject": self.subject, "kind": self.kind, "actor": self.actor}
        return urlencode({name: value for name, value in parts.items() if value})


class AuditPage:
    """Answers at ``/audit``.

    Parameters
    ----------
    ledger
        What is looked at.
    people
        Names of actors.
    now
        Tells the time.
    notary
        Knows signed heads and witnesses; None where nobody signs.
    """

    def __init__(
        self, ledger: Ledger, people: People, now: Callable[[], datetime], notary: Notary | None = None
    ) -> None:
        self._ledger = ledger
        self._notary = notary
        self._people = people
        self._now = now

    def show(self, asked: Asked) -> Response:
        """Show events, the newest first."""
        size, wanted = self._ledger.size(), _wanted(asked)
        before = asked.number("before", size + 1)
        found = self.find(wanted, before)
        names = self._names()
        context = {
            "wanted": wanted,
            "size": size,
            "events": [_line(record, names) for record in found],
            "older": _address(wanted, found[-1].sequence) if len(found) == _LINES else "",
            "newest": _address(wanted, 0) if before <= size else "",
            "export_address": f"/audit/events.jsonl?{wanted.query}",
        }
        return render(asked.request, "audit.html", context)

    def verify(self, asked: Asked) -> Response:
        """Re-make every hash and the root; what was found goes on record itself."""
        size = self._ledger.size()
        root = self._ledger.root(size).hex()
        faults = []
        found = self._notary.verify().faults if self._notary else self._ledger.verify()
        for fault in found:
            faults.append({"sequence": fault.sequence, "what": fault.what})
            if len(faults) >= _MOST_FAULTS:
                break
        facts = {"size": str(size), "root": root, "faults": str(len(faults))}
        self._ledger.append(Event("ledger.verified", "ledger", asked.caller.actor, self._now(), facts))
        answer = {"size": size, "root": root, "faults": faults, "at": iso(self._now())}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def export(self, asked: Asked) -> Response:
        """Give the events as JSON lines, the oldest first."""
        wanted, size = _wanted(asked), self._ledger.size()
        facts = {"size": str(size), "filter": wanted.query}
        self._ledger.append(Event("ledger.exported", "ledger", asked.caller.actor, self._now(), facts))
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="coread-events.jsonl"',
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(self._lines(wanted, size), 200, headers, "application/x-ndjson")

    def find(self, wanted: Wanted, before: int) -> list[RecordedEvent]:
        """Return the newest events below a sequence, the newest first, at most a page of them."""
        found: list[RecordedEvent] = []
        upper = before - 1
        for _ in range(_MOST_LOOKS):
            if upper <= 0 or len(found) >= _LINES:
                break
            lower = max(0, upper - _WINDOW)
            page = self._ledger.events(
                wanted.subject or None, wanted.kind or None, after=lower, limit=_WINDOW
            )
            fitting = [r for r in page if r.sequence <= upper and r.event.actor.startswith(wanted.actor)]
            found += fitting[::-1]
            upper = lower
        return found[:_LINES]

    def _lines(self, wanted: Wanted, size: int) -> Iterator[bytes]:
        after = 0
        while page := self._ledger.events(
            wanted.subject or None, wanted.kind or None, after=after, limit=_WINDOW
        ):
            for record in page:
                if record.sequence > size:
                    return
                if record.event.actor.startswith(wanted.actor):
                    yield json.dumps(_exported(record), ensure_ascii=False).encode() + b"\n"
            after = page[-1].sequence

    def _names(self) -> Mapping[str, str]:
        return {person.actor: person.display_name for person in self._people.list()}


def _wanted(asked: Asked) -> Wanted:
    return Wanted(*(asked.query(name).strip()[:200] for name in ("subject", "kind", "actor")))


def _address(wanted: Wanted, before: int) -> str:
    parts = [part for part in (wanted.query, urlencode({"before": before}) if before else "") if part]
    return f"/audit?{'&'.join(parts)}" if parts else "/audit"


def _line(record: RecordedEvent, names: Mapping[str, str]) -> dict[str, Any]:
    event = record.event
    return {
        "sequence": record.sequence,
        "at": event.at,
        "kind": event.kind,
        "actor": event.actor,
        "name": names.get(event.actor, ""),
        "subject": event.subject,
        "is_study": is_uid(event.subject),
        "facts": sorted(event.facts.items()),
        "leaf": record.leaf_hash.hex(),
    }


def _exported(record: RecordedEvent) -> dict[str, Any]:
    event = record.event
    return {
        "sequence": record.sequence,
        "at": iso(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "facts": dict(event.facts),
        "leaf_hash": record.leaf_hash.hex(),
    }
