"""Images and records: every address of DICOMweb and FHIR, by every role, by session, token, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from page_site import PageSite
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from coread.domain.person import Permission, Role
from coread.gateways.pages.routes import Form
from coread.governance import permissions_of
from coread.testing.patients import chest_radiograph

UID = "1.2.1"
MOUNTS = ("/dicomweb", "/fhir")
_FILLED = {
    "study": UID, "series": f"{UID}.1", "instance": f"{UID}.1.1", "frames": "1", "path": "7FE00010",
    "kind": "DiagnosticReport", "id": "none",
}  # fmt: skip
_BAD = (401, 403)


def routes_of(app: object) -> Iterator[Route]:
    """Yield the routes inside a mount, behind whatever stands before them."""
    while not isinstance(app, Starlette):
        app = app._app
    for route in app.routes:
        assert isinstance(route, Route)
        yield route


def addresses(site: PageSite) -> list[tuple[str, str]]:
    """List every method and path of the services."""
    found = []
    for mount in (r for r in site.app.routes if isinstance(r, Mount)):
        for route in routes_of(mount.app):
            path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: _FILLED[part[1]], route.path)
            found += [(method, mount.path + path) for method in sorted(route.methods or ())]
    return found


def needed(method: str) -> Permission:
    return Permission.SEE_IMAGES if method in {"GET", "HEAD"} else Permission.STORE_IMAGES


def ask(client: httpx.Client, method: str, path: str, **headers: str) -> int:
    body = stow() if method == "POST" else b""
    given = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'} if body else {}
    return client.request(method, path, content=body, headers=given | headers).status_code


def stow() -> bytes:
    """Write a request that stores nothing new."""
    image = chest_radiograph(1, study_uid=UID, series_uid=f"{UID}.1", sop_uid=f"{UID}.1.1")
    return b"--b\r\nContent-Type: application/dicom\r\n\r\n" + image[:200] + b"\r\n--b--\r\n"


def test_the_services_are_all_that_is_mounted(site):
    assert {r.path for r in site.app.routes if isinstance(r, Mount)} == set(MOUNTS)
    assert len(addresses(site)) > 40


def test_nobody_sees_or_stores_anything(site):
    client = site.client()
    for method, path in addresses(site):
        assert ask(client, method, path) == 401, f"{method} {path}"
        assert ask(client, method, path, Authorization="Bearer nonsense") == 401
        assert ask(client, method, path, Authorization="Basic ZG9jdG9yOnF1aWV0") == 401


@pytest.mark.parametrize("role", Role)
def test_sessions_of_each_role(site, visitors, role):
    visitor = visitors[role]
    for method, path in addresses(site):
        status = ask(visitor.client, method, path, **{"X-CSRF-Token": visitor.csrf})
        assert (status not in _BAD) is (needed(method) in permissions_of([role])), (
            f"{method} {path}: {status}"
        )


@pytest.mark.parametrize("role", Role)
def test_tokens_of_each_role(site, token_of, role):
    client, secret = site.client(), token_of(role)
    for method, path in addresses(site):
        status = ask(client, method, path, Authorization=f"Bearer {secret}")
        assert (status not in _BAD) is (needed(method) in permissions_of([role])), (
            f"{method} {path}: {status}"
        )


@pytest.mark.parametrize("role", Role)
def test_tokens_of_each_role_at_every_page(site, token_of, role):
    """A token opens what its owner's role opens, but for what a person must do itself."""
    client, headers = site.client(), {"Authorization": f"Bearer {token_of(role)}"}
    filled = {"study_uid": UID, "name": "chest-radiograph", "path": "coread.css"}
    for address in site.pages.table():
        if address.stream is not None or not isinstance(address.needs, Permission):
            continue
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: filled.get(part[1], "none"), address.path)
        told = {"json": {}} if address.form is Form.DATA and address.method != "GET" else {}
        status = client.request(address.method, path, headers=headers, **told).status_code
        is_own = address.needs in (Permission.DECIDE, Permission.SIGN)
        is_open = address.needs in permissions_of([role]) and not is_own
        assert (status not in _BAD) is is_open, f"{address.method} {path}: {status}"


