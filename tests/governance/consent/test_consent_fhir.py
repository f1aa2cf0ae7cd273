"""FHIR Consent in and out: one clear decision for each resource, or a clear refusal."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fhir.resources.R4B.consent import Consent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coread.archive import Database
from coread.domain.consent import Act, PatientIdentity, Status, Use
from coread.errors import ConsentRefused
from coread.gateways.fhir import consent_app, resources_in, said_of
from coread.gateways.serving import WebServer
from coread.gateways.web import Beside
from coread.governance import ConsentRules, Consents
from coread.ledger import Ledger

NOW = datetime(2026, 6, 1, tzinfo=UTC)
P = PatientIdentity("P1", "HOSPITAL")


def consent(**more):
    """Write a clear consent to learning, as an EHR would; parts named are put in its place."""
    whole = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": {"value": "P1", "assigner": {"display": "HOSPITAL"}}},
        "dateTime": "2026-01-01T10:00:00+08:00",
        "policyRule": {"text": "PIPL Art. 29"},
        "provision": {"type": "permit", "purpose": [{"system": "urn:coread:use", "code": "learning"}]},
    }
    return {name: held for name, held in (whole | more).items() if held is not None}


def purposes(*codes):
    return [{"system": "urn:coread:use", "code": code} for code in codes]


def provision(**more):
    return {"provision": consent()["provision"] | more}


def register_in(folder: Path) -> Consents:
    database = Database(f"sqlite:///{folder / 'index.sqlite'}")
    database.migrate()
    return Consents(database, Ledger(database), lambda: NOW, ConsentRules())


@contextmanager
def served(consents: Consents) -> Iterator[httpx.Client]:
    """Serve a register at /Consent, beside an app that answers all else."""

    async def other(scope, receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = Beside(other, "/Consent", consent_app(consents, lambda: NOW))
    with WebServer(app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def consents(tmp_path: Path) -> Iterator[Consents]:
    consents = register_in(tmp_path)
    yield consents
    consents._database.close()


@pytest.fixture
def client(consents: Consents) -> Iterator[httpx.Client]:
    with served(consents) as client:
        yield client


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Consents]]:
    """A register in which nothing is ever recorded."""
    consents = register_in(tmp_path_factory.mktemp("empty"))
    with served(consents) as client:
        yield client, consents
    consents._database.close()


def test_a_consent_comes_in_and_goes_out(client, consents):
    answer = client.post(
        "/Consent", json=consent(**provision(period={"start": "2026-01-01", "end": "2026-12-31"}))
    )
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/fhir+json")
    (decision,) = consents.history(P)
    assert (decision.use, decision.act, decision.actor) == (Use.LEARNING, Act.GIVEN, "anonymous")
    assert decision.valid_until == datetime(2027, 1, 1, tzinfo=UTC), "the last day belongs to the period"
    shown = client.get(answer.headers["location"].split("/", 3)[3]).json()
    assert shown == answer.json()
    Consent(**shown)
    assert shown["status"] == "active"
    assert shown["provision"]["purpose"] == [{"system": "urn:coread:use", "code": "learning"}]
    assert shown["patient"]["identifier"] == {"value": "P1", "assigner": {"display": "HOSPITAL"}}
    assert client.get("/Condition").status_code == 418


def test_what_is_given_out_can_be_taken_in_elsewhere(client, consents, tmp_path):
    client.post("/Consent", json=consent())
    client.post("/Consent", json=consent(status="inactive", dateTime="2026-02-01T00:00:00Z"))
    found = client.post("/Consent/_search", data={"patient:identifier": "HOSPITAL|P1"}).json()
    database = Database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    database.migrate()
    other = Consents(database, Ledger(database), lambda: NOW + timedelta(days=1), ConsentRules())
    for resource in resources_in(json.dumps(found)):
        other.record(said_of(resource, "person:x"))
    status = {stand.use: stand.status for stand in other.standings(P, NOW + timedelta(days=1))}
    assert status[Use.LEARNING] in {Status.WITHDRAWN, Status.REFUSED}
    database.close()


def test_the_same_resource_again_is_the_same_decision(client, consents):
    first = client.post("/Consent", json=consent()).json()["id"]
    client.post("/Consent", json=consent(status="inactive", dateTime="2026-02-01"))
    again = client.post("/Consent", json=consent(id="another-id", meta={"versionId": "7"}))
    assert again.json()["id"] == first
    assert again.json()["status"] == "inactive"
    assert not consents.may(P, Use.LEARNING, NOW).is_allowed, "a late repetition gives nothing back"


def test_conflicting_resources_end_in_the_denial(client, consents):
    """An older consent that comes after a withdrawal, or one of the very same time, is refused."""
    client.post("/Consent", json=consent(status="rejected", dateTime="2026-03-01T00:00:00Z"))
    for time in ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"):
        answer = client.post("/Consent", json=consent(dateTime=time))
        assert answer.status_code == 422
        (issue,) = answer.json()["issue"]
        assert (issue["code"], issue["severity"]) == ("business-rule", "error")
        assert "not younger" in issue["diagnostics"]
    assert client.post("/Consent", json=consent(dateTime="2026-03-02T00:00:00Z")).status_code == 201
    assert consents.may(P, Use.LEARNING, NOW).is_allowed


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        ([], "resourceType"),
        (consent(category=None), "category"),
        (consent(status="draft"), "status"),
        (consent(status="entered-in-error"), "status"),
        (consent(provision=None), "status"),
        (consent(**provision(type=None)), "status"),
        (consent(dateTime=None), "dateTime"),
        (consent(dateTime="2026"), "dateTime"),
        (consent(patient={"reference": "Patient/1"}), "patient"),
        (consent(patient={"identifier": {"value": "P1", "system": "urn:oid:1.2"}}), "patient.identifier"),
        (consent(scope={"coding": [{"code": "adr"}]}), "scope"),
        (consent(scope={"text": "research"}), "scope"),
        (consent(verification=[{"verified": False}]), "verification"),
        (consent(modifierExtension=[{"url": "http://x", "valueBoolean": True}]), "modifierExtension"),
        (consent(sourceAttachment={"data": "no base64!"}), "ource"),
        (consent(**provision(purpose=None)), "provision.purpose"),
        (consent(**provision(purpose=purposes("marketing"))), "provision.purpose"),
        (consent(**provision(purpose=purposes("learning", "teaching"))), "provision.purpose"),
        (
            consent(**provision(purpose=[
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"},
            ])),
            "provision.purpose",
        ),
        (consent(**provision(dataPeriod={"start": "2026-01-01"})), "provision.dataPeriod"),
        (consent(**provision(provision=[{"type": "deny"}])), "provision.provision"),
        (consent(**provision(period={"start": "2026-02-01", "end": "2026-01-01"})), ""),
    ],
)  # fmt: skip
def test_whatever_can_be_read_in_two_ways_is_refused_with_its_place(empty, resource, where):
    client, consents = empty
    answer = client.post("/Consent", json=resource)
    assert answer.status_code == 422, answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert where in outcome["issue"][0]["diagnostics"]
    assert "P1" not in answer.text
    assert "HOSPITAL" not in answer.text
    assert consents.list() == ()


@pytest.mark.parametrize("denial", [{"status": "rejected"}, {"status": "inactive"}, provision(type="deny")])
def test_no_denial_is_turned_away_for_what_a_consent_would_need(client, consents, denial):
    less = consent(**(denial | {"dateTime": None, "scope": {"text": "any"}}))
    assert client.post("/Consent", json=less).status_code == 201
    assert [d.act for d in consents.history(P)] == [Act.REFUSED]


def test_a_signed_form_is_kept_as_its_digest(client, consents):
    form = b"I agree. Signed."
    attached = {"contentType": "text/plain", "data": base64.b64encode(form).decode()}
    client.post("/Consent", json=consent(sourceAttachment=attached))
    assert consents.history(P)[0].evidence_sha256 == hashlib.sha256(form).hexdigest()


def test_only_one_patient_is_searched_at_a_time(client):
    assert client.get("/Consent").status_code == 400
    assert client.get("/Consent", params={"patient": "Patient/1"}).status_code == 400
    nobody = client.get("/Consent", params={"patient:identifier": "P9"}).json()
    assert (nobody["type"], nobody["total"]) == ("searchset", 0)
    assert client.get("/Consent/none").status_code == 404
    assert client.post("/Consent", content=b"{").status_code == 422
    assert client.post("/Consent", content=b"x" * (9 << 20)).status_code == 413


def test_a_forgotten_person_is_named_to_nobody(client, consents):
    uid = client.post("/Consent", json=consent()).json()["id"]
    consents.forget(P, "person:o", "GDPR Art. 17")
    shown = client.get(f"/Consent/{uid}").json()
    assert shown["patient"] == {"type": "Patient", "display": "Forgotten"}
    assert shown["status"] == "inactive"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers(-9, 9),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(
        st.sampled_from([*consent(), "type", "purpose", "code", "system", "value"]), part, max_size=4
    ),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_a_decision_or_one_refusal(part):
    broken = consent() | part if isinstance(part, dict) else part
    try:
        assert said_of(broken, "person:x").person.is_known
    except ConsentRefused as fault:
        assert fault.found  # noqa: PT017 - either outcome is right
