"""What browsers are told with each answer: what may run, who may frame, what is kept; and the cookies."""

from __future__ import annotations

import re

import httpx
import pytest
from identity_site import PASSWORD, submit
from page_site import HTML, page_site

from coread.domain.person import Role
from coread.gateways.pages import CONTENT_SECURITY_POLICY
from coread.gateways.reading_room import ReadingRoom
from coread.gateways.web import WebOptions, web_app

UID = "1.2.1"


@pytest.fixture(scope="module")
def answers(site) -> dict[str, httpx.Response]:
    """Ask every address that can be looked at, as somebody who may see everything, and as nobody."""
    if not any(person.login == "headers" for person in site.people.list()):
        site.add("headers", *Role)
    everybody, nobody = site.enter("headers"), site.client()
    found = {}
    filled = {"study_uid": UID, "number": "1", "name": "chest-radiograph", "path": "coread.css"}
    paths = [
        re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: filled.get(part[1], "none"), address.path)
        for address in (*site.pages.table(), *site.identity.table())
        if address.method == "GET" and address.stream is None
    ]
    root = f"/dicomweb/studies/{UID}"
    paths += [
        "/dicomweb/studies", f"{root}/metadata", f"{root}/thumbnail", root, "/fhir/metadata",
        "/fhir/Observation", "/health", "/ready", "/nothing", "/static/nothing.js",
        "/static/viewer/coread-viewer.js", "/studies/9.9.9",
    ]  # fmt: skip
    for path in paths:
        found[f"all {path}"] = everybody.page(path)
        found[f"none {path}"] = nobody.get(path, headers=HTML)
        found[f"json {path}"] = everybody.get(path, headers={"Accept": "application/json"})
    found["forged"] = everybody.client.post("/language")
    found["too large"] = everybody.client.post(
        "/language", content=b"a" * (3 << 20), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    return found


def test_nothing_is_guessed_framed_or_told_on(answers):
    for name, answer in answers.items():
        told = answer.headers
        assert told.get("x-content-type-options") == "nosniff", name
        assert "default-src 'none'" in told.get("content-security-policy", ""), name
        assert told.get("referrer-policy") == "no-referrer", name
        framed = "frame-ancestors 'none'" in told["content-security-policy"]
        assert framed or told.get("x-frame-options") == "DENY", name
        assert "access-control-allow-origin" not in told, name
        assert "server" not in told, name
        assert "x-powered-by" not in told, name


def test_pages_have_the_policy_of_pages(answers):
    pages = {n: a for n, a in answers.items() if a.headers.get("content-type", "").startswith("text/html")}
    assert len(pages) > 20
    for name, answer in pages.items():
        policy = answer.headers["content-security-policy"]
        assert policy == CONTENT_SECURITY_POLICY, name
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", name
        assert "charset=utf-8" in answer.headers["content-type"], name


def test_the_policy_lets_nothing_in_but_our_own():
    parts = dict(part.strip().split(" ", 1) for part in CONTENT_SECURITY_POLICY.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert parts["base-uri"] == parts["frame-ancestors"] == "'none'"
    assert parts["form-action"] == parts["style-src"] == parts["connect-src"] == "'self'"
    for forbidden in ("'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:"):
        assert forbidden not in CONTENT_SECURITY_POLICY.split()


def test_what_knows_a_patient_is_kept_by_nobody(answers):
    for name, answer in answers.items():
        if "/static/" in name or "/favicon" in name:
            assert "set-cookie" not in answer.headers, name
            continue
        assert "no-store" in answer.headers.get("cache-control", ""), (
            f"{name}: {answer.headers.get('cache-control')}"
        )


def test_static_files_say_what_they_are(site):
    client = site.client()
    for path, kind in (
        ("coread.css", "text/css"),
        ("study.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        answer = client.get(f"/static/{path}")
        assert answer.headers["content-type"].startswith(kind)
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_the_session_is_out_of_reach_of_scripts_and_other_sites(site):
    client = site.client()
    answer = submit(client, "/login", login="doctor-person", password=PASSWORD)
    (cookie,) = [
        c
        for c in answer.headers.get_list("set-cookie")
        if c.startswith("coread-session=") and "Max-Age=0" not in c
    ]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie.replace("Lax", "lax")
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    value = cookie.partition("=")[2].partition(";")[0]
    assert len(value) >= 40
    for path in ("/", f"/studies/{UID}", "/account", "/api/v1/session"):
        assert value not in client.get(path).text


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory):
    """Give a site whose people come by https, through a proxy."""
    from coread.gateways.identity import Identity, IdentityOptions  # noqa: PLC0415

    with page_site(tmp_path_factory.mktemp("tls")) as site:
        options = IdentityOptions(public_url="https://coread.hospital.example")
        site.identity = Identity(site.people, site.sessions, site.tokens, options, site.clock)
        room = ReadingRoom(site.pages, site.identity)
        site.app = web_app(site, WebOptions(public_url="https://coread.hospital.example"), room)
        site.add()
        site.room.study(1)
        yield site


def test_behind_tls_browsers_never_come_back_in_the_open(behind_tls):
    client = behind_tls.client()
    for path in (
        "/login",
        "/",
        "/static/coread.css",
        "/nothing",
        "/dicomweb/studies",
        "/health",
        "/fhir/metadata",
    ):
        told = client.get(path).headers.get("strict-transport-security", "")
        age = re.search(r"max-age=(\d+)", told)
        assert age, path
        assert int(age[1]) >= 31_536_000


def test_behind_tls_the_session_is_of_this_host_alone(behind_tls):
    client = behind_tls.client()
    page = client.get("/login")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    held = "; ".join(c.partition(";")[0] for c in page.headers.get_list("set-cookie"))
    given = {"csrf": csrf, "login": "li.wei", "password": PASSWORD}
    answer = client.post(
        "/login", data=given, headers={"Cookie": held, "Origin": "https://coread.hospital.example"}
    )
    assert answer.status_code == 303, answer.text
    cookies = [c for c in answer.headers.get_list("set-cookie") if "session" in c]
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-coread-session=")
        assert "Secure" in cookie
        assert "Path=/" in cookie


def test_in_the_open_nothing_claims_to_be_behind_tls(answers):
    assert not [name for name, answer in answers.items() if "strict-transport-security" in answer.headers]
