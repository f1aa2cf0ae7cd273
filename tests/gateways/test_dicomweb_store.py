"""STOW-RS: what is stored, what is not, and what the sender is told."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from random import Random

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from coread.archive import Query
from coread.errors import LowDisk
from coread.gateways.dicomweb.multipart import encode_parts
from coread.testing import patients

CANARY = "CANARYNAME^TWEETY"


def message(objects, boundary="b", content_type="application/dicom"):
    return b"".join(encode_parts(boundary, content_type, objects))


def post(site, objects, path="/dicomweb/studies", **headers):
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    return site.post(path, content=message(objects), headers={"Content-Type": kind} | headers)


def outcome(response) -> Dataset:
    assert response.headers["content-type"] == "application/dicom+json"
    return Dataset.from_json(response.text)


def facts(data: bytes) -> Dataset:
    return dcmread(io.BytesIO(data), stop_before_pixels=True)


def test_all_stored_is_200_with_an_address_for_each(site, rooms):
    sent = [patients.ct_slice(1, position=i) for i in range(20)]
    response = post(site, sent)
    assert response.status_code == 200
    items = outcome(response).ReferencedSOPSequence
    assert [i.ReferencedSOPInstanceUID for i in items] == [facts(data).SOPInstanceUID for data in sent]
    for item, data in zip(items, sent, strict=True):
        assert rooms.archive.read(item.ReferencedSOPInstanceUID) == data
        assert site.get(item.RetrieveURL, headers={"Accept": "application/dicom"}).content == data


def test_the_same_object_twice_is_stored_once_and_is_success(site, rooms):
    chest = patients.chest_radiograph()
    assert post(site, [chest, chest]).status_code == 200
    assert post(site, [chest]).status_code == 200
    assert len(rooms.archive.find_instances(Query())) == 1


def test_other_bytes_under_the_same_uid_are_refused_and_kept_aside(site, rooms):
    first = patients.chest_radiograph(1, sop_uid="1.2.3")
    second = patients.chest_radiograph(2, sop_uid="1.2.3", study_uid=facts(first).StudyInstanceUID)
    assert post(site, [first]).status_code == 200
    response = post(site, [second])
    assert response.status_code == 409
    (failed,) = outcome(response).FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("1.2.3", 0x0111)
    assert rooms.archive.read("1.2.3") == first
    assert len(rooms.archive.conflicts()) == 1


def test_malformed_objects_go_to_quarantine_and_the_others_are_stored(site, rooms):
    good = patients.ct_slice(1)
    bad = [patients.broken(kind) for kind in ("not_dicom", "truncated", "missing_uid", "path_in_uid")]
    response = post(site, [bad[0], good, *bad[1:]])
    assert response.status_code == 202
    told = outcome(response)
    assert len(told.ReferencedSOPSequence) == 1
    failures = [*told.get("FailedSOPSequence", []), *told.OtherFailuresSequence]
    assert {item.FailureReason for item in failures} <= {0xC000, 0xA900}
    assert len(failures) == 4
    assert len(rooms.quarantine.list()) == 4


@pytest.mark.parametrize("kind", sorted(patients.BROKEN))
def test_no_broken_object_breaks_the_service(site, kind):
    response = post(site, [patients.broken(kind)])
    assert response.status_code in (200, 409), response.text
    assert site.get("/dicomweb/studies").status_code in (200, 204)


def test_nothing_stored_is_409(site):
    response = post(site, [b"no", b"dicom"])
    assert response.status_code == 409
    assert [item.FailureReason for item in outcome(response).OtherFailuresSequence] == [0xC000, 0xC000]


def test_an_object_of_another_study_fails(site, rooms):
    chest = patients.chest_radiograph(study_uid="1.2.3")
    response = post(site, [chest], "/dicomweb/studies/1.2.4")
    assert response.status_code == 409
    assert outcome(response).FailedSOPSequence[0].FailureReason == 0xA900
    assert post(site, [chest], "/dicomweb/studies/1.2.3").status_code == 200
    assert rooms.quarantine.list() == []


def test_an_object_above_the_limit_fails_alone(site, rooms):
    response = post(site, [bytes(5 << 20), patients.ct_slice()])
    assert response.status_code == 202
    assert outcome(response).OtherFailuresSequence[0].FailureReason == 0xA700
    assert rooms.quarantine.list() == []
    assert list(rooms.archive.store.abandoned()) == []


def test_a_part_of_another_media_type_fails_alone(site):
    body = message([patients.ct_slice(1)])[: -len(b"\r\n--b--\r\n")] + message(
        [b"{}"], "b", "application/json"
    )
    response = site.post(
        "/dicomweb/studies", content=body, headers={"Content-Type": "multipart/related; boundary=b"}
    )
    assert response.status_code == 202
    assert len(outcome(response).ReferencedSOPSequence) == 1


def test_one_object_may_come_bare(site, rooms):
    chest = patients.chest_radiograph()
    response = site.post("/dicomweb/studies", content=chest, headers={"Content-Type": "application/dicom"})
    assert response.status_code == 200
    assert rooms.archive.read(facts(chest).SOPInstanceUID) == chest


def test_low_disk_is_507_and_worth_another_try(site, rooms, monkeypatch):
    def no_room():
        raise LowDisk("3 bytes")

    monkeypatch.setattr(rooms.archive.store, "draft", no_room)
    response = post(site, [patients.ct_slice()])
    assert response.status_code == 507
    assert outcome(response).OtherFailuresSequence[0].FailureReason == 0xA700


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("text/plain", 415),
        ("", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', 415),
        ('multipart/related; type="application/dicom"', 400),
        ("multipart/form-data; boundary=b", 415),
        ('multipart/related; type="application/dicom"; boundary=other', 400),
    ],
)
def test_other_bodies_are_refused(site, content_type, status):
    response = site.post("/dicomweb/studies", content=message([b"x"]), headers={"Content-Type": content_type})
    assert response.status_code == status
    assert set(response.json()) == {"number", "sentence", "found", "expected", "remedy"}


def test_a_message_without_objects_is_refused(site):
    assert post(site, []).status_code == 400


def test_an_answer_in_xml_is_not_given(site):
    assert post(site, [patients.ct_slice()], Accept="application/dicom+xml").status_code == 406


@pytest.mark.parametrize("uid", ["..%2f..%2fetc", "1.02.3", "x" * 65, "1.2.3%00", "%2e%2e"])
def test_a_hostile_study_uid_is_refused(site, uid):
    assert post(site, [patients.ct_slice()], f"/dicomweb/studies/{uid}").status_code in (400, 404, 405)


def test_a_body_that_claims_to_be_endless_is_refused_at_once(site):
    with socket.create_connection((site.base_url.host, site.base_url.port), 10) as peer:
        peer.sendall(
            b"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
            b"Content-Length: 99999999999999\r\n\r\n"
        )
        assert peer.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_sender_that_vanishes_leaves_what_was_whole(site, rooms):
    whole, half = patients.ct_slice(1), patients.ct_slice(2)
    body = message([whole, half])
    with socket.create_connection((site.base_url.host, site.base_url.port), 10) as peer:
        peer.sendall(
            b"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/related; boundary=b\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        peer.sendall(body[:-500])
    deadline = time.monotonic() + 10
    while rooms.archive.store.abandoned() and time.monotonic() < deadline:
        if not list(rooms.archive.store.abandoned()):
            break
        time.sleep(0.05)
    assert len(rooms.archive.find_instances(Query())) <= 1
    assert list(rooms.archive.store.abandoned()) == []
    assert rooms.quarantine.list() == []


def test_damaged_requests_never_break_the_service_nor_store_what_was_not_sent(site, rooms):
    objects = [patients.ct_slice(1), patients.text_report(2)]
    body, random = message(objects), Random(7)
    for _ in range(60):
        damaged = bytearray(body)
        for _ in range(random.randrange(1, 6)):
            place = random.randrange(len(damaged))
            damaged[place : place + random.randrange(4)] = random.randbytes(random.randrange(4))
        response = site.post(
            "/dicomweb/studies",
            content=bytes(damaged[: random.choice([None, -random.randrange(1, 2000)])]),
            headers={"Content-Type": "multipart/related; boundary=b"},
        )
        assert response.status_code in (200, 202, 400, 409), response.text
    assert site.get("/health").status_code == 200
    for facts_of_one in rooms.archive.find_instances(Query()):
        assert rooms.archive.read(facts_of_one["SOPInstanceUID"])
    assert list(rooms.archive.store.abandoned()) == []


def test_many_senders_at_one_time_all_succeed(site, rooms):
    def send(seed):
        results.append(post(site, [patients.ct_slice(seed, position=i) for i in range(5)]).status_code)

    results: list[int] = []
    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 6
    assert len(rooms.archive.find_instances(Query())) == 30


def test_no_name_reaches_log_or_error(site, caplog):
    canary = {"PatientName": CANARY, "PatientID": CANARY}
    good, bad = patients.ct_slice(facts=canary), patients.ct_slice(2, facts=canary)[:-10]
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.WARNING, "httpx"):
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        told = [post(site, [good]), post(site, [bad]), post(site, [bad[:2000]])]
        told.append(site.get("/dicomweb/studies", params={"PatientName": CANARY, "limit": "x"}))
        told.append(site.get("/dicomweb/studies", params={CANARY: "1"}))
        site.get("/dicomweb/studies", params={"PatientName": CANARY})
    assert "CANARYNAME" not in caplog.text
    assert all("CANARYNAME" not in response.text for response in told)


def test_an_object_with_a_header_longer_than_the_first_look_is_told_by_its_uids(site, rooms):
    chest = patients.chest_radiograph(study_uid="1.2.3")
    # A private element of 300 kB before the study's identifiers.
    at = chest.index(b"\x10\x00\x10\x00PN")
    private = (
        b"\x09\x00\x10\x00LO\x04\x00TEST" + b"\x09\x00\x01\x10OB\x00\x00" + (300_000).to_bytes(4, "little")
    )
    data = chest[:at] + private + bytes(300_000) + chest[at:]
    response = post(site, [data])
    assert response.status_code == 200, response.text
    (item,) = outcome(response).ReferencedSOPSequence
    assert rooms.archive.read(item.ReferencedSOPInstanceUID) == data
    # Whose study it is cannot be seen before it would be filed, so a named study does not take it.
    assert post(site, [data], "/dicomweb/studies/1.2.3").status_code == 409
