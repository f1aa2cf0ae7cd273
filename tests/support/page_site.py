"""The whole site of a reading room, with studies and people, for tests of its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from identity_site import PASSWORD, submit
from keeping import Clock
from reviewing import CARDS, ReadingRoom, reading_room
from starlette.applications import Starlette

from coread.archive import Workers
from coread.domain.person import Person, Role
from coread.domain.review import SignedReport
from coread.gateways.identity import Identity, IdentityOptions, Oversight
from coread.gateways.pages import PageRooms, Pages, Target
from coread.gateways.reading_room import ReadingRoom as Doors
from coread.gateways.serving import WebServer
from coread.gateways.web import WebOptions, web_app
from coread.governance import (
    Approvals,
    ConsentRules,
    Consents,
    Emergencies,
    Hasher,
    People,
    Restrictions,
    Sessions,
    Tokens,
)
from coread.review import Policy
from coread.routing import load_rules
from coread.settings import Settings, describe

RULES = """
[[rule]]
name = "chests"
owner = "the tests"
comment = "Frontal views."
when = { Modality = ["CR", "DX"] }
readers = ["chest-radiograph"]
destinations = ["pacs"]
priority = "high"

[fallback]
readers = []
"""
TARGETS = (
    Target("pacs", "dimse", "PACS at pacs.example:104"),
    Target("records", "fhir", "https://fhir.example"),
)
HTML = {"Accept": "text/html"}


@dataclass
class PageSite:
    """Keepers, desk, people, identity and pages, put together as the clinic does."""

    room: ReadingRoom
    actions: list[str] = field(default_factory=list)
    """What was asked of the rooms that stand in for others."""

    def __post_init__(self) -> None:
        self.server: WebServer | None = None
        self._clients: list[httpx.Client] = []
        house = self.room.house
        keeper = (house.database, house.ledger)
        self.people = People(*keeper, hasher=Hasher(memory_kib=8, passes=1, lanes=1))
        self.sessions, self.tokens = Sessions(*keeper), Tokens(*keeper)
        restrictions = Restrictions(*keeper)
        self.oversight = Oversight(restrictions, Emergencies(*keeper, restrictions), Approvals(*keeper))
        self.identity = self.make_identity(IdentityOptions())
        self.workers = Workers(house.database)
        self.archive, self.intake, self.studies = house.archive, house.intake, house.studies
        self.resources = self.room.resources
        self.pages = Pages(self._page_rooms())
        self.app: Starlette = web_app(self, WebOptions(), Doors(self.pages, self.identity))

    @property
    def clock(self) -> Clock:
        return self.room.clock

    def make_identity(self, options: IdentityOptions) -> Identity:
        return Identity(self.people, self.sessions, self.tokens, options, self.clock, self.oversight)

    def _page_rooms(self) -> PageRooms:
        house = self.room.house
        return PageRooms(
            desk=self.room.desk,
            people=self.people,
            archive=house.archive,
            studies=house.studies,
            deliveries=self.room.deliveries,
            quarantine=house.quarantine,
            intake=house.intake,
            ledger=house.ledger,
            workers=self.workers,
            rules=lambda: load_rules(RULES, list(CARDS), [t.name for t in TARGETS]),
            reader_names=lambda: tuple(CARDS),
            cards=CARDS.get,
            evaluations=self.room.evaluations.get,
            targets=TARGETS,
            settings=lambda: describe(Settings()),
            reports=self.room.casebook.reports_of,
            print_report=self._printed,
            prove=self.identity.prove,
            now=self.clock,
            wake=lambda: self.actions.append("woken"),
            consents=Consents(house.database, house.ledger, self.clock, ConsentRules("CN")),
        )

    def _printed(self, report: SignedReport, language: str) -> bytes:
        self.actions.append(f"printed {report.number} {language}")
        return b"%PDF-1.7 " + report.uid.encode()

    def add(self, login: str = "li.wei", *roles: Role, name: str = "LI Wei 李伟", **more: Any) -> Person:
        """Add a person with `PASSWORD`."""
        person = self.people.add(
            login, name, roles or [Role.DOCTOR], PASSWORD,
            by="person:test", at=self.clock(), is_temporary=False, **more,
        )  # fmt: skip
        self.room.people[person.id] = person
        return person

    def client(self, **headers: str) -> httpx.Client:
        """Give a browser that nobody is logged in to."""
        if self.server is None:
            self.server = WebServer(self.app)
            self.server.start()
        client = httpx.Client(base_url=self.server.url, headers=headers, trust_env=False, timeout=30)
        self._clients.append(client)
        return client

    def enter(self, login: str = "li.wei", **headers: str) -> Visitor:
        """Give a browser in which a person is logged in."""
        return Visitor(self.client(**headers), login)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.pages.close()
        if self.server:
            self.server.stop()
        self.room.house.database.close()


class Visitor:
    """A logged-in browser that knows the token of its pages."""

    def __init__(self, client: httpx.Client, login: str) -> None:
        self.client = client
        answer = submit(client, "/login", login=login, password=PASSWORD)
        assert answer.status_code == 303, answer.text
        self.csrf: str = client.get("/api/v1/session").json()["csrf"]

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def page(self, path: str) -> httpx.Response:
        return self.client.get(path, headers=HTML)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send JSON as the pages' scripts do."""
        given = {"X-CSRF-Token": self.csrf, "Accept": "application/json"} | headers
        return self.client.request(method, path, json={} if body is None else body, headers=given)

    def form(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of a page."""
        return self.client.post(path, data={"csrf": self.csrf} | fields, headers=HTML)

    def review(self, uid: str) -> dict[str, Any]:
        """Return the present review of a study."""
        review: dict[str, Any] = self.get(f"/api/v1/studies/{uid}/review").json()
        return review

    def act(self, method: str, uid: str, part: str, **body: Any) -> httpx.Response:
        """Do an act on a study at its present revision, unless another is told."""
        revision = body["revision"] if "revision" in body else self.review(uid)["revision"]
        given = {"revision": revision, "key": new_key()} | body
        return self.send(method, f"/api/v1/studies/{uid}/{part}", given)

    def decide(self, uid: str, verdict: str = "accepted", place: int = 0, **body: Any) -> httpx.Response:
        """Decide on a finding by its place in the panel."""
        finding_uid = self.review(uid)["findings"][place]["finding_uid"]
        return self.act("POST", uid, f"findings/{finding_uid}/decision", verdict=verdict, **body)

    def drafted(self, uid: str, language: str = "en") -> dict[str, Any]:
        """Accept all findings and save the draft of the template."""
        for place in range(len(self.review(uid)["findings"])):
            assert self.decide(uid, place=place).status_code == 200
        template = self.review(uid)["suggested_template"]
        draft = self.get(f"/api/v1/studies/{uid}/draft?template={template}&language={language}").json()
        sections = [
            {"name": s["name"], "text": "\n".join(line["text"] for line in s["lines"])}
            for s in draft["sections"]
        ]
        saved = self.act("PUT", uid, "draft", template=template, language=language, sections=sections)
        assert saved.status_code == 200, saved.text
        review: dict[str, Any] = saved.json()
        return review


_count = iter(range(10**9))


def new_key() -> str:
    return f"test-key-{next(_count):08d}"


def targets_of(page: str) -> Sequence[str]:
    """Return where a page's links, images, styles and scripts lie."""
    return re.findall(r'(?:href|src)="([^"#]+)"', page)


@contextmanager
def page_site(folder: Path, policy: Policy | None = None, url: str = "") -> Iterator[PageSite]:
    """Build a site on an empty database, SQLite if no other is named."""
    site = PageSite(reading_room(url or f"sqlite:///{folder / 'index.sqlite'}", folder, policy))
    try:
        yield site
    finally:
        site.close()
