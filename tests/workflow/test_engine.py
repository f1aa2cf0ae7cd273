"""The engine by itself: what is written down is not done again, what was cut off is done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coread.errors import Busy, NotFound
from coread.workflow.engine import Durable, Engine, Place, StepGaveUp


class _Cut(BaseException):
    """Stands for the death of the process: nothing below may catch it."""


def _wait(holds: Callable[[], bool], seconds: float = 15) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def _open(gave_up=lambda walk_id, fault: None, **walks) -> Engine:
        place = Place(f"sqlite:///{tmp_path / 'workflow.sqlite'}", "local", poll_interval_s=0.05)
        engines.append(Engine(place, walks, gave_up))
        engines[-1].launch()
        return engines[-1]

    yield _open
    for engine in engines:
        engine.stop()


def test_starting_the_same_identifier_twice_is_once(opened) -> None:
    done: list[str] = []
    engine = opened(walk=lambda do, text: do.step("say", lambda: done.append(text)))
    for _ in range(3):
        engine.start("walk", "w:1", "hello").get_result()
    assert done == ["hello"]


def test_walks_go_side_by_side_and_one_that_fails_stops_no_other(opened) -> None:
    met = threading.Barrier(2, timeout=10)
    gave_up: list[tuple[str, str]] = []

    def side(do: Durable, name: str) -> None:
        do.step("meet", lambda: met.wait() and None)
        do.step("fall", lambda: {}[name] if name == "a" else None)
        done.append(name)

    done: list[str] = []
    engine = opened(
        lambda walk_id, fault: gave_up.append((walk_id, fault.told["error"])),
        walk=lambda do: do.side_by_side("side", [("s:a", ("a",)), ("s:b", ("b",))]),
        side=side,
    )
    engine.start("walk", "w:1").get_result()
    assert done == ["b"]
    assert gave_up == [("s:a", "KeyError")]


def test_what_may_pass_is_tried_again_and_what_cannot_is_not(opened) -> None:
    tries = {"busy": 0, "gone": 0, "odd": 0}

    def attempt(kind: str, error: Exception, until: int) -> int:
        tries[kind] += 1
        if tries[kind] < until:
            raise error
        return tries[kind]

    def walk(do: Durable) -> None:
        do.step("busy", lambda: attempt("busy", Busy("too much"), 4))
        for kind, error in (("gone", NotFound("nothing")), ("odd", ValueError("Zzyzx^Canary"))):
            with pytest.raises(StepGaveUp) as fault:
                do.step(kind, lambda kind=kind, error=error: attempt(kind, error, 99))
            assert "Zzyzx" not in str(fault.value)

    opened(walk=walk).start("walk", "w:1").get_result()
    assert tries == {"busy": 4, "gone": 1, "odd": 3}


def test_a_walk_put_off_waits_without_a_thread_and_then_goes(opened) -> None:
    at: list[float] = []
    engine = opened(
        walk=lambda do: do.later("late", "l:1", 0.4, "x"),
        late=lambda do, text: do.step("note", lambda: at.append(time.monotonic())),
    )
    began = time.monotonic()
    engine.start("walk", "w:1").get_result()
    assert not at
    _wait(lambda: bool(at))
    assert at[0] - began >= 0.4


def test_a_stopped_engine_takes_up_its_walks_at_the_next_launch(opened) -> None:
    calls: list[str] = []
    hold = threading.Event()

    def walk(do: Durable) -> None:
        do.step("first", lambda: calls.append("first"))
        do.step("second", lambda: (calls.append("second"), hold.wait(10))[0])

    engine = opened(walk=walk)
    engine.start("walk", "w:1")
    _wait(lambda: "second" in calls)
    assert engine.running() == {"w:1"}
    engine.stop(wait_s=0)
    again = opened(walk=walk)
    hold.set()
    _wait(lambda: calls.count("second") == 2)
    _wait(lambda: not again.running())
    assert calls.count("first") == 1


def test_the_probe_is_called_around_each_step(tmp_path: Path) -> None:
    points: list[str] = []
    place = Place(f"sqlite:///{tmp_path / 'workflow.sqlite'}", "local")
    engine = Engine(place, {"walk": lambda do: do.step("one", lambda: 1)}, lambda *_: None, points.append)
    engine.launch()
    engine.start("walk", "w:1").get_result()
    engine.stop()
    assert points == ["before one", "after one", "kept one"]
