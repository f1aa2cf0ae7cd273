"""What the study page does: twice is once, an old state is told, another's is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from page_site import new_key, page_site
from reviewing import CHEST

from coread.domain.review import Mode
from coread.review import Policy

LENGTH = {"value": "410668003", "scheme": "SCT", "meaning": "Length"}
MM = {"value": "mm", "scheme": "UCUM", "meaning": "mm"}
EVIL = '"><script>alert(1)</script>'
STATEMENT = {
    "code": {"value": "36118008", "scheme": "SCT", "meaning": "Pneumothorax", "meaning_zh": "气胸"},
    "presence": "present",
}


def finding(doctor, uid, place=0) -> dict:
    return doctor.review(uid)["findings"][place]


def test_a_finding_is_accepted_undone_and_rejected(doctor, uid):
    first = finding(doctor, uid)
    review = doctor.decide(uid, active_s=3.5, shown=["box", "interval"]).json()
    panel = review["findings"][0]
    assert panel["decision"]["verdict"] == "accepted"
    assert panel["decision"]["active_s"] == 3.5
    assert panel["decision"]["shown"] == ["box", "interval"]
    assert review["lock"]["is_mine"]
    undone = doctor.act("DELETE", uid, f"findings/{first['finding_uid']}/decision")
    assert undone.json()["findings"][0]["decision"] is None
    rejected = doctor.decide(uid, "rejected", reason="artefact", comment=EVIL).json()
    assert rejected["findings"][0]["decision"]["reason"] == "artefact"
    assert rejected["findings"][0]["decision"]["comment"] == EVIL


def test_the_same_act_twice_is_done_once(site, doctor, uid):
    body = {"revision": doctor.review(uid)["revision"], "key": new_key(), "verdict": "accepted"}
    path = f"/api/v1/studies/{uid}/findings/{finding(doctor, uid)['finding_uid']}/decision"
    answers = [doctor.send("POST", path, body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["revision"] for answer in answers}) == 1
    assert site.room.kinds(uid).count("finding.decided") == 1


def test_a_double_click_from_two_threads_is_one_act(site, doctor, uid):
    body = {"revision": doctor.review(uid)["revision"], "key": new_key(), "verdict": "accepted"}
    path = f"/api/v1/studies/{uid}/findings/{finding(doctor, uid)['finding_uid']}/decision"
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: doctor.send("POST", path, body).status_code, range(4)))
    assert statuses == [200] * 4
    assert site.room.kinds(uid).count("finding.decided") == 1


def test_an_act_on_an_old_state_is_told_and_changes_nothing(site, doctor, uid):
    old = doctor.review(uid)["revision"]
    doctor.decide(uid)
    answer = doctor.decide(uid, "rejected", place=1, reason="artefact", revision=old)
    assert answer.status_code == 409
    told = answer.json()
    assert told["number"] == 1202
    assert told["revision"] == doctor.review(uid)["revision"]
    assert told["told"] == "The study has changed meanwhile."
    assert finding(doctor, uid, 1)["decision"] is None


def test_what_changed_since_is_told(site, doctor, uid):
    seen = doctor.review(uid)["revision"]
    colleague = site.add("a.meyer", name="Anna Meyer")
    site.room.read(uid, CHEST, 0.4, version=1)
    site.room.late_image(1, 2)
    changes = doctor.get(f"/api/v1/studies/{uid}/review?since={seen}").json()["changes"]
    assert "images-arrived" in {change["code"] for change in changes}
    assert colleague.id not in {change["person_id"] for change in changes}


def test_two_doctors_on_one_study(site, doctor, uid):
    site.add("a.meyer", name="Anna Meyer")
    other = site.enter("a.meyer")
    assert other.decide(uid).status_code == 200
    refused = doctor.decide(uid, place=1)
    assert refused.status_code == 409
    assert refused.json()["number"] == 1203
    assert doctor.review(uid)["lock"]["person_name"] == "Anna Meyer"
    assert doctor.act("POST", uid, "lock").status_code == 409
    taken = doctor.act("POST", uid, "lock", reason="She has gone home.")
    assert taken.json()["lock"]["is_mine"]
    assert doctor.decide(uid, place=1).status_code == 200
    assert doctor.act("DELETE", uid, "lock").json()["lock"] is None


def test_a_finding_is_edited_with_place_and_measures(site, doctor, uid):
    ref = site.room.refs(uid)[0]
    statement = STATEMENT | {
        "sop_instance_uid": ref.sop_instance_uid,
        "site": {"value": "39607008", "scheme": "SCT", "meaning": "Lung", "meaning_zh": "肺"},
        "boxes": [{"left_px": 1, "top_px": 2, "width_px": 10, "height_px": 12.5}],
        "outline": [[0, 0], [10, 0], [10, 10]],
        "measurements": [{"quantity": LENGTH, "value": 7.5, "unit": MM}],
        "comment": " apical ",
    }  # fmt: skip
    review = doctor.decide(uid, "edited", statement=statement).json()
    stated = review["findings"][0]["decision"]["statement"]
    assert stated["image"]["series_instance_uid"] == ref.series_instance_uid
    assert stated["boxes"][0]["height_px"] == 12.5
    assert stated["outline"] == [[0, 0], [10, 0], [10, 10]]
    assert stated["measurements"][0]["value"] == 7.5
    assert stated["comment"] == "apical"
    assert ref.sop_instance_uid in review["image_names"]


def test_a_finding_of_one_s_own_may_bear_any_word(doctor, uid):
    review = doctor.act(
        "POST", uid, "statements", code={"meaning": EVIL, "meaning_zh": ""}, presence="present"
    ).json()
    own = [decision for decision in review["decisions"] if decision["verdict"] is None]
    assert own[0]["statement"]["code"]["meaning"] == EVIL
    assert own[0]["statement"]["code"]["scheme"] == "99COREAD"
    undone = doctor.act("DELETE", uid, f"findings/{own[0]['finding_uid']}/decision").json()
    assert [d for d in undone["decisions"] if d["verdict"] is None] == []


def test_a_statement_about_another_study_s_image_is_refused(site, doctor, uid):
    other = site.room.study(2, {})
    foreign = site.room.refs(other)[0].sop_instance_uid
    for image in (foreign, "1.2.3.4.5"):
        answer = doctor.act("POST", uid, "statements", **STATEMENT, sop_instance_uid=image)
        assert answer.status_code == 404, answer.text
    assert doctor.act("POST", uid, "statements", **STATEMENT, sop_instance_uid="../x").status_code == 400


def test_findings_and_questions_of_another_study_are_not_reached(site, doctor, uid):
    other = site.room.study(2)
    foreign = finding(doctor, other)["finding_uid"]
    answer = doctor.act("POST", uid, f"findings/{foreign}/decision", verdict="accepted")
    assert answer.status_code == 404
    colleague = site.add("a.meyer", name="Anna Meyer")
    me = site.people.find("li.wei")
    asked = site.room.desk.ask_colleague(other, colleague, me.id, "New?", key="k-12345678")
    assert doctor.act("POST", uid, f"questions/{asked.id}/answer", text="Yes").status_code == 404


def test_a_question_is_asked_and_answered_by_whom_it_was_put_to(site, doctor, uid):
    colleague = site.add("a.meyer", name="Anna Meyer")
    third = site.add("third", name="Third")
    review = doctor.act("POST", uid, "questions", colleague_id=colleague.id, question=f"New? {EVIL}").json()
    question = review["questions"][0]
    assert question["text"] == f"New? {EVIL}"
    for login in ("li.wei", third.login):
        assert (
            site.enter(login).act("POST", uid, f"questions/{question['id']}/answer", text="I?").status_code
            == 403
        )
    answered = (
        site.enter("a.meyer").act("POST", uid, f"questions/{question['id']}/answer", text="Old.").json()
    )
    assert answered["questions"][0]["answer"] == "Old."
    assert doctor.act("POST", uid, "questions", colleague_id="p-none", question="?").status_code == 404
    assert doctor.act("POST", uid, "questions", colleague_id=colleague.id, question=" ").status_code == 422


def test_a_teaching_mark_comes_and_goes(doctor, uid):
    assert doctor.act("POST", uid, "teaching", on=True).json()["is_teaching_case"]
    assert not doctor.act("POST", uid, "teaching", on=False).json()["is_teaching_case"]
    assert doctor.act("POST", uid, "teaching", on="yes").status_code == 400


def test_the_readers_are_shown_after_the_impression(tmp_path):
    with page_site(tmp_path, Policy(default_mode=Mode.BLIND_FIRST)) as site:
        site.add()
        uid, doctor = site.room.study(), site.enter()
        assert doctor.review(uid)["findings"] == []
        assert doctor.review(uid)["reveal_by"] == "impression"
        review = doctor.act("POST", uid, "impression", is_abnormal=True, confidence=0.8, text=EVIL).json()
        assert review["is_revealed"]
        assert len(review["findings"]) == 2
        assert review["impression"]["text"] == EVIL
        assert doctor.act("POST", uid, "impression", is_abnormal=True, confidence=0.8).status_code == 422


def test_a_nudge_wants_its_answer(tmp_path):
    with page_site(tmp_path, Policy(nudge_rate=1.0)) as site:
        site.add()
        uid, doctor = site.room.study(), site.enter()
        assert finding(doctor, uid)["nudge"] == "say-why"
        assert doctor.decide(uid).status_code == 422
        decided = doctor.decide(uid, nudge="density above the hilum").json()
        assert decided["findings"][0]["decision"]["nudge"] == "density above the hilum"


BROKEN_BOX = {"left_px": True, "top_px": 0, "width_px": 1, "height_px": 1}
BROKEN_STATEMENTS = [
    {}, {"code": 5, "presence": "present"}, STATEMENT | {"presence": "maybe"},
    STATEMENT | {"boxes": [{"left_px": 0}]}, STATEMENT | {"boxes": [7]}, STATEMENT | {"boxes": [BROKEN_BOX]},
    STATEMENT | {"outline": [[0, 0], [1, 1]]}, STATEMENT | {"outline": [[0, 0, 0], [1, 1], [2, 2]]},
    STATEMENT | {"outline": "0,0"}, STATEMENT | {"measurements": [{}]}, STATEMENT | {"frame": 0},
    STATEMENT | {"comment": "a\x00b"},
]  # fmt: skip
BAD_BODIES = [
    {"verdict": "perhaps"}, {"verdict": None}, {"verdict": "rejected"}, {"verdict": "edited"},
    {"verdict": "rejected", "reason": "because"}, {"verdict": "rejected", "reason": "other"},
    {"active_s": -1}, {"active_s": "much"}, {"active_s": 1e300}, {"shown": "box"},
    {"shown": ["x" * 300]}, {"shown": [["box"]]}, {"comment": 5}, {"comment": "x" * 30_000},
    {"revision": -1}, {"revision": "1"}, {"revision": 1.5}, {"key": ""}, {"key": "short"}, {"key": 7},
    {"key": "k" * 500}, {"key": "a\nb-12345678"},
    *({"verdict": "edited", "statement": statement} for statement in BROKEN_STATEMENTS),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: str(body)[:60])
def test_a_body_that_is_not_as_it_must_be_is_refused_and_told(kept_doctor, body):
    answer = kept_doctor.decide("1.2.1", **{"verdict": "accepted"} | body)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["number"] in {1112, 2001}
    assert finding(kept_doctor, "1.2.1")["decision"] is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"5", b"{", b"\xff\xfe", b"[" * 100_000, b'{"revision": NaN}']
)
def test_what_is_no_json_object_is_refused(kept_doctor, content):
    headers = {"X-CSRF-Token": kept_doctor.csrf, "Content-Type": "application/json"}
    answer = kept_doctor.client.post("/api/v1/studies/1.2.1/teaching", content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["number"] == 1112


def test_a_body_beyond_all_reason_is_not_read(doctor, uid):
    headers = {"X-CSRF-Token": doctor.csrf, "Content-Type": "application/json"}
    answer = doctor.client.post(f"/api/v1/studies/{uid}/teaching", content=b" " * (3 << 20), headers=headers)
    assert answer.status_code == 413
