"""What was refused is kept with the reason, once, until somebody decides."""

from __future__ import annotations

import pytest
from keeping import House

from coread.errors import MalformedObject, NotFound, ObjectLost, TruncatedObject


def keep(house: House, data: bytes, fault: object = None, source: str = "dimse:CT1") -> str:
    draft = house.store.draft()
    draft.write(data)
    key = draft.sync_and_keep()
    fault = fault or TruncatedObject("12 bytes", "132")
    return house.quarantine.keep(key, draft.sha256(), source, fault, house.clock())


def test_what_is_kept_is_listed_with_its_reason(house: House) -> None:
    first = keep(house, b"one")
    house.clock.pass_s(1)
    second = keep(house, b"two", MalformedObject("x"), "stow")
    listed = house.quarantine.list()
    assert [entry.id for entry in listed] == [second, first]
    assert (listed[0].error_number, listed[0].source, listed[0].size_bytes) == (1105, "stow", 3)
    assert listed[1].error_text.startswith("[1102] The DICOM object is cut short. Found: 12 bytes.")
    assert house.quarantine.read(first) == b"one"
    assert house.quarantine.list(limit=1, offset=1) == listed[1:]
    assert house.kinds() == ["instance.quarantined"] * 2


def test_the_same_bytes_are_counted_not_kept_again(house: House) -> None:
    first = keep(house, b"one")
    again = keep(house, b"one", MalformedObject("other reason"))
    assert first == again
    (entry,) = house.quarantine.list()
    assert (entry.times, entry.error_number) == (2, 1105)
    assert house.keys() == [entry.object_key]
    assert house.quarantine.read(first) == b"one"


def test_what_is_removed_is_gone_with_an_event(house: House) -> None:
    id = keep(house, b"one")
    house.quarantine.remove(id, house.clock(), "person:7")
    assert house.quarantine.list() == []
    assert house.keys() == []
    assert house.ledger.events(id)[-1].event.actor == "person:7"
    for ask in (house.quarantine.get, house.quarantine.read):
        with pytest.raises(NotFound):
            ask(id)
    with pytest.raises(NotFound):
        house.quarantine.remove(id, house.clock())


def test_lost_bytes_are_told(house: House) -> None:
    id = keep(house, b"one")
    house.store.delete(house.quarantine.get(id).object_key)
    with pytest.raises(ObjectLost):
        house.quarantine.read(id)
