"""The worker's eyes: studies that are complete, reports that are signed, workers that are dead."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from coread.archive import Workers
from coread.casebook import AskedPrompt
from coread.domain.event import Event
from coread.domain.review import SignedReport
from coread.errors import CoReadError
from coread.workflow.engine import PASSING, Engine
from coread.workflow.rooms import Rhythm, Rooms
from coread.workflow.steps import asked_walk_id, delivery_id, signed_walk_id, study_walk_id

_log = logging.getLogger(__name__)
_SHORTEST_PAUSE_S = 0.02
_UNHANDED_PAUSE_S = 5.0


class StudyWatch:
    """Starts the walk of each study that is complete, the most urgent first.

    The table of studies is the queue: a worker takes a study only when it has room for it,
    so studies wait where any worker can take them. Closing is atomic, and starting a walk twice
    is once, because its identifier is a function of the study and its version.
    """

    def __init__(self, engine: Engine, rooms: Rooms, rhythm: Rhythm) -> None:
        self._engine = engine
        self._rooms = rooms
        self._rhythm = rhythm
        self._woken = threading.Event()

    def wake(self) -> None:
        """Look at once: something has come or was called complete."""
        self._woken.set()

    def look(self) -> int:
        """Close what is due and has room, and start its walk; return how many were started."""
        busy = sum(walk.startswith("study:") for walk in self._engine.running())
        room = self._rhythm.concurrency - busy
        return sum(self._take(uid) for uid in self._due(room)) if room > 0 else 0

    def take_unhanded(self) -> int:
        """Start the walks of studies whose worker died between closing and starting; return how many."""
        unhanded = self._rooms.studies.unhanded()
        for study_uid, version in unhanded:
            self._start(study_uid, version)
        return len(unhanded)

    def take_asked(self) -> int:
        """Start the walks of deliveries that a person asked to try again; return how many."""
        asked = self._rooms.deliveries.asked()
        for one in asked:
            parcel = f"{one.id}@{one.changed_at.timestamp():.6f}"
            args = (one.study_instance_uid, parcel, one.destination, [one.object_id], 1)
            self._engine.start("delivery", delivery_id(parcel, one.destination, 1), *args)
            self._rooms.deliveries.mark(one.id, "planned", "", self._rooms.now())
        return len(asked)

    def _due(self, room: int) -> list[str]:
        return self._rooms.studies.due(self._rooms.now(), self._rhythm.quiet_period_s, limit=room)

    def _take(self, study_uid: str) -> bool:
        version = self._rooms.studies.close(study_uid, self._rooms.now(), self._rhythm.quiet_period_s)
        if version is None:
            return False
        self._engine.probe("closed study")
        self._start(study_uid, version)
        return True

    def _start(self, study_uid: str, version: int) -> None:
        self._engine.start("study", study_walk_id(study_uid, version), study_uid, version)
        self._engine.probe("started study")
        self._rooms.studies.handed(study_uid, version)

    def run(self, stopped: threading.Event) -> None:
        """Look until stopped."""
        pause = 0.0
        while not stopped.is_set():
            self._woken.clear()
            if time.monotonic() >= pause:
                _tolerant("look for studies without a walk", self.take_unhanded)
                _tolerant("look for deliveries to try again", self.take_asked)
                pause = time.monotonic() + _UNHANDED_PAUSE_S
            _tolerant("look for complete studies", self.look)
            looked = time.monotonic()
            self._woken.wait(self._pause_s())
            # Many arrivals wake us many times; a study that falls due after a pause is taken at once.
            stopped.wait(max(0.0, looked + _SHORTEST_PAUSE_S - time.monotonic()))

    def _pause_s(self) -> float:
        """Wait no longer than until the next study has been quiet for long enough: a doctor waits for it."""
        try:
            next_s = self._rooms.studies.next_due_s(self._rooms.now(), self._rhythm.quiet_period_s)
        except (*PASSING, CoReadError):
            return self._rhythm.poll_interval_s
        return self._rhythm.poll_interval_s if next_s is None else min(next_s, self._rhythm.poll_interval_s)


class _Offering(ABC):
    """A watch that offers the walks which are due, each once to this worker, and again after a failure."""

    KIND: ClassVar[str]
    """Of the walk, as the engine knows it."""
    WHAT: ClassVar[str]
    """Name of what it is about."""

    def __init__(self, engine: Engine, rooms: Rooms, rhythm: Rhythm) -> None:
        self._engine = engine
        self._rooms = rooms
        self._rhythm = rhythm
        self._woken = threading.Event()
        self._offered: set[str] = set()

    def wake(self) -> None:
        """Look at once: somebody has done something that waits for a walk."""
        self._woken.set()

    @abstractmethod
    def wanted(self) -> dict[str, str]:
        """Return what each walk that is due is to be given, by the walk's identifier."""

    def look(self) -> int:
        """Offer the walks that are due; return how many were new to this worker."""
        wanted = self.wanted()
        fresh = wanted.keys() - self._offered
        for walk in sorted(fresh):
            self._engine.offer(self.KIND, walk, wanted[walk])
            self._engine.probe(f"offered {self.WHAT}")
        self._offered = (self._offered & wanted.keys()) | fresh
        return len(fresh)

    def _failures(self, subject: str, first_walk: str) -> list[Event]:
        """Return the failures of the walks that are alike but for their number."""
        own = first_walk.removesuffix("0")
        events = (record.event for record in self._rooms.ledger.events(subject, "step.failed"))
        return [event for event in events if event.facts.get("walk", "").startswith(own)]

    def _rests(self, failed: list[Event]) -> bool:
        """Tell whether the pause after the last failure still lasts."""
        rest = timedelta(seconds=self._rooms.patience.wait_s(len(failed)) if failed else 0)
        return bool(failed) and self._rooms.now() < failed[-1].at + rest

    def run(self, stopped: threading.Event) -> None:
        """Look until stopped."""
        while not stopped.is_set():
            self._woken.clear()
            _tolerant(f"look for each {self.WHAT}", self.look)
            self._woken.wait(self._rhythm.poll_interval_s)


