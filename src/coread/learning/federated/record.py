"""The record of a federation: events in a ledger, at each site and at the coordinator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from coread.archive import Database
from coread.domain.event import Event
from coread.ledger import Ledger, RecordedEvent

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


class Record:
    """Events about plans, in a ledger that shows any later change.

    Parameters
    ----------
    url
        Database of the ledger: one of its own, or the clinic's.
    now
        Reads the clock.
    """

    def __init__(self, url: str, now: Now = utc_now) -> None:
        self._database = Database(url)
        self._database.migrate()
        self._ledger = Ledger(self._database)
        self._now = now

    @classmethod
    def kept_in(cls, folder: Path, now: Now = utc_now) -> Record:
        """Open the ledger of a folder of its own."""
        return cls(f"sqlite:///{folder.resolve() / 'ledger.sqlite'}", now)

    def note(self, kind: str, plan: str, actor: str, facts: Mapping[str, str], key: str = "") -> int:
        """Record one event about a plan; of a key already recorded, nothing is added."""
        return self._ledger.append(Event(f"federation.{kind}", plan, actor, self._now(), dict(facts), key))

    def events(self, plan: str | None = None) -> list[RecordedEvent]:
        """Events of one plan (or of all), oldest first; the ledger gives 1000 at a time."""
        found: list[RecordedEvent] = []
        while page := self._ledger.events(plan, after=found[-1].sequence if found else 0):
            found += page
        return [one for one in found if one.event.kind.startswith("federation.")]

    def root(self) -> tuple[int, str]:
        """Size and root of the log, by which a later change would show."""
        return self._ledger.size(), self._ledger.root().hex()

    def close(self) -> None:
        """Give the database back."""
        self._database.close()
