"""The worker's eyes: what another left undone is taken up, what is away is waited for."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from coread.clinic import now
from coread.errors import Busy
from coread.workflow.rooms import Patience


def test_a_study_that_was_closed_by_a_dead_worker_is_started(any_house) -> None:
    made = any_house()
    uid = made.file(1)
    assert made.clinic.studies.close(uid, now(), 0) == 1
    assert made.clinic.studies.unhanded() == [(uid, 1)]
    made.clinic.start()
    made.wait_for("study.read", uid)
    assert made.clinic.studies.unhanded() == []


def test_a_silent_worker_is_replaced_once(any_house) -> None:
    made = any_house(COREAD_WORKFLOW__HEARTBEAT_S="0.1", COREAD_WORKFLOW__STALE_AFTER_S="5")
    made.clinic.workers.beat("host:1:dead", now() - timedelta(seconds=60))
    made.clinic.start()
    made.wait_for("worker.replaced", "host:1:dead")
    assert made.clinic.workers.stale(now(), 5) == []
    assert made.kinds().count("worker.replaced") == 1


def test_a_worker_that_stops_in_order_leaves_its_place_at_once(any_house) -> None:
    made = any_house(COREAD_WORKFLOW__STALE_AFTER_S="600")
    made.clinic.start()
    worker = made.clinic.worker
    assert worker is not None
    assert worker.alive
    stale = made.clinic.workers.stale
    worker.stop()
    assert not worker.alive
    on_postgres = not made.clinic.database.is_sqlite
    assert (worker.worker_id in stale(now(), 600)) == on_postgres


def test_a_database_that_is_away_is_waited_for(house, monkeypatch, caplog) -> None:
    made = house()
    faults = [Busy("the database is away")] * 3
    due = made.clinic.studies.due

    def _due(*args, **more):
        if faults:
            raise faults.pop()
        return due(*args, **more)

    monkeypatch.setattr(made.clinic.studies, "due", _due)
    with caplog.at_level(logging.WARNING):
        made.clinic.start()
        made.wait_for("study.read", made.file(1))
    assert "Busy" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_that_breaks_ends_the_worker_and_says_so(house, monkeypatch, caplog) -> None:
    made = house()

    def _broken(*_: object, **__: object) -> None:
        raise KeyError("Zzyzx^Canary")

    monkeypatch.setattr(made.clinic.studies, "due", _broken)
    made.clinic.start()
    worker = made.clinic.worker
    assert worker is not None
    made.wait(lambda: not worker.alive)
    assert "broke" in caplog.text


def test_waits_double_up_to_the_longest() -> None:
    patience = Patience(first_retry_s=2, longest_retry_s=10)
    assert [patience.wait_s(n) for n in (1, 2, 3, 4)] == [2, 4, 8, 10]
