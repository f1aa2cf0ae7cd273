"""The archive: images filed, found, read back, and let go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, cast, delete, func, insert, select

from coread.archive import query as questions
from coread.archive import upkeep
from coread.archive.clock import to_us
from coread.archive.database import Database
from coread.archive.filing import Arrival, Filed, file_arrivals
from coread.archive.objects import Draft, ObjectStore
from coread.archive.query import Facts, Query
from coread.archive.removals import finish_removals
from coread.archive.rows import instance_of
from coread.archive.sealed import Keyring, SealedAfterwards
from coread.archive.tables import (
    CONFLICTS,
    DELIVERIES,
    INSTANCES,
    READINGS,
    REMOVALS,
    RESOURCE_TERMS,
    RESOURCES,
    SERIES,
    STUDIES,
)
from coread.archive.upkeep import Fault, Reconciled
from coread.domain.consent import PatientIdentity
from coread.domain.event import Event
from coread.domain.study import Instance, Study
from coread.errors import ChecksumMismatch, NotFound
from coread.ledger import Ledger

_NEVER_EXPIRE_AT_ONCE = 1000


class Archive:
    """Images on disk with their index.

    Parameters
    ----------
    database
        Migrated; see `Database.migrate`.
    store
        Where the bytes lie.
    """

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self.store = store
        self._ledger = Ledger(database)

    def draft(self) -> Draft:
        """Begin an object that is to be filed.

        Raises
        ------
        LowDisk
            If free space is below the watermark.
        """
        return self.store.draft()

    def file(self, arrival: Arrival) -> Filed:
        """File one object whose bytes are synced."""
        return self.file_many([arrival])[0]

    def file_many(self, arrivals: Sequence[Arrival]) -> list[Filed]:
        """File objects whose bytes are synced: index, arrival and event in one transaction.

        The same data set a second time is not kept again. Another data set of a UID that is kept
        is kept aside (`conflicts`) and never takes the place of the first.
        """
        return file_arrivals(self._database, self.store, arrivals)

    def get(self, sop_instance_uid: str) -> Instance:
        """Return what is known of an instance.

        Raises
        ------
        NotFound
            If it is not kept.
        """
        statement = select(INSTANCES).where(INSTANCES.c.sop_instance_uid == sop_instance_uid)
        with self._database.read() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise _not_found("SOP Instance UID")
        return instance_of(row)

    def read(self, sop_instance_uid: str, *, check: bool = True) -> bytes:
        """Return an instance's file as it was kept, PS3.10 meta information included.

        Raises
        ------
        NotFound, ObjectLost
            If it is not kept, or its bytes are gone.
        ChecksumMismatch
            If `check` and the bytes are not those that were filed.
        """
        return self.read_object(self.get(sop_instance_uid), check=check)

    def read_object(self, instance: Instance, *, check: bool = True) -> bytes:
        """Return the bytes of an instance that `get`, `study` or `conflicts` gave; as `read`."""
        data = self.store.read(instance.object_key)
        if check and hashlib.sha256(data).hexdigest() != instance.sha256:
            raise ChecksumMismatch(
                "other bytes than were filed",
                remedy="restore the file from a backup; `coread archive verify` lists all such files",
                where=instance.object_key,
            )
        return data

    def study(self, study_instance_uid: str) -> Study:
        """Return a study's instances, ordered by series and instance number.

        Raises
        ------
        NotFound
            If nothing of it is kept.
        """
        statement = (
            select(INSTANCES)
            .where(INSTANCES.c.study_instance_uid == study_instance_uid)
            .order_by(
                INSTANCES.c.series_instance_uid, INSTANCES.c.instance_number, INSTANCES.c.sop_instance_uid
            )
        )
        with self._database.read() as connection:
            instances = tuple(instance_of(row) for row in connection.execute(statement).mappings())
        if not instances:
            raise _not_found("Study Instance UID")
        return Study(study_instance_uid, instances)

    def persons(self, study_instance_uid: str) -> tuple[PatientIdentity, ...]:
        """Return whom the original images of a study name: one person, more only where objects disagree.

        Nobody where nothing of the study is kept.
        """
        is_original = INSTANCES.c.source.not_like("reader:%")
        facts = INSTANCES.c.facts
        named = [
            func.json_extract(facts, f"$.{word}")
            if self._database.is_sqlite
            else cast(facts, JSON).op("->>")(word)
            for word in ("PatientID", "IssuerOfPatientID")
        ]
        query = select(*named).where(INSTANCES.c.study_instance_uid == study_instance_uid, is_original)
        with self._database.read() as connection:
            found = connection.execute(query.distinct()).all()
        return tuple(PatientIdentity(patient_id or "", issuer or "") for patient_id, issuer in found)

    def find_studies(self, query: Query) -> list[Facts]:
        """Return the facts of matching studies, newest first, with counts and ModalitiesInStudy.

        Raises
        ------
        BadQuery
            If a keyword cannot be asked, or a range is none. As for the two below.
        """
        with self._database.read() as connection:
            return questions.find_studies(connection, query)

    def find_series(self, query: Query) -> list[Facts]:
        """Return the facts of matching series."""
        with self._database.read() as connection:
            return questions.find_series(connection, query)

    def find_instances(self, query: Query) -> list[Facts]:
        """Return the facts of matching instances."""
        with self._database.read() as connection:
            return questions.find_instances(connection, query)

    def conflicts(self, study_instance_uid: str | None = None, limit: int = 1000) -> list[Instance]:
        """Return the objects kept aside because another of their SOP Instance UID was kept first."""
        statement = select(CONFLICTS).order_by(CONFLICTS.c.received_us, CONFLICTS.c.object_key).limit(limit)
        if study_instance_uid is not None:
            statement = statement.where(CONFLICTS.c.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            return [instance_of(row) for row in connection.execute(statement).mappings()]

    def delete_study(self, study_instance_uid: str, reason: str, at: datetime, actor: str = "system") -> int:
        """Delete a study with its readings, results and conflicts; return how many instances went.

        The ledger keeps what was there: an event with the reason and the digests' count.

        Raises
        ------
        NotFound
            If nothing of it is kept.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            keys = _keys_of(connection, study_instance_uid)
            if not keys:
                raise _not_found("Study Instance UID")
            connection.execute(insert(REMOVALS), [{"object_key": key} for key in keys])
            _delete_rows(connection, study_instance_uid)
            facts = {"reason": reason, "objects": str(len(keys))}
            event = Event("study.deleted", study_instance_uid, actor, at, facts)
            self._ledger.append_in(connection, [event])
        finish_removals(self._database, self.store)
        return len(keys)

    def expire(self, before: datetime, at: datetime, limit: int = _NEVER_EXPIRE_AT_ONCE) -> Iterator[str]:
        """Delete closed studies of which nothing came since `before`; give each one's UID when it is gone.

        Retention is by arrival, not by study date: an old study that was fetched yesterday stays.
        """
        statement = (
            select(STUDIES.c.study_instance_uid)
            .where(STUDIES.c.last_arrival_us < to_us(before), STUDIES.c.is_open.is_(False))
            .order_by(STUDIES.c.last_arrival_us)
            .limit(limit)
        )
        with self._database.read() as connection:
            uids = list(connection.execute(statement).scalars())
        for uid in uids:
            self.delete_study(uid, f"retention: nothing came since {before.date().isoformat()}", at)
            yield uid

    def verify(self, progress: Callable[[int], None] | None = None) -> Iterator[Fault]:
        """Re-check every checksum, that every row has bytes, and that every file has a row.

        Parameters
        ----------
        progress
            Called with the number of objects checked so far.
        """
        return upkeep.verify(self._database, self.store, progress)

    def reconcile(self, now: datetime, *, everything: bool = False) -> Reconciled:
        """Bring index and bytes together after a crash or power cut; call it at every start.

        Whole objects without a row are filed: their bytes were synced, and either the sender never
        heard of it (it will send again: a duplicate) or a power cut took the row. What cannot be read
        goes to quarantine; drafts of dead processes and bytes of deleted studies are removed.

        Parameters
        ----------
        now
            Time of the event.
        everything
            Look at all files, not only at those younger than an hour before the newest row.
        """
        return upkeep.reconcile(self._database, self.store, now, everything=everything)

    def seal(
        self,
        ring: Callable[[], Keyring],
        at: datetime,
        actor: str = "system",
        progress: Callable[[int], None] | None = None,
    ) -> SealedAfterwards:
        """Seal the objects that were kept before encryption at rest was switched on; see `SealedStore.seal`.

        Parameters
        ----------
        ring
            Reads the keys.
        at
            Time of the two events, of beginning and end.
        actor
            Who asked for it.
        progress
            Called with the number of objects looked at so far.

        Raises
        ------
        NotFound
            If this store seals nothing.
        Busy, LowDisk, ChecksumMismatch
            As `SealedStore.seal`.
        """
        return upkeep.seal(self._database, self.store, ring, (at, actor), progress)


