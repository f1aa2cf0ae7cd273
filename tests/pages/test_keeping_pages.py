"""The pages of engineer, quality officer, auditor and administrator."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
from page_site import PageSite, Visitor
from reviewing import CHEST, SECOND
from sqlalchemy import delete, update

from coread.archive import DeliveryState
from coread.domain.event import Event
from coread.domain.person import Role
from coread.errors import CoReadError, LowDisk, ObjectTooLarge
from coread.gateways.pages.keeping import audit_page
from coread.gateways.pages.keeping.audit_page import AuditPage, Wanted
from coread.gateways.pages.keeping.measures import measures
from coread.ledger.tables import EVENTS
from coread.testing.patients import broken, chest_radiograph

EVIL = '"><script>alert(1)</script>'


@pytest.fixture
def keeper(site: PageSite) -> Visitor:
    """Give the browser of somebody who keeps everything and is no doctor."""
    site.add("keeper", Role.ENGINEER, Role.QUALITY, Role.AUDITOR, Role.ADMINISTRATOR, name="Kim Keeper")
    return site.enter("keeper")


def failed_delivery(site: PageSite, uid: str, detail: str = "refused") -> str:
    delivery = site.room.deliveries.plan(uid, f"{uid}.9", "pacs", site.clock())
    site.room.deliveries.mark(delivery, DeliveryState.FAILED, detail, site.clock())
    site.room.house.ledger.append(Event("delivery.failed", uid, "system", site.clock(), {"error": "1802"}))
    return delivery


# The engineer's page


def test_health_says_what_needs_somebody(site, keeper, monkeypatch):
    page = keeper.page("/system").text
    assert "needs you" in page  # no worker
    site.workers.beat("w1", site.clock())
    assert "needs you" not in keeper.page("/system").text

    def no_room():
        raise LowDisk("3 bytes")

    monkeypatch.setattr(site.archive.store, "check_room", no_room)
    assert "needs you" in keeper.page("/system").text


def test_a_failed_delivery_is_tried_again(site, keeper, uid):
    delivery = failed_delivery(site, uid, f"refused {EVIL}")
    page = keeper.page("/system").text
    assert "failed 1" in page
    assert "<script>alert" not in page
    answer = keeper.form(f"/system/deliveries/{delivery}/again")
    assert answer.headers["location"] == "/system?done=asked#deliveries"
    assert site.room.deliveries.get(delivery).state is DeliveryState.ASKED
    assert site.actions == ["woken"]
    assert keeper.form(f"/system/deliveries/{delivery}/again").status_code == 404


def test_all_failed_deliveries_of_a_destination_are_tried_again(site, keeper):
    deliveries = [failed_delivery(site, site.room.study(number, {})) for number in (1, 2)]
    keeper.form("/system/deliveries/again", destination="records")
    assert {site.room.deliveries.get(d).state for d in deliveries} == {DeliveryState.FAILED}
    keeper.form("/system/deliveries/again", destination="pacs")
    assert {site.room.deliveries.get(d).state for d in deliveries} == {DeliveryState.ASKED}


def test_quarantine_tells_its_reasons_releases_and_removes(site, keeper):
    for kind in ("not_dicom", "truncated"):
        with pytest.raises(CoReadError):
            site.intake.accept_bytes(broken(kind), f"dimse:{EVIL}")
    page = keeper.page("/system").text
    assert "This is not a DICOM object." in page
    assert "<script>alert" not in page
    ids = [held.id for held in site.room.house.quarantine.list()]
    refused = keeper.form(f"/system/quarantine/{ids[0]}/release")
    assert refused.status_code in {400, 415}
    assert len(site.room.house.quarantine.list()) == 2
    removed = keeper.form(f"/system/quarantine/{ids[0]}/remove")
    assert removed.headers["location"] == "/system?done=removed#quarantine"
    assert len(site.room.house.quarantine.list()) == 1
    event = site.room.house.ledger.events(kind="instance.quarantine-removed")[0].event
    assert event.actor == site.people.find("keeper").actor
    assert keeper.form("/system/quarantine/none/remove").status_code == 404


def test_a_good_object_in_quarantine_is_filed(site, keeper):
    store = site.archive.store
    draft = store.draft()
    data = chest_radiograph(5, study_uid="1.2.55")
    draft.write(data)
    key = draft.sync_and_keep()
    held = site.room.house.quarantine.keep(
        key, "0" * 64, "dimse:CT1", ObjectTooLarge("9 bytes"), site.clock()
    )
    assert (
        keeper.form(f"/system/quarantine/{held}/release")
        .headers["location"]
        .startswith("/system?done=released")
    )
    assert site.archive.study("1.2.55").instances


def test_a_dry_run_says_where_a_study_would_go_and_why(keeper, uid):
    page = keeper.page(f"/system?study={uid}").text
    assert "chest-radiograph (high)" in page
    assert "Modality is DX" in page
    assert "No study of this UID is kept here." in keeper.page("/system?study=1.2.3.4").text
    assert "No study of this UID is kept here." in keeper.page(f"/system?study={EVIL}").text


def test_the_queue_shows_what_arrives_and_what_waits(site, keeper):
    site.room.study(1, {})
    site.room.house.file(site.room.image(2))
    page = keeper.page("/system").text
    assert "Images arriving" in page
    assert "Complete (version 1), waiting for a worker" in page
    site.room.house.ledger.append(
        Event("step.failed", "1.2.1", "system", site.clock(), {"step": "deliver", "walk": "x", "error": EVIL})
    )
    page = keeper.page("/system").text
    assert "Steps that failed" in page
    assert "<script>alert" not in page


# The quality officer's pages


def test_readers_stand_with_their_figures_and_verdicts(site, keeper, doctor, uid):
    doctor.decide(uid)
    doctor.decide(uid, "rejected", place=1, reason="artefact")
    page = keeper.page("/quality").text
    shipped = json.loads(
        (files("coread.readers.chest_radiograph") / "bundle/evaluation.json").read_text("utf-8")
    )
    auc = shipped["sites"]["nih"]["auc"]
    assert f"{auc['value']:.2f} ({auc['lower']:.2f}–{auc['upper']:.2f})" in page
    assert "No evaluation is here." in page
    assert "Accepted or edited 100%" in page
    assert "accepted 0, edited 0, rejected 1" in page
    reader = keeper.page(f"/quality/readers/{SECOND.name}").text
    assert "Artefact" in reader
    chest = keeper.page(f"/quality/readers/{CHEST.name}").text
    assert "too few to lean on" in chest
    assert "Predicted against observed: nih" in chest
    assert "LI Wei" not in chest


def test_verdicts_of_a_span(site, keeper, doctor, uid):
    doctor.decide(uid)
    site.clock.pass_s(40 * 86_400)
    late = site.enter("keeper")
    assert "No verdicts in this span." in late.page(f"/quality/readers/{CHEST.name}?days=30").text
    assert "Accepted or edited 100%" in late.page(f"/quality/readers/{CHEST.name}?days=0").text
    assert late.page("/quality?days=nonsense").status_code == 200


def test_a_reader_that_is_not_installed_is_told(keeper):
    assert keeper.page("/quality/readers/none").status_code == 404


ODD_EVALUATIONS = (
    {}, {"sites": 5}, {"sites": {"a": 7}}, {"sites": {"a": {"auc": {"value": "x"}}}},
    {"subgroups": {"a": {"b": {"c": 1}}}}, {"gate": {"a": {"refused": None}}},
    {"sites": {"a": {"calibration": {"reliability_mean_probability_frequency_n": 1}}}},
)  # fmt: skip


@pytest.mark.parametrize("evaluation", ODD_EVALUATIONS)
def test_an_evaluation_of_any_shape_makes_tables(evaluation):
    assert all(figure is None for line in measures(evaluation).lines for figure in line.figures.values())


# The auditor's page


def test_the_newest_event_stands_first_and_actors_have_names(site, keeper, doctor, uid):
    doctor.page(f"/studies/{uid}")
    page = keeper.page("/audit").text
    sequences = [int(text) for text in re.findall(r'<tr><td class="number-cell">(\d+)</td>', page)]
    assert sequences == sorted(sequences, reverse=True)
    assert sequences[0] == site.room.house.ledger.size()
    assert "Study opened" in page
    assert "LI Wei 李伟" in page


def test_events_are_filtered_by_kind_subject_and_actor(site, keeper, doctor, uid):
    doctor.page(f"/studies/{uid}")
    kinds = keeper.page("/audit?kind=review.opened").text
    assert kinds.count('class="strong">Study opened') == 1
    assert "Signed in</span>" not in kinds
    assert "reading.made" in keeper.page(f"/audit?subject={uid}").text
    actor = site.people.find("li.wei").actor
    assert "reading.made" not in keeper.page(f"/audit?actor={actor}").text.partition("<tbody>")[2]
    assert "No event fits." in keeper.page(f"/audit?kind={EVIL}").text
    assert "<script>alert" not in keeper.page(f"/audit?kind={EVIL}&actor={EVIL}&subject={EVIL}").text


def test_older_events_are_a_page_further(site, keeper):
    for number in range(250):
        site.room.house.ledger.append(Event("study.complete", f"1.2.{number}", "system", site.clock()))
    first = keeper.page("/audit?kind=study.complete").text
    older = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    second = keeper.page(older).text
    assert "1.2.149<" in second
    assert "1.2.150<" not in second


def test_events_are_found_across_many_others(site, monkeypatch):
    monkeypatch.setattr(audit_page, "_WINDOW", 10)
    ledger = site.room.house.ledger
    for number in range(60):
        kind = "report.signed" if number % 25 == 0 else "instance.filed"
        ledger.append(Event(kind, str(number), "system", site.clock()))
    page = AuditPage(ledger, site.people, site.clock)
    found = page.find(Wanted(kind="report.signed"), ledger.size() + 1)
    assert [record.event.subject for record in found] == ["50", "25", "0"]


def test_a_whole_ledger_verifies_and_a_changed_one_does_not(site, keeper, uid):
    told = keeper.send("POST", "/api/v1/audit/verification").json()
    assert told["faults"] == []
    assert told["root"] == site.room.house.ledger.root(told["size"]).hex()
    assert site.room.kinds("ledger")[-1] == "ledger.verified"
    with site.room.house.database.write() as connection:
        connection.execute(update(EVENTS).where(EVENTS.c.sequence == 2).values(actor="nobody"))
        connection.execute(delete(EVENTS).where(EVENTS.c.sequence == 3))
    told = keeper.send("POST", "/api/v1/audit/verification").json()
    assert told["faults"] == [{"sequence": 2, "what": "changed"}, {"sequence": 3, "what": "missing"}]


def test_the_export_is_a_safe_download_on_record(site, keeper, uid):
    answer = keeper.get(f"/audit/events.jsonl?subject={uid}")
    assert answer.headers["content-disposition"] == 'attachment; filename="coread-events.jsonl"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["subject"] for line in lines} == {uid}
    assert [line["sequence"] for line in lines] == sorted(line["sequence"] for line in lines)
    assert site.room.kinds("ledger") == ["ledger.exported"]


# The administrator's page


def test_settings_show_values_defaults_and_meanings_and_no_secret(keeper):
    page = keeper.page("/settings").text
    assert "dimse.port" in page
    assert "11112" in page
    assert "Our application entity title." in page


def test_the_pages_in_chinese_hold_no_english_word_of_ours(site, keeper, uid):
    failed_delivery(site, uid)
    keeper.form("/language", language="zh", next="/")
    for path, told in (
        ("/system", "隔离区"),
        ("/quality", "阅片器"),
        ("/audit", "台账"),
        ("/settings", "设置"),
    ):
        page = keeper.page(path).text
        assert told in page
        assert "Try again" not in page
