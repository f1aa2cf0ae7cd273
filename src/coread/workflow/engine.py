"""The durable engine's only home: walks of checkpointed steps, kept in SQLite or PostgreSQL.

A *walk* is a function that calls :class:`Durable` for everything that touches the
world. The engine (DBOS) writes the value of each step down; after a crash the walk is
called again, and steps that were written down answer at once. A step may therefore
happen twice, never zero times: every step must be idempotent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    EnqueueOptions,
    SetWorkflowID,
    StepOptions,
    WorkflowHandle,
)

from coread.archive import closer
from coread.errors import CoReadError

Json: TypeAlias = Any
Probe: TypeAlias = Callable[[str], None]
"""Called at ``before <step>``, ``after <step>`` and ``kept <step>``; tests crash here."""

Walk: TypeAlias = Callable[..., None]
"""A walk takes a :class:`Durable`, then JSON values."""

_LATER = "later"
_AT_ONCE = "at-once"
_AT_ONCE_WORKERS = 2
#: Changes only when walks change so that a half-done old walk could not be taken up by new code.
_WALK_VERSION = "1"
_ATTEMPTS = 14
_FIRST_WAIT_S = 0.1
_LOOK_S = 0.02
_FROZEN_TIMEOUT_MS = 10_000
_FOREIGN_ATTEMPTS = 3
#: Failures of the machine that pass: a database that restarts, a disk that hesitates.
PASSING = (OSError, sa.exc.OperationalError, sa.exc.TimeoutError)


class StepGaveUp(Exception):
    """A step failed for good; the walk ends here and `told` is on record."""

    def __init__(self, step: str, told: Mapping[str, str]) -> None:
        super().__init__(step, told)
        self.step = step
        self.told = dict(told)


class _TryAgain(Exception):
    """A step failed in a way that may pass."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the engine keeps its checkpoints, and as whom it works."""

    url: str
    """SQLAlchemy URL; ``sqlite:///...`` or ``postgresql...``."""
    executor_id: str
    """This worker: its own for every process on PostgreSQL, ever the same on SQLite."""
    later_workers: int = 4
    """Walks that were put off for later and may run at one time."""
    poll_interval_s: float = 0.2
    """How often walks that were put off are looked for."""