def _keys_of(connection: Connection, study_instance_uid: str) -> list[str]:
    keys: list[str] = []
    for table in (INSTANCES, CONFLICTS):
        is_study = table.c.study_instance_uid == study_instance_uid
        keys += connection.execute(select(table.c.object_key).where(is_study)).scalars()
    return keys


def _delete_rows(connection: Connection, study_instance_uid: str) -> None:
    resources = select(RESOURCES.c.id).where(RESOURCES.c.study_instance_uid == study_instance_uid)
    connection.execute(delete(RESOURCE_TERMS).where(RESOURCE_TERMS.c.id.in_(resources)))
    is_study = STUDIES.c.study_instance_uid == study_instance_uid
    version = connection.execute(select(STUDIES.c.version).where(is_study)).scalar()
    tables: tuple[Any, ...] = (CONFLICTS, INSTANCES, SERIES, STUDIES, READINGS, RESOURCES, DELIVERIES)
    for table in tables:
        connection.execute(delete(table).where(table.c.study_instance_uid == study_instance_uid))
    if version:
        # Of a study that comes again the versions go on: readings, walks and events are named by them, and
        # one that seemed done already would be read by nobody.
        stub = {"study_instance_uid": study_instance_uid, "is_open": False}
        connection.execute(insert(STUDIES), stub | {"version": version, "handed_version": version})


def _not_found(what: str) -> NotFound:
    return NotFound(f"a {what} of which nothing is kept", remedy="check the UID, or send the study again")
