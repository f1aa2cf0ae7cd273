"""A study comes in, readings go out; what fails is on record and stops nothing else."""

from __future__ import annotations

import json

import pytest

from coread.clinic import now
from coread.errors import DestinationRefused, DestinationUnreachable, NotFound, RuleFault
from coread.routing import Priority
from coread.testing.patients import ct_slice


def test_three_readers_side_by_side_each_answer_in_its_own_way(any_house) -> None:
    made = any_house()
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    outcomes = {r.reader.name: str(r.outcome) for r in made.clinic.readings.of_study(uid)}
    assert outcomes == {
        "example-brightness": "findings",
        "example-unsure": "abstained",
        "example-fails": "failed",
    }
    kept = made.clinic.archive.study(uid).instances
    modalities = [i.header.facts["Modality"] for i in kept if i.source.startswith("reader:")]
    assert modalities.count("SR") == 3
    assert "PR" in modalities
    resources = [json.loads(text)["resourceType"] for text in made.clinic.resources.of_study(uid)]
    assert resources.count("DiagnosticReport") == 3
    assert "step.failed" not in made.kinds()


def test_each_step_is_on_record_in_its_order(any_house) -> None:
    made = any_house()
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    kinds = [k for k in made.kinds(uid) if not k.startswith(("instance", "delivery"))]
    assert kinds[:2] == ["study.complete", "study.routed"]
    assert sorted(kinds[2:-1]) == ["reading.made"] * 3 + ["results.filed"] * 3
    assert kinds[-1] == "study.read"


def test_what_no_reader_reads_is_refused_with_a_reason_and_a_report(any_house) -> None:
    made = any_house()
    made.clinic.start()
    made.clinic.intake.accept_bytes(ct_slice(1, study_uid="1.2.3.4"), "folder")
    made.wait_for("study.read", "1.2.3.4")
    readings = made.clinic.readings.of_study("1.2.3.4")
    assert {str(r.outcome) for r in readings} == {"refused"}
    assert all(r.reason is not None and r.inputs for r in readings)
    assert made.kinds("1.2.3.4").count("results.filed") == 3


def test_a_reader_that_is_not_installed_any_more_stops_no_other(any_house) -> None:
    made = any_house()
    del made.clinic.registry._points["example-fails"]
    rules = made.clinic.settings.routing.rules
    assert rules is not None
    with pytest.raises(RuleFault):
        _ = made.clinic.rules
    made.clinic.registry._points["example-fails"] = []
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    (failed,) = made.clinic.ledger.events(uid, "step.failed")
    assert failed.event.facts["error"] == "ReaderUnavailable"
    assert failed.event.facts["number"] == "1601"
    assert made.kinds(uid).count("results.filed") == 2


def test_a_late_image_makes_a_new_version_that_names_its_predecessor(any_house) -> None:
    made = any_house()
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.file(1, image=1)
    made.wait_for("study.read", uid, count=2)
    readings = [r for r in made.clinic.readings.of_study(uid) if r.reader.name == "example-brightness"]
    first, second = sorted(readings, key=lambda r: r.study_version)
    assert (first.study_version, second.study_version) == (1, 2)
    assert second.predecessor_uid == first.uid
    assert len(second.inputs) == 2


def test_a_study_can_be_called_complete_before_its_quiet_period(any_house) -> None:
    made = any_house(COREAD_COMPLETENESS__QUIET_PERIOD_S="3600")
    made.clinic.start()
    uid = made.file(1)
    made.clinic.complete(uid)
    made.wait_for("study.read", uid)
    with pytest.raises(NotFound):
        made.clinic.complete("1.2.3")


def test_an_urgent_study_goes_before_a_routine_one(any_house) -> None:
    made = any_house(COREAD_WORKFLOW__CONCURRENCY="1")
    uids = [made.file(number) for number in range(1, 4)]
    made.clinic.studies.raise_priority(uids[2], 10)
    made.clinic.start()
    made.wait_for("study.read", count=3)
    read = [e.event.subject for e in made.clinic.ledger.events(kind="study.read")]
    assert read[0] == uids[2]


