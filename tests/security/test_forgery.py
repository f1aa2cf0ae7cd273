"""What another site may try through a doctor's browser: forged requests, fixed sessions, ways out."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import httpx
import pytest
from identity_site import PASSWORD, submit

from coread.domain.person import Permission, Role
from coread.gateways.pages.routes import Access, Form
from coread.governance import permissions_of

UID = "1.2.1"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
#: They bring a token of their own, or take nothing but JSON, which no other site can send unasked.
LOGINS = ("/login", "/login/totp", "/api/v1/login")


def path_of(address) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: UID if part[1] == "study_uid" else "none", address.path)


def changes(site):
    """Yield method, path and form of every address that changes something, and of some that are none."""
    for address in (*site.pages.table(), *site.identity.table()):
        if address.method in UNSAFE and address.path not in LOGINS:
            yield address.method, path_of(address), address.form
    for path in ("/dicomweb/studies", f"/dicomweb/studies/{UID}"):
        yield "POST", path, Form.DATA
    for path in ("/", "/nothing", "/dicomweb/nothing", "/fhir/Patient/_search"):
        for method in UNSAFE:
            yield method, path, Form.DATA


@pytest.fixture
def everybody(site):
    """Give the browser of a person who may do everything, so that nothing but the forgery is in the way."""
    if not any(person.login == "all-roles" for person in site.people.list()):
        site.add("all-roles", *Role)
    return site.enter("all-roles")


@pytest.mark.parametrize("token", [None, "", "x" * 43, "somebody else's"])
def test_no_change_without_the_token_of_the_page(site, everybody, colleague, token):
    told = colleague.csrf if token == "somebody else's" else token
    tried = 0
    for method, path, form in changes(site):
        headers = {} if told is None else {"X-CSRF-Token": told}
        kinds = [{"json": {}}, {"content": b"{}"}]
        if form is Form.PAGE:
            kinds.append({"data": {} if told is None else {"csrf": told}})
        for kind in kinds:
            answer = everybody.client.request(method, path, headers=headers, **kind)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
            tried += 1
    assert tried > 100
    assert everybody.get("/api/v1/session").status_code == 200  # it was not even logged out


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    ],
)
def test_no_change_that_the_browser_says_comes_from_elsewhere(site, everybody, headers):
    for method, path, _ in changes(site):
        told = {"X-CSRF-Token": everybody.csrf} | headers
        answer = everybody.client.request(method, path, headers=told, json={})
        assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"


def test_the_login_itself_is_not_forged(site):
    """Else a doctor would work, and sign, in an account that somebody else can open."""
    client = site.client()
    given = {"login": "doctor-person", "password": PASSWORD}
    assert client.post("/login", data=given).status_code == 403
    assert client.post("/login", data=given | {"csrf": "x" * 43}).status_code == 403
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        body = b'{"login": "doctor-person", "password": "' + PASSWORD.encode() + b'"}'
        assert client.post("/api/v1/login", content=body, headers=headers).status_code == 400
    evil = {"Origin": "https://evil.example"}
    assert client.post("/api/v1/login", json=given, headers=evil).status_code == 403


@pytest.mark.parametrize(
    "disguise",
    [
        {"headers": {"X-HTTP-Method-Override": "DELETE"}},
        {"headers": {"X-HTTP-Method": "DELETE"}},
        {"headers": {"X-Method-Override": "PUT"}},
        {"params": {"_method": "DELETE"}},
        {"params": {"X-HTTP-Method-Override": "POST"}},
    ],
)
def test_a_get_is_a_get_whatever_it_says(site, doctor, disguise):
    before = site.room.house.ledger.size()
    for path in (f"/api/v1/studies/{UID}/lock", "/logout", "/api/v1/views", f"/api/v1/studies/{UID}/sign"):
        assert doctor.client.get(path, **disguise).status_code == 405
    assert doctor.client.get("/", **disguise).status_code == 200
    assert doctor.get("/api/v1/session").status_code == 200
    assert site.room.house.ledger.size() == before


def test_no_change_by_get(site, everybody):
    """Looking changes nothing: else a link would be enough."""
    heads = [
        (a.method, path_of(a)) for a in (*site.pages.table(), *site.identity.table()) if a.method == "GET"
    ]
    quiet = {"/audit/events.jsonl", "/login/oidc", "/login/oidc/callback", "/api/v1/events"}
    seen = {
        "notice.made",
        "review.opened",
        "review.revealed",
        "review.seen",
        "report.exported",
        "ledger.seen",
    }
    before = site.room.house.ledger.size()
    for method, path in heads:
        if path not in quiet:
            everybody.client.request(method, path)
    kinds = {record.event.kind for record in site.room.house.ledger.events(after=before)}
    assert kinds <= seen


def test_methods_that_no_page_uses_are_refused(raw):
    for method in ("TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG", "PATCH"):
        told = raw(method, "/")
        assert told.status in {400, 401, 403, 404, 405}, method
        assert b"X-Secret" not in told.body
    assert raw("TRACE", "/login", {"X-Secret": "echo me"}).status == 405


def test_a_session_is_not_fixed_beforehand(site):
    """A cookie that somebody put into the browser opens nothing, and is not the one after the login."""
    for planted in ("known-to-the-attacker", "x" * 43, ""):
        client = site.client()
        client.cookies.set("coread-session", planted, domain="127.0.0.1")
        assert client.get("/api/v1/session").status_code == 401
        assert submit(client, "/login", login="doctor-person", password=PASSWORD).status_code == 303
        held = [cookie.value for cookie in client.cookies.jar if cookie.name == "coread-session"]
        assert planted not in held[-1:]


def test_each_login_brings_a_session_of_its_own_and_ends_the_one_before(site):
    client = site.client()
    tokens = []
    for _ in range(2):
        given = {"login": "doctor-person", "password": PASSWORD}
        assert client.post("/api/v1/login", json=given).status_code == 200
        tokens.append(client.cookies["coread-session"])
    assert tokens[0] != tokens[1]
    old = httpx.Client(base_url=client.base_url, cookies={"coread-session": tokens[0]}, trust_env=False)
    assert old.get("/api/v1/session").status_code == 401
    csrf = client.get("/api/v1/session").json()["csrf"]
    client.post("/logout", data={"csrf": csrf})
    gone = httpx.Client(base_url=client.base_url, cookies={"coread-session": tokens[1]}, trust_env=False)
    assert gone.get("/api/v1/session").status_code == 401
    old.close()
    gone.close()


def test_a_session_in_the_address_is_none(site, doctor):
    token = doctor.client.cookies["coread-session"]
    client = site.client()
    for name in ("session", "coread-session", "token", "access_token", "jsessionid"):
        assert client.get("/api/v1/session", params={name: token}).status_code == 401
    assert client.get("/api/v1/session", headers={"Authorization": f"Bearer {token}"}).status_code == 401


ELSEWHERE = (
    "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "\\/evil.example", "http:evil.example", "javascript:alert(1)", "data:text/html,x", "//localhost:1",
    "/%0d%0aLocation:%20https://evil.example", "\t//evil.example", "/\t/evil.example", "https:/evil.example",
    "http://localhost@evil.example", "@evil.example", ".evil.example", "/login/../..//evil.example",
    "%2f%2fevil.example", "\u2028//evil.example",
)  # fmt: skip


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_no_redirection_leads_to_another_site(site, doctor, wanted):
    client = site.client()
    assert_here(submit(client, f"/login?{httpx.QueryParams({'next': wanted})}", login="doctor-person",
                       password=PASSWORD, next=wanted))  # fmt: skip
    assert_here(client.get("/login", params={"next": wanted}))
    assert_here(doctor.form("/language", language="zh", next=wanted))
    assert_here(
        doctor.client.post(
            "/language",
            data={"csrf": doctor.csrf, "language": "en"},
            headers={"Referer": quote(wanted)},
        )
    )
    assert_here(doctor.client.post("/logout", data={"csrf": doctor.csrf, "next": wanted}))


def assert_here(answer: httpx.Response) -> None:
    """Hold an answer to leading nowhere else."""
    assert answer.status_code in {200, 303, 400, 401, 403}, answer.text[:300]
    location = answer.headers.get("location", "/")
    parts = urlsplit(location)
    assert not parts.scheme or parts.netloc.startswith("127.0.0.1"), location
    assert not parts.netloc or parts.netloc.startswith("127.0.0.1"), location
    assert not location.startswith(("//", "/\\", "\\")), location
    for target in re.findall(r'(?:href|action)="([^"]*)"', answer.text):
        assert not target.startswith(("//", "/\\", "javascript:", "data:text")), target
        assert "evil.example" not in (urlsplit(target).hostname or "")


@pytest.mark.parametrize(
    "path", ["/studies/1.2.1/", "//evil.example/..", "/dicomweb/studies/", "/\\evil.example"]
)
def test_no_path_becomes_a_redirection_elsewhere(raw, path):
    told = raw("GET", path)
    location = told.headers.get("location", "")
    assert not location or urlsplit(location).netloc in {"", "localhost"}, location
    assert not location.startswith("//")


def test_the_one_who_is_asked_is_this_host(site, raw):
    """A made-up Host header neither gets in nor gets into a page or an address."""
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80", ""):
        told = raw("GET", "/login", {"Host": host})
        assert told.status in {400, 403}, host
    for header in ("X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"):
        told = raw("GET", "/login", {header: "evil.example"})
        assert told.status == 200
        assert b"evil.example" not in told.body
        assert "evil.example" not in str(told.headers)


def test_an_address_of_others_in_the_way_gives_no_rights(site, raw):
    """A proxy's headers are believed of proxies alone."""
    for name in ("X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Original-URL", "X-Forwarded-For"):
        told = raw("GET", "/api/v1/worklist", {name: "127.0.0.1"})
        assert told.status == 401, name


def test_who_may_decide_on_signing_is_told_by_the_table(site):
    """The addresses that change what a doctor signs need a permission that doctors alone have."""
    doctors = permissions_of([Role.DOCTOR])
    for address in site.pages.table():
        if address.method in UNSAFE and address.path.startswith("/api/v1/studies"):
            assert address.needs in doctors
            assert all(address.needs not in permissions_of([r]) for r in Role if r is not Role.DOCTOR)
    public = {a.path for a in (*site.pages.table(), *site.identity.table()) if a.needs is Access.PUBLIC}
    assert public == {
        "/static/{path:path}", "/favicon.ico", "/language", "/login", "/login/totp", "/login/done", "/logout",
        "/api/v1/login", "/login/oidc", "/login/oidc/callback",
    }  # fmt: skip
    assert Permission.SIGN in doctors
