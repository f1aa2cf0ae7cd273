"""FHIR resources: put once, next version on change, found by their terms."""

from __future__ import annotations

import json

import pytest
from keeping import House

from coread.archive import Resources
from coread.errors import BadQuery, NotFound


@pytest.fixture
def resources(house: House) -> Resources:
    return Resources(house.database)


def report(id: str, status: str = "preliminary", patient: str = "Patient/p1") -> str:
    return json.dumps(
        {
            "resourceType": "DiagnosticReport",
            "id": id,
            "status": status,
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:2.25.{id}"}, {"use": "usual"}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
            "subject": {"reference": patient},
            "result": [{"reference": f"Observation/{id}-1"}, {"display": "no reference"}],
            "basedOn": "not a reference",
        }
    )


def test_a_resource_comes_back(house: House, resources: Resources) -> None:
    resources.put("DiagnosticReport", "a", "1.2", report("a"), house.clock())
    resources.put("Observation", "a", "1.2", '{"resourceType":"Observation"}', house.clock())
    assert resources.get("DiagnosticReport", "a") == report("a")
    assert resources.of_study("1.2") == [report("a"), '{"resourceType":"Observation"}']
    assert resources.of_study("1.3") == []
    with pytest.raises(NotFound):
        resources.get("Patient", "a")


def test_another_text_is_the_next_version_with_its_own_terms(house: House, resources: Resources) -> None:
    for status in ("preliminary", "preliminary", "final"):
        resources.put("DiagnosticReport", "a", "1.2", report("a", status), house.clock())
    assert resources.search("DiagnosticReport", {"status": "preliminary"}) == []
    assert resources.search("DiagnosticReport", {"status": "final"}) == [report("a", "final")]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["c", "b", "a"]),
        ({"_id": "a,c"}, ["c", "a"]),
        ({"study": "1.2"}, ["b", "a"]),
        ({"status": "final"}, ["b"]),
        ({"code": "18748-4"}, ["c", "b", "a"]),
        ({"code": "http://loinc.org|18748-4"}, ["c", "b", "a"]),
        ({"code": "http://snomed.info/sct|18748-4"}, []),
        ({"identifier": "urn:oid:2.25.a"}, ["a"]),
        ({"subject": "Patient/p2"}, ["c"]),
        ({"patient": "p1"}, ["b", "a"]),
        ({"patient": "Patient/p2"}, ["c"]),
        ({"result": "Observation/b-1"}, ["b"]),
        ({"status": "final", "patient": "p2"}, []),
    ],
)
def test_resources_are_found(
    house: House, resources: Resources, params: dict[str, str], expected: list[str]
) -> None:
    for id, status, patient, study in (
        ("a", "preliminary", "p1", "1.2"),
        ("b", "final", "p1", "1.2"),
        ("c", "preliminary", "p2", "1.3"),
    ):
        resources.put("DiagnosticReport", id, study, report(id, status, f"Patient/{patient}"), house.clock())
        house.clock.pass_s(1)
    found = resources.search("DiagnosticReport", params)
    assert [json.loads(text)["id"] for text in found] == expected
    assert resources.search("DiagnosticReport", params, limit=1, offset=1) == found[1:2]


def test_a_parameter_that_is_not_known_is_told(resources: Resources) -> None:
    with pytest.raises(BadQuery, match="colour"):
        resources.search("DiagnosticReport", {"colour": "blue"})
