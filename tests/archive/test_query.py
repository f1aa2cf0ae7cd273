"""Questions to the index, on both database systems, against a plain reading of PS3.4 C.2.2.2."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeping import House, house_on, image
from sqlalchemy import text

from coread.archive import SEARCHABLE, Query
from coread.errors import BadQuery
from coread.testing import ct_slice

PATIENTS = {
    1: {
        "PatientName": "Wang^XiaoDong=王^小东=",
        "PatientID": "P-1",
        "StudyDate": "20260101",
        "StudyTime": "080000",
    },
    2: {"PatientName": "WANG^Li", "PatientID": "p-1", "StudyDate": "20260102", "StudyTime": "0930"},
    3: {"PatientName": "O'Neill^Zoë", "PatientID": "A_1", "StudyDate": "20260103", "StudyTime": "235959.5"},
    4: {"PatientName": "Wan%g[x]^A", "PatientID": "AB1", "StudyDate": "", "StudyTime": ""},
}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def full_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give one archive for all questions, which change nothing."""
    folder = tmp_path_factory.mktemp("query")
    url = f"sqlite:///{folder / 'index.sqlite'}"
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgres_cluster")
        cluster.execute("CREATE DATABASE questions")
        url = cluster.url("questions")
    house = house_on(url, folder)
    fill(house)
    yield house
    house.database.close()


def fill(house: House) -> None:
    for number, facts in PATIENTS.items():
        house.file(image(number, **facts))
    house.file(image(1, 2, 1, SeriesDescription="PA upright", BodyPartExamined="CHEST"))
    house.file(image(1, 2, 2))
    identity = {"study_uid": "1.2.2", "series_uid": "1.2.2.7", "sop_uid": "1.2.2.7.1"}
    house.file(ct_slice(facts={"SeriesNumber": "07"}, **identity))


def studies(house: House, **matches: str) -> list[int]:
    found = house.archive.find_studies(Query(matches))
    return sorted(int(facts["StudyInstanceUID"].split(".")[2]) for facts in found)


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"PatientID": ""}, [1, 2, 3, 4]),
        ({"PatientID": "*"}, [1, 2, 3, 4]),
        ({"PatientID": "P-1"}, [1]),
        ({"PatientID": "P*"}, [1]),
        ({"PatientID": "?-1"}, [1, 2]),
        ({"PatientID": "A_1"}, [3]),
        ({"PatientID": "A?1"}, [3, 4]),
        ({"PatientID": "A_*"}, [3]),
        ({"PatientID": "P-1\\AB1"}, [1, 4]),
        ({"PatientName": "wang*"}, [1, 2]),
        ({"PatientName": "WANG^XIAODONG"}, [1]),
        ({"PatientName": "wang^xiaodong^^"}, [1]),
        ({"PatientName": "wang"}, []),
        ({"PatientName": "王*"}, [1]),
        ({"PatientName": "=王^小东"}, [1]),
        ({"PatientName": "wang*=李*"}, []),
        ({"PatientName": "*ZOË"}, [3]),
        ({"PatientName": "o'neill^*"}, [3]),
        ({"PatientName": "wan%*"}, [4]),
        ({"PatientName": "wan?g[x]*"}, [4]),
        ({"PatientName": "*[x]*"}, [4]),
        ({"StudyDate": "20260102"}, [2]),
        ({"StudyDate": "20260102-"}, [2, 3]),
        ({"StudyDate": "-20260102"}, [1, 2]),
        ({"StudyDate": "20260101-20260102"}, [1, 2]),
        ({"StudyTime": "0800"}, [1]),
        ({"StudyTime": "08-10"}, [1, 2]),
        ({"StudyTime": "093000-093000"}, [2]),
        ({"StudyTime": "235959-"}, [3]),
        ({"StudyTime": "23:59:59-"}, [3]),
        ({"StudyDate": "20260101-20260103", "StudyTime": "0900-0900"}, [2]),
        ({"StudyDate": "20260101-20260103", "StudyTime": "0800-"}, [1, 2, 3]),
        ({"StudyDate": "20260101-", "StudyTime": "0801-"}, [2, 3]),
        ({"StudyDate": "20260101-20260103", "StudyTime": "0930"}, [2]),
        ({"StudyInstanceUID": "1.2.1"}, [1]),
        ({"StudyInstanceUID": "1.2.1\\1.2.3"}, [1, 3]),
        ({"StudyInstanceUID": "1.2.1, 1.2.3,1.2.99"}, [1, 3]),
        ({"StudyInstanceUID": "../../etc"}, []),
        ({"ModalitiesInStudy": "CT"}, [2]),
        ({"ModalitiesInStudy": "CT\\DX"}, [1, 2, 3, 4]),
        ({"ModalitiesInStudy": "MR"}, []),
        ({"AccessionNumber": "A0001"}, [1, 2, 3, 4]),
        ({"PatientSex": "O", "PatientBirthDate": "19700101", "StudyID": "1"}, [1, 2, 3, 4]),
        ({"StudyDescription": "Synthetic*", "ReferringPhysicianName": "*"}, [1, 2, 3, 4]),
    ],
)
def test_studies_match(full_house: House, matches: dict[str, str], expected: list[int]) -> None:
    assert studies(full_house, **matches) == expected


