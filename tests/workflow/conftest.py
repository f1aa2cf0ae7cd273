"""A clinic in this process, with the readers of the testing room."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coread import settings
from coread.clinic import Clinic
from coread.testing.growing import GROWING_READER
from coread.testing.patients import chest_radiograph
from coread.testing.readers import EXAMPLE_READERS

READERS = (*EXAMPLE_READERS, GROWING_READER)
RULES = """
[[rule]]
name = "radiographs"
owner = "the tests"
when = { Modality = ["DX", "CT"] }
readers = ["example-brightness", "example-unsure", "example-fails"]
destinations = ["pacs", "records"]
"""
DESTINATIONS = [
    {"name": "pacs", "kind": "dimse", "host": "pacs.example"},
    {"name": "records", "kind": "fhir", "url": "http://records.example"},
]


def study_uid(number: int) -> str:
    """Give the UID of a study of the tests."""
    return f"1.2.826.0.1.3680043.10.4.{number}"


class House:
    """A clinic with shortcuts for tests."""

    def __init__(self, folder: Path, senders, probe=None, rules: str = RULES, **environ: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "rules.toml").write_text(rules, encoding="utf-8")
        given = {
            "COREAD_DATA__FOLDER": str(folder),
            "COREAD_ROUTING__RULES": str(folder / "rules.toml"),
            "COREAD_COMPLETENESS__QUIET_PERIOD_S": "0",
            "COREAD_COMPLETENESS__POLL_INTERVAL_S": "0.05",
            "COREAD_WORKFLOW__FIRST_RETRY_S": "0.05",
            "COREAD_WORKFLOW__DELIVERY_ATTEMPTS": "3",
            "COREAD_READERS__WARM_UP": "false",
            "COREAD_DESTINATIONS": json.dumps(DESTINATIONS),
        }
        self.clinic = Clinic(settings.load(None, given | environ), senders, READERS, probe)

    def file(self, number: int, image: int = 0, **facts: object) -> str:
        """File one image and return its study's UID."""
        uid = study_uid(number)
        data = chest_radiograph(
            number, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{image}", facts=facts
        )
        self.clinic.intake.accept_bytes(data, "folder")
        self.clinic.wake()
        return uid

    def kinds(self, uid: str | None = None) -> list[str]:
        """Give the kinds of what is on record, in order."""
        return [event.event.kind for event in self.clinic.ledger.events(uid)]

    def wait_for(self, kind: str, uid: str | None = None, count: int = 1) -> None:
        """Wait for an event."""
        self.wait(lambda: self.kinds(uid).count(kind) >= count)

    def wait(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Wait, and fail after `seconds`."""
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, f"waited in vain; on record: {self.kinds()}"
            time.sleep(0.02)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Give a maker of clinics on SQLite; each is stopped in the end."""
    yield from _makers(tmp_path / "clinic", "")


@pytest.fixture
def any_house(tmp_path: Path, database_url: str) -> Iterator[Callable[..., House]]:
    """Give a maker of clinics, once for each database system."""
    yield from _makers(tmp_path / "clinic", database_url)


def _makers(folder: Path, url: str) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def _made(senders=None, **more) -> House:
        quiet = {"dimse": lambda *_: None, "fhir": lambda *_: None}
        more.setdefault("COREAD_DATABASE__URL", url)
        houses.append(House(folder, quiet if senders is None else senders, **more))
        return houses[-1]

    yield _made
    for made in houses:
        made.clinic.stop()