class _Peer:
    """A destination that fails as told, then takes all."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.taken: list[bytes] = []

    def __call__(self, destination, data: bytes) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(data)


def test_a_destination_that_was_away_gets_everything_later(any_house) -> None:
    pacs, records = _Peer(*[DestinationUnreachable("no answer")] * 2), _Peer()
    made = any_house({"dimse": pacs, "fhir": records})
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.wait(lambda: not made.clinic.deliveries.pending())
    deliveries = made.clinic.deliveries.of_study(uid)
    assert {str(d.state) for d in deliveries} == {"delivered"}
    assert max(d.attempts for d in deliveries) > 1
    assert len(pacs.taken) == sum(d.destination == "pacs" for d in deliveries)
    # Whole Bundles only: a resource alone may come before what it refers to.
    assert {json.loads(data)["resourceType"] for data in records.taken} == {"Bundle"}


def test_a_destination_that_stays_away_is_given_up_and_said_so(any_house) -> None:
    made = any_house({"dimse": _Peer(*[DestinationUnreachable("no answer")] * 99), "fhir": _Peer()})
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.wait(lambda: not made.clinic.deliveries.pending())
    to_pacs = [d for d in made.clinic.deliveries.of_study(uid) if d.destination == "pacs"]
    assert {(str(d.state), d.attempts) for d in to_pacs} == {("failed", 3)}
    assert made.kinds(uid).count("delivery.failed") == len(to_pacs)


def test_a_refusal_is_not_tried_again(any_house) -> None:
    made = any_house({"dimse": _Peer(*[DestinationRefused("0xA900")] * 99), "fhir": _Peer()})
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.wait(lambda: not made.clinic.deliveries.pending())
    to_pacs = [d for d in made.clinic.deliveries.of_study(uid) if d.destination == "pacs"]
    assert {(str(d.state), d.attempts) for d in to_pacs} == {("failed", 1)}
    assert "0xA900" in to_pacs[0].detail


def test_a_delivery_without_a_sender_says_that_it_failed(any_house) -> None:
    made = any_house({"fhir": _Peer()})
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.wait(lambda: not made.clinic.deliveries.pending())
    assert {str(d.state) for d in made.clinic.deliveries.of_study(uid) if d.destination == "pacs"} == {
        "failed"
    }


def test_nothing_is_called_delivered_before_the_peer_has_said_so(any_house) -> None:
    seen: list[set[str]] = []

    def look(destination, data: bytes) -> None:
        deliveries = made.clinic.deliveries.of_study(uid)
        seen.append({str(d.state) for d in deliveries if d.destination == "pacs"})
        raise DestinationUnreachable("no answer")

    made = any_house({"dimse": look, "fhir": lambda *_: None})
    uid = made.file(1)
    made.clinic.start()
    made.wait(lambda: len(seen) > 3)
    assert all("delivered" not in states and "sending" in states for states in seen)


def test_a_failed_delivery_is_tried_anew_when_a_person_asks(any_house) -> None:
    refusing = _Peer(*[DestinationRefused("0xA900")] * 99)
    made = any_house({"dimse": refusing, "fhir": _Peer()})
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.wait(lambda: not made.clinic.deliveries.pending())
    failed = next(d for d in made.clinic.deliveries.of_study(uid) if str(d.state) == "failed")
    refusing.faults.clear()
    made.clinic.deliveries.ask_again(failed.id, failed.changed_at, "person:p-1")
    made.wait(lambda: str(made.clinic.deliveries.get(failed.id).state) == "delivered")
    assert made.clinic.deliveries.get(failed.id).attempts == 2
    with pytest.raises(NotFound, match="no failed delivery"):
        made.clinic.deliveries.ask_again(failed.id, failed.changed_at, "person:p-1")


def test_the_rule_of_a_study_raises_it_in_the_list(house) -> None:
    rule = """
    [[rule]]
    name = "at once"
    owner = "the tests"
    priority = "stat"
    readers = ["example-brightness"]
    """
    made = house(rules=rule)
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    assert made.clinic.studies.state(uid).priority == Priority.STAT.of_study > 0


def test_a_study_that_comes_again_after_its_deletion_is_read_again(any_house) -> None:
    made = any_house()
    made.clinic.start()
    uid = made.file(1)
    made.wait_for("study.read", uid)
    made.clinic.archive.delete_study(uid, "sent in error", now())
    with pytest.raises(NotFound):
        made.clinic.studies.state(uid)
    made.file(1)
    made.wait_for("study.read", uid, count=2)
    assert {r.study_version for r in made.clinic.readings.of_study(uid)} == {2}
    assert made.kinds(uid).count("study.complete") == 2
    assert "study.reopened" not in made.kinds(uid)
