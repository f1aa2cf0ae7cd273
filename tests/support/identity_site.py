"""A small site behind the gateway of identity: one page, one service, one address that changes something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from keeping import Clock, House, house_on
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from coread.domain.person import Permission, Person, Role
from coread.errors import CoReadError
from coread.gateways.answers import fault_response
from coread.gateways.identity import Identity, IdentityOptions, caller_of
from coread.gateways.serving import WebServer
from coread.governance import Hasher, People, Sessions, Tokens, totp_code_at

PASSWORD = "quiet river under seven bridges"
HTML = {"Accept": "text/html"}


@dataclass
class Site:
    """Keepers, the gateway over them, and browsers that go there."""

    house: House
    options: IdentityOptions = field(default_factory=IdentityOptions)

    def __post_init__(self) -> None:
        self.clock: Clock = self.house.clock
        keeper = (self.house.database, self.house.ledger)
        self.people = People(*keeper, hasher=Hasher(memory_kib=8, passes=1, lanes=1))
        self.sessions, self.tokens = Sessions(*keeper), Tokens(*keeper)
        self.identity = Identity(self.people, self.sessions, self.tokens, self.options, self.clock)
        self.server = WebServer(
            Starlette(routes=self._routes(), middleware=[Middleware(self.identity.middleware)])
        )
        self._browsers: list[httpx.Client] = []

    def _routes(self) -> list[Route | Mount]:
        service = Starlette(
            routes=[
                Route("/studies", echo, methods=["GET", "POST"]),
                Route("/Patient/_search", echo, methods=["POST"]),
            ]
        )

        def sign(request: Request) -> Response:
            try:
                self.identity.prove(request, request.headers.get("x-password", ""))
            except CoReadError as error:
                return fault_response(error)
            return JSONResponse({"signed": True})

        return [
            *self.identity.routes(),
            Route("/", self.identity.required(Permission.SEE_WORKLIST)(page)),
            Route("/audit", self.identity.required(Permission.SEE_LEDGER)(echo)),
            Route("/change", self.identity.required(Permission.DECIDE)(echo), methods=["POST"]),
            Route("/sign", self.identity.required(Permission.SIGN)(sign), methods=["POST"]),
            Route("/static/open.js", page),
            Mount("/dicomweb", self.identity.guard(service, Permission.SEE_IMAGES, Permission.STORE_IMAGES)),
        ]

    def browser(self, **headers: str) -> httpx.Client:
        """Give a browser that knows nothing of the site yet."""
        browser = httpx.Client(base_url=self.server.url, headers=headers, trust_env=False)
        self._browsers.append(browser)
        return browser

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()
        self.server.stop()
        self.house.database.close()

    def add(self, login: str = "li", *roles: Role, password: str = PASSWORD) -> Person:
        return self.people.add(
            login, "LI Wei", roles or [Role.DOCTOR], password,
            by="person:test", at=self.clock(), is_temporary=False,
        )  # fmt: skip

    def enter(self, login: str = "li", password: str = PASSWORD, **headers: str) -> httpx.Client:
        """Give a browser that is logged in."""
        browser = self.browser(**headers)
        assert submit(browser, "/login", login=login, password=password).status_code == 303
        return browser

    def enrol(self, person: Person) -> str:
        secret = self.people.enrol_totp(person.id)
        self.people.confirm_totp(person.id, self.code(secret), at=self.clock())
        self.clock.pass_s(60)
        return secret

    def code(self, secret: str) -> str:
        return totp_code_at(secret, int(self.clock().timestamp()) // 30)

    def kinds(self) -> list[str]:
        return self.house.kinds()


def page(request: Request) -> Response:
    """Show who is there; not async, as most of ours."""
    return PlainTextResponse(caller_of(request).actor)


async def echo(request: Request) -> Response:
    """Give back who asked what."""
    return JSONResponse({"actor": caller_of(request).actor, "body": (await request.body()).decode()})


@contextmanager
def site_on(folder: Path, options: IdentityOptions | None = None, url: str = "") -> Iterator[Site]:
    """Open a site on an empty database, SQLite if no other is named."""
    house = house_on(url or f"sqlite:///{folder / 'index.sqlite'}", folder)
    site = Site(house, options or IdentityOptions())
    site.server.start()
    yield site
    site.close()


def csrf_of(response: httpx.Response, action: str = "") -> str:
    """Read the hidden token of the form that goes to `action` out of a page."""
    form = response.text.partition(f'action="{action}"')[2] if action else response.text
    found = re.search(r'name="csrf" value="([^"]*)"', form)
    assert found, response.text
    return found[1]


def submit(browser: httpx.Client, action: str, at: str = "", **fields: str) -> httpx.Response:
    """Load the page that holds a form, fill it in and send it."""
    shown = browser.get(at or action, headers=HTML)
    return browser.post(action, data={"csrf": csrf_of(shown, urlsplit(action).path), **fields}, headers=HTML)


def session_token(browser: httpx.Client) -> str:
    """Return what the browser holds."""
    return next((c.value for c in browser.cookies.jar if c.name.endswith("coread-session")), "")
