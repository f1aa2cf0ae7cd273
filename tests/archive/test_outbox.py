"""Deliveries never lie; a dead worker's cases are taken over once."""

from __future__ import annotations

import threading

import pytest
from keeping import House

from coread.archive import Database, Deliveries, DeliveryState, Workers
from coread.errors import NotFound


@pytest.fixture
def deliveries(house: House) -> Deliveries:
    return Deliveries(house.database)


@pytest.fixture
def workers(house: House) -> Workers:
    return Workers(house.database)


def test_a_delivery_is_planned_once(house: House, deliveries: Deliveries) -> None:
    ids = [deliveries.plan("1.2", "2.25.1", place, house.clock()) for place in ("pacs", "pacs", "fhir")]
    assert ids[0] == ids[1] != ids[2]
    assert {(d.destination, d.state, d.attempts) for d in deliveries.of_study("1.2")} == {
        ("pacs", DeliveryState.PLANNED, 0),
        ("fhir", DeliveryState.PLANNED, 0),
    }
    assert deliveries.of_study("1.3") == []


def test_attempts_are_counted_and_the_last_word_is_kept(house: House, deliveries: Deliveries) -> None:
    id = deliveries.plan("1.2", "2.25.1", "pacs", house.clock())
    deliveries.mark(id, "sending", "", house.clock())
    deliveries.mark(id, "waiting", "no connection", house.clock())
    at = house.clock.pass_s(5)
    deliveries.mark(id, DeliveryState.SENDING, "", at)
    delivery = deliveries.get(id)
    assert (delivery.state, delivery.attempts, delivery.changed_at) == (DeliveryState.SENDING, 2, at)
    assert delivery.planned_at < at


def test_what_is_delivered_stays_delivered(house: House, deliveries: Deliveries) -> None:
    id = deliveries.plan("1.2", "2.25.1", "pacs", house.clock())
    deliveries.mark(id, "sending", "", house.clock())
    deliveries.mark(id, "delivered", "0x0000", house.clock())
    before = deliveries.get(id)
    house.clock.pass_s(9)
    deliveries.mark(id, "sending", "again", house.clock())
    deliveries.mark(id, "failed", "late answer", house.clock())
    deliveries.plan("1.2", "2.25.1", "pacs", house.clock())
    assert deliveries.get(id) == before


def test_who_asks_for_a_failed_delivery_again_is_on_record(house: House, deliveries: Deliveries) -> None:
    ids = [deliveries.plan("1.2", f"2.25.{n}", place, house.clock()) for n, place in enumerate("abb")]
    for id in ids:
        deliveries.mark(id, "failed", "no connection", house.clock.pass_s(1))
    assert [d.id for d in deliveries.failed()] == ids[::-1]
    assert [d.id for d in deliveries.failed(destination="b", limit=1)] == ids[2:]
    deliveries.ask_again(ids[0], house.clock(), "person:p-7")
    assert [d.id for d in deliveries.failed()] == ids[:0:-1]
    (record,) = house.ledger.events(kind="delivery.asked-again")
    assert (record.event.actor, record.event.subject) == ("person:p-7", "1.2")
    assert record.event.facts == {"object": "2.25.0", "destination": "a"}
    with pytest.raises(NotFound):
        deliveries.ask_again(ids[0], house.clock(), "person:p-7")
    assert len(house.ledger.events(kind="delivery.asked-again")) == 1


def test_pending_is_what_still_has_to_go(house: House, deliveries: Deliveries) -> None:
    ids = {}
    for state in DeliveryState:
        ids[state] = deliveries.plan("1.2", f"2.25.{state}", "pacs", house.clock())
        deliveries.mark(ids[state], state, "", house.clock.pass_s(1))
    pending = [delivery.state for delivery in deliveries.pending()]
    still = [DeliveryState.PLANNED, DeliveryState.SENDING, DeliveryState.WAITING, DeliveryState.ASKED]
    assert pending == still
    assert len(deliveries.pending(limit=1)) == 1


def test_what_was_never_planned_is_not_found(house: House, deliveries: Deliveries) -> None:
    with pytest.raises(NotFound):
        deliveries.get("x")
    with pytest.raises(NotFound):
        deliveries.mark("x", "sending", "", house.clock())
    with pytest.raises(ValueError, match="flying"):
        deliveries.mark("x", "flying", "", house.clock())


def test_a_silent_worker_is_stale_until_it_beats_again(house: House, workers: Workers) -> None:
    workers.beat("a", house.clock())
    workers.beat("b", house.clock.pass_s(30))
    assert workers.stale(house.clock(), 20) == ["a"]
    assert workers.alive(house.clock(), 20) == ["b"]
    workers.beat("a", house.clock())
    assert workers.stale(house.clock(), 20) == []


def test_a_dead_worker_is_claimed_by_one(house: House, workers: Workers, database_url: str) -> None:
    workers.beat("dead", house.clock())
    house.clock.pass_s(100)
    won = []

    def claim(name: str) -> None:
        database = Database(database_url)
        Workers(database).beat(name, house.clock())
        if Workers(database).claim("dead", name):
            won.append(name)
        database.close()

    threads = [threading.Thread(target=claim, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert workers.stale(house.clock(), 20) == []


def test_a_claim_dies_with_its_claimer(house: House, workers: Workers) -> None:
    workers.beat("dead", house.clock())
    house.clock.pass_s(100)
    workers.beat("heir", house.clock())
    assert workers.claim("dead", "heir", house.clock(), 20)
    house.clock.pass_s(100)
    workers.beat("next", house.clock())
    assert workers.stale(house.clock(), 20) == ["dead", "heir"]
    assert not workers.claim("dead", "next")
    assert workers.claim("dead", "next", house.clock(), 20)
    assert not workers.claim("next", "heir", house.clock(), 20)


def test_a_retired_worker_is_forgotten(house: House, workers: Workers) -> None:
    workers.beat("a", house.clock())
    workers.retire("a")
    assert workers.stale(house.clock.pass_s(100), 20) == []
    assert not workers.claim("a", "b")
