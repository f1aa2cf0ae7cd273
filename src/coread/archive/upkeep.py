"""Upkeep: every row has its bytes, every file its row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, select

from coread.archive.clock import from_us
from coread.archive.database import Database
from coread.archive.filing import Arrival, file_arrivals
from coread.archive.objects import ObjectStore
from coread.archive.quarantine import Quarantine
from coread.archive.removals import finish_removals
from coread.archive.sealed import Keyring, SealedAfterwards, SealedStore
from coread.archive.tables import CONFLICTS, INSTANCES, QUARANTINE, REMOVALS
from coread.dicom import read_meta, scan_header
from coread.domain.event import Event
from coread.domain.study import Header
from coread.errors import ChecksumMismatch, InputFault, NotFound, ObjectLost
from coread.ledger import Ledger

_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 32 << 20
_PAGE = 1000
_MARGIN_S = 3600
#: Manufacturer (0008,0070) of the objects that our readers' results are.
OWN_MANUFACTURER = "CoRead"

#: Tables whose rows name an object.
_KEEPERS: tuple[Any, ...] = (INSTANCES, CONFLICTS, QUARANTINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One object that is not as it should be."""

    kind: str
    """``lost`` (a row without bytes), ``changed`` (other bytes), ``unindexed`` (bytes without a row)
    or ``abandoned`` (what a dead process had begun)."""
    key: str
    """Key in the object store."""
    identifier: str = ""
    """SOP Instance UID or quarantine id of the row, where there is one."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What `Archive.reconcile` did."""

    filed: int = 0
    """Whole objects without a row that now have one."""
    quarantined: int = 0
    """Objects without a row that could not be read."""
    removed: int = 0
    """Begun or deleted objects whose bytes were still there."""


def verify(
    database: Database, store: ObjectStore, progress: Callable[[int], None] | None = None
) -> Iterator[Fault]:
    """Give every object that is not as it should be; see `Archive.verify`."""
    for checked, (key, identifier, digest) in enumerate(_rows(database), start=1):
        if kind := _fault_of(database, store, key, digest):
            yield Fault(kind, key, identifier)
        if progress:
            progress(checked)
    yield from (Fault("unindexed", key) for key in store.keys() if not _has_row(database, key))  # noqa: SIM118
    yield from (Fault("abandoned", key) for key in store.abandoned())


def reconcile(
    database: Database, store: ObjectStore, now: datetime, *, everything: bool = False
) -> Reconciled:
    """File, quarantine or remove what a crash left; see `Archive.reconcile`."""
    finish_removals(database, store)
    removed = _remove_abandoned(store)
    since_s = None if everything else _newest_row_s(database) - _MARGIN_S
    lonely = [key for key in store.keys(since_s) if not _has_row(database, key)]
    filed = sum(_refile(database, store, key) for key in lonely)
    result = Reconciled(filed, len(lonely) - filed, removed)
    if result != Reconciled():
        Ledger(database).append(_event(result, now))
    return result


def seal(
    database: Database,
    store: ObjectStore,
    ring: Callable[[], Keyring],
    told: tuple[datetime, str],
    progress: Callable[[int], None] | None = None,
) -> SealedAfterwards:
    """Seal what lies plain, beginning and end on record; see `Archive.seal`."""
    if not isinstance(store, SealedStore):
        raise NotFound("a store that is not sealed", "data.keys", "name a file for the keys")
    at, actor = told
    ledger = Ledger(database)
    ledger.append(Event("archive.sealing-begun", "archive", actor, at))
    done = store.seal(ring, progress)
    facts = {name: str(value) for name, value in asdict(done).items()}
    ledger.append(Event("archive.sealed", "archive", actor, at, facts))
    return done


def _remove_abandoned(store: ObjectStore) -> int:
    keys = list(store.abandoned())
    for key in keys:
        store.delete(key)
    return len(keys)


def _rows(database: Database) -> Iterator[tuple[str, str, str]]:
    """Give (key, identifier, sha256) of all rows that name an object, page by page."""
    identifiers = (INSTANCES.c.sop_instance_uid, CONFLICTS.c.sop_instance_uid, QUARANTINE.c.id)
    for table, identifier in zip(_KEEPERS, identifiers, strict=True):
        query = select(table.c.object_key, identifier, table.c.sha256).order_by(table.c.object_key)
        after = ""
        while rows := _page(database, query.where(table.c.object_key > after)):
            yield from rows
            after = rows[-1][0]


def _page(database: Database, query: Select[Any]) -> list[tuple[str, str, str]]:
    with database.read() as connection:
        rows = connection.execute(query.limit(_PAGE))
        return [(key, identifier, digest) for key, identifier, digest in rows]


def _fault_of(database: Database, store: ObjectStore, key: str, digest: str) -> str:
    try:
        return "" if _sha256(store, key) == digest else "changed"
    except ObjectLost:
        # It may have been deleted between the row's reading and now.
        return "lost" if _has_row(database, key) else ""
    except ChecksumMismatch:  # a sealed object tells by itself
        return "changed"


def _has_row(database: Database, key: str) -> bool:
    query = select(*(exists().where(table.c.object_key == key) for table in (*_KEEPERS, REMOVALS)))
    with database.read() as connection:
        return any(connection.execute(query).one())


def _newest_row_s(database: Database) -> float:
    with database.read() as connection:
        newest = connection.execute(select(func.max(INSTANCES.c.received_us))).scalar()
    return float(newest or 0) / 1_000_000


def _refile(database: Database, store: ObjectStore, key: str) -> bool:
    """File an object without a row; False where it had to go to quarantine."""
    digest, size_bytes = _sha256(store, key), store.size(key)
    at = from_us(int(store.kept_at_s(key) * 1_000_000))
    try:
        header, source = _scan(store, key, size_bytes)
    except InputFault as fault:
        Quarantine(database, store).keep(key, digest, "recovered", fault, at)
        return False
    file_arrivals(database, store, [Arrival(key, header, digest, size_bytes, source, at)])
    return True


def _scan(store: ObjectStore, key: str, size_bytes: int) -> tuple[Header, str]:
    with store.open(key) as file:
        head = file.read(_HEADER_BYTES)
    header, source_ae = scan_header(head, total_bytes=size_bytes), read_meta(head).source_ae
    if header.facts.get("Manufacturer", "") == OWN_MANUFACTURER:
        return header, "reader:recovered"  # a result of ours: it must not open its study again
    return header, f"dimse:{source_ae}" if source_ae else "recovered"


def _sha256(store: ObjectStore, key: str) -> str:
    digest = hashlib.sha256()
    with store.open(key) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _event(result: Reconciled, now: datetime) -> Event:
    facts = {
        "filed": str(result.filed),
        "quarantined": str(result.quarantined),
        "removed": str(result.removed),
    }
    return Event("archive.reconciled", "archive", "system", now, facts)
