"""One's own account and the administrator's pages, as a browser sees them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from identity_site import HTML, PASSWORD, csrf_of, session_token, site_on, submit

from coread.domain.person import Permission, Role
from coread.gateways.pages.languages import HOMES, words

NEW = "nine yellow elephants dance"


@pytest.fixture
def site(tmp_path):
    with site_on(tmp_path) as site:
        yield site


@pytest.fixture
def li(site):
    return site.add()


@pytest.fixture
def boss(site):
    return site.add("boss", Role.ADMINISTRATOR)


def shown_secret(response) -> str:
    return re.search(r"data-secret>([^<]+)<", response.text)[1]


def test_the_password_is_changed_with_the_present_one(site, li):
    browser, other = site.enter(), site.enter()
    fields = {"password": PASSWORD, "new_password": NEW, "new_password_again": NEW}
    old = session_token(browser)
    assert submit(browser, "/account/password", at="/account", **fields).status_code == 303
    assert "your other sessions are closed" in browser.get("/account?done=password", headers=HTML).text
    assert other.get("/").status_code == 401
    assert session_token(browser) == old
    assert submit(site.browser(), "/login", login="li", password=NEW).status_code == 303


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        ({"password": "wrong"}, 401, "That did not work."),
        ({"new_password_again": "another yellow elephant"}, 409, "two passwords may differ"),
        ({"new_password": "short", "new_password_again": "short"}, 422, "too easily guessed"),
    ],
)
def test_a_password_that_cannot_be_is_told_on_the_page(site, li, told, status, said):
    fields = {"password": PASSWORD, "new_password": NEW, "new_password_again": NEW} | told
    answer = submit(site.enter(), "/account/password", at="/account", **fields)
    assert answer.status_code == status
    assert said in answer.text
    assert submit(site.browser(), "/login", login="li", password=PASSWORD).status_code == 303


def test_guessing_the_present_password_on_the_account_page_is_slowed(site, li):
    browser = site.enter()
    fields = {"password": "wrong", "new_password": NEW, "new_password_again": NEW}
    for _ in range(6):
        submit(browser, "/account/password", at="/account", **fields)
    assert submit(browser, "/account/password", at="/account", **fields).status_code == 429


def test_the_language_is_kept_for_account_and_browser(site, li):
    browser = site.enter()
    assert submit(browser, "/account/language", at="/account", language="zh").status_code == 303
    assert "我的账户" in browser.get("/account", headers=HTML).text
    assert site.people.get(li.id).language == "zh"
    submit(browser, "/account/language", at="/account", language="")
    assert "Your account" in browser.get("/account", headers=HTML).text
    assert submit(browser, "/account/language", at="/account", language="../x").status_code == 409


def test_a_second_factor_is_set_up_used_and_removed(site, li):
    browser = site.enter()
    shown = submit(browser, "/account/totp", at="/account")
    assert 'src="data:image/svg+xml' in shown.text
    secret = shown_secret(shown)
    token = csrf_of(shown)
    wrong = browser.post("/account/totp/confirm", data={"csrf": token, "code": "000000"}, headers=HTML)
    assert wrong.status_code == 401
    assert shown_secret(wrong) == secret
    done = browser.post(
        "/account/totp/confirm", data={"csrf": token, "code": site.code(secret)}, headers=HTML
    )
    assert done.headers["location"] == "/account?done=totp"
    assert (
        submit(site.browser(), "/login", login="li", password=PASSWORD)
        .headers["location"]
        .startswith("/login/totp")
    )
    site.clock.pass_s(60)
    alone = submit(browser, "/account/totp/remove", at="/account", proof_password=PASSWORD)
    assert alone.status_code == 401
    both = {"proof_password": PASSWORD, "proof_code": site.code(secret)}
    assert submit(browser, "/account/totp/remove", at="/account", **both).status_code == 303
    assert not site.people.has_totp(li.id)


def test_a_second_factor_is_not_set_up_twice(site, li):
    browser = site.enter()
    token = csrf_of(browser.get("/account", headers=HTML))
    site.enrol(li)
    assert browser.post("/account/totp", data={"csrf": token}, headers=HTML).status_code == 409


def test_a_code_without_a_set_up_is_told_on_the_account_page(site, li):
    browser = site.enter()
    token = csrf_of(browser.get("/account", headers=HTML))
    answer = browser.post("/account/totp/confirm", data={"csrf": token, "code": "000000"}, headers=HTML)
    assert answer.status_code == 401
    assert "Your account" in answer.text


def test_one_s_own_token_is_issued_shown_once_and_revoked(site, li):
    browser = site.enter()
    fields = {"name": "viewer", "scope-images:see": "on", "days": "30"}
    shown = submit(browser, "/account/tokens", at="/account", **fields)
    secret = shown_secret(shown)
    machine = site.browser(Authorization=f"Bearer {secret}")
    assert machine.get("/dicomweb/studies").status_code == 200
    page = browser.get("/account", headers=HTML).text
    assert "viewer" in page
    assert secret not in page
    (token,) = site.tokens.list(li.id)
    assert submit(browser, f"/account/tokens/{token.id}/revoke", at="/account").status_code == 303
    assert machine.get("/dicomweb/studies").status_code == 401


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"days": "0"}, 409), ({"days": "-1"}, 409), ({"days": "x"}, 409), ({"name": ""}, 409),
        ({"scope-people:keep": "on"}, 403),
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_is_told_on_the_page(site, li, told, status):
    fields = {"name": "viewer", "scope-images:see": "on", "days": "30"} | told
    assert submit(site.enter(), "/account/tokens", at="/account", **fields).status_code == status
    assert site.tokens.list() == []


def test_nobody_revokes_a_token_of_somebody_else(site, li):
    """An identifier in an address opens nothing (IDOR)."""
    wu = site.add("wu")
    now = site.clock()
    images = frozenset({Permission.SEE_IMAGES})
    site.tokens.issue("wu's", wu.id, images, now, now + timedelta(1), by=wu.actor)
    (token,) = site.tokens.list()
    browser = site.enter("li")
    own = csrf_of(browser.get("/account", headers=HTML))
    answer = browser.post(f"/account/tokens/{token.id}/revoke", data={"csrf": own}, headers=HTML)
    assert answer.status_code == 403
    assert site.tokens.get(token.id).is_good(now)
    assert browser.post("/account/tokens/t-0/revoke", data={"csrf": own}, headers=HTML).status_code == 404


def test_after_a_while_a_change_of_access_asks_for_the_password_again(site, li):
    browser = site.enter()
    site.clock.pass_s(1000)
    fields = {"name": "viewer", "scope-images:see": "on", "days": "30"}
    assert submit(browser, "/account/tokens", at="/account", **fields).status_code == 401
    assert 'name="proof_password"' in browser.get("/account", headers=HTML).text
    assert (
        submit(browser, "/account/tokens", at="/account", **fields, proof_password=PASSWORD).status_code
        == 200
    )
    assert 'id="token-proof-password"' not in browser.get("/account", headers=HTML).text


def test_an_administrator_adds_a_person_who_chooses_a_password(site, boss):
    browser = site.enter("boss")
    fields = {"login": "Wu", "display_name": "吴芳", "role-doctor": "on", "has_password": "on"}
    shown = submit(browser, "/people", **fields)
    assert shown.status_code == 200
    password = shown_secret(shown)
    wu = site.people.find("wu")
    assert wu.display_name == "吴芳"
    assert wu.roles == {Role.DOCTOR}
    answer = submit(site.browser(), "/login", login="wu", password=password)
    assert answer.headers["location"] == "/account"
    assert site.house.ledger.events(kind="person.added")[-1].event.actor == boss.actor


def test_an_account_without_a_password_only_owns_tokens(site, boss):
    browser = site.enter("boss")
    answer = submit(browser, "/people", login="pacs", display_name="PACS", **{"role-engineer": "on"})
    assert answer.headers["location"] == f"/people/{site.people.find('pacs').id}"
    assert "identity provider" in browser.get(answer.headers["location"], headers=HTML).text


def test_what_was_typed_stands_again_where_a_person_cannot_be_added(site, boss, li):
    browser = site.enter("boss")
    answer = submit(browser, "/people", login="LI", display_name="Another", **{"role-auditor": "on"})
    assert answer.status_code == 409
    assert 'value="Another"' in answer.text
    assert 'name="role-auditor" checked' in answer.text
    assert 'name="role-doctor" checked' not in answer.text


def test_an_administrator_changes_name_roles_and_access(site, boss, li):
    browser, doctor = site.enter("boss"), site.enter("li")
    at = f"/people/{li.id}"
    assert submit(browser, f"{at}/name", at=at, display_name="李伟").status_code == 303
    assert submit(browser, f"{at}/roles", at=at, **{"role-auditor": "on"}).status_code == 303
    assert doctor.get("/").status_code == 403
    assert doctor.get("/audit").status_code == 200
    assert submit(browser, f"{at}/deactivate", at=at).status_code == 303
    assert doctor.get("/audit").status_code == 401
    assert submit(browser, f"{at}/reactivate", at=at).status_code == 303
    person = site.people.get(li.id)
    assert (person.display_name, person.roles, person.is_active) == ("李伟", {Role.AUDITOR}, True)
    assert "Done." in browser.get(f"{at}?done=1", headers=HTML).text


def test_an_administrator_helps_who_lost_password_and_device(site, boss, li):
    site.enrol(li)
    browser = site.enter("boss")
    at = f"/people/{li.id}"
    password = shown_secret(submit(browser, f"{at}/reset-password", at=at))
    assert submit(browser, f"{at}/remove-totp", at=at).status_code == 303
    answer = submit(site.browser(), "/login", login="li", password=password)
    assert answer.headers["location"] == "/account"


def test_an_administrator_revokes_a_token(site, boss, li):
    now = site.clock()
    site.tokens.issue("x", li.id, frozenset({Permission.SIGN}), now, now + timedelta(1), by=li.actor)
    (token,) = site.tokens.list()
    browser = site.enter("boss")
    at = f"/people/{li.id}"
    assert submit(browser, f"{at}/tokens/{token.id}/revoke", at=at).status_code == 303
    assert not site.tokens.get(token.id).is_good(now)
    assert ">over<" in browser.get(at, headers=HTML).text


def test_the_last_administrator_is_told_so(site, boss):
    browser = site.enter("boss")
    at = f"/people/{boss.id}"
    answer = submit(browser, f"{at}/deactivate", at=at)
    assert answer.status_code == 409
    assert "last administrator" in answer.text
    assert submit(browser, f"{at}/roles", at=at).status_code == 409
    assert browser.get("/people", headers=HTML).status_code == 200


def test_after_a_while_an_administrator_shows_again_who_it_is(site, boss, li):
    browser = site.enter("boss")
    site.clock.pass_s(1000)
    at = f"/people/{li.id}"
    for action, fields in (
        (f"{at}/roles", {"role-administrator": "on"}), (f"{at}/reset-password", {}), (f"{at}/deactivate", {}),
    ):  # fmt: skip
        assert submit(browser, action, at=at, **fields).status_code == 401
    added = submit(browser, "/people", login="x", display_name="X", **{"role-administrator": "on"})
    assert added.status_code == 401
    assert site.people.get(li.id) == li
    assert submit(browser, f"{at}/deactivate", at=at, proof_password=PASSWORD).status_code == 303


def test_a_person_who_is_not_there_is_not_found(site, boss):
    browser = site.enter("boss")
    assert browser.get("/people/p-000000000000", headers=HTML).status_code == 404
    token = csrf_of(browser.get("/account", headers=HTML))
    assert browser.post("/people/p-0/deactivate", data={"csrf": token}, headers=HTML).status_code == 404


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR] + [None])
def test_each_page_of_people_is_closed_to_all_but_administrators(site, boss, role):
    browser = site.browser()
    if role:
        site.add("x", role)
        browser = site.enter("x")
    token = csrf_of(browser.get("/account" if role else "/login", headers=HTML))
    for address in site.identity.table():
        if address.needs is not Permission.KEEP_PEOPLE:
            continue
        path = address.path.format(person_id=boss.id, token_id="t-0")
        answer = browser.request(address.method, path, headers={"X-CSRF-Token": token})
        assert answer.status_code == (403 if role else 401), address.path
    assert site.people.get(boss.id) == boss


def test_each_own_page_is_closed_to_nobody(site):
    browser = site.browser()
    for address in site.identity.table():
        if address.needs == "signed-in":
            answer = browser.request(address.method, address.path.format(token_id="t-0"), json={})
            assert answer.status_code == 401, address.path


def test_hostile_names_stay_text(site, boss):
    evil = '<img src=x onerror="alert(1)">'
    site.people.rename(boss.id, evil, by="x", at=site.clock())
    now = site.clock()
    site.tokens.issue(
        evil, boss.id, frozenset({Permission.KEEP_PEOPLE}), now, now + timedelta(1), by=boss.actor
    )
    browser = site.enter("boss")
    for path in ("/account", "/people", f"/people/{boss.id}"):
        text = browser.get(path, headers=HTML).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


@pytest.mark.parametrize("path", ["/login", "/account", "/people", "/people/{boss}"])
def test_no_page_has_inline_script_or_style_or_a_text_that_is_missing(site, boss, path):
    browser = site.enter("boss")
    for language in ("en", "zh"):
        shown = (site.browser() if path == "/login" else browser).get(
            path.format(boss=boss.id), headers=HTML | {"Accept-Language": language}
        )
        assert shown.status_code == 200
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", shown.text)
        known = set(words(language).texts)
        said = re.findall(r">\s*([a-z_]+\.[a-z_.]+)\s*<", shown.text)
        assert [key for key in said if key not in known] == []


def test_both_catalogues_of_identity_hold_what_its_templates_ask_for():
    (home,) = [home for home in HOMES if home.name == "identity"]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in (home / "templates").glob("*.html"))
    asked = set(re.findall(r"\bt\('([a-z_.]+)'", texts))
    assert len(asked) > 60
    for language in ("en", "zh"):
        assert [key for key in sorted(asked) if not words(language).knows(key)] == []
    closed = {"role": Role, "permission": Permission}
    for group, values in closed.items():
        for language in ("en", "zh"):
            assert [v for v in values if not words(language).knows(f"{group}.{v}")] == []
    assert set(words("en").texts) >= {"login.wait.one", "login.wait.other"}
