"""Accounts: made, changed, ended; the house never stays without an administrator."""

from __future__ import annotations

import pytest

from coread.domain.person import Role
from coread.errors import AccountConflict, LoginFailed, NotFound, WeakPassword
from coread.governance import Claims

ISSUER = "https://id.hospital.example"


def test_a_person_is_added_found_and_listed(desk):
    li = desk.add("Li.Wei")
    assert li.id.startswith("p-")
    assert li.login == "li.wei"
    assert desk.people.find(" LI.WEI ") == desk.people.get(li.id) == li
    assert desk.people.list() == [li]
    assert desk.events("person.added")[0]["roles"] == "doctor"
    assert desk.people.find("nobody") is None
    with pytest.raises(NotFound):
        desk.people.get("p-000000000000")


def test_a_chinese_login_and_name_are_kept_as_written(desk):
    person = desk.people.add("李伟", " 李\u3000伟 ", [Role.DOCTOR], by="person:test", at=desk.clock())
    assert desk.people.find("李伟").display_name == "李 伟"
    assert not desk.people.account(person.id).has_password


@pytest.mark.parametrize("login", ["", " ", "a b", "../x", "a" * 65, "<script>", "-x", "a\nb", "a\0b"])
def test_an_unusable_login_is_refused(small_desk, login):
    with pytest.raises(AccountConflict):
        small_desk.add(login)


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\0b", "a\u202eb"])
def test_a_name_that_cannot_stand_under_a_signature_is_refused(small_desk, name):
    with pytest.raises(AccountConflict):
        small_desk.people.add("wu", name, [], by="person:test", at=small_desk.clock())


def test_a_login_is_taken_once(desk):
    desk.add("li")
    with pytest.raises(AccountConflict, match="taken"):
        desk.add("LI")


def test_a_role_change_is_on_record_and_holds_at_once(desk):
    li = desk.add()
    token = desk.open(li)
    desk.people.change_roles(li.id, [Role.AUDITOR], by="person:boss", at=desk.clock())
    assert desk.sessions.find(token, desk.clock()).person.roles == {Role.AUDITOR}
    (event,) = desk.events("person.roles-changed")
    assert (event["before"], event["after"], event["actor"]) == ("doctor", "auditor", "person:boss")
    desk.people.change_roles(li.id, [Role.AUDITOR], by="person:boss", at=desk.clock())
    assert len(desk.events("person.roles-changed")) == 1


def test_renaming_is_on_record_without_the_name(desk):
    li = desk.add()
    assert desk.people.rename(li.id, "李伟", by="person:boss", at=desk.clock()).display_name == "李伟"
    assert "李伟" not in str(desk.events())


def test_a_deactivated_person_s_open_session_dies_at_once_and_no_login_works(desk):
    li = desk.add()
    token = desk.open(li)
    desk.people.deactivate(li.id, by="person:boss", at=desk.clock())
    assert not desk.is_open(token)
    with pytest.raises(LoginFailed):
        desk.people.verify_password("li", "quiet river under seven bridges", desk.clock())
    assert [p.is_active for p in desk.people.list()] == [False]
    desk.people.reactivate(li.id, by="person:boss", at=desk.clock())
    assert not desk.is_open(token)
    assert desk.people.verify_password("li", "quiet river under seven bridges", desk.clock()).id == li.id


def test_the_last_administrator_stays(desk):
    boss = desk.add("boss", Role.ADMINISTRATOR)
    for change in (
        lambda: desk.people.deactivate(boss.id, by=boss.actor, at=desk.clock()),
        lambda: desk.people.change_roles(boss.id, [Role.DOCTOR], by=boss.actor, at=desk.clock()),
    ):
        with pytest.raises(AccountConflict, match="last administrator"):
            change()
    desk.add("second", Role.ADMINISTRATOR)
    desk.people.deactivate(boss.id, by="person:second", at=desk.clock())


def test_a_password_that_somebody_else_set_is_temporary(desk):
    li = desk.add()
    desk.people.set_password(li.id, "eleven purple lighthouses", by="person:boss", at=desk.clock())
    _, session = desk.sessions.open(li, desk.clock())
    assert session.must_change_password
    assert session.caller.permissions == frozenset()
    desk.people.set_password(li.id, "nine yellow elephants dance", by=li.actor, at=desk.clock())
    assert not desk.people.account(li.id).is_password_temporary


