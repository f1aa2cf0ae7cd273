"""What belongs to somebody else: views, phrases, tokens, questions, locks, sessions, reports, accounts."""

from __future__ import annotations

import json

import pytest
from page_site import new_key

from coread.domain.person import Role

UID, OTHER = "1.2.1", "1.2.2"


@pytest.fixture
def pair(site):
    """Give two doctors, each with a study that nobody else's tests change."""
    count = len(site.people.list())
    numbers = (100 + 2 * count, 101 + 2 * count)
    for number in numbers:
        site.room.study(number)
    logins = [f"doctor-{number}" for number in numbers]
    for login in logins:
        site.add(login, Role.DOCTOR)
    return [site.enter(login) for login in logins], [f"1.2.{number}" for number in numbers]


def person_id(visitor) -> str:
    return visitor.get("/api/v1/session").json()["person"]["id"]


def test_views_and_phrases_are_one_s_own(pair):
    (one, two), _ = pair
    assert one.send("POST", "/api/v1/views", {"name": "Mine", "query": "modality=CT"}).status_code == 200
    phrase = {"language": "en", "section": "", "text": "As before.", "key": new_key()}
    (kept,) = one.send("POST", "/api/v1/phrases", phrase).json()["phrases"]
    assert "Mine" not in two.page("/").text
    assert two.get("/api/v1/phrases?language=en").json()["phrases"] == []
    two.send("DELETE", "/api/v1/views", {"name": "Mine"})
    gone = two.send("DELETE", "/api/v1/phrases", {"id": kept["id"], "language": "en"})
    assert gone.status_code in {200, 404}
    assert "Mine" in one.page("/").text
    assert one.get("/api/v1/phrases?language=en").json()["phrases"] == [kept]
    assert phrase["text"] not in gone.text


def test_a_key_of_somebody_else_s_act_brings_nothing_of_it(pair):
    """A key makes one act happen once; used by another person it neither repeats nor shows that act."""
    (one, two), (mine, theirs) = pair
    key = new_key()
    assert one.decide(mine, key=key).status_code == 200
    answer = two.decide(theirs, verdict="rejected", reason="artefact", key=key)
    decided = {d["verdict"] for d in two.review(theirs)["decisions"]}
    assert answer.status_code in {200, 409, 422}
    assert decided <= {"rejected"}
    assert mine not in answer.text
    assert {d["verdict"] for d in one.review(mine)["decisions"]} == {"accepted"}


def test_a_question_is_answered_by_whom_it_was_put_to_and_nobody_else(pair, colleague):
    (one, two), (mine, theirs) = pair
    asked = one.act("POST", mine, "questions", colleague_id=person_id(two), question="Do you see it too?")
    (question,) = asked.json()["questions"]
    for intruder in (one, colleague):
        path = f"/api/v1/studies/{mine}/questions/{question['id']}/answer"
        assert intruder.send("POST", path, {"text": "Yes."}).status_code in {403, 404}
    # Nor under the address of another study.
    path = f"/api/v1/studies/{theirs}/questions/{question['id']}/answer"
    assert two.send("POST", path, {"text": "Yes."}).status_code == 404
    (still,) = one.review(mine)["questions"]
    assert not still["answer"]


def test_a_study_that_a_colleague_holds_is_not_changed(pair):
    (one, two), (mine, _) = pair
    assert one.act("POST", mine, "lock").status_code == 200
    assert one.decide(mine).status_code == 200
    finding = one.review(mine)["findings"][0]["finding_uid"]
    sections = [{"name": "impression", "text": "x"}]
    refused = [
        two.decide(mine, place=1),
        two.act("DELETE", mine, f"findings/{finding}/decision"),
        two.act("POST", mine, "statements", code={"meaning": "x"}, presence="present"),
        two.act("PUT", mine, "draft", template="generic", language="en", sections=sections),
        two.act("POST", mine, "sign", password="quiet river under seven bridges"),
    ]
    assert [answer.json()["number"] for answer in refused] == [1203, 1203, 1203, 1203, 2002], [
        a.json()["found"] for a in refused
    ]
    two.act("DELETE", mine, "lock")
    assert one.review(mine)["lock"]["is_mine"] is True
    assert [d["finding_uid"] for d in one.review(mine)["decisions"]] == [finding]


