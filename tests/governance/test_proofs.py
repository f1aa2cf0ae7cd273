"""Passwords, second factors and waits: what opens, what does not, and what an attacker can learn."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from argon2.exceptions import VerifyMismatchError
from hypothesis import given, settings
from hypothesis import strategies as st
from keeping import START

from coread.errors import AccountConflict, AccountLocked, Busy, LoginFailed, WeakPassword
from coread.governance import Hasher, PasswordPolicy, Patience, People, generate_password, totp_code_at
from coread.governance.totp import address, code_at, step_of

PASSWORD = "quiet river under seven bridges"


@pytest.mark.parametrize(
    "password",
    [
        "short", "quiet river", "aaaaaaaaaaaaaaaa", "abcabcabcabcabc", "123456789012", "qwertyuiop123",
        "password1234", "P4$$w0rd2024!", "passwordpassword", "Welcome-2026!!", "iloveyou123456",
        "138001380000",
        "lkjhgfdsapoiuy", "Radiology2026", "li.wei-li.wei-1", "li.weili.wei2026", "密码密码密码密码123456",
        "x" * 257,
        "administrator1", "CoRead-CoRead-1",
    ],
)  # fmt: skip
def test_a_password_that_others_would_try_is_refused(password):
    with pytest.raises(WeakPassword):
        PasswordPolicy().check(password, "li.wei", "LI Wei")


@pytest.mark.parametrize(
    "password", [PASSWORD, "correct horse battery staple", "窗前明月光疑是地上霜举头", "T7!kq-Zp92mVx"]
)
def test_a_good_password_is_taken(password):
    PasswordPolicy().check(password, "li.wei", "LI Wei")


def test_a_made_password_is_good_and_new_each_time():
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        PasswordPolicy().check(password)


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused_soon(password):
    try:
        PasswordPolicy().check(password, "li", "LI Wei")
    except WeakPassword as fault:
        assert password not in fault.found or len(password) < 5  # noqa: PT017


def test_a_shorter_policy_is_a_matter_of_settings(small_desk):
    PasswordPolicy(min_length=8).check("t7!kqzp9")


def test_full_width_letters_are_the_same_password():
    hasher = Hasher(memory_kib=8, passes=1, lanes=1)
    kept = hasher.hash("ｑuiet river under seven bridges")
    assert hasher.verify(kept, PASSWORD)
    assert kept.startswith("$argon2id$")
    assert not hasher.verify("nonsense", PASSWORD)
    assert not hasher.verify("", PASSWORD)


def test_the_hash_of_nobody_is_computed_to_its_end():
    """Not refused at once for its form, which a clock would tell from a wrong password."""
    hasher = Hasher(memory_kib=8, passes=1, lanes=1)
    with pytest.raises(VerifyMismatchError):
        hasher._argon2.verify(hasher._nobody, PASSWORD)
    kept = hasher.hash(PASSWORD)
    assert kept.split("$")[:4] == hasher._nobody.split("$")[:4]
    assert [len(part) for part in kept.split("$")] == [len(part) for part in hasher._nobody.split("$")]


def test_too_many_hashes_at_one_time_wait_their_turn(monkeypatch):
    hasher = Hasher(memory_kib=8, passes=1, lanes=1, at_once=1)
    monkeypatch.setattr("coread.governance.passwords._WAIT_S", 0.01)
    with hasher._place(), pytest.raises(Busy):
        hasher.verify("", "x")
    assert not hasher.verify("", "x")


def test_the_right_password_opens_and_a_wrong_one_does_not(desk):
    li = desk.add()
    assert desk.people.verify_password("LI", PASSWORD, desk.clock()) == li
    with pytest.raises(LoginFailed):
        desk.people.verify_password("li", PASSWORD + ".", desk.clock(), "192.0.2.1")
    (event,) = desk.events("person.login-failed")
    assert event["subject"] == li.id
    assert event["source"] == "192.0.2.1"
    assert event["actor"] == "anonymous"


def test_what_was_typed_is_nowhere_on_record(desk):
    desk.add()
    with pytest.raises(LoginFailed):
        desk.people.verify_password("my secret typed into the wrong field", "canary", desk.clock())
    said = str(desk.events())
    assert "secret typed" not in said
    assert "canary" not in said
    with desk.house.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM login_attempts").all()
    assert "secret" not in str(rows)


@pytest.mark.parametrize("login", ["li", "nobody", "gone", "provider"])
def test_each_failure_costs_one_hash_and_says_the_same(desk, monkeypatch, login):
    desk.add("li")
    gone = desk.add("gone")
    desk.add("provider", password="")
    desk.people.deactivate(gone.id, by="x", at=desk.clock())
    argon2, calls = desk.hasher._argon2, []
    monkeypatch.setattr(desk.hasher, "_argon2", Counting(argon2, calls))
    told = set()
    for _ in range(3):
        with pytest.raises(LoginFailed) as fault:
            desk.people.verify_password(login, "wrong password", desk.clock())
        told.add(str(fault.value))
    assert calls == ["verify"] * 3
    assert told == {
        "[1903] The login failed. Found: a login, password or code that is not right. Expected: those of an "
        "active account. What to do: try again, or ask the administrator for a new password."
    }


class Counting:
    """Counts what is asked of argon2."""

    def __init__(self, argon2, calls):
        self._argon2, self._calls = argon2, calls

    def verify(self, *words):
        self._calls.append("verify")
        return self._argon2.verify(*words)

    def hash(self, *words):
        self._calls.append("hash")
        return self._argon2.hash(*words)

    def check_needs_rehash(self, kept):
        return self._argon2.check_needs_rehash(kept)


@pytest.mark.parametrize("login", ["li", "nobody"])
def test_waits_grow_alike_for_a_login_that_exists_and_one_that_does_not(desk, login):
    desk.add("li")
    waits = []
    for _ in range(13):
        before = desk.clock()
        while True:
            try:
                desk.people.verify_password(login, "wrong", desk.clock())
            except AccountLocked:
                desk.clock.pass_s(1)
            except LoginFailed:
                break
        waits.append((desk.clock() - before).total_seconds())
    assert waits == [0, 0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128]


def test_a_locked_login_is_not_opened_by_the_right_password(desk):
    desk.add()
    for _ in range(6):
        with pytest.raises(LoginFailed):
            desk.people.verify_password("li", "wrong", desk.clock())
    with pytest.raises(AccountLocked, match="try again in 2 s"):
        desk.people.verify_password("li", PASSWORD, desk.clock())
    desk.clock.pass_s(2)
    desk.people.verify_password("li", PASSWORD, desk.clock())
    with pytest.raises(LoginFailed):
        desk.people.verify_password("li", "wrong", desk.clock())


def test_after_a_hundred_failures_only_an_administrator_helps(desk):
    li = desk.add()
    patience = Patience(free_failures=2, most_failures=4, first_wait_s=1)
    people = People(desk.house.database, desk.house.ledger, hasher=desk.hasher, patience=patience)
    for _ in range(4):
        with pytest.raises(LoginFailed):
            people.verify_password("li", "wrong", desk.clock.pass_s(1000))
    desk.clock.pass_s(40 * 365 * 86400)
    with pytest.raises(AccountLocked, match="ask the administrator"):
        people.verify_password("li", PASSWORD, desk.clock())
    people.set_password(li.id, "nine yellow elephants dance", by="person:boss", at=desk.clock())
    people.verify_password("li", "nine yellow elephants dance", desk.clock())


def test_guesses_side_by_side_are_counted_like_guesses_in_a_row(desk):
    desk.add()
    outcomes = []

    def guess():
        try:
            desk.people.verify_password("li", "wrong", desk.clock())
        except (LoginFailed, AccountLocked) as fault:
            outcomes.append(type(fault).__name__)

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["AccountLocked"] * 14 + ["LoginFailed"] * 6


def test_invented_logins_do_not_fill_the_table(desk):
    for number in range(20):
        with pytest.raises(LoginFailed):
            desk.people.verify_password(f"invented{number}", "x", desk.clock())
    with pytest.raises(LoginFailed):
        desk.people.verify_password("one more", "x", desk.clock.pass_s(86_401))
    with desk.house.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM login_attempts").scalar() == 1


def test_a_hash_of_former_parameters_is_made_anew_at_the_login(desk):
    li = desk.add()
    stronger = People(desk.house.database, desk.house.ledger, hasher=Hasher(16, 1, 1))
    stronger.verify_password("li", PASSWORD, desk.clock())
    with desk.house.database.read() as connection:
        (kept,) = connection.exec_driver_sql("SELECT password_hash FROM people").one()
    assert "m=16," in kept
    assert stronger.verify_password("li", PASSWORD, desk.clock()) == li


def test_codes_are_those_of_rfc_6238():
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # appendix B, SHA-1; the last six of its eight digits
    for time, code in (
        (59, "287082"),
        (1111111109, "081804"),
        (1234567890, "005924"),
        (20000000000, "353130"),
    ):
        assert code_at(secret, time // 30) == code
    assert "issuer=CoRead" in address(secret, "li@example")


def enrol(desk, person) -> str:
    secret = desk.people.enrol_totp(person.id)
    desk.people.confirm_totp(person.id, totp_code_at(secret, step(desk)), at=desk.clock())
    desk.clock.pass_s(60)
    return secret


def step(desk) -> int:
    return int(desk.clock().timestamp()) // 30


def test_a_second_factor_counts_once_it_is_confirmed(desk):
    li = desk.add()
    with pytest.raises(LoginFailed):
        desk.people.confirm_totp(li.id, "000000", at=desk.clock())
    secret = desk.people.enrol_totp(li.id)
    assert not desk.people.has_totp(li.id)
    with pytest.raises(LoginFailed):
        desk.people.verify_totp(li.id, totp_code_at(secret, step(desk)), desk.clock())
    desk.people.confirm_totp(li.id, totp_code_at(secret, step(desk)), at=desk.clock())
    assert desk.people.has_totp(li.id)
    with pytest.raises(AccountConflict):
        desk.people.enrol_totp(li.id)
    desk.people.remove_totp(li.id, by="person:boss", at=desk.clock())
    assert not desk.people.has_totp(li.id)
    assert [e["kind"] for e in desk.events()][-2:] == ["person.totp-enrolled", "person.totp-removed"]


def test_a_code_is_good_once(desk):
    li = desk.add()
    secret = enrol(desk, li)
    code = totp_code_at(secret, step(desk))
    desk.people.verify_totp(li.id, f" {code[:3]} {code[3:]} ", desk.clock())
    with pytest.raises(LoginFailed):
        desk.people.verify_totp(li.id, code, desk.clock())
    older = totp_code_at(secret, step(desk) - 1)
    with pytest.raises(LoginFailed):
        desk.people.verify_totp(li.id, older, desk.clock())


def test_a_code_sent_twice_at_one_time_opens_once(desk):
    li = desk.add()
    code = totp_code_at(enrol(desk, li), step(desk))
    opened = []

    def send():
        try:
            desk.people.verify_totp(li.id, code, desk.clock())
            opened.append(1)
        except LoginFailed:
            pass

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [1]


@pytest.mark.parametrize(("drift", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_of_drift_is_borne(desk, drift, is_right):
    li = desk.add()
    code = totp_code_at(enrol(desk, li), step(desk) + drift)
    if is_right:
        desk.people.verify_totp(li.id, code, desk.clock())
    else:
        with pytest.raises(LoginFailed):
            desk.people.verify_totp(li.id, code, desk.clock())


def test_guessing_codes_is_slowed_though_the_password_is_known(desk):
    li = desk.add()
    enrol(desk, li)
    for _ in range(6):
        desk.people.verify_password("li", PASSWORD, desk.clock())
        with pytest.raises(LoginFailed):
            desk.people.verify_totp(li.id, "abcdef", desk.clock())
    with pytest.raises(AccountLocked):
        desk.people.verify_totp(li.id, "abcdef", desk.clock())


def test_showing_oneself_again_asks_for_both(desk):
    li = desk.add()
    desk.people.verify_again(li.id, PASSWORD, "", desk.clock())
    secret = enrol(desk, li)
    with pytest.raises(LoginFailed):
        desk.people.verify_again(li.id, PASSWORD, "", desk.clock())
    desk.people.verify_again(li.id, PASSWORD, totp_code_at(secret, step(desk)), desk.clock())
    assert len(desk.events("person.reauthenticated")) == 2


@given(st.text(max_size=12), st.integers(0, 2**40))
def test_no_text_breaks_the_reading_of_a_code(code, after):
    at = START
    found = step_of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", code, at, after)
    assert found is None or found > after


@given(st.lists(st.integers(1, 120), min_size=2, max_size=30))
def test_each_wait_is_at_least_the_one_before(failures):
    patience = Patience()
    for fewer, more in pairwise(sorted(failures)):
        assert patience.blocked_until(fewer, START) <= patience.blocked_until(more, START)
    assert patience.blocked_until(5, START) == START
    assert patience.blocked_until(99, START) == START + timedelta(seconds=900)


Tries = st.lists(st.tuples(st.integers(0, 1200), st.booleans()), max_size=25)


@settings(max_examples=40, deadline=None)
@given(Tries)
def test_the_lock_does_as_a_model_says(small_desk, tries):
    """A model in four lines: failures in a row, and until when."""
    person = small_desk.add(f"x{len(small_desk.people.list())}")
    patience, failures, until = Patience(), 0, small_desk.clock()
    for pause_s, is_right in tries:
        now = small_desk.clock.pass_s(pause_s)
        try:
            small_desk.people.verify_password(person.login, PASSWORD if is_right else "wrong", now)
            outcome = "open"
        except LoginFailed:
            outcome = "failed"
        except AccountLocked:
            outcome = "locked"
        expected = "locked" if until > now else "open" if is_right else "failed"
        assert outcome == expected
        if expected == "failed":
            failures += 1
            until = patience.blocked_until(failures, now)
        elif expected == "open":
            failures = 0
