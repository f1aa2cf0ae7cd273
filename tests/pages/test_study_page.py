"""The study page's shell and the review in it: first image, hostile strings, what is withheld."""

from __future__ import annotations

import base64
import json
import re
from html import unescape

import numpy as np
import pytest
from page_site import page_site
from pydicom.sr._concepts_dict import concepts
from reviewing import CHEST, SECOND, finding_on, reading_of

from coread.domain.finding import Box, HeatMap
from coread.domain.person import Role
from coread.domain.reading import Outcome
from coread.domain.review import Mode
from coread.gateways.pages.reading.vocabulary import FINDINGS, SITES
from coread.review import Policy
from coread.testing import patients

EVIL = '"><script>alert(1)</script></script><img src=x onerror=alert(2)>{{7*7}}'


def data_of(page: str, name: str) -> dict:
    return json.loads(
        page.partition(f'<script type="application/json" id="{name}">')[2].partition("</script>")[0]
    )


def first_image(page: str) -> str:
    return unescape(re.search(r'id="first-image" src="([^"]+)"', page)[1])


def test_the_page_shows_the_first_image_before_any_script_runs(doctor, uid):
    page = doctor.page(f"/studies/{uid}").text
    address = first_image(page)
    assert f'<link rel="preload" as="image" href="{address.replace("&", "&amp;")}"' in page
    image = doctor.get(address)
    assert image.status_code == 200
    assert image.headers["content-type"] == "image/jpeg"


def test_the_first_image_is_where_a_reader_found_something(site, doctor):
    uid = site.room.study(1, {}, modality="CT", images=4)
    refs = site.room.refs(uid)
    site.room.read(uid, CHEST, 0.9)
    site.room.keep(reading_of(refs, [finding_on(refs[2], SECOND, 0.9)], SECOND))
    assert f"/instances/{refs[0].sop_instance_uid}/" in first_image(doctor.page(f"/studies/{uid}").text)


def test_a_withheld_finding_does_not_choose_the_first_image(tmp_path):
    with page_site(tmp_path, Policy(default_mode=Mode.BLIND_FIRST)) as site:
        site.add()
        uid = site.room.study(1, {}, modality="CT", images=4)
        refs = site.room.refs(uid)
        site.room.keep(reading_of(refs, [finding_on(refs[3], CHEST, 0.9)], CHEST))
        page = site.enter().page(f"/studies/{uid}").text
        assert f"/instances/{refs[0].sop_instance_uid}/" in first_image(page)
        assert data_of(page, "review")["findings"] == []
        assert "0.9" not in json.dumps(data_of(page, "review"))


def test_the_review_in_the_page_says_all_of_a_finding(site, doctor):
    uid = site.room.study(1, {CHEST.name: 0.83})
    site.room.read(uid, SECOND, outcome=Outcome.ABSTAINED)
    review = data_of(doctor.page(f"/studies/{uid}").text, "review")
    panel = review["findings"][0]
    assert panel["finding"]["confidence"]["probability"] == 0.83
    assert panel["words"]["code"] == "probable"
    assert panel["explanation"] == "none-passed"
    assert panel["performance"]["evidence_grade"] == "retrospective"
    assert {row["dimension"] for row in panel["performance"]["rows"]} >= {"all", "view"}
    assert "card" not in panel
    assert review["cards"][CHEST.name]["limits_zh"] == ["未在两岁以下儿童中测试。"]
    outcomes = {view["reader"]["name"]: view["outcome"] for view in review["readings"]}
    assert outcomes == {CHEST.name: "findings", SECOND.name: "abstained"}
    assert review["opinions"][0]["votes"][1]["outcome"] == "abstained"
    assert list(review["image_names"].values()) == [["1", "1"]]


def test_a_heat_map_comes_as_little_endian_floats(site, doctor):
    uid = site.room.study(1, {})
    values = np.array([[0.25, 1.0]], np.float32)
    site.room.read(uid, CHEST, 0.9, heat_map=HeatMap(values, Box(0, 0, 64, 64), 1, "class activation map"))
    panel = data_of(doctor.page(f"/studies/{uid}").text, "review")["findings"][0]
    heat = panel["finding"]["heat_map"]
    assert (heat["rows"], heat["columns"], heat["frame"]) == (1, 2, 1)
    assert np.frombuffer(base64.b64decode(heat["values"]), "<f4").tolist() == [0.25, 1.0]
    assert panel["explanation"] == "shown"


