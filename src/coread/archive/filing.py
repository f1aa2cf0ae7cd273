"""Filing: from arrived objects to index rows, in one transaction."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, insert, select, update

from coread.archive.clock import to_us
from coread.archive.database import Database
from coread.archive.objects import ObjectStore
from coread.archive.rows import header_row, instance_of, integer, series_row, study_row
from coread.archive.tables import CONFLICTS, INSTANCES, SERIES, STUDIES
from coread.dicom import data_set_offset
from coread.domain.event import Event
from coread.domain.study import Header, Instance, InstanceRef
from coread.errors import ObjectLost
from coread.ledger import Ledger, Prepared

Row = Mapping[Any, Any]

_READER = "reader:"
_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 16

_UID: BindParameter[str] = bindparam("uid")
_INSTANCE = Prepared(select(INSTANCES).where(INSTANCES.c.sop_instance_uid == _UID))
_INSERT_INSTANCE = Prepared(
    insert(INSTANCES).values(
        {column.name: bindparam(column.name) for column in INSTANCES.c if column.name != "data_sha256"}
    )
)
_CONFLICT = Prepared(
    select(CONFLICTS).where(
        CONFLICTS.c.sop_instance_uid == _UID, CONFLICTS.c.data_sha256 == bindparam("digest")
    )
)
_COUNT_SERIES = Prepared(
    update(SERIES)
    .where(
        SERIES.c.study_instance_uid == bindparam("study"), SERIES.c.series_instance_uid == bindparam("series")
    )
    .values(instances=SERIES.c.instances + bindparam("more"))
)
_INSERT_SERIES = Prepared(insert(SERIES))
_STUDY = Prepared(select(STUDIES).where(STUDIES.c.study_instance_uid == _UID))
_STATE = ("is_open", "originals", "expected", "priority", "first_arrival_us", "last_arrival_us")
_SEARCHED = tuple(study_row(Header(InstanceRef("", "", "", ""), "")))
_INSERT_STUDY = Prepared(insert(STUDIES).values({name: bindparam(name) for name in (*_SEARCHED, *_STATE)}))
_ARRIVE = Prepared(
    update(STUDIES)
    .where(STUDIES.c.study_instance_uid == _UID)
    .values({name: bindparam(name) for name in _STATE})
)


class FilingOutcome(StrEnum):
    """What became of an object that arrived."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The same data set is kept already; the newcomer's bytes were not kept."""
    CONFLICT = "conflict"
    """Another data set of the same SOP Instance UID is kept; the newcomer is kept aside."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One synced object that waits for its index row."""

    key: str
    """Key in the object store."""
    header: Header
    sha256: str
    """Hex digest over the whole file."""
    size_bytes: int
    source: str
    """Where it came from; one that starts with ``reader:`` never reopens its study."""
    received_at: datetime
    expected: int | None = None
    """How many original instances its study will have, where the sender told."""
    priority: int | None = None
    """Priority of its study; a higher number goes first, a lower one than before is ignored."""

    @property
    def is_original(self) -> bool:
        """Whether it came from outside rather than from a reader of ours."""
        return not self.source.startswith(_READER)

    @property
    def instance(self) -> Instance:
        """The instance as it is filed."""
        return Instance(self.header, self.key, self.sha256, self.size_bytes, self.received_at, self.source)


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of an arrival."""

    outcome: FilingOutcome
    instance: Instance
    """STORED: as it was filed. DUPLICATE: as it was kept before. CONFLICT: as it is kept aside."""


class Filing:
    """One transaction's work on a batch of arrivals."""

    def __init__(self, connection: Connection, store: ObjectStore, ledger: Ledger) -> None:
        self._connection = connection
        self._store = store
        self._ledger = ledger
        self._events: list[Event] = []
        self.unwanted: list[str] = []
        """Keys of newcomers that are not kept; to be deleted after the commit."""

    def file(self, arrivals: Sequence[Arrival]) -> list[Filed]:
        """Write the rows of all arrivals and say what became of each, in their order."""
        self._ledger.lock_in(self._connection)
        fresh: dict[str, Arrival] = {}
        filed = []
        for arrival in arrivals:
            uid = arrival.header.ref.sop_instance_uid
            if uid in fresh:
                self._insert_instances(list(fresh.values()))
                fresh = {}
            known = self._known(uid)
            if known is None:
                fresh[uid] = arrival
                filed.append(Filed(FilingOutcome.STORED, arrival.instance))
            else:
                filed.append(self._meet(known, arrival))
        self._insert_instances(list(fresh.values()))
        self._ledger.append_in(self._connection, self._events)
        return filed

    def _known(self, uid: str) -> Row | None:
        return _INSTANCE.run(self._connection, {"uid": uid}).first()

    def _insert_instances(self, arrivals: Sequence[Arrival]) -> None:
        if not arrivals:
            return
        _INSERT_INSTANCE.run(self._connection, *[_instance_row(arrival) for arrival in arrivals])
        self._count_series(arrivals)
        self._events += [_event("instance.filed", arrival) for arrival in arrivals]
        self._arrive(arrivals)

    def _count_series(self, arrivals: Sequence[Arrival]) -> None:
        groups: dict[tuple[str, str], list[Arrival]] = {}
        for arrival in arrivals:
            ref = arrival.header.ref
            groups.setdefault((ref.study_instance_uid, ref.series_instance_uid), []).append(arrival)
        for (study, series), group in groups.items():
            more = {"study": study, "series": series, "more": len(group)}
            if not _COUNT_SERIES.run(self._connection, more).rowcount:
                row = series_row(group[0].header) | {"instances": len(group)}
                _INSERT_SERIES.run(self._connection, row)

    def _arrive(self, arrivals: Sequence[Arrival]) -> None:
        groups: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            groups.setdefault(arrival.header.ref.study_instance_uid, []).append(arrival)
        for uid, group in groups.items():
            self._arrive_at(_STUDY.run(self._connection, {"uid": uid}).first(), group)

    def _arrive_at(self, row: Row | None, group: list[Arrival]) -> None:
        """Insert or update one study for the arrivals of one batch."""
        if row is None:
            _INSERT_STUDY.run(self._connection, study_row(group[0].header) | _first_state(group))
            return
        uid = row["study_instance_uid"]
        if row["facts"] == "{}":  # known so far by its expected count only
            facts = study_row(group[0].header)
            self._connection.execute(update(STUDIES).where(STUDIES.c.study_instance_uid == uid), facts)
        if changes := _next_state(row, group):
            _ARRIVE.run(self._connection, changes | {"uid": uid})
            if not row["is_open"] and row["version"] and row["originals"]:
                self._events.append(_reopened(row, group))

    def _meet(self, row: Row, arrival: Arrival) -> Filed:
        """File an arrival whose SOP Instance UID is kept already."""
        if row["object_key"] == arrival.key:
            return Filed(FilingOutcome.STORED, instance_of(row))
        if row["sha256"] == arrival.sha256:
            return self._duplicate(row, arrival)
        digest = data_sha256(self._store, arrival.key)
        if self._kept_data_sha256(row) == digest:
            return self._duplicate(row, arrival)
        return self._conflict(arrival, digest)

    def _kept_data_sha256(self, row: Row) -> str:
        """Return the data set's digest, made when it is first needed: most objects come once."""
        if row["data_sha256"]:
            return str(row["data_sha256"])
        try:
            digest = data_sha256(self._store, row["object_key"])
        except ObjectLost:
            return ""  # what cannot be compared is not the same: the newcomer is kept aside
        is_row = INSTANCES.c.sop_instance_uid == row["sop_instance_uid"]
        self._connection.execute(update(INSTANCES).where(is_row).values(data_sha256=digest))
        return digest

    def _duplicate(self, row: Row, arrival: Arrival) -> Filed:
        self.unwanted.append(arrival.key)
        self._events.append(_event("instance.duplicate", arrival))
        return Filed(FilingOutcome.DUPLICATE, instance_of(row))

    def _conflict(self, arrival: Arrival, digest: str) -> Filed:
        known = _CONFLICT.run(
            self._connection, {"uid": arrival.header.ref.sop_instance_uid, "digest": digest}
        )
        row = known.first()
        if row is not None:
            self.unwanted.append(arrival.key)
            return Filed(FilingOutcome.CONFLICT, instance_of(row))
        self._connection.execute(insert(CONFLICTS), _kept_row(arrival) | {"data_sha256": digest})
        self._events.append(_event("instance.conflict", arrival))
        return Filed(FilingOutcome.CONFLICT, arrival.instance)


