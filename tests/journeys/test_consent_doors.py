"""Withdrawn consent means no later use: every door is found in the code, and each is tried."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coread import settings
from coread.clinic import Clinic
from coread.clinic import now as clinic_now
from coread.domain.consent import NO_CONSENT, Act, PatientIdentity, Said, Use
from coread.domain.person import Person, Role
from coread.domain.reading import Outcome, Prompt
from coread.domain.review import Verdict
from coread.errors import DecisionRefused, NotFound
from coread.ledger import account
from coread.review import Filter
from coread.testing.growing import GROWING_READER
from coread.testing.patients import chest_radiograph, ct_slice
from coread.testing.readers import EXAMPLE_READERS

SOURCE = Path(__file__).resolve().parents[2] / "src" / "coread"
TESTS = SOURCE.parents[1] / "tests"
HERE = "journeys/test_consent_doors.py"
LAB = "learning/test_cohorts_consented.py"

#: Every door, and the test that tries it with a consent that was withdrawn.
TRIED = {
    "workflow/reading.py:_read_anew": (HERE, "test_no_reader_is_run"),
    "workflow/reading.py:write_results": (HERE, "test_what_was_read_before_is_neither_written_nor_sent"),
    "workflow/delivering.py:deliver": (HERE, "test_what_was_read_before_is_neither_written_nor_sent"),
    "workflow/asking/steps.py:_read_anew": (HERE, "test_a_question_that_waits_is_not_answered"),
    "review/acts/asking.py:ask_reader": (HERE, "test_no_reader_can_be_asked"),
    "review/acts/asking.py:reconsidered": (HERE, "test_nothing_of_a_reader_is_shown_decided_or_asked_anew"),
    "review/table.py:shown": (HERE, "test_nothing_of_a_reader_is_shown_decided_or_asked_anew"),
    "review/worklist/assembling.py:_permitted": (HERE, "test_the_list_tells_nothing_of_readers_and_teaching"),
    "review/worklist/catching_up.py:_placement": (HERE, "test_the_place_in_the_list_is_no_readers"),
    "review/desk.py:mark_teaching": (HERE, "test_the_list_tells_nothing_of_readers_and_teaching"),
    "governance/exports/desk.py:_without_withdrawn": (
        "governance/exports/test_doors.py",
        "test_who_withdraws_while_it_waits_is_not_in_what_leaves",
    ),
    "gateways/cli/leaving/consenting.py:check_folder": (
        "governance/consent/test_consent_commands.py",
        "test_a_folder_with_somebody_who_said_no_does_not_leave",
    ),
    "learning/cohorts/sources/dicom.py:headers": (LAB, "test_a_cohort_is_built_of_who_agrees"),
    "learning/cohorts/sources/dicom.py:read": (LAB, "test_consent_is_asked_again_when_pixels_are_read"),
    "learning/cohorts/consented.py:recheck": (LAB, "test_who_withdraws_leaves_a_cohort_that_was_built"),
    "learning/cohorts/consented.py:for_round": (LAB, "test_who_withdraws_is_not_in_the_next_round"),
    "learning/cohorts/storing.py:open_cohort": (
        LAB,
        "test_a_cohort_that_nobody_checked_for_a_day_is_not_opened",
    ),
}
#: Calls that put a patient's images to a use; each stands in a door.
PRIMITIVES = {
    "workflow": {"run", "run_at"},
    "review": {"run", "run_at"},
    "gateways": {"run_at"},
    "learning/cohorts": {"read_object"},
}

RULES = """
[[rule]]
name = "radiographs"
owner = "the tests"
when = { Modality = ["DX", "CT"] }
readers = ["example-brightness", "example-growing"]
destinations = ["pacs"]
"""
DOCTOR = Person("p-1", "li.wei", "LI Wei", frozenset({Role.DOCTOR}))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def is_door(node: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Call) and getattr(d.func, "id", "") == "passes" for d in node.decorator_list)


def doors(source: Path) -> set[str]:
    return {
        f"{path.relative_to(source).as_posix()}:{node.name}"
        for path in source.rglob("*.py")
        for node in functions(path)
        if is_door(node)
    }


def called(node: ast.AST) -> set[str]:
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}


def unguarded(source: Path) -> list[str]:
    """Name each function that puts images to a use and is no door."""
    return [
        f"{path.relative_to(source).as_posix()}:{node.name}"
        for room, primitives in PRIMITIVES.items()
        for path in sorted((source / room).rglob("*.py"))
        for node in functions(path)
        if called(node) & primitives and not is_door(node) and _imports_reading(path, primitives)
    ]


def _imports_reading(path: Path, primitives: set[str]) -> bool:
    """Tell a reader's `run` from any other: it comes from `coread.readers`."""
    text = path.read_text()
    return "read_object" in primitives or "from coread.readers import" in text


