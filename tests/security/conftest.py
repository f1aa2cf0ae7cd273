"""One site with a study and a person of each role, attacked by all tests of this folder."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from page_site import PageSite, Visitor, page_site

from coread.domain.person import Permission, Role
from coread.gateways.identity import IdentityOptions
from coread.gateways.reading_room import ReadingRoom
from coread.gateways.web import WebOptions, web_app
from coread.governance import permissions_of


@dataclass(frozen=True)
class Told:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSite]:
    """Give a site with the studies 1.2.1 and 1.2.2; a person of each role, and a second doctor."""
    with page_site(tmp_path_factory.mktemp("security")) as site:
        # Every test comes from one address; that guessing is slowed is tested on a site of its own.
        options = IdentityOptions(failures_per_minute=1_000_000)
        site.identity = site.make_identity(options)
        site.app = web_app(site, WebOptions(), ReadingRoom(site.pages, site.identity))
        site.room.study(1)
        site.room.study(2, PatientName="Another^Person", PatientID="OTHER-1")
        for role in Role:
            site.add(f"{role}-person", role)
        site.add("second-doctor", Role.DOCTOR)
        yield site


@pytest.fixture(scope="session")
def visitors(site: PageSite) -> dict[Role, Visitor]:
    """Give a logged-in browser of each role."""
    return {role: site.enter(f"{role}-person") for role in Role}


@pytest.fixture
def doctor(site: PageSite) -> Visitor:
    """Give a doctor's browser of a session of its own."""
    return site.enter("doctor-person")


@pytest.fixture
def colleague(site: PageSite) -> Visitor:
    """Give another doctor's browser."""
    return site.enter("second-doctor")


@pytest.fixture
def guesser(site: PageSite) -> Visitor:
    """Give a doctor's browser for tests that give wrong passwords: the login is locked afterwards."""
    login = f"guesser-{len(site.people.list())}"
    site.add(login, Role.DOCTOR)
    return site.enter(login)


@pytest.fixture(scope="session")
def token_of(site: PageSite) -> Callable[..., str]:
    """Give a maker of tokens: of a role, with all that the role may, or fewer scopes."""

    def made(role: Role, scopes: frozenset[Permission] | None = None, begins_days: int = 0) -> str:
        owner = next(p for p in site.people.list() if p.login == f"{role}-person")
        chosen = permissions_of([role]) if scopes is None else scopes
        at = site.clock() + timedelta(days=begins_days)
        name = f"{role} {len(site.tokens.list(owner.id))}"
        return site.tokens.issue(name, owner.id, chosen, at, at + timedelta(days=1), by=owner.actor)

    return made


@pytest.fixture
def raw(site: PageSite) -> Callable[..., Told]:
    """Give a client that sends a path, headers and body as they are, without making them decent first."""
    site.client()
    assert site.server
    port = site.server.port

    def ask(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Told:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in ({"Host": "localhost"} | (headers or {})).items():
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Told(answer.status, told, answer.read())
        finally:
            connection.close()

    return ask
