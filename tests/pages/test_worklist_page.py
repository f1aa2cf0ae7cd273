"""The reading list: order with reasons, filters, views, rows for live updates, hostile strings."""

from __future__ import annotations

import re

import pytest
from page_site import PageSite, page_site
from reviewing import CHEST, SECOND

from coread.domain.reading import Outcome
from coread.domain.review import Mode
from coread.review import Policy

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def rows(text: str) -> list[str]:
    return re.findall(r'<tr data-uid="([^"]+)"', text)


def test_the_most_urgent_stands_first_and_says_why(site, doctor):
    site.room.study(1, {})
    site.room.study(2, {CHEST.name: 0.95}, StudyDescription="STAT chest")
    page = doctor.page("/").text
    assert rows(page) == ["1.2.2", "1.2.1"]
    assert "the order says “STAT”" in page
    assert "AI, not verified: Opacity, probability 0.95" in page
    assert "Cannot wait" in page


def test_the_reasons_sum_up_to_the_number(site, doctor):
    site.room.study(1, {CHEST.name: 0.95}, StudyDescription="STAT chest")
    page = doctor.page("/").text
    points = [float(text) for text in re.findall(r'why-points">([+-][\d.]+)<', page)]
    assert round(sum(points)) == int(re.search(r"urgency-number[^>]*>(\d+)<", page)[1])


def test_an_empty_list_says_so(doctor):
    assert "Nothing is waiting to be read." in doctor.page("/").text
    assert "No study fits this filter." in doctor.page("/?q=nobody").text


def test_answers_of_every_kind_are_told(site, doctor):
    site.room.study(1, {CHEST.name: 0.2})
    site.room.read("1.2.1", SECOND, outcome=Outcome.REFUSED)
    site.room.study(2, {})
    site.room.read("1.2.2", CHEST, outcome=Outcome.ABSTAINED)
    page = doctor.page("/").text
    assert "Opacity: absent, 20%" in page
    assert "second-opinion: refused this image" in page
    assert "chest-radiograph: abstained" in page


def test_the_list_does_not_unblind(tmp_path):
    with page_site(tmp_path, Policy(default_mode=Mode.BLIND_FIRST)) as site:
        site.add()
        site.room.study(1, {CHEST.name: 0.95})
        page = site.enter().page("/").text
        assert "95%" not in page
        assert "withheld until you have read" in page
        assert "0.95" not in site.enter().get("/api/v1/worklist").text


def test_filters_and_search_narrow_the_list(site, doctor):
    site.room.study(1, PatientID="A-1", PatientName="Wang^Xiao=王^小", AccessionNumber="X1")
    site.room.study(2, {}, modality="CT", PatientID="B-2")
    assert rows(doctor.page("/?q=A-1").text) == ["1.2.1"]
    assert rows(doctor.page("/?q=王").text) == ["1.2.1"]
    assert rows(doctor.page("/?q=X1").text) == ["1.2.1"]
    assert rows(doctor.page("/?modality=CT").text) == ["1.2.2"]
    doctor.page("/studies/1.2.1")
    assert rows(doctor.page("/?unread=1").text) == ["1.2.2"]
    assert rows(doctor.page("/?mine=1").text) == []
    assert doctor.decide("1.2.1").status_code == 200
    assert rows(doctor.page("/?mine=1").text) == ["1.2.1"]
    assert rows(doctor.page("/?state=open").text) == ["1.2.1"]


HOSTILE_QUERIES = (
    "q=%00", "q=a%5Cb", "q=a=b", "q=" + "x" * 65, "state=nonsense", "modality=%3Cscript%3E", "from=-1",
    "from=99999999999999", "from=x", "unread=%FF", "state=new,draft",
)  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE_QUERIES)
def test_any_query_is_answered(kept_doctor, query):
    assert kept_doctor.page(f"/?{query}").status_code in {200, 400}
    assert kept_doctor.get(f"/api/v1/worklist?{query}").status_code in {200, 400}


