"""Draft, signature, addendum, PDF and phrases, as the study page asks for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from identity_site import PASSWORD
from page_site import PageSite, Visitor, new_key

from coread.domain.person import Role
from coread.governance import totp_code_at

EVIL = '"><script>alert(1)</script>'


def sections_of(review: dict) -> dict[str, str]:
    return {s["name"]: "\n".join(line["text"] for line in s["lines"]) for s in review["draft"]["sections"]}


def sign(doctor: Visitor, uid: str, password: str = PASSWORD, **more):
    return doctor.act("POST", uid, "sign", password=password, **more)


def test_a_draft_is_made_of_what_was_accepted(doctor, uid):
    draft = doctor.get(f"/api/v1/studies/{uid}/draft?template=chest-radiograph&language=en").json()
    origins = {line["origin"] for section in draft["sections"] for line in section["lines"]}
    assert origins == {"template"}
    doctor.decide(uid)
    draft = doctor.get(f"/api/v1/studies/{uid}/draft?template=chest-radiograph&language=zh").json()
    found = [
        line for section in draft["sections"] for line in section["lines"] if line["origin"] == "finding"
    ]
    assert len(found) == 1
    assert "致密影" in found[0]["text"]


def test_every_saved_line_knows_where_it_comes_from(doctor, uid):
    review = doctor.drafted(uid)
    texts = sections_of(review)
    texts["impression"] = f"Typed by me. {EVIL}"
    sections = [{"name": name, "text": text} for name, text in texts.items()]
    saved = doctor.act(
        "PUT", uid, "draft", template="chest-radiograph", language="en", sections=sections
    ).json()
    lines = {line["text"]: line["origin"] for s in saved["draft"]["sections"] for line in s["lines"]}
    assert lines[f"Typed by me. {EVIL}"] == "typed"
    assert {"template", "finding", "typed"} == set(lines.values())
    assert saved["state"] == "draft"


def test_an_unknown_template_or_language_is_refused(doctor, uid):
    for query in ("template=none&language=en", "template=generic&language=tlh"):
        assert doctor.get(f"/api/v1/studies/{uid}/draft?{query}").status_code == 422
    assert doctor.act("PUT", uid, "draft", template="generic", language="en", sections="x").status_code == 400
    assert (
        doctor.act(
            "PUT", uid, "draft", template="generic", language="en", sections=[{"name": "a"}]
        ).status_code
        == 400
    )


def test_a_report_is_signed_after_a_proof(site: PageSite, doctor, uid):
    doctor.drafted(uid)
    refused = sign(doctor, uid, "wrong password")
    assert refused.status_code == 401
    assert refused.json()["number"] == 1903
    assert doctor.review(uid)["reports"] == []
    unproven = doctor.act("POST", uid, "sign")
    assert unproven.status_code == 401
    assert unproven.json()["number"] == 1905
    signed = sign(doctor, uid).json()
    assert signed["state"] == "signed"
    assert signed["reports"][0]["person_name"] == "LI Wei 李伟"
    assert len(signed["reports"][0]["finding_uids"]) == 2
    assert site.room.kinds(uid).count("report.signed") == 1


def test_a_double_click_on_sign_signs_once(site: PageSite, doctor, uid):
    review = doctor.drafted(uid)
    body = {"revision": review["revision"], "key": new_key(), "password": PASSWORD}
    with ThreadPoolExecutor(4) as pool:
        path = f"/api/v1/studies/{uid}/sign"
        statuses = list(pool.map(lambda _: doctor.send("POST", path, body).status_code, range(4)))
    assert statuses == [200] * 4
    assert site.room.kinds(uid).count("report.signed") == 1


def test_what_stands_in_the_way_is_told(doctor, uid):
    review = doctor.review(uid)
    assert {"undecided-finding", "no-draft"} <= {hurdle["code"] for hurdle in review["hurdles"]}
    answer = sign(doctor, uid)
    assert answer.status_code == 422
    assert answer.json()["number"] == 2002


def test_an_expired_session_in_the_middle_of_signing_loses_nothing(site: PageSite, doctor, uid):
    review = doctor.drafted(uid)
    site.clock.pass_s(24 * 3600)
    body = {"revision": review["revision"], "key": new_key(), "password": PASSWORD}
    ended = doctor.send("POST", f"/api/v1/studies/{uid}/sign", body)
    assert ended.status_code in {401, 403}
    assert ended.json()["number"] in {1902, 1906}
    again = doctor.client.post("/api/v1/login", json={"login": "li.wei", "password": PASSWORD})
    doctor.csrf = again.json()["csrf"]
    doctor.act("POST", uid, "lock")
    signed = doctor.send("POST", f"/api/v1/studies/{uid}/sign", body)
    assert signed.status_code == 200, signed.text
    assert sections_of(signed.json()) == sections_of(review)


def test_a_second_factor_is_asked_for_at_the_signature(site: PageSite, doctor, uid):
    doctor.drafted(uid)
    person = site.people.find("li.wei")
    secret = site.people.enrol_totp(person.id)

    def code() -> str:
        return totp_code_at(secret, int(site.clock().timestamp()) // 30)

    site.people.confirm_totp(person.id, code(), at=site.clock())
    site.clock.pass_s(60)
    assert sign(doctor, uid).status_code == 401
    assert sign(doctor, uid, totp="000000").status_code == 401
    site.clock.pass_s(60)
    assert sign(doctor, uid, totp=code()).status_code == 200


def test_a_signed_report_is_fixed_and_followed_by_an_addendum(site: PageSite, doctor, uid):
    doctor.drafted(uid)
    sign(doctor, uid)
    fixed = doctor.act("PUT", uid, "draft", template="generic", language="en", sections=[])
    assert fixed.json()["number"] == 1204
    first = doctor.review(uid)["findings"][0]["finding_uid"]
    assert doctor.act("DELETE", uid, f"findings/{first}/decision").status_code == 409
    sections = [{"name": "impression", "text": f"Seen with a colleague. {EVIL}"}]
    assert doctor.act("POST", uid, "addendum", sections=sections, password="wrong").status_code == 401
    amended = doctor.act("POST", uid, "addendum", sections=sections, password=PASSWORD).json()
    assert amended["state"] == "amended"
    assert [report["is_addendum"] for report in amended["reports"]] == [False, True]
    empty = doctor.act("POST", uid, "addendum", sections=[], password=PASSWORD)
    assert empty.status_code == 422


def test_late_images_ask_for_a_look_after_the_signature(site: PageSite, doctor, uid):
    doctor.drafted(uid)
    sign(doctor, uid)
    assert doctor.act("POST", uid, "acknowledgement").status_code == 422
    site.room.late_image(1, 2)
    assert doctor.review(uid)["is_changed_since_signing"]
    assert not doctor.act("POST", uid, "acknowledgement").json()["is_changed_since_signing"]


def test_the_pdf_is_a_safe_download_and_on_record(site: PageSite, doctor, uid):
    doctor.drafted(uid, "zh")
    sign(doctor, uid)
    answer = doctor.get(f"/api/v1/studies/{uid}/reports/1.pdf")
    assert answer.content.startswith(b"%PDF")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'inline; filename="report-1.pdf"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert site.actions == ["printed 1 zh"]
    assert site.room.kinds(uid).count("report.exported") == 1


@pytest.mark.parametrize("number", ["2", "0", "-1", "one", "1.pdf", "%2e%2e", "01"])
def test_a_report_that_is_not_there_is_not_printed(doctor, uid, number):
    doctor.drafted(uid)
    sign(doctor, uid)
    assert doctor.get(f"/api/v1/studies/{uid}/reports/{number}.pdf").status_code == 404


def test_who_may_decide_but_not_sign_does_not_sign(site: PageSite, uid):
    site.add("eng", Role.ENGINEER)
    engineer = site.enter("eng")
    body = {"revision": 1, "key": new_key(), "password": PASSWORD}
    assert engineer.send("POST", f"/api/v1/studies/{uid}/sign", body).status_code == 403
    assert engineer.get(f"/api/v1/studies/{uid}/reports/1.pdf").status_code == 403


def test_phrases_are_each_doctor_s_own(site: PageSite, doctor):
    site.add("a.meyer", name="Anna Meyer")
    other = site.enter("a.meyer")
    body = {"language": "en", "section": "impression", "text": f"No acute finding. {EVIL}", "key": new_key()}
    for _ in range(2):
        phrases = doctor.send("POST", "/api/v1/phrases", body).json()["phrases"]
    assert [phrase["text"] for phrase in phrases] == [f"No acute finding. {EVIL}"]
    assert doctor.get("/api/v1/phrases?language=zh").json()["phrases"] == []
    assert other.get("/api/v1/phrases?language=en").json()["phrases"] == []
    stolen = other.send("DELETE", "/api/v1/phrases", {"id": phrases[0]["id"], "language": "en"})
    assert stolen.status_code == 404
    removed = doctor.send("DELETE", "/api/v1/phrases", {"id": phrases[0]["id"], "language": "en"})
    assert removed.json()["phrases"] == []
    assert doctor.send("POST", "/api/v1/phrases", body | {"text": " ", "key": new_key()}).status_code == 422