def test_a_study_comes_with_its_counts(full_house: House) -> None:
    (facts,) = full_house.archive.find_studies(Query({"StudyInstanceUID": "1.2.2"}))
    assert facts["ModalitiesInStudy"] == "CT\\DX"
    assert (facts["NumberOfStudyRelatedSeries"], facts["NumberOfStudyRelatedInstances"]) == ("2", "2")
    assert facts["PatientName"] == "WANG^Li"


def test_studies_come_newest_first_and_in_pages(full_house: House) -> None:
    def page(limit: int, offset: int) -> list[str]:
        query = Query(limit=limit, offset=offset)
        return [facts["StudyInstanceUID"] for facts in full_house.archive.find_studies(query)]

    assert page(100, 0) == ["1.2.3", "1.2.2", "1.2.1", "1.2.4"]
    assert page(2, 0) + page(2, 2) == page(100, 0)
    assert page(0, 0) == page(10, 4) == []


def test_series_match(full_house: House) -> None:
    def series(**matches: str) -> list[str]:
        found = full_house.archive.find_series(Query(matches))
        return [facts["SeriesInstanceUID"] for facts in found]

    assert series(StudyInstanceUID="1.2.1") == ["1.2.1.1", "1.2.1.2"]
    assert series(Modality="CT") == ["1.2.2.7"]
    assert series(SeriesNumber="7") == series(SeriesNumber="007") == ["1.2.2.7"]
    assert series(SeriesDescription="PA*", BodyPartExamined="CHEST") == ["1.2.1.2"]
    assert series(PatientID="p-1") == ["1.2.2.1", "1.2.2.7"]
    assert series(SeriesInstanceUID="1.2.1.2,1.2.3.1") == ["1.2.1.2", "1.2.3.1"]
    assert series(ModalitiesInStudy="CT", Modality="DX") == ["1.2.2.1"]
    assert series(SeriesDate="20200101-20200102") == []
    assert series(PerformedProcedureStepStartDate="20200101") == []
    (facts,) = full_house.archive.find_series(Query({"SeriesInstanceUID": "1.2.1.2"}))
    assert (facts["NumberOfSeriesRelatedInstances"], facts["PatientID"]) == ("2", "P-1")


