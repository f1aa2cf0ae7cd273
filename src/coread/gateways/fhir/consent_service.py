"""``/fhir/Consent``: decisions in by POST, out by read and search.

A patient is asked for by ``patient:identifier=[issuer|]id``, best by ``POST _search``, which keeps the
identifier out of addresses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coread.domain.consent import Decision, PatientIdentity
from coread.errors import BadQuery, ConsentRefused, ObjectTooLarge
from coread.gateways.answers import fault_handlers, service_root
from coread.gateways.fhir.consent import Json, resource_of, said_of
from coread.gateways.fhir.server import FhirResponse, outcome
from coread.governance import Consents

_MAX_BYTES = 8 << 20
"""A Consent may bear its signed form."""
_CONSENT = "Consent"
_PATIENT = "patient:identifier"


def consent_app(consents: Consents, now: Callable[[], datetime], *, public_url: str = "") -> Starlette:
    """Build the service; who may come in is decided in front of it.

    Parameters
    ----------
    consents
        The register.
    now
        Tells the time.
    public_url
        Address of the service as clients know it, where a proxy stands before it.
    """
    service = _Service(consents, now, public_url)
    routes = [
        Route(f"/{_CONSENT}", service.create, methods=["POST"]),
        Route(f"/{_CONSENT}", service.search, methods=["GET"]),
        Route(f"/{_CONSENT}/_search", service.search, methods=["GET", "POST"]),
        Route(f"/{_CONSENT}/{{id}}", service.read, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers=fault_handlers(outcome))


class _Service:
    def __init__(self, consents: Consents, now: Callable[[], datetime], public_url: str) -> None:
        self._consents = consents
        self._now = now
        self._public_url = public_url

    async def create(self, request: Request) -> Response:
        """Record what a Consent says; the same one again is the same decision."""
        body = await _body(request)
        return await run_in_threadpool(self._created, request, body)

    def _created(self, request: Request, body: bytes) -> Response:
        try:
            resource = json.loads(body)
        except (ValueError, RecursionError):
            raise ConsentRefused("a body that is no JSON", "a FHIR R4 Consent", where="body") from None
        decision = self._consents.record(said_of(resource, _actor(request)))
        shown = self._shown(decision)
        location = f"{self._base(request)}/{decision.uid}"
        return FhirResponse(shown, 201, {"Location": location})

    def _base(self, request: Request) -> str:
        return f"{service_root(request, self._public_url)}/{_CONSENT}"

    def read(self, request: Request) -> Response:
        """Give one decision."""
        return FhirResponse(self._shown(self._consents.decision(request.path_params["id"])))

    async def search(self, request: Request) -> Response:
        """Give all decisions of one patient, in their order."""
        asked = dict(request.query_params)
        if request.method == "POST":
            form = parse_qs((await _body(request)).decode("utf-8", "replace"), max_num_fields=20)
            asked |= {name: values[-1] for name, values in form.items()}
        return await run_in_threadpool(self._found, request, asked)

    def _found(self, request: Request, asked: Mapping[str, str]) -> Response:
        if set(asked) - {"_format", "_pretty"} != {_PATIENT}:
            raise BadQuery(
                "a search for anything but one patient's consents", f"{_PATIENT}=[issuer|]id", where="query"
            )
        issuer, _, patient_id = asked[_PATIENT].rpartition("|")
        history = self._consents.history(PatientIdentity(patient_id, issuer))
        base = self._base(request)
        entries = [
            {
                "fullUrl": f"{base}/{decision.uid}",
                "resource": self._shown(decision),
                "search": {"mode": "match"},
            }
            for decision in history
        ]
        bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
        return FhirResponse(bundle | ({"entry": entries} if entries else {}))

    def _shown(self, decision: Decision) -> Json:
        person = self._consents.person_of(decision.person_ref)
        if person is None:
            return resource_of(decision, None, None)
        stands = self._consents.standings(person, self._now())
        status = next((s.status for s in stands if s.decision and s.decision.uid == decision.uid), None)
        return resource_of(decision, person, status)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ObjectTooLarge("a Consent beyond the limit", f"at most {_MAX_BYTES} bytes")
    return body


def _actor(request: Request) -> str:
    caller = getattr(request.state, "caller", None)
    return str(getattr(caller, "actor", "") or "anonymous")
