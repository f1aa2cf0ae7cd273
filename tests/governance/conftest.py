"""People, sessions and tokens on each database system, with hashes that cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from keeping import Clock, House, house_on

from coread.domain.person import Person, Role
from coread.governance import Hasher, People, Sessions, Tokens

PASSWORD = "quiet river under seven bridges"


@dataclass
class Desk:
    """The keepers of this room over one database."""

    house: House

    def __post_init__(self) -> None:
        self.clock: Clock = self.house.clock
        self.hasher = Hasher(memory_kib=8, passes=1, lanes=1)
        self.people = People(self.house.database, self.house.ledger, hasher=self.hasher)
        self.sessions = Sessions(self.house.database, self.house.ledger)
        self.tokens = Tokens(self.house.database, self.house.ledger)

    def add(self, login: str = "li", *roles: Role, password: str = PASSWORD) -> Person:
        return self.people.add(
            login, "LI Wei", roles or [Role.DOCTOR], password,
            by="person:test", at=self.clock(), is_temporary=False,
        )  # fmt: skip

    def open(self, person: Person, **told: str) -> str:
        return self.sessions.open(person, self.clock(), **told)[0]

    def is_open(self, token: str) -> bool:
        return self.sessions.find(token, self.clock()) is not None

    def events(self, kind: str = "") -> list[dict[str, str]]:
        """Return the facts of the events of one kind, with their subject and actor."""
        found = self.house.ledger.events(kind=kind or None)
        return [
            dict(r.event.facts) | {"subject": r.event.subject, "actor": r.event.actor, "kind": r.event.kind}
            for r in found
        ]


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    house = house_on(database_url, tmp_path)
    yield Desk(house)
    house.database.close()


@pytest.fixture(scope="module")
def small_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give the same on SQLite, shared by a module's tests: each makes people of its own."""
    folder = tmp_path_factory.mktemp("desk")
    house = house_on(f"sqlite:///{folder / 'index.sqlite'}", folder)
    yield Desk(house)
    house.database.close()
