"""A clinic whose worker is another process, and what must hold after anything has happened to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killable_clinics import reading_clinic
from worker_process import WorkerProcess

from coread.testing.patients import chest_radiograph


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait, and fail after `seconds`."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


class Ward:
    """A folder, a gateway in this process, workers in others."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.clinic = reading_clinic(folder, url)
        self.clinic.start("gateway")
        self.studies: list[str] = []
        self.workers: list[WorkerProcess] = []

    def send(self, number: int, *, images: int = 1) -> str:
        """File a study of its own number and return its UID."""
        uid = f"1.2.826.0.1.3680043.10.1.{number}"
        for image in range(images):
            data = chest_radiograph(number, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.{image}")
            self.clinic.intake.accept_bytes(data, "folder")
        self.studies.append(uid)
        return uid

    def start_worker(self, crash: str = "") -> WorkerProcess:
        """Start a worker and wait until it is ready or dead."""
        self.workers.append(WorkerProcess(reading_clinic, self.folder, self.url, crash))
        return self.workers[-1]

    def finished(self) -> list[str]:
        """Studies that some worker has finished."""
        return [event.event.subject for event in self.clinic.ledger.events(kind="study.read")]

    def wait(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait, and fail after `seconds`."""
        wait_until(holds, seconds)

    def is_read(self, uid: str, version: int = 1) -> bool:
        """Whether every reader has had its turn and everything was delivered."""
        read = [e.event.facts["version"] for e in self.clinic.ledger.events(uid, "study.read")]
        states = {str(delivery.state) for delivery in self.clinic.deliveries.of_study(uid)}
        return str(version) in read and states == {"delivered"}

    def wait_for_all(self, seconds: float = 90) -> None:
        """Wait until all that was sent is read and delivered."""
        wait_until(lambda: all(self.is_read(uid) for uid in self.studies), seconds)

    def check(self) -> None:
        """Nothing lost, nothing double, nothing failed."""
        for uid in self.studies:
            self._check_study(uid)
        assert not self.clinic.archive.conflicts()
        assert not self.clinic.ledger.events(kind="step.failed")
        assert not list(self.clinic.ledger.verify())
        # A resource such as Device belongs to several studies, and is on record at one of them.
        planned = sum(len(self.clinic.deliveries.of_study(uid)) for uid in self.studies)
        assert len(self.clinic.ledger.events(kind="delivery.done", limit=100_000)) == planned

    def _check_study(self, uid: str) -> None:
        readings = self.clinic.readings.of_study(uid)
        versions = range(1, self.clinic.studies.state(uid).version + 1)
        wanted = {(name, v) for v in versions for name in ("example-brightness", "example-fails")}
        assert Counter((r.reader.name, r.study_version) for r in readings) == Counter(wanted)
        made = [i for i in self.clinic.archive.study(uid).instances if i.source.startswith("reader:")]
        reports = [i.ref.sop_instance_uid for i in made if i.header.facts["Modality"] == "SR"]
        assert sorted(reports) == sorted(r.derive_uid("sr") for r in readings)
        deliveries = Counter((d.object_id, d.destination) for d in self.clinic.deliveries.of_study(uid))
        objects = {i.ref.sop_instance_uid for i in made}
        assert {o for o, destination in deliveries if destination == "pacs"} == objects
        assert set(deliveries.values()) == {1}
        kinds = Counter(e.event.kind for e in self.clinic.ledger.events(uid))
        assert (kinds["study.read"], kinds["reading.made"], kinds["results.filed"]) == (
            len(versions), len(wanted), len(wanted)
        )  # fmt: skip

    def close(self) -> None:
        """Stop what still runs."""
        for worker in self.workers:
            worker.close()
        self.clinic.stop()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path / "clinic", "")
    yield ward
    ward.close()


@pytest.fixture
def ward_on_postgres(tmp_path: Path, postgres_url: str) -> Iterator[Ward]:
    ward = Ward(tmp_path / "clinic", postgres_url)
    yield ward
    ward.close()
