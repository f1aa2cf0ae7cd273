"""A worker in a process of its own, to be killed.

Each is forked from a server that has imported the house once: two seconds of imports for each of a hundred
workers would be most of the time that the tests of kills take.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from coread.clinic import Clinic

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["coread.clinic", "coread.testing.growing", "coread.testing.readers"])

Probe = Callable[[str], None]
MakeClinic = Callable[[Path, str, Probe], Clinic]
"""From a folder, a database URL and a probe to a clinic; a function of a module, or it could not be sent."""


class WorkerProcess:
    """A clinic that runs as a worker until it is killed, or until the place where it kills itself.

    Attributes
    ----------
    pid
        Of the process.
    """

    def __init__(self, make: MakeClinic, folder: Path, url: str, crash: str = "") -> None:
        self._log = folder / f"worker-{os.urandom(4).hex()}.log"
        self._line, there = _FORKS.Pipe()
        self._process = _FORKS.Process(target=_work, args=(there, self._log, make, folder, url, crash))
        self._process.start()
        there.close()
        self.pid = int(self._process.pid or 0)
        with suppress(EOFError):  # it died before it was ready
            self._line.recv()

    def kill(self) -> None:
        """Kill it as the power company would."""
        self._process.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit status, negative for the signal that ended it."""
        self._process.join(timeout)
        status = self._process.exitcode
        assert status is not None, f"the process goes on after {timeout} s: {self.complaint()}"
        return status

    def complaint(self) -> str:
        """Return what it wrote to its standard error."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def close(self) -> None:
        """Kill it, whatever it does, and tidy up."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._line.close()


def _work(line: Connection, log: Path, make: MakeClinic, folder: Path, url: str, crash: str) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)

    def probe(point: str) -> None:
        if crash and point == crash:
            os.kill(os.getpid(), signal.SIGKILL)

    with make(folder, url, probe).start("worker"):
        line.send("ready")
        with suppress(EOFError):
            line.recv()
