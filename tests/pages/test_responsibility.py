"""The auditor's page of one study: who was responsible for what, each fact with its proof."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from page_site import PageSite, Visitor
from sqlalchemy import update

from coread.domain.person import Role
from coread.ledger import Notary, verify_export
from coread.ledger.tables import EVENTS


@pytest.fixture
def signed_site(site: PageSite, tmp_path: Path) -> PageSite:
    """Give the site with somebody who signs its ledger."""
    house = site.room.house
    notary = Notary(house.database, house.ledger, tmp_path / "ledger.key", site.clock, "test-log")
    site.pages._responsibility._notary = notary  # as the clinic's own composition does
    return site


@pytest.fixture
def auditor(site: PageSite) -> Visitor:
    site.add("auditor", Role.AUDITOR, name="Au Ditor")
    return site.enter("auditor")


@pytest.fixture
def decided(signed_site: PageSite, doctor: Visitor, uid: str) -> str:
    """Give a study that the doctor opened and decided on."""
    doctor.page(f"/studies/{uid}")
    assert doctor.act("POST", uid, "lock").status_code == 200
    assert doctor.decide(uid, "rejected", 0, reason="artefact", active_s=7.5).status_code == 200
    return uid


def test_every_fact_stands_there_with_its_proof(
    signed_site: PageSite, auditor: Visitor, decided: str
) -> None:
    page = auditor.page(f"/audit/studies/{decided}").text
    events = signed_site.room.house.ledger.events(decided)
    assert re.findall(r'data-sequence="(\d+)"', page) == [str(each.sequence) for each in events]
    assert page.count('class="proven"') == len(events)
    assert "NOT PROVEN" not in page
    assert "LI Wei" in page
    assert "test-log" in page
    for code, holds in (("reasons-given", "yes"), ("time-taken", "yes"), ("decided", "yes")):
        assert f'data-code="{code}" data-holds="{holds}"' in page
    assert "Does not arise here:" in page
    last = signed_site.room.house.ledger.events(kind="ledger.seen")[-1].event
    assert (last.facts["study"], last.facts["form"]) == (decided, "page")


def test_the_record_of_a_decision_names_all_that_it_rests_on(signed_site: PageSite, decided: str) -> None:
    facts = signed_site.room.house.ledger.events(decided, "finding.decided")[0].event.facts
    for name in ("card_sha256", "thresholds_sha256", "config_sha256", "output_sha256", "image_sha256"):
        assert re.fullmatch(r"[0-9a-f]{64}", facts[name]), name
    assert facts["software"].startswith("coread ")
    assert facts["opinion"] == "none"
    assert (facts["verdict"], facts["reason"], facts["active_s"]) == ("rejected", "artefact", "7.5")


def test_a_fact_that_was_changed_is_not_proven(signed_site: PageSite, auditor: Visitor, decided: str) -> None:
    house = signed_site.room.house
    forged = house.ledger.events(decided, "finding.decided")[0].sequence
    with house.database.write() as connection:
        row = EVENTS.c.sequence == forged
        connection.execute(update(EVENTS).where(row).values(facts='{"verdict":"accepted"}'))
    page = auditor.page(f"/audit/studies/{decided}").text
    assert page.count("NOT PROVEN") == 1


def test_the_page_speaks_chinese_and_the_ledger_leads_to_it(
    signed_site: PageSite, auditor: Visitor, decided: str
) -> None:
    assert f'href="/audit/studies/{decided}"' in auditor.page("/audit").text
    page = auditor.client.get(
        f"/audit/studies/{decided}", headers={"Accept": "text/html", "Accept-Language": "zh-CN"}
    ).text
    assert "谁对什么负责" in page
    assert "在已签署的台账中" in page


def test_the_proof_is_taken_along_and_checks_itself(
    auditor: Visitor, signed_site: PageSite, decided: str, tmp_path: Path
) -> None:
    answer = auditor.get(f"/audit/studies/{decided}/proof.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        packed.extractall(tmp_path / "proof")
    assert "verify.py" in packed.namelist()
    assert verify_export(tmp_path / "proof").faults == []


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("prov.json", lambda text: json.loads(text)["activity"]),
        ("events.csv", lambda text: text.splitlines()[1:]),
        ("audit-events.ndjson", lambda text: [json.loads(line) for line in text.splitlines()]),
    ],
)
def test_events_leave_in_other_forms(
    signed_site: PageSite, auditor: Visitor, decided: str, form: str, read
) -> None:
    answer = auditor.get(f"/audit/studies/{decided}/{form}")
    assert answer.headers["cache-control"] == "no-store"
    assert len(read(answer.text)) == len(signed_site.room.house.ledger.events(decided))


def test_what_is_not_there_is_told(site: PageSite, auditor: Visitor, uid: str) -> None:
    assert auditor.page("/audit/studies/9.9.9").status_code == 404
    assert auditor.page("/audit/studies/nonsense").status_code == 404
    assert auditor.get(f"/audit/studies/{uid}/report.exe").status_code == 404
    assert auditor.get(f"/audit/studies/{uid}/proof.zip").status_code == 404  # nobody signs here
    assert "by nobody here" in auditor.page(f"/audit/studies/{uid}").text


def test_only_who_may_see_the_ledger_sees_it(site: PageSite, doctor: Visitor, uid: str) -> None:
    assert doctor.page(f"/audit/studies/{uid}").status_code == 403
    assert doctor.get(f"/audit/studies/{uid}/prov.json").status_code == 403
