"""A limit on how long a network computes: one thread watches all calls of the process.

A thread for each call would cost as much as a small network's computing.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class Call:
    """One call of a network, and whether it was stopped."""

    ends_at: float
    """By the monotonic clock, in seconds."""
    stop: Callable[[], None]
    """Ends the call; returns at once."""
    is_over: bool = False


class Watch:
    """Stops the calls that take longer than they may."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: set[Call] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    @contextmanager
    def limited(self, seconds: float, stop: Callable[[], None]) -> Iterator[Call]:
        """Watch a call while the block runs; `stop` it after so many seconds."""
        call = Call(time.monotonic() + seconds, stop)
        with self._changed:
            self._calls.add(call)
            self._wake_for(call)
        try:
            yield call
        finally:
            with self._changed:
                self._calls.discard(call)

    def _wake_for(self, call: Call) -> None:
        if self._thread is None or not self._thread.is_alive():  # a forked process has none
            self._thread = threading.Thread(target=self._run, name="reader-watch", daemon=True)
            self._thread.start()
        elif call.ends_at < self._wakes_at:
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for call in self._calls:
                    if call.ends_at <= now:
                        call.is_over = True
                        call.stop()
                going = (call.ends_at for call in self._calls if not call.is_over)
                self._wakes_at = min(going, default=math.inf)
                self._changed.wait(None if math.isinf(self._wakes_at) else self._wakes_at - now)
