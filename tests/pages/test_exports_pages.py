"""The officer's pages of exports: who may see them, what they show, what their forms do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from exporting import NAME, export_desk
from page_site import PageSite, Visitor

from coread.domain.person import Role
from coread.governance.exports import ExportDesk, Job, State


@pytest.fixture
def desk(site: PageSite, tmp_path: Path) -> ExportDesk:
    return export_desk(site, tmp_path)


@pytest.fixture
def job(desk: ExportDesk) -> Job:
    return desk.list()[0]


@pytest.fixture
def officer(site: PageSite) -> Visitor:
    site.add("officer", Role.QUALITY, name="Offi Cer")
    return site.enter("officer")


def test_the_list_leads_to_what_was_changed_and_what_was_left(site, officer, job):
    assert f'href="/exports/{job.id}"' in officer.page("/exports").text
    page = officer.page(f"/exports/{job.id}").text
    assert "Waits for you" in page
    assert "1 thing that named somebody" in page
    assert f'href="/exports/{job.id}/studies/1"' in page
    study = officer.page(f"/exports/{job.id}/studies/1").text
    for words in (f"{NAME}^Marguerite", "PatientName", "US abdomen", NAME.upper(), "97%", "Emptied"):
        assert words in study, words
    assert [r.event.actor for r in site.room.house.ledger.events(kind="export.seen")] == [
        site.people.find("officer").actor
    ]


def test_it_speaks_chinese(officer, job):
    chinese = {"Accept": "text/html", "Accept-Language": "zh-CN"}
    for path in ("/exports", f"/exports/{job.id}", f"/exports/{job.id}/studies/1"):
        page = officer.client.get(path, headers=chinese).text
        assert "导出" in page
        body = re.sub(r"<[^>]+>", " ", page.partition("<main")[2])
        assert "exports." not in body


def test_pictures_before_and_after(officer, job):
    for side in ("before", "after"):
        answer = officer.get(f"/exports/{job.id}/studies/1/images/1/{side}.png?frame=2")
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content[:4] == b"\x89PNG"
    assert officer.get(f"/exports/{job.id}/studies/1/images/9/before.png").status_code == 404
    assert officer.get(f"/exports/{job.id}/studies/1/images/1/before.png?frame=9").status_code == 404


def test_a_box_is_drawn_and_taken_back_by_its_form(officer, job, desk):
    address = f"/exports/{job.id}/studies/1/images/1/boxes"
    fields = {"left": "10", "top": "20", "width": "12", "height": "8"}
    answer = officer.form(address, **fields, series="yes")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("#image-1")
    assert [len(held.boxes) for held in desk.study(job.id, 1).held] == [1, 1]
    assert "10, 20: 12 × 8" in officer.page(f"/exports/{job.id}/studies/1").text
    assert officer.form(f"{address}/0/remove").status_code == 303
    assert [len(held.boxes) for held in desk.study(job.id, 1).held] == [0, 1]
    for wrong in ({"left": ""}, {"left": "-1"}, {"width": "1"}, {"left": "60"}, {"top": "1e3"}):
        assert officer.form(address, **(fields | wrong)).status_code == 400


def test_accepting_needs_each_warning_ticked(officer, job, desk, tmp_path):
    assert officer.form(f"/exports/{job.id}/accept").status_code == 422
    assert not (tmp_path / "out").exists()
    answer = officer.form(f"/exports/{job.id}/accept", **{"seen-leak": "yes", "reason": "looked at"})
    assert answer.headers["location"] == f"/exports/{job.id}?done=accepted"
    assert desk.get(job.id).state is State.RELEASED
    page = officer.page(f"/exports/{job.id}").text
    assert "Has left" in page
    assert NAME not in page
    assert officer.page(f"/exports/{job.id}/studies/1").status_code == 404


def test_rejecting_needs_a_reason(officer, job, desk):
    assert officer.form(f"/exports/{job.id}/reject", reason=" ").status_code == 422
    assert officer.form(f"/exports/{job.id}/reject", reason="a name").status_code == 303
    assert desk.get(job.id).state is State.REJECTED


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.ENGINEER, Role.AUDITOR, Role.ADMINISTRATOR])
def test_nobody_else_sees_it(site, job, role):
    site.add(f"some-{role}", role)
    visitor = site.enter(f"some-{role}")
    for path in (
        "/exports",
        f"/exports/{job.id}/studies/1",
        f"/exports/{job.id}/studies/1/images/1/before.png",
    ):
        assert visitor.page(path).status_code == 403
    assert visitor.form(f"/exports/{job.id}/accept").status_code == 403


@pytest.mark.parametrize(
    "path", ["/exports/none", "/exports/..%2f..", "/exports/20260101-000000000000/studies/1"]
)
def test_what_is_not_there(officer, job, path):
    assert officer.page(f"/exports{path}").status_code == 404
