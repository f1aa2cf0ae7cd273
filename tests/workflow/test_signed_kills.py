"""kill -9 at each place of a signed report's way: it goes out, and once."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killable_clinics import signing_clinic
from signing import add, sign
from worker_process import WorkerProcess

from coread.testing.patients import chest_radiograph

STEPS = ("plan signed results", "write signed results", "publish", "deliver")
# "before" a step is the same place as "kept" of the one before it.
POINTS = ["offered report", "before plan signed results"]
POINTS += [f"{when} {step}" for step in STEPS for when in ("after", "kept")]


class Ward:
    """A gateway with a doctor in this process, workers in others."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.clinic = signing_clinic(folder, url)
        self.clinic.start("gateway")
        self.studies: list[str] = []
        self.workers: list[WorkerProcess] = []

    def send(self, number: int) -> None:
        uid = f"1.2.826.0.1.3680043.10.7.{number}"
        data = chest_radiograph(number, study_uid=uid, series_uid=f"{uid}.1", sop_uid=f"{uid}.1.1")
        self.clinic.intake.accept_bytes(data, "folder")
        self.studies.append(uid)

    def start_worker(self, crash: str = "") -> WorkerProcess:
        self.workers.append(WorkerProcess(signing_clinic, self.folder, self.url, crash))
        return self.workers[-1]

    def wait(self, holds: Callable[[], bool], seconds: float = 180) -> None:
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, "waited in vain"
            time.sleep(0.05)

    def read_all(self) -> None:
        self.wait(lambda: len(self.clinic.ledger.events(kind="study.read")) == len(self.studies))
        self.wait(lambda: not self.clinic.deliveries.pending())

    def wait_for_all(self) -> None:
        self.wait(lambda: not self.clinic.casebook.unpublished())
        self.wait(lambda: not self.clinic.deliveries.pending())

    def check(self, reports: int = 1) -> None:
        """Nothing lost, nothing double, nothing failed."""
        for uid in self.studies:
            kept = self.clinic.archive.study(uid).instances
            modalities = Counter(i.header.facts["Modality"] for i in kept)
            # A kill may leave an object in the store that the next start files, as recovered.
            assert (modalities["DOC"], modalities["SR"]) == (reports, reports + 1)
            made = [
                r.derive_uid(kind) for r in self.clinic.casebook.reports_of(uid) for kind in ("sr", "pdf")
            ]
            assert {i.ref.sop_instance_uid for i in kept} >= set(made)
            kinds = Counter(e.event.kind for e in self.clinic.ledger.events(uid))
            assert (kinds["report.published"], kinds["results.filed"]) == (reports, reports + 1)
            deliveries = self.clinic.deliveries.of_study(uid)
            assert {str(d.state) for d in deliveries} == {"delivered"}
            assert set(Counter((d.object_id, d.destination) for d in deliveries).values()) == {1}
            assert {d.object_id for d in deliveries if d.destination == "pacs"} >= set(made)
        assert not self.clinic.archive.conflicts()
        assert not self.clinic.ledger.events(kind="step.failed")
        assert not list(self.clinic.ledger.verify())

    def close(self) -> None:
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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_at_each_place_on_the_way_of_a_report(ward) -> None:
    for number in range(1, len(POINTS) + 1):
        ward.send(number)
    first = ward.start_worker()
    ward.read_all()
    first.kill()
    first.wait()
    for uid, point in zip(ward.studies, POINTS, strict=True):
        sign(ward.clinic, uid)
        worker = ward.start_worker(point)
        assert worker.wait(90) == -signal.SIGKILL, point
    ward.start_worker()
    ward.wait_for_all()
    ward.check()


@pytest.mark.peer
@pytest.mark.slow
def test_several_workers_publish_each_report_once_and_finish_what_one_left(ward_on_postgres) -> None:
    ward = ward_on_postgres
    for number in range(1, 9):
        ward.send(number)
    doomed, *_ = [ward.start_worker() for _ in range(3)]
    ward.read_all()
    for uid in ward.studies:
        sign(ward.clinic, uid)
    ward.wait(lambda: len(ward.clinic.casebook.unpublished()) < len(ward.studies))
    doomed.kill()
    for uid in ward.studies:
        add(ward.clinic, uid)
    ward.wait_for_all()
    ward.check(reports=2)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("point", ["offered report", "after write signed results", "kept publish"])
def test_another_worker_takes_up_a_report_at_the_place_of_the_kill(ward_on_postgres, point) -> None:
    ward = ward_on_postgres
    ward.send(1)
    reading = ward.start_worker()
    ward.read_all()
    reading.kill()
    doomed = ward.start_worker(point)
    sign(ward.clinic, ward.studies[0])
    assert doomed.wait(90) == -signal.SIGKILL
    ward.start_worker()
    ward.wait_for_all()
    ward.check()
