"""Rooms of the keepers, put together for tests, with objects to put into them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coread.archive import (
    Archive,
    Arrival,
    Database,
    DiskStore,
    Filed,
    ObjectStore,
    Quarantine,
    Studies,
)
from coread.dicom import part10_prefix, read_meta, scan_header
from coread.intake import Intake, Limits
from coread.ledger import Ledger
from coread.testing import chest_radiograph

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """Time that moves only when it is told to."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def pass_s(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time


@dataclass
class House:
    """One set of keepers over one database and one store."""

    database: Database
    store: ObjectStore
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.database.migrate()
        self.archive = Archive(self.database, self.store)
        self.studies = Studies(self.database)
        self.quarantine = Quarantine(self.database, self.store)
        self.ledger = Ledger(self.database)
        self.intake = self.intake_with(Limits())

    def intake_with(self, limits: Limits) -> Intake:
        return Intake(self.archive, self.quarantine, limits, self.clock)

    def arrival(self, data: bytes, source: str = "dimse:CT1", **told: int) -> Arrival:
        """Keep the bytes and return what is to be filed."""
        draft = self.store.draft()
        draft.write(data)
        key = draft.sync_and_keep()
        digest = hashlib.sha256(data).hexdigest()
        return Arrival(key, scan_header(data), digest, len(data), source, self.clock(), **told)

    def file(self, data: bytes, source: str = "dimse:CT1", **told: int) -> Filed:
        return self.archive.file(self.arrival(data, source, **told))

    def kinds(self) -> list[str]:
        """Return the kinds of all events."""
        return [record.event.kind for record in self.ledger.events()]

    def keys(self) -> list[str]:
        return list(self.store.keys())


def house_on(url: str, folder: Path) -> House:
    return House(Database(url), DiskStore(folder / "objects"))


def image(study: int = 1, series: int = 1, instance: int = 1, seed: int = 0, **facts: str) -> bytes:
    """Make a small radiograph with UIDs by number."""
    return chest_radiograph(
        seed,
        size_px=8,
        facts={"InstanceNumber": str(instance), "SeriesNumber": str(series)} | facts,
        study_uid=f"1.2.{study}",
        series_uid=f"1.2.{study}.{series}",
        sop_uid=f"1.2.{study}.{series}.{instance}",
    )


def sent_by(data: bytes, source_ae: str) -> bytes:
    """Return the same data set in a file that another sender's AE title is written into."""
    meta = read_meta(data)
    prefix = part10_prefix(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, source_ae)
    return prefix + data[meta.data_set_offset :]
