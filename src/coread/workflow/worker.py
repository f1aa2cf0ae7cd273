"""One worker: the engine with its watches, alone on its SQLite database or one of many on PostgreSQL."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from coread.archive import Workers
from coread.errors import SettingsFault
from coread.workflow.engine import Engine, Place, Probe
from coread.workflow.rooms import Rhythm, Rooms
from coread.workflow.steps import Journey
from coread.workflow.watch import PromptWatch, ReportWatch, StudyWatch, WorkerWatch

_log = logging.getLogger(__name__)
_SQLITE_WORKER = "local"
_M_MMAP_THRESHOLD = -3  # mallopt(3)
_IMAGE_BYTES = 4 << 20


class Worker:
    """Takes complete studies through their journey until stopped.

    Parameters
    ----------
    rooms
        Where the journey leads.
    workers
        The list of workers that live.
    rhythm
        How often it looks, and how much it takes on.
    url
        The engine's database: a SQLite file of its own, or the clinic's PostgreSQL.
    lock_file
        Locked while the worker lives if the database is SQLite.
    probe
        For tests: called before and after each step.
    """

    def __init__(
        self,
        rooms: Rooms,
        workers: Workers,
        rhythm: Rhythm,
        url: str,
        lock_file: Path,
        probe: Probe = lambda point: None,
    ) -> None:
        self._lock_file = lock_file if url.startswith("sqlite") else None
        self.worker_id = _SQLITE_WORKER if self._lock_file else _own_name()
        journey = Journey(rooms)
        place = Place(url, self.worker_id, poll_interval_s=rhythm.poll_interval_s)
        self._engine = Engine(place, journey.walks(), journey.gave_up, probe)
        self._studies = StudyWatch(self._engine, rooms, rhythm)
        self._reports = ReportWatch(self._engine, rooms, rhythm)
        self._prompts = PromptWatch(self._engine, rooms, rhythm)
        self._engine.on_end = self.wake
        self._workers = WorkerWatch(self._engine, workers, rooms, rhythm, self.worker_id)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Take up what was left undone, then look for complete studies.

        Raises
        ------
        SettingsFault
            If another worker already runs on this SQLite database.
        """
        if self._lock_file:
            self._lock = _locked(self._lock_file)
        _give_images_back()
        self._engine.launch()
        self._workers.look()
        watches = {
            "studies": self._studies.run,
            "workers": self._workers.run,
            "reports": self._reports.run,
            "prompts": self._prompts.run,
        }
        for name, run in watches.items():
            thread = threading.Thread(target=self._kept, args=(run,), name=f"watch-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """Look for complete studies, signed reports and questions to readers at once."""
        self._studies.wake()
        self._reports.wake()
        self._prompts.wake()

    @property
    def alive(self) -> bool:
        """Whether the worker looks for studies; false once stopped or broken."""
        return bool(self._threads) and not self._stopped.is_set()

    def stop(self, wait_s: float = 5) -> None:
        """Stop; what does not end within `wait_s` seconds is taken up later, here or elsewhere."""
        if not self._threads:
            return
        self._stopped.set()
        self.wake()
        for thread in self._threads:
            thread.join()
        self._engine.stop(wait_s)
        if self._lock:
            self._lock.close()
        else:
            self._workers.leave()

    def _kept(self, run: Callable[[threading.Event], None]) -> None:
        """Run a watch; if it breaks, stop the other too: this worker then counts as dead."""
        try:
            run(self._stopped)
        finally:
            if not self._stopped.is_set():
                _log.critical("A watch of worker %s broke; the worker stops.", self.worker_id)
                self._stopped.set()


def _own_name() -> str:
    """Name this process so that no other process, before or after it, has the same name."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _give_images_back() -> None:
    """Let glibc return the memory of an image to the system when the image is done with.

    Left to itself it raises its limit for such memory with each larger image, and keeps it: a worker then
    rests at 790 MB after a burst of 7 MB radiographs instead of 450 (measured).
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _IMAGE_BYTES)


def _locked(path: Path) -> IO[str]:
    """Lock a file for as long as the process lives.

    Two engines on one SQLite file would take each other's walks. The lock of a killed
    process is free at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise SettingsFault(
            found="another worker already runs on this SQLite database",
            expected="one worker; several need a PostgreSQL database",
            remedy="stop the other worker, or set database.url to postgresql://...",
            where="database.url",
        ) from None
    return handle
