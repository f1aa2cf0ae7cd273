"""A child process as its parent keeps it: started when needed, asked by pipes, ended at a fault."""

from __future__ import annotations

import fcntl
import math
import os
import queue
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from coread.apart.messages import MOST_PARTS, Buffer, rest

#: Lets a script import this package wherever it lies, and nothing of the folder that it is called in.
_BEGIN = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
_ROOT = Path(__file__).parents[2]
#: What a child sees of the environment, in which secrets may stand, and how its libraries are to behave.
_SEEN = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_QUIET = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Room in a pipe, where the system lets it be chosen: a frame then takes fewer turns of both processes.
_PIPE_BYTES = 1 << 20


class Helper:
    """One child process, and a fresh one after each of its ends; used by one thread at a time."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs, as far as is known."""
        return self.process is not None and self.process.poll() is None

    def start(self, script: Path) -> None:
        """Start a process that runs a script, in place of a former one."""
        self.stop()
        self.process = _started(script)

    def send(self, parts: Sequence[Buffer], deadline: float) -> None:
        """Write all parts of a message, until the monotonic clock says `deadline`.

        Raises
        ------
        OSError
            If the process has ended, or, as a TimeoutError, if the deadline has passed.
        """
        assert self.process is not None  # noqa: S101  (started)
        assert self.process.stdin is not None  # noqa: S101  (asked for in _started)
        waiting = rest(parts)
        while waiting:
            _await(self.process.stdin, select.POLLOUT, deadline)
            waiting = rest(waiting, os.writev(self.process.stdin.fileno(), waiting[:MOST_PARTS]))

    def receive(self, size: int, deadline: float) -> bytearray:
        """Read exactly `size` bytes, until the monotonic clock says `deadline`.

        Raises
        ------
        EOFError
            If the process has ended.
        TimeoutError
            If the deadline has passed.
        """
        assert self.process is not None  # noqa: S101  (started)
        assert self.process.stdout is not None  # noqa: S101  (asked for in _started)
        received = bytearray(size)
        waiting = memoryview(received)
        while waiting:
            _await(self.process.stdout, select.POLLIN, deadline)
            count = os.readv(self.process.stdout.fileno(), [waiting])
            if not count:
                raise EOFError
            waiting = waiting[count:]
        return received

    def stop(self) -> int:
        """End the process; return its exit status, negative for the signal that had ended it before."""
        if self.process is None:
            return 0
        self.process.kill()
        status = self.process.wait()
        self._close()
        return status

    def forget(self) -> None:
        """Let go of a process that is another's: that of the process from which this one was forked."""
        if self.process is not None:
            self.process.returncode = 0
            self._close()

    def _close(self) -> None:
        assert self.process is not None  # noqa: S101  (both who call have looked)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process = None


T = TypeVar("T", bound=Helper)


class Pool(Generic[T]):
    """Children of one kind; one that was used last is used first, so that no more start than are needed.

    Parameters
    ----------
    size
        Most children at one time.
    make
        Makes one that has not been started yet.
    """

    def __init__(self, size: int, make: Callable[[], T]) -> None:
        self.children = tuple(make() for _ in range(size))
        self._fill()
        _POOLS.add(self)

    @contextmanager
    def child(self) -> Iterator[T]:
        """Lend a child; wait where all are at work.

        One that was in the middle of something is ended, or it would answer the next who asks with that.
        """
        idle = self.idle
        child = idle.get()
        try:
            yield child
        except BaseException:  # an interrupt, too, leaves half an answer in the pipe
            child.stop()
            raise
        finally:
            idle.put(child)

    def stop(self) -> None:
        """End all children."""
        for child in self.children:
            child.stop()

    def forget(self) -> None:
        """Begin anew with children of this process's own, which was forked."""
        for child in self.children:
            child.forget()
        self._fill()

    def _fill(self) -> None:
        self.idle: queue.LifoQueue[T] = queue.LifoQueue()
        for child in reversed(self.children):
            self.idle.put(child)


def _await(pipe: IO[bytes], event: int, deadline: float) -> None:
    """Wait until a pipe is ready or broken; unlike select(2), for services with over 1,024 files open too.

    Raises
    ------
    TimeoutError
        If the deadline has passed.
    """
    waiting = select.poll()
    waiting.register(pipe, event)
    if not waiting.poll(max(0, math.ceil((deadline - time.monotonic()) * 1000))):
        raise TimeoutError


def _started(script: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _BEGIN, str(_ROOT), str(script)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _SEEN if name in os.environ} | _QUIET,
    )
    assert process.stdin is not None  # noqa: S101  (asked for above)
    os.set_blocking(process.stdin.fileno(), False)
    for pipe in (process.stdin, process.stdout):
        with suppress(AttributeError, OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
    return process


def _forget_all() -> None:
    for pool in tuple(_POOLS):
        pool.forget()


_POOLS: weakref.WeakSet[Pool[Any]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_all)
