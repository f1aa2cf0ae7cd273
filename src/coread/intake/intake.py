"""The one way in: bytes become a filed instance, or go to quarantine with the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from coread.archive import Archive, Arrival, Draft, Filed, FilingOutcome, Quarantine
from coread.dicom import scan_header
from coread.domain.study import Header
from coread.errors import InputFault, ObjectTooLarge, SameUidOtherBytes, TruncatedObject
from coread.intake.committer import Committer
from coread.intake.limits import Limits

_HEAD_BYTES = 1 << 16


class Intake:
    """Takes objects from any number of threads.

    When a method returns, bytes are synced and indexed; when it raises an `InputFault`, they are
    synced in quarantine; when it raises anything else, nothing is kept and the sender should try again.

    Parameters
    ----------
    archive
        Where objects are filed.
    quarantine
        Where malformed ones go.
    limits
        What may come in at most.
    clock
        Tells the time, with its zone.
    """

    def __init__(
        self,
        archive: Archive,
        quarantine: Quarantine,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._archive = archive
        self._quarantine = quarantine
        self._clock = clock
        self._committer = Committer(archive.file_many)
        self.limits = limits

    def draft(self) -> Draft:
        """Begin an object.

        Raises
        ------
        LowDisk
            If free space is below the watermark.
        """
        return self._archive.store.draft()

    def accept(
        self,
        draft: Draft,
        head: bytes,
        source: str,
        at: datetime | None = None,
        *,
        expected: int | None = None,
        priority: int | None = None,
    ) -> Filed:
        """Check an object that has arrived, make it durable and file it.

        Parameters
        ----------
        draft
            Holds all bytes, from the preamble on; kept or discarded when this returns or raises.
        head
            The first bytes of the object; 64 KiB are enough for nearly all.
        source
            Where it came from, e.g. ``dimse:CT1``.
        at
            When it arrived; now, if not told.
        expected, priority
            What the sender told about its study: number of instances, urgency.

        Returns
        -------
        Filed
            STORED or DUPLICATE.

        Raises
        ------
        InputFault
            If it is malformed; it is then in quarantine. An object that is too large is not kept.
        SameUidOtherBytes
            If another data set of this SOP Instance UID is kept; the newcomer is kept aside and listed.
        LowDisk
            If the disk is full; nothing is kept.

        Notes
        -----
        Where filing fails it may yet have been committed, so that the bytes stay; `Archive.reconcile`
        finds them and decides.
        """
        at = at or self._clock()
        self._check_size(draft)
        if self._committer.is_idle:
            draft.begin_digest()  # beside the sync; in company the others use the processor meanwhile
        key = draft.sync_and_keep()
        try:
            header = self._scan(draft, head)
        except InputFault as fault:
            self._quarantine.keep(key, draft.sha256(), source, fault, at)
            raise
        arrival = Arrival(key, header, draft.sha256(), draft.size_bytes, source, at, expected, priority)
        return _told(self._committer.file(arrival))

    def accept_bytes(self, data: bytes | memoryview, source: str, at: datetime | None = None) -> Filed:
        """Take a whole object from memory; as `accept`."""
        draft = self.draft()
        draft.write(data)
        return self.accept(draft, bytes(data[:_HEAD_BYTES]), source, at)

    def retry(self, quarantine_id: str, actor: str = "system") -> Filed:
        """Check an object in quarantine again and file it, e.g. after an update of CoRead.

        Parameters
        ----------
        quarantine_id
            Which object.
        actor
            Who asked for it, for the record.

        Raises
        ------
        InputFault
            If it is still malformed; it stays where it is.
        NotFound, ObjectLost
            If it is not there.
        SameUidOtherBytes
            As for `accept`; it is then no longer in quarantine.
        """
        entry = self._quarantine.get(quarantine_id)
        header = scan_header(self._first_bytes(entry.object_key), total_bytes=entry.size_bytes)
        arrival = Arrival(
            entry.object_key, header, entry.sha256, entry.size_bytes, entry.source, entry.received_at
        )
        filed = self._committer.file(arrival)
        self._quarantine.release(quarantine_id, self._clock(), actor)
        return _told(filed)

    def _check_size(self, draft: Draft) -> None:
        if draft.size_bytes <= self.limits.object_bytes:
            return
        draft.discard()
        raise ObjectTooLarge(
            f"{draft.size_bytes} bytes",
            f"at most {self.limits.object_bytes} bytes",
            "raise the limit in the settings if such objects are wanted",
        )

    def _scan(self, draft: Draft, head: bytes) -> Header:
        try:
            return scan_header(head, total_bytes=draft.size_bytes)
        except TruncatedObject:
            if len(head) >= draft.size_bytes:
                raise
        return scan_header(self._first_bytes(draft.key), total_bytes=draft.size_bytes)

    def _first_bytes(self, key: str) -> bytes:
        with self._archive.store.open(key) as file:
            return file.read(self.limits.header_bytes)


def _told(filed: Filed) -> Filed:
    """Return what was filed, or raise where the sender must hear that its object is only kept aside."""
    if filed.outcome is FilingOutcome.CONFLICT:
        raise SameUidOtherBytes(
            "an object whose data set differs from the one that is kept",
            "the same data set, or a new SOP Instance UID",
            "compare both with `coread archive conflicts`; the newcomer is kept aside there",
        )
    return filed
