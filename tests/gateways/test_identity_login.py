"""Login, logout, and what an attacker could try between them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_site import HTML, PASSWORD, csrf_of, session_token, site_on, submit
from starlette.requests import Request

from coread.domain.person import Permission, Role
from coread.errors import TooManyRequests
from coread.gateways.identity import IdentityOptions, caller_of
from coread.gateways.identity.sources import RateLimit, is_https, source_of
from coread.gateways.pages import local_path
from coread.governance import ANONYMOUS


@pytest.fixture
def site(tmp_path):
    with site_on(tmp_path) as site:
        yield site


@pytest.fixture
def li(site):
    return site.add()


def test_a_person_logs_in_works_and_logs_out(site, li):
    browser = site.browser()
    away = browser.get("/?x=1", headers=HTML)
    assert (away.status_code, away.headers["location"]) == (303, "/login?next=%2F%3Fx%3D1")
    back = submit(browser, "/login", at=away.headers["location"], login="li", password=PASSWORD, next="/?x=1")
    assert (back.status_code, back.headers["location"]) == (303, "/?x=1")
    assert browser.get("/").text == li.actor
    assert browser.get("/login").headers["location"] == "/"
    token = session_token(browser)
    left = submit(browser, "/logout", at="/account")
    assert left.headers["location"] == "/login"
    assert session_token(browser) == ""
    assert site.sessions.find(token, site.clock()) is None
    assert site.kinds()[-2:] == ["person.logged-in", "person.logged-out"]


@pytest.mark.parametrize(
    ("role", "path"), [(Role.ENGINEER, "/system"), (Role.AUDITOR, "/audit"), (Role.ADMINISTRATOR, "/people")]
)
def test_each_role_comes_to_its_own_first_page(site, role, path):
    site.add("x", role)
    assert submit(site.browser(), "/login", login="x", password=PASSWORD).headers["location"] == path


def test_a_wrong_password_is_told_in_the_reader_s_language(site, li):
    for language, sentence in (("en", "That did not work."), ("zh-CN", "登录未成功。")):
        browser = site.browser(**{"Accept-Language": language})
        answer = submit(browser, "/login", login="li", password="wrong")
        assert answer.status_code == 401
        assert sentence in answer.text
        assert 'value="li"' in answer.text
        assert session_token(browser) == ""


def test_the_login_page_speaks_chinese_whole(site):
    text = site.browser(**{"Accept-Language": "zh"}).get("/login", headers=HTML).text
    assert 'lang="zh-CN"' in text
    assert "密码" in text
    assert "login." not in text.replace("login.css", "")


def test_a_locked_login_is_told_with_its_wait(site, li):
    browser = site.browser()
    for _ in range(6):
        submit(browser, "/login", login="li", password="wrong")
    answer = submit(browser, "/login", login="li", password=PASSWORD)
    assert answer.status_code == 429
    assert "Try again in 2 seconds." in answer.text
    assert answer.headers["retry-after"] == "2"
    site.clock.pass_s(2)
    assert submit(browser, "/login", login="li", password=PASSWORD).status_code == 303


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(site, li, tmp_path):
    browser = site.browser()
    answer = submit(browser, "/login", login="li", password=PASSWORD)
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("coread-session=")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "Secure" not in cookie


def test_over_https_the_cookie_is_secure_and_of_this_host_alone(tmp_path):
    with site_on(tmp_path, IdentityOptions(public_url="https://clinic.example")) as site:
        site.add()
        browser = site.browser()
        shown = browser.get("/login")
        visit = shown.headers["set-cookie"].partition(";")[0]
        form = {"csrf": csrf_of(shown, "/login"), "login": "li", "password": PASSWORD}
        answer = browser.post("/login", data=form, headers={"cookie": visit})
        (cookie,) = [c for c in answer.headers.get_list("set-cookie") if "coread-session=" in c]
        assert cookie.startswith("__Host-coread-session=")
        assert "Secure" in cookie
        token = cookie.partition("=")[2].partition(";")[0]
        assert browser.get("/", headers={"cookie": f"__Host-coread-session={token}"}).status_code == 200
        assert browser.get("/", headers={"cookie": f"coread-session={token}"}).status_code == 401


@pytest.mark.parametrize(
    ("scheme", "public_url", "expected"),
    [
        ("https", "", True),
        ("http", "https://x.example", True),
        ("http", "", False),
        ("http", "http://x", False),
    ],
)
def test_https_is_known_by_the_connection_or_the_public_address(scheme, public_url, expected):
    scope = {"type": "http", "scheme": scheme, "server": ("127.0.0.1", 80), "path": "/", "headers": []}
    assert is_https(Request(scope), public_url) is expected


def test_a_session_cannot_be_fixed_beforehand(site, li):
    """What a browser was given before the login opens nothing after it, and names no session."""
    known, _ = site.sessions.open(site.add("mallory"), site.clock())
    for planted in ("fixed", known):
        browser = site.browser()
        browser.cookies.set("coread-session", planted, domain="127.0.0.1", path="/")
        shown = browser.get("/login", headers=HTML)
        if shown.status_code == 303:  # the attacker's own session was planted
            browser.post("/logout", data={"csrf": site.sessions.find(known, site.clock()).csrf})
        answer = submit(browser, "/login", login="li", password=PASSWORD)
        assert answer.status_code == 303
        assert session_token(browser) not in (planted, "")
        assert site.sessions.find(planted, site.clock()) is None


def test_a_new_login_ends_the_old_session_of_the_browser(site, li):
    browser = site.enter()
    old = session_token(browser)
    answer = browser.post("/api/v1/login", json={"login": "li", "password": PASSWORD})
    assert answer.status_code == 200
    assert session_token(browser) != old
    assert site.sessions.find(old, site.clock()) is None


EVIL = [
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "http:evil.example",
    "///evil", "javascript:alert(1)", "/a\r\nSet-Cookie: x=1", "/\t/evil.example", " //evil.example",
    "@evil.example", "", "evil.example", "/%0d%0aX: y", "//[evil", "/\u2028x", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("wanted", EVIL)
def test_nobody_is_sent_to_another_site_after_the_login(site, li, wanted):
    answer = submit(site.browser(), "/login", login="li", password=PASSWORD, next=wanted)
    assert answer.headers["location"] == ("/" if wanted != "/%0d%0aX: y" else wanted.replace(" ", "%20"))
    shown = site.browser().get("/login", params={"next": wanted}, headers=HTML)
    (kept,) = re.findall(r'action="/login">.*?name="next" value="([^"]*)"', shown.text, re.DOTALL)
    assert kept in ("/", "/%0d%0aX: y")


@given(st.text(max_size=60))
def test_any_path_that_is_followed_is_on_this_site(wanted):
    path = local_path(wanted)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))


def test_a_login_form_of_another_site_is_refused(site, li):
    browser = site.browser()
    form = {"login": "li", "password": PASSWORD}
    for told in ({}, {"csrf": ""}, {"csrf": "guess"}, {"csrf": "ü"}):
        answer = browser.post("/login", data=form | told, headers=HTML)
        assert answer.status_code == 403
        assert session_token(browser) == ""
    token = csrf_of(site.browser().get("/login"), "/login")  # another browser's
    browser.get("/login")
    assert browser.post("/login", data=form | {"csrf": token}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "null"},
    ],
)
def test_what_the_browser_says_another_site_sent_is_refused(site, li, headers):
    browser = site.enter()
    token = csrf_of(browser.get("/account", headers=HTML))
    sent = headers | {"X-CSRF-Token": token}
    assert browser.post("/change", headers=sent).json()["number"] == 1906
    assert browser.post("/api/v1/login", json={}, headers=headers).status_code == 403
    assert browser.post("/change", headers={"X-CSRF-Token": token}).status_code == 200


def test_our_own_pages_are_let_in_whatever_form_the_browser_says_it_in(site, li):
    browser = site.enter()
    token = csrf_of(browser.get("/account", headers=HTML))
    for told in (
        {"Origin": site.server.url},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert browser.post("/change", headers=told | {"X-CSRF-Token": token}).status_code == 200


def test_each_change_of_a_session_needs_its_token(site, li):
    browser, other = site.enter(), site.enter()
    foreign = csrf_of(other.get("/account", headers=HTML))
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": foreign}, {"X-CSRF-Token": b"\xff"}):
        answer = browser.post("/change", headers=headers)
        assert answer.status_code == 403
        assert answer.json()["number"] == 1906
    assert browser.put("/change").status_code == 403
    assert browser.delete("/change").status_code == 403
    own = csrf_of(browser.get("/account", headers=HTML))
    assert browser.post("/change", headers={"X-CSRF-Token": own}).json()["actor"] == li.actor


def test_a_form_s_body_still_arrives_after_its_token_was_read(site, li):
    browser = site.enter()
    own = csrf_of(browser.get("/account", headers=HTML))
    answer = browser.post("/change", data={"a": "1", "csrf": own, "b": "中文"})
    assert answer.status_code == 200
    assert answer.json()["body"].startswith("a=1&csrf=")
    assert browser.post("/change", json={"csrf": own}).status_code == 403
    assert browser.post("/change", data={"x": "y" * (2 << 20)}).status_code == 413
    broken = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.post("/change", content=b"csrf=%ff&\xff", headers=broken).status_code == 403


def test_an_expired_session_answers_401_and_logs_in_in_place(site, li):
    browser = site.enter()
    token = csrf_of(browser.get("/account", headers=HTML))
    site.clock.pass_s(1800)
    lost = browser.post("/change", json={"typed": "much"}, headers={"X-CSRF-Token": token})
    assert lost.status_code == 401
    assert lost.json()["number"] == 1902
    assert browser.get("/api/v1/session").status_code == 401
    again = browser.post("/api/v1/login", json={"login": "li", "password": PASSWORD})
    assert again.status_code == 200
    assert again.json()["person"]["id"] == li.id
    assert "findings:decide" in again.json()["permissions"]
    saved = browser.post("/change", json={"typed": "much"}, headers={"X-CSRF-Token": again.json()["csrf"]})
    assert saved.json()["body"] == '{"typed":"much"}'
    assert browser.get("/api/v1/session").json()["csrf"] == again.json()["csrf"]


@pytest.mark.parametrize("body", ["", "[]", "null", '{"login": 1, "password": []}', "{" * 5000, '"x"'])
def test_login_in_place_bears_any_body(site, li, body):
    headers = {"Content-Type": "application/json"}
    answer = site.browser().post("/api/v1/login", content=body, headers=headers)
    assert answer.status_code in (400, 401)
    plain = site.browser().post(
        "/api/v1/login",
        content=f'{{"login": "li", "password": "{PASSWORD}"}}',
        headers={"Content-Type": "text/plain"},
    )
    assert plain.status_code == 400


def test_a_second_factor_is_asked_for_and_a_code_opens_once(site, li):
    secret = site.enrol(li)
    browser = site.browser()
    half = submit(browser, "/login", login="li", password=PASSWORD, next="/?x=1")
    assert half.headers["location"] == "/login/totp?next=%2F%3Fx%3D1"
    assert session_token(browser) == ""
    assert browser.get("/").status_code == 401
    wrong = submit(browser, "/login/totp", code="000000")
    assert wrong.status_code == 401
    code = site.code(secret)
    done = submit(browser, "/login/totp", at="/login/totp?next=/%3Fx%3D1", code=code, next="/?x=1")
    assert done.headers["location"] == "/?x=1"
    assert browser.get("/").text == li.actor
    replayed = site.browser()
    submit(replayed, "/login", login="li", password=PASSWORD)
    assert submit(replayed, "/login/totp", code=code).status_code == 401
    assert browser.get("/login/totp").headers["location"] == "/login"


def test_half_a_login_soon_ends_and_needs_its_own_token(site, li):
    secret = site.enrol(li)
    browser = site.browser()
    submit(browser, "/login", login="li", password=PASSWORD)
    assert browser.post("/login/totp", data={"code": site.code(secret)}, headers=HTML).status_code == 403
    site.clock.pass_s(300)
    late = browser.post("/login/totp", data={"code": site.code(secret)}, headers=HTML)
    assert late.status_code == 401
    assert session_token(browser) == ""
    assert browser.get("/login/totp").status_code == 303


def test_a_second_factor_in_place(site, li):
    secret = site.enrol(li)
    browser = site.browser()
    answer = browser.post("/api/v1/login", json={"login": "li", "password": PASSWORD})
    assert answer.status_code == 401
    assert answer.json()["needs"] == "totp"
    words = {"login": "li", "password": PASSWORD, "totp": site.code(secret)}
    assert browser.post("/api/v1/login", json=words).status_code == 200
    assert browser.post("/api/v1/login", json=words).status_code == 401


def test_one_source_may_not_try_many_logins(site):
    browser = site.browser()
    for number in range(30):
        assert browser.post("/api/v1/login", json={"login": f"x{number}", "password": "y"}).status_code == 401
    answer = browser.post("/api/v1/login", json={"login": "x", "password": "y"})
    assert answer.status_code == 429
    assert answer.json()["number"] == 1907
    assert int(answer.headers["retry-after"]) > 0
    site.clock.pass_s(60)
    assert browser.post("/api/v1/login", json={"login": "x", "password": "y"}).status_code == 401


def test_a_morning_of_right_logins_from_one_source_is_let_in(site, li):
    for _ in range(60):
        site.enter()


def test_a_signature_asks_for_the_password_again(site, li):
    browser = site.enter()
    token = {"X-CSRF-Token": csrf_of(browser.get("/account", headers=HTML))}
    assert browser.post("/sign", headers=token).json()["number"] == 1905
    assert browser.post("/sign", headers=token | {"X-Password": "wrong"}).status_code == 401
    assert browser.post("/sign", headers=token | {"X-Password": PASSWORD}).json() == {"signed": True}
    assert "person.reauthenticated" in site.kinds()
    site.clock.pass_s(121)
    assert browser.post("/sign", headers=token).json()["number"] == 1905
    assert (
        browser.post("/api/v1/reauthenticate", json={"password": PASSWORD}, headers=token).status_code == 200
    )
    assert browser.post("/sign", headers=token).json() == {"signed": True}


def test_a_token_opens_its_service_without_cookie_or_csrf(site, li):
    scopes = frozenset({Permission.SEE_IMAGES, Permission.SIGN})
    secret = site.tokens.issue("pacs", li.id, scopes, site.clock(), site.clock() + timedelta(1), by=li.actor)
    machine = site.browser(Authorization=f"Bearer {secret}")
    (token,) = site.tokens.list()
    assert machine.get("/dicomweb/studies").json()["actor"] == f"token:{token.id}"
    assert (
        machine.post("/dicomweb/Patient/_search", headers={"Origin": "https://ohif.example"}).status_code
        == 200
    )
    assert machine.post("/dicomweb/studies").status_code == 403
    assert machine.get("/").status_code == 403
    assert machine.post("/sign", headers={"X-Password": PASSWORD}).json()["number"] == 1901
    assert machine.get("/account").status_code == 403
    assert machine.get("/api/v1/session").status_code == 403
    site.clock.pass_s(86_400)
    assert machine.get("/dicomweb/studies").status_code == 401


def test_a_bad_token_is_not_made_good_by_a_cookie(site, li):
    browser = site.enter()
    answer = browser.get("/", headers={"Authorization": "Bearer crt_nothing"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="coread"'


def test_a_service_says_no_in_the_terms_of_who_asks(site, li):
    machine = site.browser()
    answer = machine.get("/dicomweb/studies", headers={"Accept": "application/dicom+json"})
    assert answer.status_code == 401
    assert answer.json()["number"] == 1902
    browser = site.enter()
    assert browser.get("/dicomweb/studies").status_code == 200
    denied = browser.get("/audit", headers=HTML)
    assert denied.status_code == 403
    assert "You may not do this." in denied.text


def test_a_role_change_and_a_deactivation_hold_from_the_next_request_on(site, li):
    browser = site.enter()
    assert browser.get("/").status_code == 200
    site.people.change_roles(li.id, [Role.AUDITOR], by="x", at=site.clock())
    assert browser.get("/").status_code == 403
    assert browser.get("/audit").status_code == 200
    site.people.deactivate(li.id, by="x", at=site.clock())
    assert browser.get("/audit").status_code == 401


def test_what_a_page_asks_by_itself_does_not_keep_a_session_open(site, li):
    browser = site.enter()
    for _ in range(3):
        site.clock.pass_s(590)
        assert browser.get("/api/v1/session").status_code == 200
    site.clock.pass_s(590)
    assert browser.get("/").status_code == 401


def test_a_temporary_password_opens_only_the_way_to_one_s_own(site, li):
    site.people.set_password(li.id, "eleven purple lighthouses", by="person:boss", at=site.clock())
    browser = site.browser()
    answer = submit(browser, "/login", login="li", password="eleven purple lighthouses", next="/?x=1")
    assert answer.headers["location"] == "/account"
    assert browser.get("/").status_code == 403
    assert browser.get("/", headers=HTML).headers["location"] == "/account"
    token = {"X-CSRF-Token": csrf_of(browser.get("/account", headers=HTML))}
    words = {"name": "x", "days": "9", "scope-images:see": "on"}
    assert browser.post("/account/tokens", data=words, headers=token).status_code == 403
    assert browser.post("/account/totp", headers=token).status_code == 403
    assert browser.post("/api/v1/reauthenticate", json={"password": "x"}, headers=token).status_code == 403
    changed = submit(
        browser, "/account/password", at="/account", password="eleven purple lighthouses",
        new_password="nine yellow elephants dance", new_password_again="nine yellow elephants dance",
    )  # fmt: skip
    assert changed.headers["location"] == "/account?done=password"
    assert browser.get("/").status_code == 200


def test_local_login_can_be_switched_off(tmp_path):
    with site_on(tmp_path, IdentityOptions(has_local_login=False)) as site:
        site.add()
        browser = site.browser()
        shown = browser.get("/login", headers=HTML)
        assert 'name="password"' not in shown.text
        assert browser.post("/api/v1/login", json={"login": "li", "password": PASSWORD}).status_code == 401


def test_open_paths_ask_nobody(site, li):
    browser = site.enter()
    assert browser.get("/static/open.js").text == "anonymous"


def test_hostile_strings_stay_text(site):
    evil = '"><script>alert(1)</script>'
    shown = submit(site.browser(), "/login", login=evil, password="x", next=f"/{evil}")
    assert "<script>alert" not in shown.text
    assert "&lt;script&gt;" in shown.text
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert shown.headers["cache-control"] == "no-store"


def test_a_cookie_of_any_form_is_borne(site, li):
    for value in ("x" * 200, "\\", "%00", '"', "=;"):
        assert site.browser().get("/", headers={"cookie": f"coread-session={value}"}).status_code == 401
        assert site.browser().get("/login", headers={"cookie": f"coread-visit={value}"}).status_code == 200


def request_from(address: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "client": (address, 1), "headers": headers})


def test_the_source_is_the_last_hop_that_is_no_proxy_of_ours():
    trusted = {"10.0.0.1", "10.0.0.2"}
    assert source_of(request_from("192.0.2.1", "198.51.100.9"), trusted) == "192.0.2.1"
    assert source_of(request_from("10.0.0.1", "6.6.6.6, 198.51.100.9"), trusted) == "198.51.100.9"
    assert source_of(request_from("10.0.0.1", "6.6.6.6, 198.51.100.9", "10.0.0.2"), trusted) == "198.51.100.9"
    assert source_of(request_from("10.0.0.1"), trusted) == "10.0.0.1"
    assert source_of(request_from("2001:db8:1:2:3:4:5:6"), ()) == "2001:db8:1:2::/64"
    assert source_of(request_from("testclient"), ()) == "unknown"


def test_the_limit_forgets_the_oldest_source_and_counts_side_by_side(site, monkeypatch):
    limit = RateLimit(2, site.clock)
    monkeypatch.setattr("coread.gateways.identity.sources._MOST_SOURCES", 3)
    limit.take("a")
    limit.take("a")
    with pytest.raises(TooManyRequests):
        limit.take("a")
    limit.give_back("a")
    limit.take("a")
    for other in "bcd":
        limit.take(other)
    limit.take("a")
    limit.give_back("unknown")


def test_without_the_middleware_nobody_is_there():
    assert caller_of(Request({"type": "http", "headers": []})) is ANONYMOUS
