"""An object is filed once, kept as it came, and never overwritten."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeping import START, House, house_on, image, sent_by

from coread.archive import Database, FilingOutcome, Query
from coread.errors import ChecksumMismatch, NotFound, ObjectLost


def test_what_is_filed_is_found_and_read_back(house: House) -> None:
    data = image()
    filed = house.file(data)
    assert filed.outcome is FilingOutcome.STORED
    instance = house.archive.get("1.2.1.1.1")
    assert instance == filed.instance
    assert (instance.source, instance.received_at, instance.size_bytes) == ("dimse:CT1", START, len(data))
    assert instance.header.facts["Modality"] == "DX"
    assert house.archive.read("1.2.1.1.1") == data
    assert house.kinds() == ["instance.filed"]
    assert house.ledger.events("1.2.1")[0].event.facts["sop_instance_uid"] == "1.2.1.1.1"


def test_the_ledger_holds_no_patient(house: House) -> None:
    house.file(image(PatientName="Canary^Zoë", PatientID="CANARY-1"))
    assert "anary" not in str(house.ledger.events()).lower()


def test_the_same_bytes_are_stored_once(house: House) -> None:
    first, again = house.file(image()), house.file(image())
    assert again.outcome is FilingOutcome.DUPLICATE
    assert again.instance == first.instance
    assert house.keys() == [first.instance.object_key]
    assert house.kinds() == ["instance.filed", "instance.duplicate"]
    assert not house.archive.conflicts()


def test_the_same_data_set_by_another_sender_is_the_same(house: House) -> None:
    first = house.file(sent_by(image(), "CT1"))
    for ae in ("CT2", "CT3"):
        again = house.file(sent_by(image(), ae), f"dimse:{ae}")
        assert again.outcome is FilingOutcome.DUPLICATE
    assert house.keys() == [first.instance.object_key]
    assert house.archive.read("1.2.1.1.1") == sent_by(image(), "CT1")


def test_other_bytes_of_a_uid_are_kept_aside(house: House) -> None:
    first, other = house.file(image(seed=1)), house.file(image(seed=2), "stow")
    assert other.outcome is FilingOutcome.CONFLICT
    assert house.archive.get("1.2.1.1.1") == first.instance
    assert house.archive.read("1.2.1.1.1") == image(seed=1)
    assert house.archive.conflicts() == house.archive.conflicts("1.2.1") == [other.instance]
    assert not house.archive.conflicts("1.2.2")
    assert house.archive.read_object(other.instance) == image(seed=2)
    assert house.studies.state("1.2.1").originals == 1
    assert house.kinds() == ["instance.filed", "instance.conflict"]


def test_a_conflict_is_kept_aside_once(house: House) -> None:
    house.file(image(seed=1))
    other, again, third = (house.file(image(seed=seed)) for seed in (2, 2, 3))
    assert [filed.outcome for filed in (other, again, third)] == [FilingOutcome.CONFLICT] * 3
    assert again.instance == other.instance
    assert len(house.archive.conflicts()) == 2
    assert len(house.keys()) == 3


def test_a_newcomer_does_not_replace_lost_bytes(house: House) -> None:
    first = house.file(image())
    house.store.delete(first.instance.object_key)
    assert house.file(sent_by(image(), "CT9")).outcome is FilingOutcome.CONFLICT


def test_a_uid_in_another_study_is_a_conflict(house: House) -> None:
    house.file(image())
    moved = image().replace(b"UI\x06\x001.2.1\0", b"UI\x06\x001.2.7\0")
    assert moved != image()
    assert house.file(moved).outcome is FilingOutcome.CONFLICT
    with pytest.raises(NotFound):
        house.archive.study("1.2.7")


def test_a_batch_is_filed_as_one_by_one(house: House) -> None:
    data = [image(1, 1, 1), image(1, 1, 2), image(1, 2, 1), image(2), image(1, 1, 1), image(1, 1, 2, seed=9)]
    filed = house.archive.file_many([house.arrival(each) for each in data])
    outcomes = [FilingOutcome.STORED] * 4 + [FilingOutcome.DUPLICATE, FilingOutcome.CONFLICT]
    assert [each.outcome for each in filed] == outcomes
    assert len(house.keys()) == 5
    (newest, _) = house.archive.find_studies(Query({"StudyInstanceUID": "1.2.1,1.2.2"}))
    assert newest["NumberOfStudyRelatedInstances"] == "3"
    assert newest["NumberOfStudyRelatedSeries"] == "2"
    assert house.studies.state("1.2.1").originals == 3
    assert house.studies.state("1.2.2").originals == 1


def test_an_empty_batch_is_nothing(house: House) -> None:
    assert house.archive.file_many([]) == []
    assert house.kinds() == []


def test_filing_the_same_key_again_is_filing_it_once(house: House) -> None:
    arrival = house.arrival(image())
    house.archive.file(arrival)
    assert house.archive.file(arrival).outcome is FilingOutcome.STORED
    assert house.keys() == [arrival.key]


def test_a_failed_batch_leaves_nothing(house: House) -> None:
    good = house.arrival(image(1))
    bad = house.arrival(image(2), expected=10**30)  # no database holds such a number
    with pytest.raises(Exception, match=r"(?i)int|range|overflow|numeric"):
        house.archive.file_many([good, bad])
    with pytest.raises(NotFound):
        house.archive.get("1.2.1.1.1")
    assert house.kinds() == []


def test_threads_that_file_the_same_file_it_once(house: House) -> None:
    outcomes = []

    def file(number: int) -> None:
        for instance in range(10):
            outcomes.append(house.file(image(instance=instance + 1), f"dimse:{number}").outcome)

    threads = [threading.Thread(target=file, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(FilingOutcome.STORED) == 10
    assert outcomes.count(FilingOutcome.DUPLICATE) == 30
    assert len(house.keys()) == 10
    assert house.studies.state("1.2.1").originals == 10
    assert not list(house.ledger.verify())


def test_changed_and_lost_bytes_are_told(house: House) -> None:
    instance = house.file(image()).instance
    path = house.store.path(instance.object_key)
    path.chmod(0o600)
    path.write_bytes(image()[:-1] + b"\x99")
    with pytest.raises(ChecksumMismatch, match="verify"):
        house.archive.read("1.2.1.1.1")
    assert house.archive.read("1.2.1.1.1", check=False)[-1:] == b"\x99"
    path.unlink()
    with pytest.raises(ObjectLost):
        house.archive.read("1.2.1.1.1")


def test_what_is_not_kept_is_not_found(house: House) -> None:
    for ask in (house.archive.get, house.archive.read, house.archive.study):
        with pytest.raises(NotFound):
            ask("1.2.3")


def test_a_study_is_ordered_by_series_and_number(house: House) -> None:
    for series, instance in ((2, 1), (1, 10), (1, 2), (1, 1)):
        house.file(image(1, series, instance))
    uids = [i.ref.sop_instance_uid for i in house.archive.study("1.2.1").instances]
    assert uids == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.10", "1.2.1.2.1"]


def test_a_study_is_deleted_whole_with_an_event(house: House) -> None:
    house.file(image(1))
    house.file(image(1, seed=5))
    kept = house.file(image(2)).instance
    assert house.archive.delete_study("1.2.1", "asked by the patient", house.clock(), "person:7") == 2
    with pytest.raises(NotFound):
        house.archive.study("1.2.1")
    assert not house.archive.conflicts()
    assert house.keys() == [kept.object_key]
    event = house.ledger.events("1.2.1", "study.deleted")[0].event
    assert (event.actor, dict(event.facts)) == (
        "person:7",
        {"reason": "asked by the patient", "objects": "2"},
    )
    with pytest.raises(NotFound):
        house.archive.delete_study("1.2.1", "again", house.clock())
    assert house.file(image(1)).outcome is FilingOutcome.STORED


def test_retention_lets_old_closed_studies_go(house: House) -> None:
    for study in (1, 2, 3):
        house.file(image(study))
        if study != 2:
            house.studies.close(f"1.2.{study}", house.clock())
        before = house.clock.pass_s(86_400)
    assert list(house.archive.expire(house.clock() - (before - START) / 2, house.clock())) == ["1.2.1"]
    assert [facts["StudyInstanceUID"] for facts in house.archive.find_studies(Query())] == ["1.2.2", "1.2.3"]
    assert "retention" in house.ledger.events("1.2.1", "study.deleted")[0].event.facts["reason"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["PatientName", "PatientID", "StudyDescription", "SeriesNumber", "Modality", "StudyTime"]
        ),
        st.text(max_size=30) | st.text(st.characters(categories=["Cs", "Cc"])) | st.just("\u738b" * 5000),
    ),
    st.integers(1, 10**9),
)
def test_any_text_in_a_header_can_be_filed(house: House, facts: dict[str, str], number: int) -> None:
    """However odd it is, it must not keep an image out of the index, on either database system."""
    arrival = house.arrival(image(number))
    odd = replace(arrival.header, facts=dict(arrival.header.facts) | facts)
    house.archive.file(replace(arrival, header=odd))
    found = house.archive.find_studies(Query({"StudyInstanceUID": f"1.2.{number}"}))
    assert len(found) == 1


def test_two_processes_share_one_archive(database_url: str, tmp_path: Path) -> None:
    one, two = house_on(database_url, tmp_path), house_on(database_url, tmp_path)
    one.file(image())
    assert two.archive.read("1.2.1.1.1") == image()
    assert two.file(image()).outcome is FilingOutcome.DUPLICATE
    one.database.close()
    two.database.close()


def test_a_database_url_may_be_written_as_usual() -> None:
    database = Database("postgresql://coread:secret@127.0.0.1:1/none")
    assert database.url.startswith("postgresql+psycopg://coread:secret@")
    assert not database.is_sqlite
    database.close()
