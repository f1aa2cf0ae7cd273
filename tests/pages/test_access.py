"""Every address against every role: allowed and denied; and what nobody may do from elsewhere."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from page_site import PageSite, Visitor, page_site

from coread.domain.person import Permission, Role
from coread.gateways.pages.routes import Access, Address, Form
from coread.governance import permissions_of

UID = "1.2.1"
FILLED = {
    "study_uid": UID, "finding_uid": "9.9", "question_id": "none", "number": "1", "delivery_id": "none",
    "quarantine_id": "none", "name": "chest-radiograph", "path": "coread.css",
}  # fmt: skip
ROLES = [*Role, None]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSite]:
    with page_site(tmp_path_factory.mktemp("access")) as site:
        site.room.study(1)
        for role in Role:
            site.add(f"{role}-person", role)
        yield site


@pytest.fixture(scope="module")
def visitors(site: PageSite) -> dict[Role, Visitor]:
    return {role: site.enter(f"{role}-person") for role in Role}


def table(folder: Path) -> list[Address]:
    with page_site(folder) as site:
        return [*site.pages.table(), *site.identity.table()]


def addresses() -> list[tuple[str, str]]:
    """Name every line of the table; it is made from a site of its own, since a parameter needs it early."""
    with tempfile.TemporaryDirectory() as folder:
        return sorted((address.method, address.path) for address in table(Path(folder)))


def path_of(address: Address) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: FILLED.get(part[1], "none"), address.path)


def ask(site: PageSite, visitor: Visitor | None, address: Address) -> tuple[int, bool]:
    """Ask an address as its pages do, with an empty body.

    Returns the status, and whether it is the permission that lacks rather than a password or code.
    """
    path = path_of(address)
    if address.stream is not None:
        client = visitor.client if visitor else site.client()
        with client.stream("GET", path) as answer:
            return answer.status_code, answer.status_code in {401, 403}
    answer = _asked(site, visitor, address, path)
    is_denied = answer.status_code in {401, 403} and not re.search(r"\b190[3-9]\b", answer.text)
    return answer.status_code, is_denied


def _asked(site: PageSite, visitor: Visitor | None, address: Address, path: str) -> httpx.Response:
    if visitor is None:
        return site.client().request(address.method, path, headers={"Accept": "text/html"})
    if address.method == "GET":
        return visitor.page(path)
    return visitor.form(path) if address.form is Form.PAGE else visitor.send(address.method, path)


@pytest.mark.parametrize(("method", "path"), addresses())
def test_each_address_lets_in_whom_it_should_and_nobody_else(site, visitors, method, path):
    address = next(
        a for a in site.pages.table() + site.identity.table() if (a.method, a.path) == (method, path)
    )
    if path == "/logout":
        visitors = {role: site.enter(f"{role}-person") for role in Role}
    for role in ROLES:
        status, is_denied = ask(site, visitors[role] if role else None, address)
        if is_allowed(address, role):
            assert not is_denied or path.startswith("/login"), f"{role} {status}"
        elif role is None:
            is_page = address.form is Form.PAGE and method == "GET"
            assert status in ({303} if is_page else {401, 403}), f"nobody {status}"
        else:
            assert status == 403, f"{role} {status}"
            assert is_denied


def is_allowed(address: Address, role: Role | None) -> bool:
    if address.needs is Access.PUBLIC:
        return True
    if role is None:
        return False
    return address.needs is Access.SIGNED_IN or address.needs in permissions_of([role])


def test_the_table_names_each_address_once(site):
    lines = [(address.method, address.path) for address in (*site.pages.table(), *site.identity.table())]
    assert len(lines) == len(set(lines))


def test_every_route_of_the_site_is_a_line_of_the_table_or_a_service(site):
    listed = {address.path for address in (*site.pages.table(), *site.identity.table())}
    assert {route.path for route in site.app.routes} - listed == {"/health", "/ready", "/dicomweb", "/fhir"}


@pytest.mark.parametrize("permission", Permission)
def test_each_permission_opens_something_here_or_a_service(site, permission):
    needed = {address.needs for address in (*site.pages.table(), *site.identity.table())}
    assert permission in needed | {Permission.STORE_IMAGES, Permission.SEE_IMAGES}


def test_every_change_needs_the_token_of_its_page(site, visitors):
    for address in site.pages.table():
        if address.method == "GET":
            continue
        role = next((r for r in Role if is_allowed(address, r)), Role.DOCTOR)
        visitor, path = visitors[role], path_of(address)
        for token in (None, "", "x" * 43):
            headers = {"Accept": "application/json"} | ({} if token is None else {"X-CSRF-Token": token})
            answer = visitor.client.request(address.method, path, json={}, headers=headers)
            assert answer.status_code == 403, f"{address.method} {path}"
            assert answer.json()["number"] == 1906


def test_a_change_as_a_plain_form_is_no_json(site, visitors):
    answer = visitors[Role.DOCTOR].form(f"/api/v1/studies/{UID}/teaching", on="true")
    assert answer.status_code == 400


def test_who_is_not_logged_in_comes_back_to_the_page_after_the_login(site):
    answer = site.client().get("/studies/1.2.1?x=1", headers={"Accept": "text/html"})
    assert answer.headers["location"] == "/login?next=%2Fstudies%2F1.2.1%3Fx%3D1"
    assert site.client().get("/api/v1/worklist").json()["number"] == 1902


@pytest.mark.parametrize("role", [Role.ENGINEER, Role.QUALITY, Role.AUDITOR, Role.ADMINISTRATOR])
def test_who_has_other_work_is_led_to_its_page(site, visitors, role):
    answer = visitors[role].page("/")
    assert answer.status_code == 303
    assert visitors[role].page(answer.headers["location"]).status_code == 200


def test_pages_name_only_what_may_be_opened(site, visitors):
    for role, visitor in visitors.items():
        start = visitor.page("/")
        page = start if start.status_code == 200 else visitor.page(start.headers["location"])
        nav = page.text.partition('class="sections"')[2].partition("</nav>")[0]
        links = re.findall(r'href="([^"]+)"', nav)
        assert links, role
        assert [link for link in links if visitor.page(link).status_code == 403] == []


def test_no_patient_on_the_pages_of_those_who_see_none(site, visitors):
    for role in (Role.ENGINEER, Role.QUALITY, Role.AUDITOR, Role.ADMINISTRATOR):
        for address in site.pages.table():
            if address.method == "GET" and address.form is Form.PAGE and is_allowed(address, role):
                assert "SYN-0001" not in visitors[role].page(path_of(address)).text, address.path
