"""kill -9 at each place of the journey: nothing is lost, nothing is double."""

from __future__ import annotations

import signal
import time

import pytest

STEPS = ("plan", "read", "write results", "finish", "deliver")
POINTS = ["closed study", "started study", "before plan"]
# "before" a step is the same place as "kept" of the one before it.
POINTS += [f"{when} {step}" for step in STEPS for when in ("after", "kept")]


@pytest.mark.slow
def test_kill_at_each_place_of_the_journey(ward) -> None:
    for number, point in enumerate(POINTS, 1):
        ward.send(number)
        worker = ward.start_worker(point)
        assert worker.wait(30) == -signal.SIGKILL, point
    ward.start_worker()
    ward.wait_for_all()
    ward.check()


def test_a_study_sent_in_two_parts_is_read_again_with_its_predecessor(ward) -> None:
    uid = ward.send(1)
    ward.start_worker()
    ward.wait_for_all()
    ward.send(1, images=2)
    ward.studies.pop()
    limit = time.monotonic() + 30
    while not ward.is_read(uid, 2) and time.monotonic() < limit:
        time.sleep(0.05)
    ward.check()
    first, second = sorted(
        (r for r in ward.clinic.readings.of_study(uid) if r.reader.name == "example-brightness"),
        key=lambda reading: reading.study_version,
    )
    assert second.predecessor_uid == first.uid
    assert (len(first.inputs), len(second.inputs)) == (1, 2)