def test_findings_images_and_reports_of_one_study_are_not_reached_through_another(pair):
    (one, _), (mine, theirs) = pair
    there = one.review(theirs)
    finding = there["findings"][0]["finding_uid"]
    path = f"findings/{finding}/decision"
    assert one.act("POST", mine, path, verdict="accepted").status_code == 404
    assert one.act("DELETE", mine, path).status_code in {404, 409, 422}
    image = there["findings"][0]["finding"]["image"]["sop_instance_uid"]
    stated = {"code": {"meaning": "x"}, "presence": "present", "sop_instance_uid": image}
    assert one.act("POST", mine, "statements", **stated).status_code == 404
    series = f"/dicomweb/studies/{mine}/series/{theirs}.1"
    for address in (f"{series}/instances/{theirs}.1.1", f"{series}/instances/{image}/rendered", series):
        assert one.get(address).status_code == 404
    revision = one.drafted(theirs)["revision"]
    password = "quiet river under seven bridges"
    assert one.act("POST", theirs, "sign", revision=revision, password=password).status_code == 200
    assert one.get(f"/api/v1/studies/{theirs}/reports/1.pdf").status_code == 200
    for number in ("0", "2", "-1", "01", "1e0", "١", "1%00", "..%2f1"):
        assert one.get(f"/api/v1/studies/{theirs}/reports/{number}.pdf").status_code == 404, number
    assert one.get(f"/api/v1/studies/{mine}/reports/1.pdf").status_code == 404


def test_nobody_signs_with_the_password_of_somebody_else(site, pair):
    (one, _), (mine, _) = pair
    site.people.add(
        "another", "Another", [Role.DOCTOR], "a wholly different secret", by="person:test", at=site.clock(),
        is_temporary=False,
    )  # fmt: skip
    revision = one.drafted(mine)["revision"]
    for more in ({}, {"login": "another"}, {"person_id": "p-000000000001"}, {"person": {"id": "x"}}):
        body = {"revision": revision, "password": "a wholly different secret"} | more
        answer = one.act("POST", mine, "sign", **body)
        assert answer.status_code == 401
        assert "told" in answer.json()
    assert one.review(mine)["reports"] == []


def test_nobody_writes_in_another_name(site, pair):
    """Whatever the body says, the one who is logged in did it."""
    (one, two), (mine, _) = pair
    forged = {"person_id": person_id(two), "person": person_id(two), "actor": f"person:{person_id(two)}"}
    assert one.decide(mine, **forged).status_code == 200
    (decision,) = one.review(mine)["decisions"]
    assert decision["person_id"] == person_id(one)
    actors = {r.event.actor for r in site.room.house.ledger.events(subject=mine, kind="finding.decided")}
    assert actors == {f"person:{person_id(one)}"}


def test_tokens_are_revoked_by_their_owner_or_an_administrator(site, pair, token_of, visitors):
    (one, _), _ = pair
    secret = token_of(Role.DOCTOR)
    token = site.tokens.find(secret, site.clock())
    assert one.form(f"/account/tokens/{token.id}/revoke").status_code == 403
    assert one.form(f"/people/{token.person.id}/tokens/{token.id}/revoke").status_code == 403
    assert site.tokens.find(secret, site.clock())
    boss = visitors[Role.ADMINISTRATOR]
    assert boss.form(f"/people/{token.person.id}/tokens/{token.id}/revoke").status_code == 303
    assert site.tokens.find(secret, site.clock()) is None


def test_a_token_has_no_scope_that_its_owner_lacks(site, pair):
    (one, _), _ = pair
    answer = one.form("/account/tokens", name="too much", days="1", **{"scope-people:keep": "on"})
    assert answer.status_code in {200, 403, 422}
    made = site.tokens.list(person_id(one))
    assert all("people:keep" not in token.scopes for token in made)


def test_no_role_gives_itself_another(site, visitors):
    for role in (Role.DOCTOR, Role.ENGINEER, Role.QUALITY, Role.AUDITOR):
        visitor = visitors[role]
        me = person_id(visitor)
        for path in (f"/people/{me}/roles", "/people", f"/people/{me}/reset-password", "/account/language"):
            fields = {"role-administrator": "on", "roles": "administrator", "language": "en"}
            visitor.form(path, **fields)
        assert site.people.get(me).roles == {role}


def test_what_is_personal_goes_to_nobody_else(pair, colleague):
    """No page or answer to a colleague holds another's login, password, token or session."""
    (one, two), (mine, _) = pair
    two.act("POST", mine, "questions", colleague_id=person_id(one), question="?")
    held = one.client.cookies["coread-session"]
    for path in ("/", f"/studies/{mine}", "/account", "/api/v1/worklist", f"/api/v1/studies/{mine}/review"):
        text = colleague.get(path).text
        for secret in (held, one.csrf, "argon2", "totp_secret", "password_hash"):
            assert secret not in text, path
    assert "doctor-person" not in json.dumps(colleague.review(UID))


def test_sign_out_ends_this_session_and_no_other(site):
    first, second = site.enter("doctor-person"), site.enter("doctor-person")
    first.form("/logout")
    assert first.get("/api/v1/session").status_code == 401
    assert second.get("/api/v1/session").status_code == 200
    assert OTHER in second.page("/").text
