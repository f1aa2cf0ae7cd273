"""Fifty doctors at once: no verdict is lost, none is doubled."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from reviewing import CHEST, DOCTOR, ReadingRoom, finding_on, new_key, reading_of

from coread.domain.finding import Box
from coread.domain.person import Person
from coread.domain.review import RejectReason, Verdict
from coread.errors import AlreadySigned, LockedByOther, NotReadyToSign, StaleReview

DOCTORS = 50


def doctor(number: int) -> Person:
    return replace(DOCTOR, id=f"p-{number:012d}", display_name=f"Doctor {number}")


def at_once(work: Callable[[int], None], workers: int = DOCTORS) -> None:
    """Run `work` for each number in a thread of its own, all starting together."""
    gate = threading.Barrier(workers)

    def run(number: int) -> None:
        gate.wait(60)
        work(number)

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(run, number) for number in range(workers)]:
            done.result(240)


def study_with_findings(room: ReadingRoom, number: int, count: int) -> str:
    uid = room.study(number, {})
    ref = room.refs(uid)[0]
    boxes = [(Box(place, 0, 5, 5),) for place in range(count)]
    findings = [finding_on(ref, CHEST, 0.8, number=n, boxes=boxes[n]) for n in range(count)]
    room.keep(reading_of([ref], findings))
    return uid


def decided(room: ReadingRoom, uid: str) -> list[str]:
    _, entries = room.casebook.journal.read(uid)
    return [entry.finding_uid for entry in entries if str(entry.kind) == "decided"]


@pytest.mark.slow
def test_fifty_doctors_on_fifty_studies(any_room: ReadingRoom) -> None:
    room = any_room
    uids = [study_with_findings(room, number, 10) for number in range(1, DOCTORS + 1)]
    seconds: list[float] = []

    def morning(number: int) -> None:
        uid, person = uids[number], doctor(number)
        review = room.desk.open(uid, person)
        for panel in review.findings:
            key, began = new_key(), time.perf_counter()
            for _ in range(2):  # every click is a double click
                after = room.desk.decide(
                    uid, person, panel.finding_uid, Verdict.ACCEPTED, revision=review.revision, key=key
                )
            seconds.append((time.perf_counter() - began) / 2)
            review = after
        assert len(review.decisions) == 10

    at_once(morning)
    for number, uid in enumerate(uids):
        assert Counter(decided(room, uid)) == Counter(dict.fromkeys(set(decided(room, uid)), 1))
        assert len(decided(room, uid)) == 10
        events = [r.event for r in room.house.ledger.events(subject=uid, kind="finding.decided")]
        assert len(events) == 10
        assert {event.actor for event in events} == {doctor(number).actor}
    assert len(seconds) == 500
    assert list(room.house.ledger.verify()) == []


@pytest.mark.slow
def test_many_windows_of_one_doctor_on_one_study(any_room: ReadingRoom) -> None:
    room, windows = any_room, 12
    uid = study_with_findings(room, 1, windows)
    first = room.desk.open(uid, DOCTOR)
    stale = Counter[str]()

    def window(number: int) -> None:
        finding, revision, key = first.findings[number].finding_uid, first.revision, new_key()
        while True:
            try:
                room.desk.decide(uid, DOCTOR, finding, Verdict.ACCEPTED, revision=revision, key=key)
                return
            except StaleReview as fault:
                stale["met"] += 1
                revision = fault.revision
                room.desk.open(uid, DOCTOR)

    at_once(window, windows)
    case, entries = room.casebook.journal.read(uid)
    assert len(decided(room, uid)) == len(set(decided(room, uid))) == windows
    assert [entry.revision for entry in entries] == list(range(1, case.revision + 1))
    assert len(room.desk.look(uid, DOCTOR).decisions) == windows
    assert stale["met"] > 0


@pytest.mark.slow
def test_fifty_doctors_on_one_study_and_one_holds_it(any_room: ReadingRoom) -> None:
    room = any_room
    uid = study_with_findings(room, 1, 1)
    review = room.desk.open(uid, DOCTOR)
    finding = review.findings[0].finding_uid
    done, refused = [], []

    def try_it(number: int) -> None:
        try:
            room.desk.decide(
                uid, doctor(number), finding, Verdict.REJECTED,
                reason=RejectReason.ARTEFACT, revision=review.revision, key=new_key(),
            )  # fmt: skip
            done.append(doctor(number).id)
        except (LockedByOther, StaleReview):
            refused.append(number)

    at_once(try_it)
    assert (len(done), len(refused)) == (1, DOCTORS - 1)
    after = room.desk.look(uid, DOCTOR)
    assert after.lock
    assert [after.lock.person_id] == done == [d.person_id for d in after.decisions]


@pytest.mark.slow
def test_a_report_is_signed_once(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study()
    review = room.drafted(uid)
    signed, refused = [], []

    def sign(number: int) -> None:
        try:
            signed.append(room.desk.sign(uid, DOCTOR, revision=review.revision, key=f"key-{number % 5}"))
        except (StaleReview, AlreadySigned, NotReadyToSign):
            refused.append(number)

    at_once(sign, 20)
    assert len(signed) == 4  # one key of five, sent four times
    assert len({report.uid for report in signed}) == 1
    assert len(room.casebook.reports_of(uid)) == 1
    assert room.kinds(uid).count("report.signed") == 1


@pytest.mark.slow
def test_readings_that_arrive_at_once_are_each_one_entry(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study()
    at_once(lambda number: room.desk.open(uid, doctor(number)) and None, 20)
    at_once(lambda number: room.desk.worklist(doctor(number)) and None, 20)
    _, entries = room.casebook.journal.read(uid)
    assert [str(e.kind) for e in entries] == ["images-arrived", "reading-arrived", "reading-arrived"]
