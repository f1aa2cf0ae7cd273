"""The FHIR service and client, over real HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from coread.errors import DestinationRefused, DestinationUnreachable
from coread.gateways.fhir import send_fhir
from coread.gateways.serving import WebServer

AT = datetime(2026, 1, 1, tzinfo=UTC)


def report(number: int, study: str = "1.2") -> dict:
    return {
        "resourceType": "DiagnosticReport",
        "id": f"report-{number}",
        "status": "preliminary",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:1.2.{number}"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
        "result": [{"reference": f"Observation/observation-{number}"}],
        "imagingStudy": [{"reference": f"ImagingStudy/study-{study}"}],
    }


def imaging_study(uid: str) -> dict:
    return {
        "resourceType": "ImagingStudy",
        "id": f"study-{uid}",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        "subject": {"display": "Patient without identifier"},
    }


def observation(number: int) -> dict:
    return {
        "resourceType": "Observation",
        "id": f"observation-{number}",
        "status": "preliminary",
        "code": {"text": "<script>alert(1)</script>"},
    }


@pytest.fixture(scope="module")
def filled(library, library_site):
    for study, numbers in (("1.2", (1, 2, 3)), ("1.3", (4,))):
        kept = [imaging_study(study)]
        kept += [made for n in numbers for made in (report(n, study), observation(n))]
        for resource in kept:
            library.resources.put(resource["resourceType"], resource["id"], study, json.dumps(resource), AT)
    return library_site


def search(site, query):
    response = site.get(f"/fhir/{query}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    Bundle.model_validate_json(response.text)
    return response.json()


def ids(bundle):
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def test_the_capability_statement_is_valid_and_true(filled):
    response = filled.get("/fhir/metadata")
    statement = CapabilityStatement.model_validate_json(response.text)
    assert statement.fhirVersion == "4.0.1"
    assert statement.implementation.url == str(filled.base_url).rstrip("/") + "/fhir"
    for resource in statement.rest[0].resource:
        for parameter in resource.searchParam:
            value = "ImagingStudy/study-1.2" if parameter.type == "reference" else "1.2"
            search(filled, f"{resource.type}?{parameter.name}={value}")


def test_a_resource_is_read_as_it_was_kept(filled):
    response = filled.get("/fhir/DiagnosticReport/report-1")
    assert response.json() == report(1)
    assert response.headers["content-type"] == "application/fhir+json"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("DiagnosticReport?study=1.2", {"report-1", "report-2", "report-3"}),
        ("DiagnosticReport?identifier=urn:dicom:uid|urn:oid:1.2.2", {"report-2"}),
        ("DiagnosticReport?identifier=urn:oid:1.2.2,urn:oid:1.2.4", {"report-2", "report-4"}),
        ("DiagnosticReport?imaging-study=ImagingStudy/study-1.3", {"report-4"}),
        ("DiagnosticReport?imaging-study=study-1.3", {"report-4"}),
        ("DiagnosticReport?imaging-study=http://h/fhir/ImagingStudy/study-1.3", {"report-4"}),
        ("DiagnosticReport?imaging-study=ImagingStudy/unknown", set()),
        ("Observation?derived-from=ImagingStudy/study-1.3", {"observation-4"}),
        ("DiagnosticReport?result=Observation/observation-3&status=preliminary", {"report-3"}),
        ("DiagnosticReport?code=http://loinc.org|18748-4&_format=json", {f"report-{n}" for n in range(1, 5)}),
        ("ImagingStudy?_id=study-1.2", {"study-1.2"}),
        ("ImagingStudy/_search?_id=study-1.2", {"study-1.2"}),
        ("Device", set()),
    ],
)
def test_search(filled, query, expected):
    assert set(ids(search(filled, query))) == expected


def test_pages_are_linked(filled):
    found, address = [], "DiagnosticReport?_count=3"
    while address:
        bundle = search(filled, address)
        found += ids(bundle)
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        address = links.get("next", "").partition("/fhir/")[2]
    assert sorted(found) == [f"report-{n}" for n in range(1, 5)]
    assert bundle["entry"][0]["fullUrl"].endswith(f"/fhir/DiagnosticReport/{ids(bundle)[0]}")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("Patient/1", 404, "not-found"),
        ("Patient?name=x", 404, "not-found"),
        ("DiagnosticReport/none", 404, "not-found"),
        ("DiagnosticReport/..%2f..%2fetc", 404, "not-found"),
        ("DiagnosticReport?nonsense=1", 400, "invalid"),
        ("DiagnosticReport?_count=all", 400, "invalid"),
        ("DiagnosticReport?_offset=-1", 400, "invalid"),
        ("DiagnosticReport?status=a&status=b", 400, "invalid"),
        ("Observation?derived-from=Patient/1", 400, "invalid"),
        ("metadata?_format=xml", 406, "not-supported"),
        ("nothing/at/all/here", 404, "not-found"),
    ],
)
def test_faults_are_operation_outcomes(filled, path, status, code):
    response = filled.get(f"/fhir/{path}")
    assert response.status_code == status
    outcome = OperationOutcome.model_validate_json(response.text)
    assert outcome.issue[0].code == code
    assert response.headers["content-type"] == "application/fhir+json"


def test_nothing_can_be_written(filled):
    response = filled.put("/fhir/Observation/x", json=observation(9))
    assert response.status_code == 405
    OperationOutcome.model_validate_json(response.text)


def test_unknown_parameters_are_ignored_where_asked(filled):
    response = filled.get("/fhir/Device?nonsense=1", headers={"Prefer": "handling=lenient"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [("application/fhir+json", 200), ("application/fhir+xml, */*;q=0.1", 200), ("application/fhir+xml", 406)],
)
def test_only_json_is_spoken(filled, accept, status):
    assert filled.get("/fhir/metadata", headers={"Accept": accept}).status_code == status


def test_script_in_a_resource_is_given_as_data(filled):
    response = filled.get("/fhir/Observation/observation-1")
    assert response.headers["content-type"] == "application/fhir+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]


class Ehr:
    """A real server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, dict]] = []
        self.status = 201
        self.body: dict = {}

    async def take(self, request: Request) -> JSONResponse:
        self.kept.append((request.method, request.url.path, await request.json()))
        return JSONResponse(self.body, self.status)


