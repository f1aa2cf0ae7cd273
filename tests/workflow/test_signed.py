"""A signed report goes out: written, filed, sent, published, each once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pydicom
import pytest
from signing import add, sign

from coread.dicom import open_object
from coread.errors import DestinationUnreachable
from coread.results import printed_in
from coread.workflow import Press
from coread.workflow.bundles import is_decided, newest


class Ward:
    """A house with a doctor."""

    def __init__(self, make, **more) -> None:
        self.sent: list[tuple[str, bytes]] = []
        more.setdefault("senders", {"dimse": self._take, "fhir": self._take})
        self.house = make(**more)
        self.clinic = self.house.clinic
        self.clinic.start()

    def _take(self, destination, data: bytes) -> None:
        self.sent.append((destination.name, data))

    def read(self, number: int = 1) -> str:
        uid = self.house.file(number)
        self.house.wait_for("study.read", uid)
        self.settle()
        return uid

    def settle(self) -> None:
        self.house.wait(lambda: not self.clinic.deliveries.pending())

    def sign(self, uid: str, **more):
        return self.published(sign(self.clinic, uid, **more))

    def published(self, report):
        self.clinic.wake()
        self.house.wait(lambda: report.uid not in self.clinic.casebook.unpublished())
        self.settle()
        return report

    def resource(self, identifier: str):
        return json.loads(self.clinic.resources.get(*identifier.split("/")))


@pytest.fixture
def ward(any_house) -> Callable[..., Ward]:
    return lambda **more: Ward(any_house, **more)


def results_of(clinic, uid: str):
    kept = clinic.archive.study(uid).instances
    return [i for i in kept if i.source == "reader:signed-report"]


def test_a_signed_report_is_written_filed_sent_and_published(ward) -> None:
    made = ward()
    uid = made.read()
    before = len(made.sent)
    report = made.sign(uid)
    filed = {i.ref.sop_instance_uid: i.header.facts["Modality"] for i in results_of(made.clinic, uid)}
    assert filed == {report.derive_uid("sr"): "SR", report.derive_uid("pdf"): "DOC"}
    out = made.sent[before:]
    assert [name for name, _ in out].count("pacs") == 2
    (bundle,) = [json.loads(data) for name, data in out if name == "records"]
    statuses = {e["resource"]["id"]: e["resource"].get("status") for e in bundle["entry"]}
    assert "preliminary" not in {
        e["resource"].get("status") for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation"
    }
    assert "final" in statuses.values()
    kinds = made.house.kinds(uid)
    assert kinds.count("report.published") == 1
    assert kinds.count("results.filed") == 4
    assert "step.failed" not in kinds


def test_what_was_preliminary_is_final_under_the_same_ids(ward) -> None:
    made = ward()
    uid = made.read()
    preliminary = [
        r for r in map(json.loads, made.clinic.resources.of_study(uid)) if r.get("status") == "preliminary"
    ]
    assert {r["resourceType"] for r in preliminary} == {"DiagnosticReport", "Observation"}
    made.sign(uid)
    now = {r["id"]: made.resource(f"{r['resourceType']}/{r['id']}")["status"] for r in preliminary}
    assert set(now.values()) <= {"final", "cancelled"}


def test_its_results_do_not_reopen_the_study(ward) -> None:
    made = ward()
    uid = made.read()
    made.sign(uid)
    state = made.clinic.studies.state(uid)
    assert (state.is_open, state.version) == (False, 1)


def test_an_addendum_follows_and_names_what_it_amends(ward) -> None:
    made = ward()
    uid = made.read()
    first = sign(made.clinic, uid)
    second = made.published(add(made.clinic, uid))
    assert made.clinic.casebook.unpublished() == []
    sent = [pydicom.dcmread(io.BytesIO(data)) for name, data in made.sent if name == "pacs"]
    addendum = next(d for d in sent if d.SOPInstanceUID == second.derive_uid("sr"))
    (study,) = addendum.PredecessorDocumentsSequence
    (item,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == first.derive_uid("sr")
    published = [e.event.facts["number"] for e in made.clinic.ledger.events(uid, "report.published")]
    assert published == ["1", "2"]
    reports = [
        r for r in map(json.loads, made.clinic.resources.of_study(uid)) if r.get("status") == "appended"
    ]
    assert len(reports) == 1


def test_results_that_no_destination_wants_are_filed_all_the_same(any_house) -> None:
    rules = (
        '[[rule]]\nname = "r"\nowner = "t"\nwhen = { Modality = ["DX"] }\nreaders = ["example-brightness"]\n'
    )
    made = Ward(any_house, rules=rules)
    uid = made.read()
    made.sign(uid)
    assert len(results_of(made.clinic, uid)) == 2
    assert made.sent == []


def test_a_destination_that_was_away_gets_the_decided_statements_only(ward) -> None:
    """The preliminary bundle, still waiting, must not undo what a doctor has decided."""
    away, taken = [True], []

    def records(destination, data: bytes) -> None:
        if away[0]:
            raise DestinationUnreachable("no answer")
        taken.append(json.loads(data))

    made = ward(senders={"dimse": lambda *_: None, "fhir": records})
    uid = made.house.file(1)
    made.house.wait_for("study.read", uid)
    sign(made.clinic, uid, reject=True)
    made.house.wait_for("report.published", uid)
    away[0] = False
    for delivery in made.clinic.deliveries.of_study(uid):
        if str(delivery.state) == "failed":
            made.clinic.deliveries.ask_again(delivery.id, delivery.changed_at, "person:p-1")
    made.settle()
    resources = [e["resource"] for r in taken for e in r.get("entry", [])]
    resources += [r for r in taken if r["resourceType"] != "Bundle"]
    observed = [r["status"] for r in resources if r["resourceType"] == "Observation"]
    assert observed
    assert "preliminary" not in observed
    assert "entered-in-error" in observed


def test_a_report_whose_image_is_lost_waits_and_goes_out_when_it_is_back(ward) -> None:
    made = ward()
    uid = made.read()
    instance = next(i for i in made.clinic.archive.study(uid).instances if i.source == "folder")
    objects = made.clinic.settings.data.folder / "objects"
    path = next(p for p in objects.rglob("*") if p.is_file() and p.name in instance.object_key)
    kept = path.read_bytes()
    path.unlink()
    report = sign(made.clinic, uid)
    made.clinic.wake()
    made.house.wait_for("step.failed", uid)
    assert made.clinic.casebook.unpublished() == [report.uid]
    path.write_bytes(kept)
    made.house.wait_for("report.published", uid)
    assert made.house.kinds(uid).count("report.published") == 1


def test_two_looks_at_one_report_are_one_walk(ward) -> None:
    seen: list[str] = []
    made = ward(probe=seen.append)
    uid = made.read()
    sign(made.clinic, uid)
    for _ in range(20):
        made.clinic.worker._reports.look()
    made.house.wait_for("report.published", uid)
    made.settle()
    assert seen.count("before write signed results") == 1


def test_a_bundle_is_sent_with_what_it_refers_to(ward) -> None:
    made = ward()
    uid = made.read()
    (bundle, *_) = [
        r for r in made.clinic.resources.of_study(uid) if json.loads(r)["resourceType"] == "Bundle"
    ]
    shell = json.loads(bundle)
    shell["entry"] = [e for e in shell["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    sent = json.loads(newest(made.clinic.resources, json.dumps(shell)))
    kinds = [e["resource"]["resourceType"] for e in sent["entry"]]
    assert kinds[0] == "DiagnosticReport"
    assert {"Observation", "ImagingStudy", "Device"} <= set(kinds)
    assert len({e["request"]["url"] for e in sent["entry"]}) == len(kinds)


def test_a_preliminary_resource_that_comes_too_late_is_known(ward) -> None:
    made = ward()
    uid = made.read()
    resources = made.clinic.resources
    early = next(
        json.loads(r)
        for r in resources.of_study(uid)
        if json.loads(r)["resourceType"] == "Observation" and json.loads(r)["status"] == "preliminary"
    )
    text = json.dumps(early)
    assert not is_decided(resources, "Observation", early["id"], text)
    assert not is_decided(resources, "Observation", "unheard-of", text)
    made.sign(uid)
    assert is_decided(resources, "Observation", early["id"], text)
    assert not is_decided(resources, "Observation", early["id"], json.dumps({**early, "status": "final"}))


def test_the_press_prints_before_and_gives_what_went_out_after(ward) -> None:
    made = ward()
    uid = made.read()
    clinic = made.clinic
    organization = clinic.settings.review.organisation
    press = Press(clinic.archive, clinic.readings, clinic.casebook, clinic.registry.card, organization)
    clinic.worker.stop()
    report = sign(clinic, uid)
    before = press(report)
    assert before.startswith(b"%PDF")
    clinic.worker = None
    clinic.start()
    made.published(report)
    filed = open_object(clinic.archive.read(report.derive_uid("pdf")))
    assert press(report) == printed_in(filed) == before
    assert press(report, "zh") != before