def test_no_string_of_a_study_ends_the_data_or_becomes_mark_up(site, doctor):
    named = dict.fromkeys(("PatientName", "PatientID", "StudyDescription", "InstitutionName"), EVIL)
    uid = site.room.study(1, **named | {"PatientSex": "O"})
    site.room.desk.ask_colleague(
        uid, site.add("b", name=EVIL[:60]), site.people.find("li.wei").id, EVIL, key="k-12345678"
    )
    page = doctor.page(f"/studies/{uid}").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", page)[0]
    review = data_of(page, "review")
    assert review["facts"]["PatientID"] == EVIL
    assert review["questions"][0]["text"] == EVIL


@pytest.mark.parametrize(
    "uid", ["9.9.9", "nonsense", "1.2.3.", "0", "1.2." + "3" * 80, "%2e%2e", "1.2;3", "1.2%00"]
)
def test_a_study_that_is_not_here_is_told_in_plain_words(doctor, uid):
    answer = doctor.page(f"/studies/{uid}")
    assert answer.status_code == 404
    assert "Nothing of this name is kept here." in answer.text
    assert doctor.get(f"/api/v1/studies/{uid}/review").status_code == 404


def test_a_study_deleted_meanwhile_is_told_as_gone(site, doctor, uid):
    doctor.page(f"/studies/{uid}")
    site.archive.delete_study(uid, "test", site.clock())
    assert doctor.get(f"/api/v1/studies/{uid}/review").status_code == 404
    answer = doctor.send("POST", f"/api/v1/studies/{uid}/teaching", {"on": True})
    assert answer.json()["number"] == 1401
    assert doctor.page(f"/studies/{uid}").status_code == 404


def test_opening_is_on_record_and_looking_is_not(site, doctor, uid):
    doctor.page(f"/studies/{uid}")
    doctor.get(f"/api/v1/studies/{uid}/review")
    doctor.get(f"/api/v1/studies/{uid}/review?since=0")
    assert site.room.kinds(uid).count("review.opened") == 1


def test_a_doctor_sees_colleagues_and_no_one_else(site, doctor, uid):
    colleague = site.add("a.meyer", name="Anna Meyer")
    site.add("aud", Role.AUDITOR, name="Audrey")
    gone = site.add("gone", name="Gone Away")
    site.people.deactivate(gone.id, by="person:test", at=site.clock())
    around = data_of(doctor.page(f"/studies/{uid}").text, "surroundings")
    assert around["colleagues"] == [{"id": colleague.id, "name": "Anna Meyer"}]
    assert around["may_sign"]
    assert around["templates"]["chest-radiograph"]["sections"][0]["titles"].keys() == {"en", "zh"}


def test_a_study_of_results_alone_shows_no_image(site, doctor):
    site.room.house.file(patients.text_report(study_uid="1.2.77"))
    site.studies.close("1.2.77", site.clock.pass_s(10))
    page = doctor.page("/studies/1.2.77")
    assert page.status_code == 200
    assert 'id="first-image"' not in page.text


def test_five_thousand_slices_make_no_larger_page(site, doctor):
    site.room.study(1, {}, modality="CT", images=2)
    small = len(doctor.page("/studies/1.2.1").content)
    site.room.study(2, {}, modality="CT", images=150)
    assert len(doctor.page("/studies/1.2.2").content) < small + 500


def test_the_vocabulary_is_the_standard_s():
    own = {"95436008", "233604007"}  # of the house's codes, held there
    known = {
        (scheme, value): meaning
        for scheme in ("SCT", "DCM")
        for entries in concepts[scheme].values()
        for value, (meaning, *_) in entries.items()
    }
    for code in (*FINDINGS, *SITES):
        assert code.meaning_zh
        if code.value not in own:
            assert (code.scheme, code.value) in known, code