def test_a_page_holds_fifty_and_leads_on(site, doctor):
    for number in range(1, 53):
        site.room.study(number, {})
    first = doctor.page("/").text
    assert len(rows(first)) == 50
    assert 'href="/?from=50" rel="next"' in first
    second = doctor.page("/?from=50").text
    assert len(rows(second)) == 2
    assert 'rel="prev"' in second


def test_a_view_is_saved_found_and_deleted(site, doctor):
    saved = doctor.send("POST", "/api/v1/views", {"name": f"My CTs {EVIL}", "query": "modality=CT&unread=1"})
    address = saved.json()["address"]
    page = doctor.page(address).text
    assert "My CTs &#34;&gt;&lt;script&gt;" in page
    assert 'name="unread" value="1" checked' in page
    assert doctor.send("DELETE", "/api/v1/views", {"name": f"My CTs {EVIL}"}).status_code == 200
    assert "My CTs" not in doctor.page("/").text
    assert doctor.send("DELETE", "/api/v1/views", {"name": "none"}).status_code == 404
    assert doctor.send("POST", "/api/v1/views", {"name": " ", "query": ""}).status_code == 400


def test_one_doctor_s_views_are_not_another_s(site, doctor):
    site.add("a.meyer", name="Anna Meyer")
    doctor.send("POST", "/api/v1/views", {"name": "Mine alone", "query": "modality=CT"})
    assert "Mine alone" not in site.enter("a.meyer").page("/").text


def test_the_rows_alone_are_those_of_the_page(site, doctor):
    site.room.study(1)
    page, fragment = doctor.page("/").text, doctor.get("/worklist/rows?").text
    assert rows(page) == rows(fragment)
    assert 'id="fresh-counts"' in fragment
    assert "<html" not in fragment


def test_who_reads_is_named_and_one_s_own_lock_too(site, doctor):
    colleague = site.add("a.meyer", name="Anna Meyer")
    site.room.study(1)
    site.room.desk.take_lock("1.2.1", colleague)
    assert "Anna Meyer is reading" in doctor.page("/").text
    assert "Held by you" in site.enter("a.meyer").page("/").text


def test_questions_of_colleagues_stand_above_the_list(site: PageSite, doctor):
    colleague = site.add("a.meyer", name="Anna Meyer")
    site.room.study(1)
    site.room.desk.ask_colleague(
        "1.2.1", colleague, site.people.find("li.wei").id, f"Is it new? {EVIL}", key="k-12345678"
    )
    page = doctor.page("/").text
    assert "Anna Meyer asks" in page
    assert "1 question to you" in page
    assert "<script>alert" not in page


def test_no_string_of_a_study_becomes_mark_up(site, doctor):
    facts = dict.fromkeys(("PatientName", "PatientID", "StudyDescription", "AccessionNumber"), EVIL[:16])
    site.room.study(1, **facts | {"PatientName": EVIL, "StudyDescription": EVIL, "PatientID": EVIL})
    for page in (doctor.page("/").text, doctor.get("/worklist/rows").text):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


def test_the_list_in_chinese(site, doctor):
    site.room.study(1, {CHEST.name: 0.95}, PatientName="Wang^Xiao=王^小", PatientSex="F", PatientAge="045Y")
    doctor.form("/language", language="zh", next="/")
    page = doctor.page("/").text
    assert "王小 (Wang Xiao)" in page
    assert "女 · 45 岁" in page
    assert "肺部致密影：存在，95%" in page
    assert "AI（未经审核）：肺部致密影，概率 0.95" in page


def test_waiting_is_told_to_two_units(site):
    site.room.study(1, {})
    for seconds, told in (
        (0, "0 min"),
        (59 * 60, "59 min"),
        (3 * 3600, "3 h 59 min"),
        (30 * 3600, "1 d 9 h"),
    ):
        site.clock.pass_s(seconds)
        assert told in site.enter().get("/worklist/rows").text
