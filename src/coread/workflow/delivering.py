"""The step that sends results to a destination, and says truly what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from coread.errors import DeliveryFault
from coread.results import ResultObject
from coread.workflow.reading import is_for
from coread.workflow.rooms import Destination, Rooms

_DICOM = "application/dicom"
_FHIR_JSON = "application/fhir+json"


def deliver(
    rooms: Rooms, reading_uid: str, destination: str, objects: Sequence[str], attempt: int
) -> list[str]:
    """Send each object; return those that are to be sent again.

    An object is ``delivered`` only after the destination has said that it keeps it. A
    destination that cannot be reached is tried again, one that refuses is not.
    """
    target = rooms.destinations[destination]
    study_uid = rooms.readings.get(reading_uid).study_instance_uid
    wanted = [identifier for identifier in objects if is_for(identifier, target.kind)]
    return [i for i in wanted if not _settled(rooms, study_uid, target, i, attempt)]


def _settled(rooms: Rooms, study_uid: str, target: Destination, identifier: str, attempt: int) -> bool:
    """Send one object; tell whether it is delivered or given up."""
    delivery = rooms.deliveries.plan(study_uid, identifier, target.name, rooms.now())
    rooms.deliveries.mark(delivery, "sending", "", rooms.now())
    try:
        rooms.senders[target.kind](target, _result(rooms, identifier))
    except DeliveryFault as fault:
        again = fault.retriable and attempt < rooms.patience.attempts
        rooms.deliveries.mark(delivery, "waiting" if again else "failed", str(fault), rooms.now())
        if not again:
            _record(rooms, study_uid, target, identifier, "delivery.failed", error=str(fault.number))
        return not again
    rooms.deliveries.mark(delivery, "delivered", "", rooms.now())
    _record(rooms, study_uid, target, identifier, "delivery.done")
    return True


def _result(rooms: Rooms, identifier: str) -> ResultObject:
    if "/" in identifier:
        kind, _, name = identifier.partition("/")
        return ResultObject("fhir", _FHIR_JSON, identifier, rooms.resources.get(kind, name).encode())
    return ResultObject("dicom", _DICOM, identifier, rooms.archive.read(identifier))


def _record(
    rooms: Rooms, study_uid: str, target: Destination, identifier: str, kind: str, **facts: str
) -> None:
    key = f"{kind}:{identifier}:{target.name}"
    event = rooms.event(kind, study_uid, key, destination=target.name, object=identifier, **facts)
    rooms.ledger.append(event)