def test_instances_match(full_house: House) -> None:
    def instances(**matches: str) -> list[str]:
        found = full_house.archive.find_instances(Query(matches))
        return [facts["SOPInstanceUID"] for facts in found]

    assert instances(StudyInstanceUID="1.2.1") == ["1.2.1.1.1", "1.2.1.2.1", "1.2.1.2.2"]
    assert instances(SeriesInstanceUID="1.2.1.2", InstanceNumber="2") == ["1.2.1.2.2"]
    assert instances(InstanceNumber="two") == []
    assert instances(SOPInstanceUID="1.2.1.2.2\\1.2.3.1.1") == ["1.2.1.2.2", "1.2.3.1.1"]
    assert instances(SOPClassUID="1.2.840.10008.5.1.4.1.1.2") == ["1.2.2.7.1"]
    assert instances(Modality="CT", PatientName="wang*") == ["1.2.2.7.1"]
    (facts,) = full_house.archive.find_instances(Query({"SOPInstanceUID": "1.2.2.7.1"}))
    assert facts["AvailableTransferSyntaxUID"] == "1.2.840.10008.1.2.1"
    assert facts["Rows"]


@pytest.mark.parametrize(
    "matches",
    [
        {"StudyDate": "yesterday"},
        {"StudyDate": "2026"},
        {"StudyDate": "-"},
        {"StudyDate": "20260101-2026"},
        {"StudyTime": "25h"},
        {"Modality": "CT"},
        {"PixelData": "1"},
        {"StudyInstanceUID": "1.2," * 2000},
    ],
)
def test_what_cannot_be_asked_is_told(small_house: House, matches: dict[str, str]) -> None:
    with pytest.raises(BadQuery):
        small_house.archive.find_studies(Query(matches))


@pytest.mark.parametrize("page", [{"limit": -1}, {"offset": -1}, {"limit": 10**9}])
def test_a_page_that_cannot_be_is_told(page: dict[str, int]) -> None:
    with pytest.raises(BadQuery):
        Query(**page)


def test_each_level_answers_all_that_it_names(full_house: House) -> None:
    dates = {"StudyDate", "PatientBirthDate", "SeriesDate", "PerformedProcedureStepStartDate"}
    archive = full_house.archive
    finders = {
        "study": archive.find_studies,
        "series": archive.find_series,
        "instance": archive.find_instances,
    }
    for level, find in finders.items():
        for keyword in SEARCHABLE[level]:
            value = "20260101" if keyword in dates else "1000" if keyword == "StudyTime" else "1"
            find(Query({keyword: value}))


def test_study_queries_use_an_index(small_house: House) -> None:
    def plan(condition: str) -> str:
        with small_house.database.read() as connection:
            rows = connection.execute(text(f"EXPLAIN QUERY PLAN SELECT * FROM studies WHERE {condition}"))
            return " ".join(str(row[3]) for row in rows)

    assert "ix_studies_patient_name" in plan(
        "patient_name >= 'w' AND patient_name < 'x' AND patient_name GLOB 'w*'"
    )
    assert "ix_studies_study_date" in plan("study_date >= '2026' AND study_date <= '2027'")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.text("AaBb*?%_[]\\^!-.", min_size=1, max_size=6),
    values=st.lists(st.text("AaBb%_[]^!-.", min_size=1, max_size=5), max_size=6),
)
def test_wildcards_match_as_the_standard_says(house: House, pattern: str, values: list[str]) -> None:
    """Only * and ? are special, on both database systems; everything else means itself."""
    with house.database.write() as connection:
        connection.execute(text("DELETE FROM series"))
        connection.execute(text("DELETE FROM studies"))
        for number, value in enumerate(values):
            uid = f"1.2.{number}"
            insert = "INSERT INTO studies (study_instance_uid, patient_id, facts) VALUES (:uid, :value, '{}')"
            connection.execute(text(insert), {"uid": uid, "value": value})
            columns = "study_instance_uid, series_instance_uid, instances"
            insert = f"INSERT INTO series ({columns}) VALUES (:uid, '1', 1)"
            connection.execute(text(insert), {"uid": uid})
    found = house.archive.find_studies(Query({"PatientID": pattern}))
    parts = [part.strip() for part in pattern.split("\\")]
    special = str.maketrans({"[": "[[]"})
    expected = [
        f"1.2.{number}"
        for number, value in enumerate(values)
        if any(fnmatch.fnmatchcase(value, part.translate(special)) for part in parts)
    ]
    assert sorted(facts["StudyInstanceUID"] for facts in found) == sorted(expected)
