"""The step that sends results to a destination, and says truly what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from coread.domain.consent import NO_CONSENT, Use, passes
from coread.errors import DeliveryFault, NotFound
from coread.workflow.bundles import newest
from coread.workflow.reading import is_fhir, is_withheld
from coread.workflow.rooms import Rooms


@passes(Use.AI)
def deliver(
    rooms: Rooms, study_uid: str, destination: str, objects: Sequence[str], attempt: int, made_by: str = ""
) -> list[str]:
    """Send each object; return those that are to be sent again.

    An object is ``delivered`` only after the destination has said that it keeps it. A
    destination that cannot be reached is tried again, one that refuses is not. What a reader
    said does not leave once the patient no longer agrees to AI; what a doctor signed does.

    Parameters
    ----------
    rooms, study_uid, destination, objects
        What of which study goes where.
    attempt
        Counted from 1.
    made_by
        UID of the reading, or of the signed report, that the objects were made of.
    """
    if _is_of_silent_reader(rooms, made_by):
        for identifier in objects:
            _withhold(rooms, study_uid, destination, identifier)
        return []
    return [i for i in objects if not _settled(rooms, study_uid, destination, i, attempt)]


def _settled(rooms: Rooms, study_uid: str, destination: str, identifier: str, attempt: int) -> bool:
    """Send one object; tell whether it is delivered or given up."""
    delivery = rooms.deliveries.plan(study_uid, identifier, destination, rooms.now())
    rooms.deliveries.mark(delivery, "sending", "", rooms.now())
    try:
        _send(rooms, destination, identifier)
    except DeliveryFault as fault:
        again = fault.retriable and attempt < rooms.patience.attempts
        # On record first: the record takes the same event once, so a kill in between leaves nothing unsaid.
        if not again:
            _record(rooms, study_uid, destination, identifier, "delivery.failed", error=str(fault.number))
        rooms.deliveries.mark(delivery, "waiting" if again else "failed", str(fault), rooms.now())
        return not again
    _record(rooms, study_uid, destination, identifier, "delivery.done")
    rooms.deliveries.mark(delivery, "delivered", "", rooms.now())
    return True


def _is_of_silent_reader(rooms: Rooms, made_by: str) -> bool:
    """Tell whether objects are a reader's whose patient does not agree to AI any more."""
    try:
        reading = rooms.readings.get(made_by)
    except NotFound:  # a signed report's
        return False
    return is_withheld(rooms, reading)


def _withhold(rooms: Rooms, study_uid: str, destination: str, identifier: str) -> None:
    delivery = rooms.deliveries.plan(study_uid, identifier, destination, rooms.now())
    _record(rooms, study_uid, destination, identifier, "delivery.withheld", reason=NO_CONSENT)
    rooms.deliveries.mark(delivery, "failed", "The patient does not agree to AI in care.", rooms.now())


def _send(rooms: Rooms, destination: str, identifier: str) -> None:
    target = rooms.destinations.get(destination)
    sender = rooms.senders.get(target.kind) if target else None
    if target is None or sender is None:
        raise DeliveryFault(
            found="a destination that the settings no longer name, or no sender of its kind",
            expected="a destination of the settings",
            remedy="put the destination back into the settings, then send the study again",
            where=destination,
        )
    sender(target, _bytes(rooms, identifier))


def _bytes(rooms: Rooms, identifier: str) -> bytes:
    if is_fhir(identifier):
        kind, _, name = identifier.partition("/")
        text = rooms.resources.get(kind, name)
        return (newest(rooms.resources, text) if kind == "Bundle" else text).encode()
    return rooms.archive.read(identifier)


def _record(rooms: Rooms, study_uid: str, destination: str, identifier: str, kind: str, **facts: str) -> None:
    key = f"{kind}:{identifier}:{destination}"
    facts |= {"destination": destination, "object": identifier}
    rooms.ledger.append(rooms.event(kind, study_uid, key, **facts))