class ReportWatch(_Offering):
    """Starts the walk of each signed report that is not published.

    Every worker may look: a walk's identifier is a function of the report and of how often publishing it
    has failed, and a walk that is offered twice is started once. A study's reports go out in their order. A
    walk that ended before its time is offered anew after a pause that grows: a signed report is not
    left behind.
    """

    KIND = "signed"
    WHAT = "report"

    def wanted(self) -> dict[str, str]:
        """Return the earliest unpublished report of each study, by the walk that shall publish it."""
        if self._rooms.casebook is None:
            return {}
        first: dict[str, SignedReport] = {}
        for uid in self._rooms.casebook.unpublished():
            report = self._rooms.casebook.report(uid)
            earliest = first.setdefault(report.study_instance_uid, report)
            if report.number < earliest.number:
                first[report.study_instance_uid] = report
        return {walk: r.uid for r in first.values() if (walk := self._due(r))}

    def _due(self, report: SignedReport) -> str:
        """Return the walk that shall publish a report; empty while it rests after a failure."""
        study, number = report.study_instance_uid, report.number
        failed = self._failures(study, signed_walk_id(study, number, 0))
        return "" if self._rests(failed) else signed_walk_id(study, number, len(failed) + 1)


class PromptWatch(_Offering):
    """Starts the walk of each question that a doctor put to a reader.

    A walk that ended before its time is offered anew after a pause; after `ATTEMPTS` of them the question
    is given up, and the doctor sees it.
    """

    ATTEMPTS = 3

    KIND = "asked"
    WHAT = "prompt"

    def wanted(self) -> dict[str, str]:
        """Return the waiting questions, by the walk that shall answer each."""
        if self._rooms.prompts is None:
            return {}
        waiting = self._rooms.prompts.waiting()
        return {walk: asked.uid for asked in waiting if (walk := self._due(asked))}

    def _due(self, asked: AskedPrompt) -> str:
        """Return the walk that shall answer a question; empty while it rests, or where it is given up."""
        failed = self._failures(asked.uid, asked_walk_id(asked.uid, asked.asked_at, 0))
        if len(failed) >= self.ATTEMPTS and self._rooms.prompts is not None:
            self._rooms.prompts.give_up(asked.uid)
            return ""
        return "" if self._rests(failed) else asked_walk_id(asked.uid, asked.asked_at, len(failed) + 1)


class WorkerWatch:
    """Shows that this worker lives, and takes over what a dead one left undone."""

    def __init__(
        self, engine: Engine, workers: Workers, rooms: Rooms, rhythm: Rhythm, worker_id: str
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._rooms = rooms
        self._rhythm = rhythm
        self._worker_id = worker_id

    def look(self) -> int:
        """Beat once, then take over from every dead worker; return how many walks were taken over.

        Taking over comes before the claim: a worker that dies between the two leaves the dead one
        for the next, and taking over twice is once.
        """
        self._workers.beat(self._worker_id, self._rooms.now())
        dead = self._workers.stale(self._rooms.now(), self._rhythm.stale_after_s)
        return sum(self._take_over(worker) for worker in dead if worker != self._worker_id)

    def leave(self) -> None:
        """Say that this worker stops, so that its walks are taken over at once."""
        long_ago = timedelta(seconds=self._rhythm.stale_after_s + 1)
        self._workers.beat(self._worker_id, self._rooms.now() - long_ago)

    def _take_over(self, dead: str) -> int:
        taken = self._engine.recover(dead)
        if self._workers.claim(dead, self._worker_id, self._rooms.now(), self._rhythm.stale_after_s):
            facts = {"by": self._worker_id, "walks": str(taken)}
            self._rooms.ledger.append(
                self._rooms.event("worker.replaced", dead, f"worker.replaced:{dead}", **facts)
            )
            self._workers.retire(dead)
        return taken

    def run(self, stopped: threading.Event) -> None:
        """Beat and look until stopped."""
        while not stopped.wait(self._rhythm.heartbeat_s):
            _tolerant("show that this worker lives", self.look)


def _tolerant(what: str, look: Callable[[], int]) -> None:
    """Go on after a database that was away; the next look makes up for this one."""
    try:
        look()
    except (*PASSING, CoReadError) as fault:
        _log.warning("Could not %s: %s. Trying again.", what, type(fault).__name__)
