"""Sessions and tokens: who gets in, until when; nothing that opens is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coread.domain.person import Permission, Role
from coread.errors import AccessDenied, AccountConflict, LoginRequired, NotFound
from coread.governance import ANONYMOUS, HALF, MATRIX, SessionLimits, Sessions, permissions_of

IMAGES = frozenset({Permission.SEE_IMAGES})


def whole_database(desk) -> str:
    with desk.house.database.read() as connection:
        tables = ("people", "sessions", "api_tokens", "login_attempts", "events")
        return str([connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in tables])


def test_a_session_opens_lives_and_closes_on_record(desk):
    li = desk.add()
    token, session = desk.sessions.open(li, desk.clock(), method="password", source="192.0.2.1")
    assert len(token) == 43
    found = desk.sessions.find(token, desk.clock())
    assert found == session
    assert found.caller.person == li
    assert found.caller.actor == li.actor
    assert found.caller.permissions == permissions_of({Role.DOCTOR})
    desk.sessions.close(token, desk.clock())
    assert not desk.is_open(token)
    desk.sessions.close(token, desk.clock())
    opened, closed = desk.events()[-2:]
    assert (opened["kind"], opened["method"], opened["source"]) == (
        "person.logged-in",
        "password",
        "192.0.2.1",
    )
    assert (closed["kind"], closed["session"]) == ("person.logged-out", session.id)


def test_neither_token_nor_csrf_nor_secret_is_kept(desk):
    li = desk.add()
    token, session = desk.sessions.open(li, desk.clock())
    secret = desk.tokens.issue("pacs", li.id, IMAGES, desk.clock(), desk.clock() + timedelta(1), by=li.actor)
    kept = whole_database(desk)
    for word in (token, session.csrf, secret, "quiet river"):
        assert word not in kept


def test_each_session_has_a_csrf_token_of_its_own(desk):
    li = desk.add()
    (one, first), (two, second) = (desk.sessions.open(li, desk.clock()) for _ in range(2))
    assert one != two
    assert first.csrf != second.csrf
    assert desk.sessions.find(one, desk.clock()).csrf == first.csrf


@pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "a" * 10_000, "' OR 1=1 --"])
def test_nonsense_opens_nothing(desk, token):
    desk.open(desk.add())
    assert desk.sessions.find(token, desk.clock()) is None
    assert desk.sessions.find_half(token, desk.clock()) is None
    assert desk.tokens.find(token, desk.clock()) is None
    assert desk.tokens.find(f"crt_{token}", desk.clock()) is None
    desk.sessions.close(token, desk.clock())


def test_a_new_login_ends_the_session_that_the_browser_had(desk):
    li = desk.add()
    old = desk.open(li)
    new = desk.open(li, replacing=old)
    assert not desk.is_open(old)
    assert desk.is_open(new)


def test_a_session_ends_when_nobody_does_anything(desk):
    token = desk.open(desk.add())
    for _ in range(10):
        desk.clock.pass_s(1700)
        assert desk.is_open(token)
    desk.clock.pass_s(1800)
    assert not desk.is_open(token)


def test_what_a_page_does_by_itself_is_no_sign_of_life(desk):
    token = desk.open(desk.add())
    for _ in range(3):
        assert desk.sessions.find(token, desk.clock.pass_s(599), is_activity=False)
    assert desk.sessions.find(token, desk.clock.pass_s(599), is_activity=False) is None


def test_a_session_ends_after_half_a_day_whatever_is_done(desk):
    token = desk.open(desk.add())
    for _ in range(47):
        desk.clock.pass_s(900)
        assert desk.is_open(token)
    desk.clock.pass_s(900)
    assert not desk.is_open(token)
    desk.open(desk.people.find("li"))
    desk.clock.pass_s(1)
    desk.open(desk.people.find("li"))
    with desk.house.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 2


def test_half_a_login_opens_nothing_and_soon_ends(desk):
    li = desk.add()
    half = desk.open(li, method=HALF)
    assert not desk.is_open(half)
    assert desk.sessions.find_half(half, desk.clock()) == li
    assert "person.logged-in" not in desk.house.kinds()
    assert desk.sessions.find_half(half, desk.clock.pass_s(300)) is None
    assert desk.sessions.find_half(desk.open(li), desk.clock()) is None


def test_a_proof_is_remembered(desk):
    token = desk.open(desk.add())
    later = desk.clock.pass_s(100)
    desk.sessions.prove(token, later)
    assert desk.sessions.find(token, later).proven_at == later


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2400), max_size=40))
def test_a_session_is_open_as_long_as_its_limits_say(small_desk, pauses):
    limits = SessionLimits(idle_s=1800, absolute_s=7200)
    sessions = Sessions(small_desk.house.database, small_desk.house.ledger, limits)
    person = small_desk.people.find("property") or small_desk.add("property")
    token, _ = sessions.open(person, small_desk.clock())
    opened = seen = small_desk.clock()
    for pause in pauses:
        now = small_desk.clock.pass_s(pause)
        expected = now - seen < timedelta(seconds=1800) and now - opened < timedelta(seconds=7200)
        assert (sessions.find(token, now) is not None) == expected
        if not expected:
            break
        seen = now if now - seen >= timedelta(seconds=30) else seen


def issue(desk, person, scopes=IMAGES, days=1, name="pacs") -> str:
    return desk.tokens.issue(
        name, person.id, scopes, desk.clock(), desk.clock() + timedelta(days=days), by="person:boss"
    )


def test_a_token_opens_its_scopes_until_its_day(desk):
    li = desk.add()
    secret = issue(desk, li)
    assert secret.startswith("crt_")
    token = desk.tokens.find(secret, desk.clock())
    assert token.caller.permissions == IMAGES
    assert token.caller.actor == f"token:{token.id}"
    assert desk.tokens.find(secret, desk.clock.pass_s(86_399)).used_at is not None
    assert desk.tokens.find(secret, desk.clock.pass_s(1)) is None
    (event,) = desk.events("token.issued")
    assert (event["token"], event["scopes"], event["subject"]) == (token.id, "images:see", li.id)


def test_a_revoked_token_opens_nothing(desk):
    li = desk.add()
    secret = issue(desk, li)
    (token,) = desk.tokens.list(li.id)
    desk.tokens.revoke(token.id, by=li.actor, at=desk.clock())
    desk.tokens.revoke(token.id, by=li.actor, at=desk.clock())
    assert desk.tokens.find(secret, desk.clock()) is None
    assert len(desk.events("token.revoked")) == 1
    assert desk.tokens.get(token.id).revoked_at
    with pytest.raises(NotFound):
        desk.tokens.revoke("t-0", by=li.actor, at=desk.clock())


def test_a_token_never_opens_more_than_its_person_may_now(desk):
    li = desk.add()
    secret = issue(desk, li)
    desk.people.change_roles(li.id, [Role.AUDITOR], by="x", at=desk.clock())
    assert desk.tokens.find(secret, desk.clock()).caller.permissions == frozenset()
    desk.people.deactivate(li.id, by="x", at=desk.clock())
    assert desk.tokens.find(secret, desk.clock()) is None
    with pytest.raises(AccessDenied, match="images:see"):
        issue(desk, li)


@pytest.mark.parametrize("told", [{"scopes": frozenset()}, {"days": 0}, {"days": -1}, {"name": " "}])
def test_a_token_without_name_scope_or_time_is_refused(desk, told):
    with pytest.raises(AccountConflict):
        issue(desk, desk.add(), **told)


def test_all_tokens_are_listed_the_newest_first(desk):
    li, wu = desk.add("li"), desk.add("wu")
    issue(desk, li, name="first")
    desk.clock.pass_s(1)
    issue(desk, wu, name="second")
    assert [t.name for t in desk.tokens.list()] == ["second", "first"]
    assert [t.name for t in desk.tokens.list(li.id)] == ["first"]
    with pytest.raises(NotFound):
        issue(desk, type("Nobody", (), {"id": "p-0"}))


def test_a_caller_is_asked_for_permissions():
    with pytest.raises(LoginRequired):
        ANONYMOUS.require(Permission.SEE_IMAGES)
    assert ANONYMOUS.actor == "anonymous"
    assert not ANONYMOUS.may(Permission.SEE_IMAGES)


def test_a_caller_without_the_permission_is_refused(desk):
    _, session = desk.sessions.open(desk.add(), desk.clock())
    session.caller.require(Permission.SIGN)
    with pytest.raises(AccessDenied, match="people:keep"):
        session.caller.require(Permission.KEEP_PEOPLE)


def test_the_matrix_gives_each_permission_to_somebody_and_no_role_all():
    assert set(MATRIX) == set(Role)
    assert frozenset().union(*MATRIX.values()) == set(Permission)
    for role in (Role.ENGINEER, Role.QUALITY, Role.AUDITOR, Role.ADMINISTRATOR):
        assert not permissions_of([role]) & {Permission.SEE_IMAGES, Permission.DECIDE, Permission.SIGN}


def test_the_book_s_table_of_permissions_is_what_the_code_gives():
    text = (Path(__file__).resolve().parents[2] / "docs" / "people.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line] for line in lines if line[0].strip("` ").partition(":")[1]]
    head = next([cell.strip() for cell in line][2:] for line in lines if line[0].strip() == "permission")
    assert head == [str(role) for role in Role]
    told = {
        (row[0].strip("`"), role)
        for row in table
        for role, cell in zip(head, row[2:], strict=False)
        if cell == "yes"
    }
    assert told == {(str(permission), str(role)) for role in Role for permission in MATRIX[role]}
    assert {row[0].strip("`") for row in table} >= set(Permission)