def file_arrivals(database: Database, store: ObjectStore, arrivals: Sequence[Arrival]) -> list[Filed]:
    """File a batch of synced objects in one transaction, then let go of the bytes that are kept already."""
    # What a reader of ours wrote would not be made again from its file as what it is.
    is_refilable = all(arrival.is_original for arrival in arrivals)
    begin = database.write_filing if is_refilable else database.write
    with begin() as connection:
        filing = Filing(connection, store, Ledger(database))
        filed = filing.file(arrivals)
    for key in filing.unwanted:
        with contextlib.suppress(OSError):  # what stays behind is found by `Archive.reconcile`
            store.delete(key)
    return filed


def data_sha256(store: ObjectStore, key: str) -> str:
    """Return the hex digest over the data set of a kept object, file meta information left out.

    The meta information tells how an object came (the sender's AE title), not what it is.

    Raises
    ------
    ObjectLost
        If the bytes are gone.
    """
    digest = hashlib.sha256()
    with store.open(key) as file:
        file.seek(data_set_offset(file.read(_HEAD_BYTES)))
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _kept_row(arrival: Arrival) -> dict[str, Any]:
    return header_row(arrival.header) | {
        "object_key": arrival.key,
        "sha256": arrival.sha256,
        "size_bytes": arrival.size_bytes,
        "received_us": to_us(arrival.received_at),
        "source": arrival.source,
    }