@pytest.fixture
def ehr():
    ehr = Ehr()
    routes = [
        Route("/fhir/{kind}/{id}", ehr.take, methods=["PUT"]),
        Route("/fhir", ehr.take, methods=["POST"]),
    ]
    with WebServer(Starlette(routes=routes)) as server:
        ehr.url = f"{server.url}/fhir/"
        yield ehr


def test_resources_are_put_by_id_the_referred_first(ehr):
    send_fhir(ehr.url, [json.dumps(report(1)).encode(), json.dumps(observation(1)), imaging_study("1.2")])
    assert [path for _, path, _ in ehr.kept] == [
        "/fhir/ImagingStudy/study-1.2",
        "/fhir/Observation/observation-1",
        "/fhir/DiagnosticReport/report-1",
    ]
    assert {method for method, _, _ in ehr.kept} == {"PUT"}


def test_one_resource_may_be_given_as_it_is(ehr):
    ehr.status = 200
    send_fhir(ehr.url, json.dumps(observation(1)).encode())
    send_fhir(ehr.url, observation(1))
    assert len(ehr.kept) == 2


def transaction(count: int = 2) -> dict:
    entries = [
        {"resource": observation(n), "request": {"method": "PUT", "url": f"Observation/observation-{n}"}}
        for n in range(count)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def answers(*statuses: str) -> dict:
    entries = [{"response": {"status": status}} for status in statuses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def test_a_transaction_is_posted(ehr):
    ehr.status, ehr.body = 200, answers("201 Created", "200 OK")
    send_fhir(ehr.url, transaction())
    assert ehr.kept[0][:2] == ("POST", "/fhir")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (answers("201 Created"), DestinationRefused),
        (answers("201 Created", "422 Unprocessable"), DestinationRefused),
        (answers("500 x", "400 x"), DestinationRefused),
        (answers("503 x", "200 OK"), DestinationUnreachable),
        ({}, DestinationRefused),
    ],
)
def test_a_transaction_is_believed_entry_by_entry(ehr, body, error):
    ehr.status, ehr.body = 200, body
    with pytest.raises(error):
        send_fhir(ehr.url, transaction())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, DestinationRefused),
        (401, DestinationRefused),
        (404, DestinationRefused),
        (412, DestinationRefused),
        (422, DestinationRefused),
        (202, DestinationRefused),
        (429, DestinationUnreachable),
        (500, DestinationUnreachable),
        (503, DestinationUnreachable),
    ],
)
def test_refusals_and_outages_are_told_apart(ehr, status, error):
    ehr.status = status
    ehr.body = {"resourceType": "OperationOutcome", "issue": [{"code": "invalid", "diagnostics": "CANARY"}]}
    for sent in (observation(1), transaction()):
        with pytest.raises(error) as caught:
            send_fhir(ehr.url, sent)
        assert "CANARY" not in str(caught.value)
        assert error is DestinationUnreachable or "invalid" in str(caught.value)


def test_nobody_there_is_worth_another_try(free_port):
    with pytest.raises(DestinationUnreachable):
        send_fhir(f"http://127.0.0.1:{free_port}", observation(1))


@pytest.mark.parametrize("resource", [b"[]", b'{"resourceType": "Observation"}', b"{}"])
def test_what_is_no_resource_is_not_sent(ehr, resource):
    with pytest.raises(DestinationRefused, match="no FHIR resource"):
        send_fhir(ehr.url, resource)
    assert ehr.kept == []
