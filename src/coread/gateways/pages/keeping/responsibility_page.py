"""The auditor's page of one study: who did what, what follows from the record, every fact with its proof."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response

from coread.domain.event import Event
from coread.errors import NotFound
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.rendering import render
from coread.governance import People
from coread.ledger import (
    AuditSource,
    Exporter,
    Inclusion,
    Ledger,
    Notary,
    RecordedEvent,
    account,
    audit_event,
    csv_lines,
    proof_lines,
    provenance,
)

#: Most events of one study on its page; an export holds all.
_MOST = 5_000
_PAGE = 1_000


class ResponsibilityPage:
    """Answers at ``/audit/studies/…``.

    Parameters
    ----------
    ledger, notary
        What is looked at, and who signs it; without a notary proofs lead to a root that nobody signed.
    people
        Names of actors.
    now
        Tells the time.
    source
        Who speaks in audit records.
    """

    def __init__(
        self,
        ledger: Ledger,
        notary: Notary | None,
        people: People,
        now: Callable[[], datetime],
        source: AuditSource,
    ) -> None:
        self._ledger = ledger
        self._notary = notary
        self._people = people
        self._now = now
        self._source = source

    def show(self, asked: Asked) -> Response:
        """Show a study's account; that it was looked at goes on record like any other look.

        Raises
        ------
        NotFound
            If the ledger has nothing of the study.
        """
        uid = asked.uid("study_uid")
        records = self._events(uid)
        self._record(asked, "ledger.seen", uid, "page")
        head = self._notary.sign() if self._notary else None
        size = head.head.size if head else self._ledger.size()
        proofs = {proof.sequence: proof for proof in self._proofs(records, size)}
        names = {person.actor: person.display_name for person in self._people.list()}
        drawn = account(records)
        context = {
            "uid": uid,
            "size": size,
            "root": self._ledger.root(size).hex(),
            "head": head.head if head else None,
            "keys": [key.id for key in self._notary.known_keys()][-1:] if self._notary else [],
            "parties": drawn.parties,
            "statements": drawn.statements,
            "names": names,
            "facts": [_fact(record, proofs.get(record.sequence), names) for record in records],
            "is_whole": len(records) < _MOST,
            "at": self._now(),
        }
        return render(asked.request, "responsibility.html", context)

    def export(self, asked: Asked) -> Response:
        """Give a study's events as ``proof.zip``, ``prov.json``, ``events.csv`` or ``audit-events.ndjson``.

        Raises
        ------
        NotFound
            If the ledger has nothing of the study, or there is no such form.
        """
        uid, form = asked.uid("study_uid"), asked.part("form")
        writers: Mapping[str, tuple[str, Callable[[Sequence[RecordedEvent]], bytes]]] = {
            "proof.zip": ("application/zip", self._zip),
            "prov.json": ("application/json", _prov),
            "events.csv": ("text/csv; charset=utf-8", _csv),
            "audit-events.ndjson": ("application/fhir+ndjson", self._audit_events),
        }
        if form not in writers:
            raise NotFound("a form in which no events leave", ", ".join(writers), "choose one of the page's")
        records = self._events(uid)
        self._record(asked, "ledger.exported", uid, form)
        media_type, write = writers[form]
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{form}"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(write(records), 200, headers, media_type)

    def proofs(self, asked: Asked) -> Response:
        """Give the page's events with their proofs for the tree of ``?size=``, for the browser to check.

        Raises
        ------
        NotFound
            If the ledger has nothing of the study, or an event that is to be proven is gone.
        """
        records = self._events(asked.uid("study_uid"))
        size = asked.number("size", self._ledger.size(), most=1 << 53)
        numbers = [record.sequence for record in records if record.sequence <= size]
        lines = proof_lines(self._ledger, numbers, size)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response("".join(f"{line}\n" for line in lines), 200, headers, "application/x-ndjson")

    def _events(self, uid: str) -> list[RecordedEvent]:
        found: list[RecordedEvent] = []
        while page := self._ledger.events(uid, after=found[-1].sequence if found else 0, limit=_PAGE):
            found += page
            if len(found) >= _MOST:
                break
        if not found:
            raise NotFound("a study of which the ledger has nothing", "a Study Instance UID", "check the UID")
        return found

    def _record(self, asked: Asked, kind: str, uid: str, form: str) -> None:
        facts = {"study": uid, "form": form}
        self._ledger.append(Event(kind, "ledger", asked.caller.actor, self._now(), facts))

    def _proofs(self, records: Sequence[RecordedEvent], size: int) -> list[Inclusion]:
        try:
            return self._ledger.prove([record.sequence for record in records], size)
        except NotFound:
            return []  # a hole in the ledger: the page then says that no fact is proven

    def _zip(self, records: Sequence[RecordedEvent]) -> bytes:
        if self._notary is None:
            raise NotFound("no notary", "one who signs the ledger", "look into the settings of the ledger")
        numbers = [record.sequence for record in records]
        buffer = io.BytesIO()
        with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zip:
            folder = Path(name)
            Exporter(self._ledger, self._notary).write_some(folder, numbers)
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                zip.write(path, path.relative_to(folder).as_posix())
        return buffer.getvalue()

    def _audit_events(self, records: Sequence[RecordedEvent]) -> bytes:
        lines = (json.dumps(audit_event(each, self._source), ensure_ascii=False) for each in records)
        return "".join(f"{line}\n" for line in lines).encode()


def _prov(records: Sequence[RecordedEvent]) -> bytes:
    return json.dumps(provenance(records), ensure_ascii=False, indent=1).encode()


def _csv(records: Sequence[RecordedEvent]) -> bytes:
    return "".join(csv_lines(records)).encode()


def _fact(record: RecordedEvent, proof: Inclusion | None, names: Mapping[str, str]) -> dict[str, Any]:
    event = record.event
    return {
        "sequence": record.sequence,
        "at": event.at,
        "kind": event.kind,
        "actor": event.actor,
        "name": names.get(event.actor, ""),
        "facts": [(name, value) for name, value in sorted(event.facts.items()) if value],
        "leaf": record.leaf_hash.hex(),
        "is_proven": bool(record.is_intact and proof and proof.holds and proof.leaf_hash == record.leaf_hash),
        "path": list(_steps(proof)),
    }


def _steps(proof: Inclusion | None) -> Iterator[str]:
    for step in proof.path if proof else ():
        yield step.hex()
