"""Forwards events to an audit record repository, in their order, from where it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from coread.errors import DeliveryFault
from coread.gateways.audit.syslog import SyslogTls
from coread.gateways.fhir import send_fhir
from coread.gateways.outgoing import Access
from coread.ledger import (
    AuditSource,
    Forwarded,
    Ledger,
    RecordedEvent,
    audit_event,
    syslog_message,
    utc_text,
)

_BATCH = 100
_MOST_BATCHES = 100

Repository: TypeAlias = Callable[[Sequence[RecordedEvent]], None]
"""Takes events, or raises DeliveryFault."""


def nobody(_study_uid: str) -> str:
    """Tell of no patient."""
    return ""


class Forwarder:
    """Brings one repository up to the ledger.

    At least once: a batch whose end was not seen is sent again, and each record bears its event's place and
    leaf hash, by which a repository can tell. A repository that is away waits; care goes on.

    Parameters
    ----------
    target
        Name under which its place is kept, e.g. ``fhir``.
    ledger, forwarded
        What is forwarded, and how far it has gone.
    repository
        Takes the events.
    clock
        Tells the time, in UTC.
    """

    def __init__(
        self,
        target: str,
        ledger: Ledger,
        forwarded: Forwarded,
        repository: Repository,
        clock: Callable[[], datetime],
    ) -> None:
        self.target = target
        self._ledger = ledger
        self._forwarded = forwarded
        self._repository = repository
        self._clock = clock

    def forward(self) -> int:
        """Forward what the repository has not yet; return how many events it took.

        Nothing is sent before the pause after the last try in vain has passed.
        """
        place = self._forwarded.place(self.target)
        if place.next_at > utc_text(self._clock()):
            return 0
        sent, sequence = 0, place.sequence
        for _ in range(_MOST_BATCHES):
            records = self._ledger.events(after=sequence, limit=_BATCH)
            if not records:
                break
            try:
                self._repository(records)
            except DeliveryFault as fault:
                self._forwarded.put_off(self._forwarded.place(self.target), str(fault), self._clock())
                break
            sequence = records[-1].sequence
            sent += len(records)
            self._forwarded.advance(self.target, sequence)
        return sent


def fhir_repository(
    base_url: str, source: AuditSource, access: Access | None = None, patient: Callable[[str], str] = nobody
) -> Repository:
    """Return a FHIR server that takes AuditEvents (BALP; IHE ITI-20 as RESTful ATNA has it).

    Parameters
    ----------
    base_url
        Base of the service.
    source
        Who says it.
    access
        Credentials and trust.
    patient
        Logical id of the Patient of a study; empty for none.
    """

    def take(records: Sequence[RecordedEvent]) -> None:
        resources = [audit_event(each, source, patient(each.event.subject)) for each in records]
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"AuditEvent/{each['id']}"}}
            for each in resources
        ]
        send_fhir(base_url, {"resourceType": "Bundle", "type": "batch", "entry": entries}, access)

    return take


def syslog_repository(
    connect: Callable[[], SyslogTls], source: AuditSource, patient: Callable[[str], str] = nobody
) -> Repository:
    """Return a syslog server that takes DICOM audit messages.

    Parameters
    ----------
    connect
        Makes a connection, which is not open yet.
    source
        Who says it.
    patient
        Patient ID of a study; empty for none.
    """

    def take(records: Sequence[RecordedEvent]) -> None:
        messages = [syslog_message(each, source, patient(each.event.subject)) for each in records]
        with connect() as repository:
            repository.send(messages)

    return take
