"""What the study page asks of readers and rules, over HTTP."""

from __future__ import annotations

import pytest
from page_site import page_site
from reviewing import DRAWN

from coread.domain import codes
from coread.domain.person import Role

READER = "example-growing"
TEXTURE = {"value": codes.TEXTURE.value, "scheme": "DCM", "meaning": codes.TEXTURE.meaning}
MARGINS = {"value": codes.MARGINS.value, "scheme": "DCM", "meaning": codes.MARGINS.meaning}
SPICULATED = {"value": codes.SPICULATED.value, "scheme": "DCM", "meaning": "Spiculated"}


@pytest.fixture(scope="module")
def ct_site(tmp_path_factory):
    with page_site(tmp_path_factory.mktemp("asking")) as site:
        site.uid = site.room.nodule_study()
        site.add("dr.ct", Role.DOCTOR)
        site.add("q.ct", Role.QUALITY)
        yield site


@pytest.fixture(scope="module")
def doctor(ct_site):
    return ct_site.enter("dr.ct")


def place(site) -> dict:
    image = site.room.prompt(site.uid).image
    return {"reader": READER, "sop_instance_uid": image.sop_instance_uid, "frame": 1}


def point() -> list[float]:
    return [DRAWN.column_px, DRAWN.row_px]


def ask(site, visitor, **body):
    return visitor.send("POST", f"/api/v1/studies/{site.uid}/asked", place(site) | body)


def test_a_question_waits_wakes_the_worker_and_is_answered(ct_site, doctor):
    answer = ask(ct_site, doctor, point=point())
    assert answer.status_code == 200, answer.text
    (asked,) = answer.json()["asked"]
    assert (asked["state"], asked["prompt"]["point"]) == ("waiting", point())
    assert "woken" in ct_site.actions
    reading = ct_site.room.answer(ct_site.uid, ct_site.room.prompt(ct_site.uid))
    review = doctor.review(ct_site.uid)
    assert review["asked"][0]["reading_uid"] == reading.uid
    panel = next(p for p in review["findings"] if p["finding"]["code"]["value"] == codes.LUNG_NODULE.value)
    outline = panel["finding"]["outlines"][0]
    assert outline["polygons"][0][0] == outline["polygons"][0][-1]
    assert panel["finding"]["measurements"][0]["lower"] is not None
    assert panel["finding"]["similar"][0]["identifier"].startswith("drawn case")
    assert panel["statement"]["traits"][0]["value"]["value"] == codes.SOLID.value
    (reader,) = review["askable"]
    assert (reader["name"], reader["points"], reader["boxes"]) == (READER, True, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"point": point(), "box": {"left_px": 1, "top_px": 1, "width_px": 2, "height_px": 2}}, 400),
        ({"point": [1]}, 400),
        ({"point": ["a", "b"]}, 400),
        ({"point": [1, 2], "frame": 0}, 400),
        ({"point": [1, 2], "reader": "nobody"}, 404),
        ({"point": [1, 2], "sop_instance_uid": "1.2.3"}, 404),
        ({"box": {"left_px": 90, "top_px": 90, "width_px": 50, "height_px": 5}}, 422),
    ],
)
def test_what_cannot_be_asked_is_refused(ct_site, doctor, body, status):
    answer = ask(ct_site, doctor, **body)
    assert answer.status_code == status, answer.text


def test_only_doctors_ask(ct_site):
    assert ask(ct_site, ct_site.enter("q.ct"), point=point()).status_code == 403


def answered(site, doctor) -> dict:
    ask(site, doctor, point=point())
    site.room.answer(site.uid, site.room.prompt(site.uid))
    return {p["finding"]["code"]["value"]: p for p in doctor.review(site.uid)["findings"]}


def test_corrected_characteristics_are_answered_anew(ct_site, doctor):
    panel = answered(ct_site, doctor)["suspicious"]
    path = f"/api/v1/studies/{ct_site.uid}/findings/{panel['finding_uid']}/reconsidered"
    answer = doctor.send("POST", path, {"traits": [{"concept": MARGINS, "value": SPICULATED}]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["probability"] > panel["finding"]["confidence"]["probability"]
    odd = doctor.send("POST", path, {"traits": [{"concept": TEXTURE, "value": SPICULATED}]})
    assert odd.status_code == 422
    assert doctor.send("POST", path, {"traits": ["x"]}).status_code == 400


def test_a_rule_answers_in_the_language_asked_for(ct_site, doctor):
    nodule = {"composition": "solid", "diameter_mm": 10, "is_suspicious": True}
    body = {"rule": "lung-rads-2022", "nodules": [nodule], "patient": {"is_screening": True, "age_years": 60}}
    path = f"/api/v1/studies/{ct_site.uid}/follow_up"
    english, chinese = (doctor.send("POST", path, body | {"language": one}).json() for one in ("en", "zh"))
    assert english["category"].startswith("4")
    assert english["sentences"] != chinese["sentences"]
    refused = doctor.send("POST", path, {**body, "rule": "none"})
    assert refused.status_code == 422
    assert doctor.send("POST", path, {**body, "nodules": [{}]}).status_code == 400


def test_an_unchanged_edit_is_told_to_be_an_acceptance(ct_site, doctor):
    panel = answered(ct_site, doctor)[codes.LUNG_NODULE.value]
    stated = panel["statement"]
    sent = {**stated, "sop_instance_uid": stated["image"]["sop_instance_uid"]}
    path = f"findings/{panel['finding_uid']}/decision"
    same = doctor.act("POST", ct_site.uid, path, verdict="edited", statement=sent)
    assert same.status_code == 422, same.text
    traits = [{"concept": t["concept"], "value": t["value"]} for t in stated["traits"]]
    margins = next(t for t in traits if t["concept"]["value"] == MARGINS["value"])
    margins["value"] = {**SPICULATED, "meaning_zh": "毛刺"}
    edited = doctor.act("POST", ct_site.uid, path, verdict="edited", statement={**sent, "traits": traits})
    assert edited.status_code == 200, edited.text
    (nodule,) = edited.json()["nodules"]
    assert nodule["is_suspicious"]


def test_the_quality_page_names_the_threshold_of_each_finding(ct_site):
    page = ct_site.enter("q.ct").page("/quality/readers/example-growing").text
    assert "Nodule" in page
    assert "Suspicious nodule" in page
