"""A ledger with a notary, a clock that tests set, and events like those of a clinic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from coread.archive import Database
from coread.domain.event import Event
from coread.errors import DestinationUnreachable
from coread.ledger import Ledger, Notary, SignedHead, Witness, newest_head

AT = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)


class Clock:
    """Goes on by a second each time it is asked, unless it is set."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Recorder:
    """One installation's ledger."""

    def __init__(self, url: str, folder: Path, witnesses: Sequence[Witness] = ()) -> None:
        self.folder = folder
        self.clock = Clock()
        self.database = Database(url)
        self.database.migrate()
        self.ledger = Ledger(self.database)
        self.notary = Notary(
            self.database, self.ledger, folder / "ledger.key", self.clock, "test-log", witnesses
        )

    def record(self, count: int = 1, **changes: Any) -> list[int]:
        """Append events of one study."""
        return self.ledger.append_many([event(number, self.clock(), **changes) for number in range(count)])

    def close(self) -> None:
        self.database.close()


class Memory:
    """A witness in memory that can go away, and that anybody may make forget or lie."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.heads: list[SignedHead] = []
        self.is_away = False

    def send(self, head: SignedHead) -> bytes:
        self._look()
        self.heads.append(head)
        return b"kept"

    def latest(self, origin: str) -> SignedHead | None:
        self._look()
        return newest_head(head for head in self.heads if head.head.origin == origin)

    def _look(self) -> None:
        if self.is_away:
            raise DestinationUnreachable("nobody", where=self.name)


def event(number: int = 1, at: datetime = AT, **changes: Any) -> Event:
    """Make an event of a decision, open and private facts in it."""
    facts = {
        "finding": f"1.2.3.{number}", "verdict": "accepted", "active_s": "4.5", "mode": "concurrent",
        "comment_sha256": "e3" * 32, "reader": "chest-radiograph 1.0",
    }  # fmt: skip
    given = {
        "kind": "finding.decided",
        "subject": "1.2.840.1",
        "actor": "person:p-1",
        "at": at,
        "facts": facts,
    }
    return Event(**(given | changes))