def test_each_door_is_tried_with_a_withdrawn_consent():
    assert doors(SOURCE) == set(TRIED)
    for file, name in TRIED.values():
        assert f"def {name}(" in (TESTS / file).read_text(), f"{file} has no {name}"


def test_nothing_passes_beside_a_door():
    assert unguarded(SOURCE) == []


def test_a_new_door_without_a_check_is_seen(tmp_path):
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/new.py").write_text("from coread.readers import run\ndef read_on(x):\n    run(x)\n")
    assert unguarded(tmp_path) == ["workflow/new.py:read_on"]


class House:
    """A clinic whose patients may be asked."""

    def __init__(self, folder: Path, probe: Callable[[str], None] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "rules.toml").write_text(RULES)
        given = {
            "COREAD_DATA__FOLDER": str(folder),
            "COREAD_ROUTING__RULES": str(folder / "rules.toml"),
            "COREAD_COMPLETENESS__QUIET_PERIOD_S": "0",
            "COREAD_COMPLETENESS__POLL_INTERVAL_S": "0.05",
            "COREAD_READERS__WARM_UP": "false",
            "COREAD_DESTINATIONS": json.dumps([{"name": "pacs", "kind": "dimse", "host": "pacs.example"}]),
        }
        self.sent: list[bytes] = []
        senders = {"dimse": lambda _, data: self.sent.append(data)}
        readers = (*EXAMPLE_READERS, GROWING_READER)
        self.clinic = Clinic(settings.load(None, given), senders, readers, probe)
        self.keys = 0

    def file(self, number: int, make: Callable[..., bytes] = chest_radiograph) -> str:
        uid = f"1.2.826.0.1.3680043.10.4.{number}"
        data = make(
            number, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1",
            facts={"PatientID": f"P{number}", "IssuerOfPatientID": "HOSPITAL"},
        )  # fmt: skip
        self.clinic.intake.accept_bytes(data, "folder")
        return uid

    def say(self, number: int, act: Act, *uses: Use) -> None:
        for use in uses:
            self.keys += 1
            said = Said(
                PatientIdentity(f"P{number}", "HOSPITAL"), use, act, "person:o", "page", str(self.keys)
            )
            self.clinic.consents.record(said)

    def start(self) -> None:
        self.clinic.start()

    def wait_for(self, kind: str, uid: str, count: int = 1) -> None:
        limit = time.monotonic() + 30
        while len(self.clinic.ledger.events(uid, kind)) < count:
            kinds = [e.event.kind for e in self.clinic.ledger.events(uid)]
            assert time.monotonic() < limit, f"waited for {kind} in vain; on record: {kinds}"
            time.sleep(0.02)

    def read(self, number: int, make: Callable[..., bytes] = chest_radiograph) -> str:
        uid = self.file(number, make)
        self.clinic.wake()
        self.wait_for("study.read", uid)
        return uid


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "clinic")
    yield house
    house.clinic.stop()


def readings(house: House, uid: str) -> dict[str, tuple[Outcome, str]]:
    held = house.clinic.readings.of_study(uid)
    return {r.reader.name: (r.outcome, r.reason.code if r.reason else "") for r in held}