def test_a_token_opens_no_more_than_its_scopes(site, token_of):
    client = site.client()
    lists = token_of(Role.DOCTOR, frozenset({Permission.SEE_WORKLIST}))
    assert ask(client, "GET", "/dicomweb/studies", Authorization=f"Bearer {lists}") == 403
    assert client.get("/api/v1/worklist", headers={"Authorization": f"Bearer {lists}"}).status_code == 200
    images = token_of(Role.DOCTOR, frozenset({Permission.SEE_IMAGES}))
    assert ask(client, "GET", "/dicomweb/studies", Authorization=f"Bearer {images}") == 200
    assert ask(client, "POST", "/dicomweb/studies", Authorization=f"Bearer {images}") == 403
    assert client.get("/api/v1/worklist", headers={"Authorization": f"Bearer {images}"}).status_code == 403


def test_a_token_that_has_ended_opens_nothing(site, token_of):
    client = site.client()
    revoked, ended = token_of(Role.DOCTOR), token_of(Role.DOCTOR, begins_days=-3)
    assert ask(client, "GET", "/dicomweb/studies", Authorization=f"Bearer {ended}") == 401
    assert ask(client, "GET", "/dicomweb/studies", Authorization=f"Bearer {revoked}") == 200
    token = site.tokens.find(revoked, site.clock())
    site.tokens.revoke(token.id, by="person:test", at=site.clock())
    assert ask(client, "GET", "/dicomweb/studies", Authorization=f"Bearer {revoked}") == 401


def test_a_token_never_signs_and_keeps_no_access(site, token_of):
    """What a person must do itself is closed to programs, whatever their scopes."""
    client, somebody = site.client(), site.people.list()[0].id
    everything = [
        (a.method, re.sub(r"\{\w+(?::\w+)?\}", somebody, a.path))
        for a in site.identity.table()
        if a.path.startswith(("/account", "/people", "/api/v1/reauthenticate", "/api/v1/session"))
    ]
    everything += [("POST", f"/api/v1/studies/{UID}/sign"), ("POST", f"/api/v1/studies/{UID}/addendum")]
    for role in (Role.DOCTOR, Role.ADMINISTRATOR):
        secret = token_of(role)
        for method, path in everything:
            body = {"password": "quiet river under seven bridges", "revision": 1, "key": "a-long-enough-key"}
            kind = {"json": body} if path.startswith("/api/") else {"data": {"a": "b"}}
            answer = client.request(
                method,
                path,
                headers={"Authorization": f"Bearer {secret}"},
                **(kind if method != "GET" else {}),
            )
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text[:200]}"


def test_a_role_taken_away_or_an_account_closed_holds_at_once(site, token_of):
    leaving = site.add("leaving", Role.DOCTOR)
    visitor = site.enter("leaving")
    assert ask(visitor.client, "GET", "/dicomweb/studies") == 200
    site.people.change_roles(leaving.id, [Role.QUALITY], by="person:test", at=site.clock())
    assert ask(visitor.client, "GET", "/dicomweb/studies") == 403
    site.people.deactivate(leaving.id, by="person:test", at=site.clock())
    assert ask(visitor.client, "GET", "/dicomweb/studies") == 401
    assert visitor.page("/").status_code == 303


def test_a_temporary_password_opens_neither_page_nor_service(site):
    fresh = site.people.add(
        "fresh",
        "Fresh Doctor",
        [*Role],
        "another river under nine bridges",
        by="person:test",
        at=site.clock(),
    )
    client = site.client()
    page = client.get("/login").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    given = {"csrf": csrf, "login": fresh.login, "password": "another river under nine bridges"}
    assert client.post("/login", data=given).headers["location"] == "/account"
    token = client.get("/api/v1/session").json()["csrf"]
    for method, path in addresses(site):
        assert ask(client, method, path, **{"X-CSRF-Token": token}) == 403, f"{method} {path}"
    for address in site.pages.table():
        if isinstance(address.needs, Permission):
            path = re.sub(r"\{\w+(?::\w+)?\}", UID, address.path)
            answer = client.request(address.method, path, headers={"X-CSRF-Token": token}, json={})
            assert answer.status_code in {303, 403}, f"{address.method} {path}: {answer.status_code}"
            assert answer.headers.get("location", "/account") == "/account"
