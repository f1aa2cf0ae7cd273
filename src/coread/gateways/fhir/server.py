"""The FHIR R4 service: results can be read and searched, nothing can be written.

Source: https://hl7.org/fhir/R4/http.html and search.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coread.archive import Resources
from coread.errors import BadQuery, CoReadError, NotAcceptable, NotFound, StudyRestricted
from coread.gateways.answers import fault_handlers, hidden_studies, retry_headers, service_root
from coread.gateways.fhir.capability import (
    BY_IMAGING_STUDY,
    RESOURCE_TYPES,
    capability_statement,
    searchable,
)
from coread.gateways.statuses import status_of

_FHIR_JSON = "application/fhir+json"
_READABLE = (_FHIR_JSON, "application/json", "text/json", "json", "application/*", "*/*")
_CONTROLS = frozenset({"_count", "_offset", "_format", "_pretty", "_total"})
_DEFAULT_COUNT = 50
_MAX_COUNT = 500


class FhirResponse(JSONResponse):
    """A response in FHIR's JSON."""

    media_type = _FHIR_JSON


@dataclass(frozen=True, slots=True)
class Page:
    """Which results of a search are wanted."""

    params: Mapping[str, str]
    count: int
    offset: int


def fhir_app(resources: Resources, *, public_url: str = "", has_consents: bool = False) -> Starlette:
    """Build the FHIR R4 service.

    Parameters
    ----------
    resources
        What is read and searched.
    public_url
        Address of the service as clients know it, where a proxy stands before it.
    has_consents
        Whether a `consent_app` stands beside it at ``Consent``.
    """
    service = _Service(resources, public_url, has_consents)
    routes = [
        Route("/metadata", service.metadata),
        Route("/{kind}", service.search),
        Route("/{kind}/_search", service.search, methods=["GET"]),
        Route("/{kind}/{id}", service.read),
    ]
    return Starlette(routes=routes, exception_handlers=fault_handlers(outcome))


class _Service:
    def __init__(self, resources: Resources, public_url: str, has_consents: bool) -> None:
        self._resources = resources
        self._public_url = public_url
        self._has_consents = has_consents

    def metadata(self, request: Request) -> Response:
        """Say what the service can do."""
        _check_format(request)
        return FhirResponse(capability_statement(self._base(request), has_consents=self._has_consents))

    def read(self, request: Request) -> Response:
        """Give one resource."""
        _check_format(request)
        kind, id = _kind(request), request.path_params["id"]
        text = self._resources.get(kind, id)
        if (hidden := hidden_studies(request)) and self._resources.study_of(kind, id) in hidden:
            raise StudyRestricted("a resource of a restricted study", "one that is open to the caller")
        return Response(text, media_type=_FHIR_JSON)

    def search(self, request: Request) -> Response:
        """Give the resources that match, a page at a time."""
        _check_format(request)
        kind = _kind(request)
        page = _page(kind, request)
        found = self._found(kind, page, hidden_studies(request))
        texts = found[: page.count]
        address = f"{self._base(request)}/{kind}"
        links = [_link("self", address, page, page.offset)]
        if len(found) > page.count:
            links.append(_link("next", address, page, page.offset + page.count))
        return FhirResponse(_searchset([json.loads(text) for text in texts], links, self._base(request)))

    def _found(self, kind: str, page: Page, hidden: frozenset[str]) -> list[str]:
        params = self._with_study(dict(page.params))
        return self._resources.search(kind, params, page.count + 1, page.offset, hidden)

    def _with_study(self, params: dict[str, str]) -> dict[str, str]:
        """Turn a reference to an ImagingStudy into the study that it describes."""
        for name in BY_IMAGING_STUDY & params.keys():
            kind, _, identifier = params.pop(name).rpartition("/")
            if kind.rpartition("/")[2] not in ("", "ImagingStudy"):
                raise BadQuery(f"a {name} that is no ImagingStudy", "ImagingStudy/<id>", where=name)
            params["study"] = self._study_of(identifier)
        return params

    def _study_of(self, imaging_study: str) -> str:
        try:
            resource = json.loads(self._resources.get("ImagingStudy", imaging_study))
        except NotFound:
            return ""  # a search for what does not exist finds nothing
        values = [identifier.get("value", "") for identifier in resource.get("identifier", [])]
        return next((value.removeprefix("urn:oid:") for value in values), "")

    def _base(self, request: Request) -> str:
        return service_root(request, self._public_url)


def _page(kind: str, request: Request) -> Page:
    query = request.query_params
    names = query.keys() - _CONTROLS
    known = searchable(kind)
    if names - known and "handling=lenient" not in request.headers.get("prefer", ""):
        raise BadQuery(
            f"{len(names - known)} search parameters that {kind} does not have here",
            f"some of {', '.join(sorted(known))}",
            "leave the others out, or send Prefer: handling=lenient to have them ignored",
            where="query",
        )
    params = {name: _single(query, name) for name in sorted(names & known)}
    return Page(
        params, min(_number(query, "_count", _DEFAULT_COUNT), _MAX_COUNT), _number(query, "_offset", 0)
    )


def _single(query: QueryParams, name: str) -> str:
    values = query.getlist(name)
    if len(values) > 1:
        raise BadQuery(
            f"{name} given {len(values)} times", "once; several values joined by commas", where=name
        )
    return values[0]


def _number(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadQuery(f"a {name} that is no number", "a number from 0", where=name)
    return int(text)


def _kind(request: Request) -> str:
    kind: str = request.path_params["kind"]
    if kind not in RESOURCE_TYPES:
        raise NotFound("a resource type that is not served", f"one of {', '.join(RESOURCE_TYPES)}")
    return kind


def _check_format(request: Request) -> None:
    """Refuse a client that does not read JSON; ``_format`` goes before the Accept header."""
    asked = request.query_params.get("_format") or request.headers.get("accept") or "*/*"
    kinds = [piece.partition(";")[0].strip().lower() for piece in asked.replace(" json", "+json").split(",")]
    if not any(kind in _READABLE for kind in kinds):
        raise NotAcceptable("a format that is not served", _FHIR_JSON, "ask for JSON", where="Accept")


def _searchset(
    resources: Sequence[dict[str, object]], links: list[dict[str, str]], base: str
) -> dict[str, object]:
    entries = [
        {
            "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    shell: dict[str, object] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return shell | ({"entry": entries} if entries else {})


def _link(relation: str, address: str, page: Page, offset: int) -> dict[str, str]:
    asked = dict(page.params) | {"_count": str(page.count), "_offset": str(offset)}
    return {"relation": relation, "url": f"{address}?{urlencode(asked)}"}


def outcome(error: CoReadError, status: int) -> Response:
    """Say a fault as an OperationOutcome."""
    issue = {
        "severity": "error",
        "code": status_of(error).fhir_issue,
        "details": {"text": error.sentence},
        "diagnostics": str(error),
    }
    content = {"resourceType": "OperationOutcome", "issue": [issue]}
    return FhirResponse(content, status, retry_headers(error))