def test_a_new_password_closes_the_other_sessions(desk):
    li = desk.add()
    other = desk.open(li)
    token, mine = desk.sessions.open(li, desk.clock())
    desk.people.set_password(
        li.id, "nine yellow elephants dance", by=li.actor, at=desk.clock(), keep_session=mine.id
    )
    assert desk.is_open(token)
    assert not desk.is_open(other)


def test_a_weak_password_changes_nothing(desk):
    li = desk.add()
    with pytest.raises(WeakPassword):
        desk.people.set_password(li.id, "short", by=li.actor, at=desk.clock())
    desk.people.verify_password("li", "quiet river under seven bridges", desk.clock())


def test_the_language_is_remembered(desk):
    li = desk.add()
    assert desk.people.set_language(li.id, "zh").language == "zh"
    with pytest.raises(AccountConflict):
        desk.people.set_language(li.id, "tlh")
    with pytest.raises(NotFound):
        desk.people.set_language("p-0", "zh")


def test_changes_of_nobody_are_refused(small_desk):
    people, now = small_desk.people, small_desk.clock()
    for change in (
        lambda: people.change_roles("p-0", [], by="x", at=now),
        lambda: people.rename("p-0", "x", by="x", at=now),
        lambda: people.deactivate("p-0", by="x", at=now),
        lambda: people.reactivate("p-0", by="x", at=now),
        lambda: people.set_password("p-0", "nine yellow elephants dance", by="x", at=now),
        lambda: people.remove_totp("p-0", by="x", at=now),
        lambda: people.enrol_totp("p-0"),
        lambda: people.link_oidc("p-0", ISSUER, "x", by="x", at=now),
    ):
        with pytest.raises(NotFound):
            change()


def test_a_provider_s_person_is_added_once_and_keeps_the_id(desk):
    first = desk.people.from_oidc(
        ISSUER, "s1", Claims("Li", "LI Wei", frozenset({Role.DOCTOR})), at=desk.clock()
    )
    again = desk.people.from_oidc(ISSUER, "s1", Claims("li.new", "Other"), at=desk.clock())
    assert again.id == first.id
    assert again.login == "li"
    assert again.roles == {Role.DOCTOR}
    assert not desk.people.account(first.id).has_password
    assert desk.events("person.oidc-linked")[0]["issuer"] == ISSUER


def test_the_provider_s_word_on_roles_holds_anew_at_each_login(desk):
    desk.people.from_oidc(ISSUER, "s1", Claims("li", "LI", frozenset({Role.DOCTOR})), at=desk.clock())
    person = desk.people.from_oidc(ISSUER, "s1", Claims("li", "LI", frozenset()), at=desk.clock())
    assert person.roles == frozenset()
    assert desk.events("person.roles-changed")[0]["actor"] == f"oidc:{ISSUER}"


def test_an_account_of_the_same_login_is_not_taken_over(desk):
    li = desk.add("li", Role.ADMINISTRATOR)
    other = desk.people.from_oidc(ISSUER, "s1", Claims("li", "Mallory"), at=desk.clock())
    assert other.id != li.id
    assert other.login.startswith("li-")
    assert other.roles == frozenset()
    third = desk.people.from_oidc("https://evil.example", "s1", Claims("li", "Eve"), at=desk.clock())
    assert third.id not in (li.id, other.id)


def test_a_provider_s_person_may_be_unwanted_or_inactive(desk):
    with pytest.raises(LoginFailed):
        desk.people.from_oidc(ISSUER, "s1", Claims("li", "LI"), at=desk.clock(), may_add=False)
    person = desk.people.from_oidc(ISSUER, "s1", Claims("li", "LI"), at=desk.clock())
    desk.people.deactivate(person.id, by="x", at=desk.clock())
    with pytest.raises(LoginFailed):
        desk.people.from_oidc(ISSUER, "s1", Claims("li", "LI"), at=desk.clock())


def test_an_account_can_be_linked_to_a_provider(desk):
    li, wu = desk.add("li"), desk.add("wu")
    desk.people.link_oidc(li.id, ISSUER, "s1", by="person:boss", at=desk.clock())
    desk.people.link_oidc(li.id, ISSUER, "s1", by="person:boss", at=desk.clock())
    assert desk.people.from_oidc(ISSUER, "s1", Claims("x", "X"), at=desk.clock()).id == li.id
    with pytest.raises(AccountConflict):
        desk.people.link_oidc(wu.id, ISSUER, "s1", by="person:boss", at=desk.clock())
