"""Several workers on PostgreSQL; one on SQLite, and no second."""

from __future__ import annotations

import signal

import pytest


@pytest.mark.peer
@pytest.mark.slow
def test_two_workers_finish_what_a_third_one_left_for_good(ward_on_postgres) -> None:
    ward = ward_on_postgres
    workers = [ward.start_worker() for _ in range(3)]
    for number in range(1, 25):
        ward.send(number)
    ward.wait(lambda: len(ward.finished()) >= 3)
    workers[0].kill()
    ward.wait_for_all()
    ward.check()
    replaced = [event.event.subject for event in ward.clinic.ledger.events(kind="worker.replaced")]
    assert any(f":{workers[0].pid}:" in worker for worker in replaced)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("point", ["closed study", "started study", "after read", "after write results"])
def test_another_worker_takes_up_a_study_at_the_place_of_the_kill(ward_on_postgres, point) -> None:
    ward = ward_on_postgres
    doomed = ward.start_worker(point)
    ward.send(1)
    assert doomed.wait(30) == -signal.SIGKILL
    ward.start_worker()
    ward.wait_for_all()
    ward.check()


def test_a_second_worker_on_one_sqlite_database_is_told_so(ward) -> None:
    ward.start_worker()
    second = ward.start_worker()
    assert second.wait(30) == 1
    assert "another worker already runs on this SQLite database" in second.complaint()


@pytest.mark.peer
@pytest.mark.slow
def test_a_worker_that_slept_and_wakes_again_makes_nothing_double(ward_on_postgres) -> None:
    ward = ward_on_postgres
    sleeper = ward.start_worker()
    for number in range(1, 7):
        ward.send(number)
    ward.wait(lambda: len(ward.finished()) >= 1)
    sleeper.send_signal(signal.SIGSTOP)
    ward.start_worker()
    ward.wait(lambda: bool(ward.clinic.ledger.events(kind="worker.replaced")))
    sleeper.send_signal(signal.SIGCONT)
    ward.wait_for_all()
    ward.check()
