"""A FHIR R4 server as witness: each head is a DocumentReference that holds the signed note."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from coread.errors import DestinationRefused
from coread.gateways.fhir import send_fhir
from coread.gateways.outgoing import Access, Outgoing, refused
from coread.ledger import SignedHead, newest_head, read_note

_SYSTEM = "urn:coread:ledger-head"
_JSON = {"Accept": "application/fhir+json"}
_LOOKED_AT = 20


class FhirWitness:
    """Puts heads on a FHIR server and reads the newest back.

    Parameters
    ----------
    base_url
        Base of the service, e.g. ``https://witness.example/fhir``.
    access
        Credentials and trust.
    """

    name = "fhir"

    def __init__(self, base_url: str, access: Access | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._access = access or Access()

    def send(self, head: SignedHead) -> bytes:
        """Put a head under an id of its own, so that sending it twice changes nothing.

        Raises
        ------
        DestinationUnreachable, DestinationRefused
            As `coread.gateways.fhir.send_fhir` says.
        """
        send_fhir(self._base, document(head), self._access)
        return b""

    def latest(self, origin: str) -> SignedHead | None:
        """Return the newest head of a log that the server keeps.

        Raises
        ------
        DestinationUnreachable, DestinationRefused
            If it cannot be reached, or what it answers is no search result with heads.
        """
        asked = {"identifier": f"{_SYSTEM}|{origin}", "_sort": "-date", "_count": str(_LOOKED_AT)}
        with Outgoing(self._access) as outgoing:
            answer = outgoing.ask("GET", f"{self._base}/DocumentReference?{urlencode(asked)}", _JSON, b"")
        if answer.status != 200:
            raise refused(answer, "a search that was refused")
        try:
            found = [head for note in _notes(answer.body) if (head := read_note(note)).head.origin == origin]
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise DestinationRefused("an answer that holds no heads", where=answer.where) from error
        return newest_head(found)


def document(head: SignedHead) -> dict[str, Any]:
    """Write a head as a DocumentReference."""
    note = base64.b64encode(head.note.encode()).decode()
    at = head.head.at.isoformat()
    attachment = {"contentType": "text/plain; charset=utf-8", "data": note, "creation": at}
    id = re.sub(r"[^A-Za-z0-9.-]", "-", head.head.origin)[:44]
    return {
        "resourceType": "DocumentReference",
        "id": f"{id}-{head.head.size}",
        "identifier": [{"system": _SYSTEM, "value": head.head.origin}],
        "status": "current",
        "type": {"text": "Signed tree head of an audit log (C2SP checkpoint)"},
        "date": at,
        "description": f"{head.head.size} events",
        "content": [{"attachment": attachment}],
    }


def _notes(body: bytes) -> Iterator[str]:
    for entry in json.loads(body).get("entry", []):
        resource = entry["resource"]
        if resource.get("resourceType") == "DocumentReference":
            yield base64.b64decode(resource["content"][0]["attachment"]["data"], validate=True).decode()
