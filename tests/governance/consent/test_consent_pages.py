"""Officers record and withdraw; doctors see one line; patients get a notice that tells the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from page_site import PageSite, Visitor, page_site

from coread.domain.consent import Act, PatientIdentity, Said, Status, Use
from coread.domain.person import Permission, Role
from coread.gateways.fhir import consent_app
from coread.gateways.pages import PageRooms
from coread.gateways.reading_room import ReadingRoom as Doors
from coread.gateways.web import WebOptions, web_app
from coread.governance import ConsentRules, Consents, StudyConsents

UID = "1.2.1"
P = PatientIdentity("SYN-0001")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageSite]:
    """A site whose clinic keeps consents."""
    plain = PageSite._page_rooms

    def with_consents(self: PageSite) -> PageRooms:
        house = self.room.house
        self.consents = Consents(house.database, house.ledger, self.clock, ConsentRules("CN"))
        asked = StudyConsents(self.consents, house.archive.persons, self.clock)
        self.room.desk._from = replace(self.room.desk._from, consents=asked)
        self.room.desk._tables._from = self.room.desk._from
        return replace(plain(self), consents=self.consents, contact="Privacy office, room 3")

    monkeypatch.setattr(PageSite, "_page_rooms", with_consents)
    with page_site(tmp_path) as site:
        site.room.study(1)
        site.add("officer", Role.QUALITY)
        site.add("li.wei")
        yield site


def say(site: PageSite, act: Act, use: Use, key: str = "k") -> None:
    site.consents.record(Said(P, use, act, "person:o", "page", f"{key}-{use}-{act}"))


def form_of(page: httpx.Response, use: str) -> dict[str, str]:
    """Give the hidden fields of the form of one use, as a browser would send them."""
    row = re.search(rf'<tr data-use="{use}".*?</tr>', page.text, re.S)
    assert row, page.text
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', row[0])) | {"use": use}


def find(officer: Visitor, **fields: str) -> httpx.Response:
    sent = {"csrf": officer.csrf, "patient_id": P.patient_id, "issuer": ""} | fields
    return officer.client.post("/consents/find", data=sent, follow_redirects=True)


def test_an_officer_records_and_withdraws(site):
    officer = site.enter("officer")
    page = find(officer)
    assert page.status_code == 200
    given = officer.client.post(
        "/consents/record", data=form_of(page, "learning") | {"act": "given", "until": "2090-12-31"}
    )
    assert given.status_code == 303
    ref = site.consents.reference(P)
    assert given.headers["location"] == f"/consents/{ref}"
    assert P.patient_id not in given.headers["location"]
    page = officer.page(f"/consents/{ref}")
    assert 'data-use="learning" data-status="given"' in page.text
    form = form_of(page, "learning") | {"act": "withdrawn"}
    assert officer.client.post("/consents/record", data=form).status_code == 303
    assert officer.client.post("/consents/record", data=form).status_code == 303, "sent twice is once"
    assert [d.act for d in site.consents.history(P)] == [Act.GIVEN, Act.WITHDRAWN]
    assert 'data-use="learning" data-status="withdrawn"' in officer.page(f"/consents/{ref}").text
    overview = officer.page("/consents").text
    assert ref in overview
    assert P.patient_id not in overview
    assert "个人信息保护法" in overview


def test_two_officers_at_once_do_not_write_over_what_they_have_not_seen(site):
    first, second = site.enter("officer"), site.enter("officer")
    form = form_of(find(second), "teaching") | {"act": "given"}
    seen = form_of(find(first), "teaching") | {"act": "refused"}
    assert first.client.post("/consents/record", data=seen).status_code == 303
    late = second.client.post("/consents/record", data=form | {"key": "another"})
    assert late.status_code == 409
    assert "1205" in late.text
    assert site.consents.may(P, Use.TEACHING, site.clock()).standing.status is Status.REFUSED


@pytest.mark.parametrize(
    "wrong", [{"use": "marketing"}, {"act": "maybe"}, {"until": "soon"}, {"patient_id": " "}, {"key": ""}]
)
def test_a_form_that_cannot_be_is_refused(site, wrong):
    officer = site.enter("officer")
    form = form_of(find(officer), "learning") | {"act": "given"} | wrong
    assert officer.client.post("/consents/record", data=form).status_code in {400, 422}
    assert site.consents.history(P) == ()


def test_nobody_else_sees_or_records(site):
    doctor = site.enter("li.wei")
    assert doctor.page("/consents").status_code == 403
    assert find(doctor).status_code == 403
    forged = site.enter("officer")
    assert forged.client.post("/consents/find", data={"patient_id": "P1"}).status_code == 403
    assert forged.page("/consents/c-none").status_code == 404


def test_a_doctor_sees_one_line(site):
    doctor = site.enter("li.wei")
    say(site, Act.REFUSED, Use.TEACHING)
    page = doctor.page(f"/studies/{UID}").text
    line = re.search(r'<a class="consent-line".*?</a>', page, re.S)
    assert line
    told = dict(re.findall(r'data-use="([\w-]+)" data-allowed="(\w+)"', line[0]))
    assert told == {"ai-in-care": "yes", "teaching": "no"}
    assert f"/studies/{UID}/notice" in line[0]


@pytest.mark.parametrize(("language", "phrase"), [("en", "A doctor decides"), ("zh", "由医师决定")])
def test_the_notice_names_who_took_part(site, language, phrase):
    page = site.enter("li.wei").page(f"/studies/{UID}/notice?in={language}")
    assert page.status_code == 200
    assert phrase in page.text
    assert "1.2.3" in page.text, "the reader's version"
    assert "Privacy office, room 3" in page.text
    (made,) = site.room.house.ledger.events(UID, "notice.made")
    assert made.event.facts["language"] == language


def test_the_notice_tells_that_ai_took_part_before_consent_was_withdrawn(site):
    doctor = site.enter("li.wei")
    say(site, Act.REFUSED, Use.AI)
    page = doctor.page(f"/studies/{UID}/notice?in=en").text
    assert "AI took part" in page
    assert "You do not agree to AI" in page


def test_fhir_consent_wants_the_officers_permission(site):
    site.app = web_app(
        site, WebOptions(), Doors(site.pages, site.identity), consent_app(site.consents, site.clock)
    )
    officer, doctor = site.enter("officer"), site.enter("li.wei")
    where, asked = "/fhir/Consent", {"patient:identifier": P.patient_id}
    assert officer.get(where, params=asked).json()["total"] == 0
    assert doctor.get(where, params=asked).status_code == 403
    assert site.client().get(where, params=asked).status_code == 401
    assert doctor.get("/fhir/Device").status_code == 200
    kinds = {r["type"] for r in doctor.get("/fhir/metadata").json()["rest"][0]["resource"]}
    assert "Consent" in kinds
    say(site, Act.GIVEN, Use.LEARNING)
    (entry,) = officer.get(where, params=asked).json()["entry"]
    assert officer.get(f"{where}/{entry['resource']['id']}").json() == entry["resource"]
    officer_id = next(p.id for p in site.people.list() if p.login == "officer")
    scopes, ends = frozenset({Permission.KEEP_CONSENTS}), site.clock() + timedelta(days=1)
    secret = site.tokens.issue("records", officer_id, scopes, site.clock(), ends, by="person:o")
    program = site.client(Authorization=f"Bearer {secret}")
    posted = program.post(where, json=entry["resource"] | {"status": "inactive"})
    assert posted.status_code == 201, posted.text
    assert posted.headers["location"].endswith(posted.json()["id"])
    assert [d.actor.partition(":")[0] for d in site.consents.history(P)] == ["person", "token"]
    assert program.get("/fhir/Device").status_code == 403, "and nothing else"
