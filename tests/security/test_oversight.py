"""Restricted studies through every door, openings in an emergency, and acts that need two persons."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from page_site import page_site

from coread.domain.person import Permission, Role
from coread.errors import AccessDenied, AccountConflict, NotFound

UID, OTHER = "1.2.1", "1.2.2"
NAME, ID = "Canary^Celia", "CANARY-77"
WHY = "Colleague of this hospital"
NOW = "Unconscious in the emergency room"


@pytest.fixture
def site(tmp_path):
    with page_site(tmp_path) as site:
        site.room.study(1, PatientName=NAME, PatientID=ID)
        site.room.study(2)
        for number, uid in enumerate((UID, OTHER)):
            report = {"resourceType": "DiagnosticReport", "id": f"p{number}", "conclusion": NAME}
            site.resources.put("DiagnosticReport", f"p{number}", uid, json.dumps(report), site.clock())
        yield site


@pytest.fixture
def doctor(site):
    site.add("doctor", Role.DOCTOR)
    return site.enter("doctor")


@pytest.fixture
def officer(site):
    site.add("officer", Role.QUALITY, name="Quality Officer")
    return site.enter("officer")


def restrict(officer, **more):
    answer = officer.form("/oversight/restrictions", study=UID, reason=WHY, **more)
    assert answer.status_code == 303, answer.text


def doors():
    """Every address that shows one study, as a browser or a program would ask it."""
    study = f"/dicomweb/studies/{UID}"
    yield from (study, f"{study}/metadata", f"{study}/series", f"{study}/instances", f"{study}/rendered")
    yield from (f"{study}/thumbnail", f"{study}/series/1.2/instances/1.3/frames/1")
    yield from (f"/api/v1/studies/{UID}/review", f"/api/v1/studies/{UID}/draft", "/fhir/DiagnosticReport/p0")
    yield f"/api/v1/studies/{UID}/reports/1.pdf"


def test_a_restricted_study_is_closed_at_every_door(site, doctor, officer):
    restrict(officer)
    for path in doors():
        answer = doctor.get(path)
        assert (answer.status_code, "1911" in answer.text) == (403, True), path
        assert NAME not in answer.text
    for method, part in (("POST", "lock"), ("POST", "statements"), ("PUT", "draft"), ("POST", "sign")):
        assert doctor.send(method, f"/api/v1/studies/{UID}/{part}", {"revision": 1}).status_code == 403
    page = doctor.page(f"/studies/{UID}")
    assert (page.status_code, page.headers["location"]) == (303, f"/restricted/{UID}")


def test_no_other_spelling_of_the_address_opens_it(site, doctor, officer):
    restrict(officer)
    spellings = (
        f"{UID}%20",
        f"{UID}%00",
        f"{UID}.",
        f"./{UID}",
        "%31.2.1",
        f"{UID}\\",
        f"{UID}/",
        f"{UID};x",
    )
    roots = ("/dicomweb/studies/", "/studies/", "/api/v1/studies/", "//dicomweb/studies/")
    for path in (
        f"{root}{odd}" + ("/review" if "api" in root else "") for root in roots for odd in spellings
    ):
        answer = doctor.get(path)
        assert answer.status_code in {303, 307, 400, 403, 404}, (path, answer.status_code)
        assert "CANARY" not in answer.text.upper()


def test_searches_find_it_not(site, doctor, officer):
    before = {path: doctor.get(path).text for path in searches()}
    assert all(UID in text or "p0" in text for text in before.values()), before
    restrict(officer)
    for path in searches():
        text = doctor.get(path).text
        assert ID not in text, path
        assert f'"{UID}"' not in text, path
        assert '"p0"' not in text, path
    assert OTHER in doctor.get("/dicomweb/studies").text


def searches():
    yield from ("/dicomweb/studies", "/dicomweb/series", "/dicomweb/instances")
    yield from (
        f"/dicomweb/studies?PatientID={ID}",
        "/dicomweb/studies?PatientName=canary*",
        "/fhir/DiagnosticReport",
    )


def test_the_list_tells_that_there_is_one_and_not_whose(site, doctor, officer):
    restrict(officer)
    page, data = doctor.page("/"), doctor.get("/api/v1/worklist")
    for text in (page.text, data.text, doctor.get("/worklist/rows").text):
        assert UID in text
        assert ID not in text
        assert "Celia" not in text
    assert "Restricted" in page.text
    (entry,) = [e for e in data.json()["entries"] if e["study_instance_uid"] == UID]
    assert (entry["answers"], entry["reasons"]) == ([], [])
    for asked in ("celia", ID, "canary"):
        assert UID not in doctor.page(f"/?q={asked}").text


def test_who_is_named_opens_it_as_any_other(site, doctor, officer):
    restrict(officer, allowed="doctor")
    assert doctor.page(f"/studies/{UID}").status_code == 200
    assert ID in doctor.get("/dicomweb/studies").text
    token = token_of(site, "doctor")
    assert (
        site.client(Authorization=f"Bearer {token}").get(f"/dicomweb/studies/{UID}/series").status_code == 200
    )


def token_of(site, login):
    owner, at = site.people.find(login), site.clock()
    scopes = frozenset({Permission.SEE_IMAGES})
    return site.tokens.issue("viewer", owner.id, scopes, at, at + timedelta(days=1), by=owner.actor)


def test_a_reason_opens_it_for_a_while_and_is_reviewed(site, doctor, officer):
    restrict(officer)
    asked = doctor.page(f"/restricted/{UID}")
    assert (asked.status_code, NAME in asked.text) == (200, False)
    short = doctor.form(f"/restricted/{UID}", reason="why")
    assert (short.status_code, "1910" in short.text) == (409, True)
    assert doctor.form(f"/restricted/{UID}", reason=NOW).headers["location"] == f"/studies/{UID}"
    page = doctor.page(f"/studies/{UID}")
    assert page.status_code == 200
    assert 'id="emergency"' in page.text
    assert ID in doctor.get("/dicomweb/studies").text
    assert 'id="emergency"' not in doctor.page(f"/studies/{OTHER}").text
    # A token of the same person gave no reason; neither did a colleague.
    program = site.client(Authorization=f"Bearer {token_of(site, 'doctor')}")
    assert program.get(f"/dicomweb/studies/{UID}/series").status_code == 403
    site.add("colleague", Role.DOCTOR)
    assert site.enter("colleague").get(f"/dicomweb/studies/{UID}/series").status_code == 403
    # The officer reviews it; it is counted until then.
    assert "1 opening waits" in officer.page("/oversight").text
    (opening,) = site.oversight.emergencies.list(is_reviewed=False)
    path = f"/oversight/openings/{opening.id}/review"
    assert officer.form(path, verdict="justified", note="Seen in the triage record").status_code == 303
    assert "0 openings wait" in officer.page("/oversight").text
    assert officer.form(path, verdict="unjustified", note="Another opinion of it").status_code == 409
    site.clock.pass_s(3601)
    assert doctor.get(f"/dicomweb/studies/{UID}/series").status_code == 403
    kinds = [
        r.event.kind for r in site.room.house.ledger.events(UID) if r.event.kind.startswith(("em", "re"))
    ]
    assert [k for k in kinds if not k.startswith("rea")][:1] == ["restriction.set"]
    assert kinds.count("emergency.opened") == kinds.count("emergency.reviewed") == 1


def test_an_opening_that_was_not_justified_ends_at_once(site, doctor, officer):
    restrict(officer)
    doctor.form(f"/restricted/{UID}", reason=NOW)
    (opening,) = site.oversight.emergencies.list()
    officer.form(
        f"/oversight/openings/{opening.id}/review", verdict="unjustified", note="No such patient here"
    )
    assert doctor.get(f"/api/v1/studies/{UID}/review").status_code == 403


def test_nobody_reviews_or_decides_on_one_s_own(site, officer):
    person = site.add("both", Role.DOCTOR, Role.QUALITY)
    restrict(officer)
    opening = site.oversight.emergencies.open(UID, person, NOW, site.clock())
    with pytest.raises(AccessDenied):
        site.oversight.emergencies.review(opening.id, True, "All was well", by=person.actor, at=site.clock())
    asked = site.oversight.approvals.ask("rotate-ledger-key", "", "Yearly change", person, site.clock())
    with pytest.raises(AccessDenied):
        site.oversight.approvals.decide(asked.id, True, person, site.clock())
    assert "Your own" in site.enter("both").page("/oversight").text


def test_a_lifted_restriction_opens_it_to_all(site, doctor, officer):
    restrict(officer)
    assert officer.form(f"/oversight/restrictions/{UID}/lift", reason="Left the hospital").status_code == 303
    assert doctor.page(f"/studies/{UID}").status_code == 200
    assert doctor.page(f"/restricted/{UID}").headers["location"] == f"/studies/{UID}"
    assert officer.form("/oversight/restrictions", study="no-uid", reason=WHY).status_code == 400


def test_another_process_learns_of_it_within_a_second(site, doctor):
    house = site.room.house
    elsewhere = type(site.oversight.restrictions)(house.database, house.ledger)
    assert doctor.get(f"/dicomweb/studies/{UID}/series").status_code == 200
    elsewhere.restrict(UID, WHY, by="person:p-1", at=site.clock())
    site.clock.pass_s(1)
    assert doctor.get(f"/dicomweb/studies/{UID}/series").status_code == 403


def test_two_persons_one_act_once_in_time(site, doctor, officer):
    approvals = site.oversight.approvals
    assert (
        doctor.form(
            "/approvals", kind="reidentify", subject="lab/A-7", reason="Incidental finding"
        ).status_code
        == 303
    )
    assert (
        doctor.form("/approvals", kind="open-the-safe", subject="", reason="Incidental finding").status_code
        == 409
    )
    (asked,) = approvals.list()
    when, by = site.clock(), "person:command-line"
    with pytest.raises(AccountConflict):
        approvals.use(asked.id, "reidentify", "lab/A-7", by=by, at=when)
    assert asked.id in officer.page("/oversight").text
    path = f"/oversight/approvals/{asked.id}/decide"
    assert doctor.form(path, verdict="granted").status_code == 403
    assert officer.form(path, verdict="granted").status_code == 303
    with pytest.raises(AccessDenied):
        approvals.use(asked.id, "reidentify", "lab/A-8", by=by, at=when)
    assert approvals.use(asked.id, "reidentify", "lab/A-7", by=by, at=site.clock()).state == "used"
    with pytest.raises(AccountConflict):
        approvals.use(asked.id, "reidentify", "lab/A-7", by=by, at=site.clock())
    kinds = [r.event.kind for r in site.room.house.ledger.events(asked.id)]
    assert kinds == ["approval.asked", "approval.granted", "approval.used"]


def test_what_comes_too_late_is_nothing(site, officer):
    approvals, person = site.oversight.approvals, site.add("asker")
    second = site.people.find("officer")
    asked = [approvals.ask("rotate-ledger-key", "", "Yearly change", person, site.clock()) for _ in range(2)]
    approvals.decide(asked[0].id, True, second, site.clock())
    site.clock.pass_s(2 * 86_400)
    with pytest.raises(AccountConflict):
        approvals.use(asked[0].id, "rotate-ledger-key", "", by="person:x", at=site.clock())
    site.clock.pass_s(6 * 86_400)
    assert approvals.count_waiting(site.clock()) == 0
    with pytest.raises(AccountConflict):
        approvals.decide(asked[1].id, True, second, site.clock())


def test_a_refused_request_allows_nothing_and_an_unknown_one_is_none(site, officer):
    approvals, person = site.oversight.approvals, site.add("asker")
    asked = approvals.ask("rotate-ledger-key", "", "Yearly change", person, site.clock())
    approvals.decide(asked.id, False, site.people.find("officer"), site.clock())
    with pytest.raises(AccountConflict):
        approvals.use(asked.id, "rotate-ledger-key", "", by="person:x", at=site.clock())
    with pytest.raises(NotFound):
        approvals.get("a-000000000000")