def _instance_row(arrival: Arrival) -> dict[str, Any]:
    number = integer(arrival.header.facts.get("InstanceNumber", ""))
    return _kept_row(arrival) | {"instance_number": number}


def _first_state(group: list[Arrival]) -> dict[str, Any]:
    originals = sum(arrival.is_original for arrival in group)
    times = [to_us(arrival.received_at) for arrival in group]
    return {
        "is_open": originals > 0,
        "originals": originals,
        "expected": _expected(group, None),
        "priority": _priority(group, 0),
        "first_arrival_us": min(times),
        "last_arrival_us": max(times),
    }


def _next_state(row: Row, group: list[Arrival]) -> dict[str, Any]:
    originals = [arrival for arrival in group if arrival.is_original]
    if not originals:
        return {}
    last = max(to_us(arrival.received_at) for arrival in originals)
    return {
        "is_open": True,
        "originals": row["originals"] + len(originals),
        "expected": _expected(originals, row["expected"]),
        "priority": _priority(originals, row["priority"]),
        "first_arrival_us": row["first_arrival_us"] or last,
        "last_arrival_us": max(last, row["last_arrival_us"] or 0),
    }


def _expected(group: list[Arrival], before: int | None) -> int | None:
    return max((a.expected for a in group if a.expected is not None), default=before)


def _priority(group: list[Arrival], before: int) -> int:
    return max([before, *(a.priority for a in group if a.priority is not None)])


def _event(kind: str, arrival: Arrival) -> Event:
    ref = arrival.header.ref
    return Event(
        kind=kind,
        subject=ref.study_instance_uid,
        actor=arrival.source,
        at=arrival.received_at,
        facts={
            "sop_instance_uid": ref.sop_instance_uid,
            "sha256": arrival.sha256,
            "size_bytes": str(arrival.size_bytes),
        },
    )


def _reopened(row: Row, group: list[Arrival]) -> Event:
    return Event(
        kind="study.reopened",
        subject=row["study_instance_uid"],
        actor=group[0].source,
        at=group[0].received_at,
        facts={"version": str(row["version"]), "instances": str(len(group))},
    )
