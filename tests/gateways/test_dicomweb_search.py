"""QIDO-RS: what is found, how it is told, what is refused."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams
from starlette.requests import Request

from coread.errors import CoReadError
from coread.gateways.dicomweb.attributes import ATTRIBUTES, Level
from coread.gateways.dicomweb.qido import Search, parse_search
from coread.testing import patients

TAGS = {"StudyInstanceUID": "0020000D", "SeriesInstanceUID": "0020000E", "SOPInstanceUID": "00080018"}


@pytest.fixture(scope="module")
def filled(library, library_site):
    for i in range(3):
        library.intake.accept_bytes(
            patients.ct_slice(1, position=i, study_uid="1.1", series_uid="1.1.1"), "stow"
        )
    name = {"PatientName": "Wang^XiaoDong=王^小东", "StudyDate": "20240501", "StudyDescription": "Thorax pa"}
    library.intake.accept_bytes(
        patients.chest_radiograph(
            study_uid="1.2", series_uid="1.2.1", facts=name | {"SpecificCharacterSet": "ISO_IR 192"}
        ),
        "stow",
    )
    return library_site


def found(site, path, **params):
    response = site.get(f"/dicomweb{path}", params=params)
    assert response.status_code in (200, 204), response.text
    if response.status_code == 204:
        assert response.content == b""
        return []
    assert response.headers["content-type"] == "application/dicom+json"
    return response.json()


def values(rows, tag):
    return [row[tag].get("Value", [None])[0] for row in rows]


def test_studies_come_with_what_the_standard_wants(filled):
    (row,) = found(filled, "/studies", StudyInstanceUID="1.2")
    assert row["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}],
    }
    assert row["00080005"]["Value"] == ["ISO_IR 192"]
    assert row["00080061"]["Value"] == ["DX"]
    assert row["00201206"]["Value"] == [1]
    assert row["00201208"]["Value"] == [1]
    assert row["00080056"]["Value"] == ["ONLINE"]
    assert row["00081190"]["Value"] == [f"{str(filled.base_url).rstrip('/')}/dicomweb/studies/1.2"]
    assert row["00080050"]["vr"] == "SH"
    assert list(row) == sorted(row)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {"1.1", "1.2"}),
        ({"StudyInstanceUID": "1.1,1.2"}, {"1.1", "1.2"}),
        ({"0020000D": "1.1"}, {"1.1"}),
        ({"PatientName": "wang*"}, {"1.2"}),
        ({"PatientName": "王*"}, {"1.2"}),
        ({"00100010": "W?ng^Xiao*"}, {"1.2"}),
        ({"StudyDescription": "*pa"}, {"1.2"}),
        ({"StudyDate": "20240501"}, {"1.2"}),
        ({"StudyDate": "20240502-"}, set()),
        ({"ModalitiesInStudy": "CT"}, {"1.1"}),
        ({"PatientID": ""}, {"1.1", "1.2"}),
        ({"PatientID": "nobody"}, set()),
        ({"StudyInstanceUID": "../../etc/passwd"}, set()),
    ],
)
def test_filters(filled, params, expected):
    assert set(values(found(filled, "/studies", **params), TAGS["StudyInstanceUID"])) == expected


def test_series_of_one_study_and_of_all(filled):
    (row,) = found(filled, "/studies/1.1/series")
    assert row["00080060"]["Value"] == ["CT"]
    assert row["00201209"]["Value"] == [3]
    assert row["0020000D"]["Value"] == ["1.1"]
    assert "00100010" not in row
    assert row["00081190"]["Value"][0].endswith("/studies/1.1/series/1.1.1")
    everything = found(filled, "/series")
    assert values(everything, TAGS["SeriesInstanceUID"]) == ["1.1.1", "1.2.1"]
    assert "00100010" in everything[0]
    assert len(found(filled, "/series", Modality="DX")) == 1


def test_instances_at_every_level(filled):
    assert values(found(filled, "/studies/1.1/series/1.1.1/instances"), "00200013") == [1, 2, 3]
    row = found(filled, "/studies/1.2/instances")[0]
    assert row["00280010"] == {"vr": "US", "Value": [64]}
    assert row["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    assert row["00081190"]["Value"][0].endswith("/instances/" + row["00080018"]["Value"][0])
    assert len(found(filled, "/instances")) == 4
    assert len(found(filled, "/instances", InstanceNumber="2")) == 1
    assert len(found(filled, "/instances", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")) == 3


def test_nothing_of_a_study_that_is_not_kept(filled):
    assert found(filled, "/studies/9.9/series") == []


def test_includefield_adds_attributes(filled):
    assert "00080070" not in found(filled, "/series")[0]
    assert "00080070" in found(filled, "/series", includefield="Manufacturer")[0]
    assert "00080070" in found(filled, "/series", includefield="00080070,StationName")[0]
    everything = found(filled, "/instances", includefield="all")[0]
    assert len(everything) >= len(ATTRIBUTES)


def test_pages_join_up(filled):
    everything = values(found(filled, "/instances"), TAGS["SOPInstanceUID"])
    pages = [
        values(found(filled, "/instances", limit=2, offset=o), TAGS["SOPInstanceUID"]) for o in (0, 2, 4)
    ]
    assert [uid for page in pages for uid in page] == everything
    assert found(filled, "/instances", limit=0) == []


def test_fuzzy_matching_is_not_done_and_said_so(filled):
    response = filled.get("/dicomweb/studies", params={"fuzzymatching": "true"})
    assert response.status_code == 200
    assert "fuzzymatching parameter is not supported" in response.headers["warning"]
    assert "warning" not in filled.get("/dicomweb/studies?fuzzymatching=false").headers


def test_an_attribute_that_cannot_be_matched_is_named(filled):
    response = filled.get("/dicomweb/studies", params={"Rows": "64", "00400275.00400007": "x"})
    assert len(response.json()) == 2
    assert "Rows" in response.headers["warning"]
    assert "RequestAttributesSequence" in response.headers["warning"]


def test_more_than_the_maximum_is_said(library, filled):
    scope = {"type": "http", "headers": [], "query_string": b"", "path": "/", "server": ("h", 80)}
    response = Search(library.archive, max_results=1).studies(
        Request(scope | {"scheme": "http", "path_params": {}})
    )
    assert "Additional results can be requested" in response.headers["warning"]
    assert response.body.count(b'"0020000D"') == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "limit=99999999999",
        "offset=1e3",
        "nonsense=1",
        "StudyDate=yesterday",
        "StudyTime=9:00 o'clock",
        "0010=x",
        "%00=1",
    ],
)
def test_what_cannot_be_asked_is_refused(filled, query):
    response = filled.get(f"/dicomweb/studies?{query}")
    assert response.status_code == 400
    assert response.json()["number"] == 1112


@pytest.mark.parametrize("accept", ["application/dicom+xml", "text/html", "multipart/related"])
def test_other_forms_are_refused(filled, accept):
    response = filled.get("/dicomweb/studies", headers={"Accept": accept})
    assert response.status_code == 406
    assert response.json()["number"] == 1113


def test_plain_json_is_given_where_asked(filled):
    response = filled.get("/dicomweb/studies", headers={"Accept": "application/json"})
    assert response.headers["content-type"] == "application/json"
    assert (
        filled.get("/dicomweb/studies?accept=application/json").headers["content-type"] == "application/json"
    )


@pytest.mark.parametrize(
    "path", ["/studies/..%2f..%2fx/series", "/studies/1.02/instances", "/studies/%20/series"]
)
def test_hostile_uids_are_refused(filled, path):
    assert filled.get(f"/dicomweb{path}").status_code in (400, 404)


def test_script_in_dicom_strings_stays_a_string(rooms, site):
    evil = '<script>alert("x")</script>'
    rooms.intake.accept_bytes(patients.ct_slice(facts={"StudyDescription": evil}), "stow")
    response = site.get("/dicomweb/studies")
    assert response.json()[0]["00081030"]["Value"] == [evil]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_returned_attributes_by_level():
    def returned(level, path):
        return parse_search(QueryParams(), path, level, 10).returned

    assert "PatientName" in returned(Level.INSTANCE, {})
    assert "PatientName" not in returned(Level.INSTANCE, {"study": "1.2"})
    assert "Modality" in returned(Level.INSTANCE, {"study": "1.2"})
    assert "Modality" not in returned(Level.INSTANCE, {"study": "1.2", "series": "1.3"})


def test_a_bad_uid_in_the_path_is_refused():
    with pytest.raises(CoReadError, match="StudyInstanceUID"):
        parse_search(QueryParams(), {"study": "../x"}, Level.SERIES, 10)