def test_no_reader_is_run(house):
    house.say(1, Act.GIVEN, Use.AI)
    house.say(1, Act.WITHDRAWN, Use.AI)
    house.start()
    refused, agreed = house.read(1), house.read(2)
    assert readings(house, refused) == {"example-brightness": (Outcome.ABSTAINED, NO_CONSENT)}
    assert readings(house, agreed)["example-brightness"][0] is Outcome.FINDINGS
    review = house.clinic.desk.open(refused, DOCTOR)
    assert review.findings == ()
    assert "withdrawn" in review.readings[0].reason.text
    assert house.clinic.archive.study(refused).instances, "the doctor still reads the study"
    made = house.clinic.ledger.events(refused, "reading.made")[0].event
    assert (made.facts["consent_status"], made.facts["reason"]) == ("withdrawn", NO_CONSENT)
    drawn = account(house.clinic.ledger.events(refused)).statements
    assert next(s.holds for s in drawn if s.code == "consent-named"), "nothing was done against it"
    house.wait_for("delivery.done", agreed)
    assert all(refused.encode() not in data for data in house.sent)
    assert house.clinic.resources.search("DiagnosticReport", {"study": refused}, 10, 0) == []


def test_what_was_read_before_is_neither_written_nor_sent(tmp_path):
    """Withdrawn between reading and writing, and between writing and sending: nothing leaves."""
    house = House(tmp_path / "clinic")
    try:
        first, second = house.file(1), house.file(2)
        assert walk_by_hand(house, first, second) == {"written": {}, "sent": 0}
        events = house.clinic.ledger.events(second, "delivery.withheld")
        assert events
        assert {e.event.facts["reason"] for e in events} == {NO_CONSENT}
    finally:
        house.clinic.stop()


def walk_by_hand(house: House, first: str, second: str) -> dict[str, object]:
    """Walk the steps one by one, as the engine would, and withdraw in between."""
    from coread.workflow import Destination, Rooms  # noqa: PLC0415
    from coread.workflow.delivering import deliver  # noqa: PLC0415
    from coread.workflow.planning import plan_reading  # noqa: PLC0415
    from coread.workflow.reading import read, write_results  # noqa: PLC0415

    clinic = house.clinic
    sent: list[bytes] = []
    rooms = Rooms(
        archive=clinic.archive, studies=clinic.studies, readings=clinic.readings, resources=clinic.resources,
        deliveries=clinic.deliveries, intake=clinic.intake, ledger=clinic.ledger, registry=clinic.registry,
        rules=clinic.rules, now=clinic_now, consents=clinic.study_consents,
        destinations={"pacs": Destination("pacs", "dimse")}, senders={"dimse": lambda _, d: sent.append(d)},
    )  # fmt: skip

    def planned(uid: str):
        clinic.studies.complete_now(uid)
        version = clinic.studies.close(uid, rooms.now())
        plan = plan_reading(rooms, uid, version, lambda name: name == "example-growing")
        return plan, read(rooms, plan, "example-brightness")

    plan, uid = planned(first)
    house.say(1, Act.REFUSED, Use.AI)
    written = write_results(rooms, plan, uid)
    plan, uid = planned(second)
    parcels = write_results(rooms, plan, uid)
    assert parcels["pacs"]
    house.say(2, Act.REFUSED, Use.AI)
    assert deliver(rooms, second, "pacs", parcels["pacs"], 1, uid) == []
    return {"written": written, "sent": len(sent)}


def ask(house: House, uid: str) -> None:
    image = house.clinic.archive.study(uid).instances[0].ref
    house.clinic.desk.ask_reader(uid, DOCTOR, "example-growing", Prompt(image, 1, (20.0, 20.0)))


def test_no_reader_can_be_asked(house):
    house.start()
    uid = house.read(1, ct_slice)
    assert [reader.name for reader in house.clinic.desk.look(uid, DOCTOR).askable] == ["example-growing"]
    house.say(1, Act.REFUSED, Use.AI)
    assert house.clinic.desk.look(uid, DOCTOR).askable == ()
    with pytest.raises(DecisionRefused, match="does not agree to AI"):
        ask(house, uid)


def test_a_question_that_waits_is_not_answered(house):
    uid = house.file(1, ct_slice)
    house.clinic.studies.complete_now(uid)
    house.clinic.studies.close(uid, clinic_now())
    ask(house, uid)
    house.say(1, Act.REFUSED, Use.CARE)
    house.start()
    house.wait_for("reading.made", uid, 2)
    assert set(readings(house, uid).values()) == {(Outcome.ABSTAINED, NO_CONSENT)}
    assert set(readings(house, uid)) == {"example-brightness", "example-growing"}