class Durable:
    """What a walk may ask of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def step(self, name: str, work: Callable[[], Json]) -> Json:
        """Do `work` and write its value down; where it is written down already, return that.

        Raises
        ------
        StepGaveUp
            If the work failed, and trying again cannot help or did not help.
        """
        probe = self._engine.probe
        value = DBOS.run_step(_options(name), _guarded, name, work, probe)
        probe(f"kept {name}")
        if isinstance(value, dict) and "gave_up" in value:
            raise StepGaveUp(name, value["gave_up"])
        return value

    def side_by_side(self, walk: str, tasks: Sequence[tuple[str, tuple[Json, ...]]]) -> None:
        """Start one walk per task, each with its identifier, and wait until all have ended."""
        handles = [self._engine.start(walk, identifier, *args) for identifier, args in tasks]
        for handle in handles:
            handle.get_result(polling_interval_sec=0.1)

    def later(self, walk: str, identifier: str, delay_s: float, *args: Json) -> None:
        """Put a walk off: some worker starts it after `delay_s` seconds, and no thread waits."""
        self._engine.enqueue(_LATER, walk, identifier, delay_s, *args)


class Engine:
    """Runs walks so that a crash at any place loses nothing.

    One engine per process: DBOS keeps its registry in the module.
    """

    def __init__(
        self,
        place: Place,
        walks: Mapping[str, Walk],
        gave_up: Callable[[str, StepGaveUp], None],
        probe: Probe = lambda point: None,
    ) -> None:
        self.probe = probe
        self.on_end: Callable[[], None] = lambda: None
        self._place = place
        self._gave_up = gave_up
        self._walks = walks
        self._started: dict[str, Callable[..., None]] = {}
        self._close_database: Callable[[], None] = lambda: None
        self._dbos: DBOS | None = None
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def launch(self) -> None:
        """Open the checkpoints and take up what this worker left undone."""
        database = _database(self._place.url)
        self._close_database = closer(database)
        logging.getLogger("dbos").setLevel(logging.ERROR)
        self._dbos = DBOS(config=_config(self._place, database))
        self._started = {name: self._registered(name, walk) for name, walk in self._walks.items()}
        DBOS.launch()
        for queue, workers in ((_LATER, self._place.later_workers), (_AT_ONCE, _AT_ONCE_WORKERS)):
            DBOS.register_queue(
                queue,
                worker_concurrency=workers,
                polling_interval_sec=self._place.poll_interval_s,
                on_conflict="always_update",
            )

    def start(self, walk: str, identifier: str, *args: Json) -> WorkflowHandle[None]:
        """Start a walk now; starting the same identifier twice is once."""
        with SetWorkflowID(identifier):
            return DBOS.start_workflow(self._started[walk], *args)

    def offer(self, walk: str, identifier: str, *args: Json) -> None:
        """Let some worker start a walk at once; offering the same identifier twice, or by two, is once.

        Walks that were put off for later, deliveries for one, do not hold it up.
        """
        self.enqueue(_AT_ONCE, walk, identifier, 0, *args)

    def enqueue(self, queue: str, walk: str, identifier: str, delay_s: float, *args: Json) -> None:
        """Write down that a walk is to be started."""
        options = EnqueueOptions(
            workflow_name=walk, queue_name=queue, workflow_id=identifier, app_version=_WALK_VERSION
        )
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        DBOS.enqueue_workflow_with_options(options, *args)

    def running(self) -> frozenset[str]:
        """Identifiers of the walks that run in this process now."""
        with self._lock:
            return frozenset(self._running)

    def recover(self, executor_id: str) -> int:
        """Take up what a dead worker left undone; return how many walks.

        Doing it twice, or on two workers at a time, is once: a walk changes hands in one
        transaction that asks for the dead worker's name.
        """
        return len(DBOS._recover_pending_workflows([executor_id]))

    def stop(self, wait_s: float = 5) -> None:
        """Stop; walks that do not end within `wait_s` seconds are taken up at the next launch."""
        limit = time.monotonic() + wait_s
        while self._under_way() and time.monotonic() < limit:
            time.sleep(_LOOK_S)
        DBOS.destroy(destroy_registry=True)
        self._close_database()

    def _under_way(self) -> bool:
        # Counts a walk until its end is written down, which `running` does not.
        return bool(self._dbos and self._dbos._active_workflows_set.activeList())

    def _registered(self, name: str, walk: Walk) -> Callable[..., None]:
        durable = Durable(self)

        def walked(*args: Json) -> None:
            identifier = str(DBOS.workflow_id)
            with self._lock:
                self._running.add(identifier)
            try:
                walk(durable, *args)
            except StepGaveUp as fault:
                durable.step("give up", partial(self._gave_up, identifier, fault))
            finally:
                with self._lock:
                    self._running.discard(identifier)
                self.on_end()

        walked.__name__ = walked.__qualname__ = name
        return DBOS.workflow(name=name)(walked)


def _guarded(name: str, work: Callable[[], Json], probe: Probe) -> Json:
    """Do a step's work; a failure that trying again cannot mend becomes a value."""
    probe(f"before {name}")
    try:
        value = work()
    except CoReadError as fault:
        told, lasting = _told(fault), not fault.retriable
    except PASSING as fault:
        told, lasting = _told_of_foreign(fault), False
    except Exception as fault:  # noqa: BLE001 - the wall around a workflow step
        told, lasting = _told_of_foreign(fault), _attempt() >= _FOREIGN_ATTEMPTS
    else:
        probe(f"after {name}")
        return value
    if lasting or _attempt() >= _ATTEMPTS:
        return {"gave_up": told}
    # Raised outside of the handler: the foreign message, which may quote a header, is not carried along.
    raise _TryAgain(name)


def _attempt() -> int:
    """Which try of the present step this is, counted from 1."""
    status = DBOS.step_status
    return 1 if status is None or status.current_attempt is None else status.current_attempt + 1


def _told(fault: CoReadError) -> dict[str, str]:
    return {"number": str(fault.number), "error": type(fault).__name__, "found": fault.found}


def _told_of_foreign(fault: Exception) -> dict[str, str]:
    return {
        "number": str(CoReadError.number),
        "error": type(fault).__name__,
        "found": "an error of a library",
    }


def _options(name: str) -> StepOptions:
    return StepOptions(
        name=name,
        retries_allowed=True,
        interval_seconds=_FIRST_WAIT_S,
        backoff_rate=2.0,
        max_attempts=_ATTEMPTS,
    )


def _config(place: Place, database: sa.Engine) -> DBOSConfig:
    """No telemetry, no admin server, no conductor; checkpoints are JSON, so nothing is ever unpickled."""
    return DBOSConfig(
        name="coread",
        system_database_url=place.url,
        system_database_engine=database,
        executor_id=place.executor_id,
        application_version=_WALK_VERSION,
        serializer=DBOSPortableJSONSerializer(),
        enable_otlp=False,
        log_level="ERROR",
    )


def _database(url: str) -> sa.Engine:
    """Open the checkpoints' database.

    DBOS opens SQLite with a rollback journal (20 ms for each checkpoint, measured); the
    write-ahead log takes 1 to 4 ms and, with FULL, holds through a loss of power too.
    """
    if not url.startswith("sqlite"):
        # A host that freezes in the middle of a transaction must not keep its locks from all others.
        options = {"options": f"-c idle_in_transaction_session_timeout={_FROZEN_TIMEOUT_MS}"}
        return sa.create_engine(
            url, pool_size=20, max_overflow=0, pool_pre_ping=True, hide_parameters=True, connect_args=options
        )
    database = sa.create_engine(url, pool_size=10, hide_parameters=True)

    @sa.event.listens_for(database, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return database
