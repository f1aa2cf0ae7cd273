"""The limit on a network's time: it holds for each call, and costs a call no lock."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from coread.readers.vetting.watch import Watch

SOON, NEVER = 0.05, 600.0


@pytest.fixture
def watch():
    return Watch()


def test_a_call_that_takes_too_long_is_stopped(watch):
    stopped = threading.Event()
    with watch.limited(SOON, stopped.set) as call:
        assert stopped.wait(5)
    assert call.is_over
    assert not call.ended_in_time()


def test_a_call_that_ends_in_time_is_not_stopped(watch):
    ended, late = threading.Event(), threading.Event()
    with watch.limited(SOON, ended.set) as call:
        pass
    with watch.limited(4 * SOON, late.set):
        assert late.wait(5)
    assert not ended.is_set()
    assert not call.is_over


def test_a_call_still_in_time_says_so(watch):
    with watch.limited(NEVER, pytest.fail) as call:
        pass
    assert call.ended_in_time()


def test_a_short_call_is_stopped_while_a_long_one_goes_on(watch):
    stopped = threading.Event()
    with watch.limited(NEVER, pytest.fail) as long, watch.limited(SOON, stopped.set):
        assert stopped.wait(5)
    assert not long.is_over


def test_after_one_call_was_stopped_the_next_is_too(watch):
    for _ in range(3):
        stopped = threading.Event()
        with watch.limited(SOON, stopped.set):
            assert stopped.wait(5)


def test_calls_within_one_limit_wake_the_thread_once(watch, monkeypatch):
    woken = []
    wake = watch._wake
    monkeypatch.setattr(watch, "_wake", lambda: (woken.append(1), wake()))
    began = threading.Event()
    with watch.limited(NEVER, pytest.fail):
        look = watch._look
        monkeypatch.setattr(watch, "_look", lambda: (look(), began.set()))
        while watch._wakes_at > 1e12:  # the thread has not looked yet
            began.wait(0.001)
    for _ in range(50):
        with watch.limited(NEVER, pytest.fail):
            pass
    assert len(woken) == 1


def test_of_many_calls_from_many_threads_each_late_one_is_stopped(watch):
    def work():
        for _ in range(20):
            stopped = threading.Event()
            with watch.limited(0.002, stopped.set):
                missed.append(not stopped.wait(5))

    missed: list[bool] = []
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(missed) == 160
    assert not any(missed)


@pytest.mark.skipif(sys.platform == "win32", reason="does not fork")
def test_a_forked_process_watches_too(watch):
    with watch.limited(NEVER, pytest.fail):
        pass
    child = os.fork()
    if child == 0:
        watch.forget()
        stopped = threading.Event()
        with watch.limited(SOON, stopped.set):
            os._exit(0 if stopped.wait(5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
