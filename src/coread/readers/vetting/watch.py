"""A limit on how long a network computes: one thread watches all calls of the process.

A thread for each call would cost as much as a small network's computing, and a lock a good part of it. A
call is put into a set and taken out again: each is one step of the interpreter, which no thread interrupts.
The lock is taken only to wake the thread where it would sleep beyond the end of the call: once for the first
call, and not again within its limit.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType


class Call:
    """One call of a network, watched while its block runs.

    Parameters
    ----------
    watch
        Stops it in time.
    ends_at
        By the monotonic clock, in seconds.
    stop
        Ends the call; returns at once.
    """

    __slots__ = ("_watch", "ends_at", "is_over", "stop")

    def __init__(self, watch: Watch, ends_at: float, stop: Callable[[], None]) -> None:
        self._watch, self.ends_at, self.stop = watch, ends_at, stop
        self.is_over = False

    def __enter__(self) -> Call:
        """Begin to be watched."""
        self._watch.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Be watched no longer."""
        self._watch.end(self)

    def ended_in_time(self) -> bool:
        """Whether `stop` was not called and never will be; to be asked after the block.

        A look that still knew of this call read the clock before the block ended, so before now.
        """
        return time.monotonic() < self.ends_at


class Watch:
    """Stops the calls that take longer than they may."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self.forget()

    def forget(self) -> None:
        """Begin anew without thread and calls: a forked process has neither."""
        self._calls.clear()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    def limited(self, seconds: float, stop: Callable[[], None]) -> Call:
        """Give a block in which a call is watched; `stop` ends it after so many seconds."""
        return Call(self, time.monotonic() + seconds, stop)

    def begin(self, call: Call) -> None:
        """Watch a call."""
        self._calls.add(call)
        if call.ends_at < self._wakes_at:
            self._wake()

    def end(self, call: Call) -> None:
        """Watch a call no longer."""
        self._calls.discard(call)

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="reader-watch", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                self._look()
                self._changed.wait(None if math.isinf(self._wakes_at) else self._wakes_at - time.monotonic())

    def _look(self) -> None:
        """Stop what is over, and reckon when to look again.

        A call that begins meanwhile either stands in the copy of the set, or finds that nothing is going to
        wake the thread, and wakes it.
        """
        self._wakes_at = math.inf
        now = time.monotonic()  # before the copy: see `Call.ended_in_time`
        calls = tuple(self._calls)
        for call in calls:
            if call.ends_at <= now:
                call.is_over = True
                call.stop()
        self._wakes_at = min((call.ends_at for call in calls if not call.is_over), default=math.inf)