def test_nothing_of_a_reader_is_shown_decided_or_asked_anew(house):
    house.start()
    uid = house.read(1)
    desk = house.clinic.desk
    review = desk.take_lock(uid, DOCTOR)
    finding = review.findings[0].finding_uid
    house.say(1, Act.REFUSED, Use.AI)
    shown = desk.look(uid, DOCTOR)
    assert (shown.findings, shown.opinions) == ((), ())
    assert {view.outcome for view in shown.readings} == {Outcome.ABSTAINED}
    with pytest.raises(NotFound):
        desk.decide(uid, DOCTOR, finding, Verdict.ACCEPTED, revision=shown.revision, key="k")
    with pytest.raises(NotFound):
        desk.reconsider(uid, DOCTOR, finding, ())


def test_what_a_doctor_decided_before_stays_his_word(house):
    house.start()
    uid = house.read(1)
    desk = house.clinic.desk
    review = desk.take_lock(uid, DOCTOR)
    desk.decide(
        uid, DOCTOR, review.findings[0].finding_uid, Verdict.ACCEPTED, nudge="top left",
        active_s=3, revision=review.revision, key="k",
    )  # fmt: skip
    house.say(1, Act.REFUSED, Use.AI)
    shown = desk.look(uid, DOCTOR)
    assert [d.verdict for d in shown.decisions] == [Verdict.ACCEPTED]
    facts = house.clinic.ledger.events(uid, "finding.decided")[0].event.facts
    assert (facts["consent"], facts["consent_status"], facts["purpose"]) == (
        "rule:opt-out", "not-asked", "ai-in-care",
    )  # fmt: skip


def test_the_list_tells_nothing_of_readers_and_teaching(house):
    house.start()
    uid = house.read(1)
    desk = house.clinic.desk
    with pytest.raises(DecisionRefused, match="teaching"):
        desk.mark_teaching(uid, DOCTOR, True)
    house.say(1, Act.GIVEN, Use.TEACHING)
    desk.mark_teaching(uid, DOCTOR, True)
    (entry,) = desk.worklist(DOCTOR, Filter(is_teaching=True)).entries
    assert entry.answers
    assert entry.is_teaching_case
    house.say(1, Act.WITHDRAWN, Use.TEACHING, Use.AI)
    (entry,) = desk.worklist(DOCTOR).entries
    assert (entry.answers, entry.is_teaching_case) == ((), False)
    assert {reason.code for reason in entry.reasons} & {"finding", "disagreement", "withheld"} == set()
    with pytest.raises(DecisionRefused, match="teaching"):
        desk.mark_teaching(uid, DOCTOR, True)


def test_a_consent_that_comes_later_lets_readers_read_what_waited(house):
    house.say(1, Act.REFUSED, Use.AI)
    house.start()
    uid = house.read(1)
    assert set(readings(house, uid).values()) == {(Outcome.ABSTAINED, NO_CONSENT)}
    house.say(1, Act.GIVEN, Use.AI)
    house.wait_for("study.read", uid, 2)
    newest = max(house.clinic.readings.of_study(uid), key=lambda reading: reading.study_version)
    assert (newest.study_version, newest.outcome) == (2, Outcome.FINDINGS)
    assert len(house.clinic.desk.look(uid, DOCTOR).findings) > 0


def test_the_place_in_the_list_is_no_readers(house):
    house.start()
    uid = house.read(1)
    desk = house.clinic.desk
    desk.worklist(DOCTOR)
    before = house.clinic.casebook.queue.cases([uid])[uid]
    assert "example-brightness" in before.listing
    house.say(1, Act.REFUSED, Use.AI)
    desk.worklist(DOCTOR)
    after = house.clinic.casebook.queue.cases([uid])[uid]
    assert "example-brightness" not in after.listing, "neither its answer nor its points are kept"
    changed = house.clinic.ledger.events(uid, "study.consent-changed")
    assert [e.event.facts["consent_status"] for e in changed] == ["refused"]
