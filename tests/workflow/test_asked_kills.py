"""kill -9 at each place of an asked reading's way: it is answered, and once."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from killable_clinics import signing_clinic
from prompting import READER, ask, send_nodule
from worker_process import WorkerProcess

from coread.casebook import PromptState
from coread.clinic import Clinic
from coread.domain.identity import derive_uid

STEPS = ("plan asked reading", "read where asked", "write asked results", "answer")
# "before" a step is the same place as "kept" of the one before it.
POINTS = ["offered prompt", "before plan asked reading"]
POINTS += [f"{when} {step}" for step in STEPS for when in ("after", "kept")]


class Ward:
    """A gateway with a doctor in this process, a worker in another."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.clinic = signing_clinic(folder, url)
        self.clinic.start("gateway")
        self.workers: list[WorkerProcess] = []

    def start_worker(self, crash: str = "") -> WorkerProcess:
        self.workers.append(WorkerProcess(signing_clinic, self.folder, self.url, crash))
        return self.workers[-1]

    def wait(self, holds, seconds: float = 120) -> None:
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, "waited in vain"
            time.sleep(0.05)

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.clinic.stop()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path / "clinic", "")
    yield ward
    ward.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_at_each_place_on_the_way_of_an_answer(ward) -> None:
    studies = {point: send_nodule(ward.clinic, seed) for seed, point in enumerate(POINTS, 1)}
    first = ward.start_worker()
    ward.wait(lambda: len(ward.clinic.ledger.events(kind="study.read")) == len(studies))
    first.kill()
    first.wait()
    for point, uid in studies.items():
        asked = ask(ward.clinic, uid)
        worker = ward.start_worker(point)
        assert worker.wait(timeout=60) == -signal.SIGKILL, f"{point}: the worker did not come by"
        worker = ward.start_worker()
        state = ward.clinic.casebook.prompts
        ward.wait(lambda a=asked, s=state: s.get(a.uid).state is PromptState.ANSWERED)
        worker.kill()
        worker.wait()
        check(ward.clinic, uid, asked.uid, point)
    assert not ward.clinic.archive.conflicts()
    assert not ward.clinic.ledger.events(kind="step.failed")


def check(clinic: Clinic, uid: str, reading_uid: str, point: str) -> None:
    """One reading with one set of results, once on record."""
    readings = [r for r in clinic.readings.of_study(uid) if r.reader.name == READER]
    assert [reading.uid for reading in readings] == [reading_uid], point
    kinds = Counter(record.event.kind for record in clinic.ledger.events(uid))
    assert (kinds["reading.made"], kinds["results.filed"], kinds["reader.asked"]) == (1, 1, 1), point
    kept = {instance.ref.sop_instance_uid for instance in clinic.archive.study(uid).instances}
    seg = derive_uid(reading_uid, "seg", "outline", readings[0].findings[0].tracking_uid)
    assert {derive_uid(reading_uid, "sr"), seg} <= kept, point
