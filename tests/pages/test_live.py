"""Live updates: what changed is told to those who may hear of it, and what was missed is made up for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from page_site import PageSite, Visitor

from coread.domain.event import Event
from coread.domain.person import Permission, Role
from coread.gateways.pages.live import LiveEvents, told, words_for
from coread.governance import Caller, permissions_of


@contextmanager
def stream(visitor: Visitor, **headers: str) -> Iterator[Iterator[tuple[str, str, dict]]]:
    """Open a stream; gives its messages as (event, id, data)."""
    with visitor.client.stream("GET", "/api/v1/events", headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield messages(answer)


def messages(answer: httpx.Response) -> Iterator[tuple[str, str, dict]]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


def caller(*roles: Role) -> Caller:
    return Caller(permissions=permissions_of(roles))


def test_a_page_hears_of_a_study_that_changed(site: PageSite, doctor, uid):
    with stream(doctor) as heard:
        assert next(heard)[0] == "hello"
        site.room.read(uid, probability=0.4, version=1)
        site.room.study(2, {})
        name, number, data = next(heard)
    assert name == "changed"
    assert int(number) <= site.room.house.ledger.size()
    assert "study.complete" in data["changed"].get("1.2.2", []) or "reading.made" in data["changed"].get(
        uid, []
    )


def test_who_comes_back_is_told_what_was_missed(site: PageSite, doctor):
    with stream(doctor) as heard:
        _, seen, _ = next(heard)
    site.room.study(3, {})
    with stream(doctor, **{"Last-Event-ID": seen}) as heard:
        assert next(heard)[:2] == ("hello", seen)
        assert "1.2.3" in next(heard)[2]["changed"]


def test_who_missed_more_than_is_held_is_told_all_the_same(site: PageSite):
    live = LiveEvents(site.room.house.ledger, interval_s=0)
    live._look()
    for number in range(5):
        site.room.house.ledger.append(Event("study.complete", f"1.2.{number}", "system", site.clock()))
    assert [record.sequence for record in live._since(0)][:2] == [1, 2]
    assert len(live._since(0)) == site.room.house.ledger.size()


def test_each_role_hears_its_own_kinds(site: PageSite):
    ledger = site.room.house.ledger
    kinds = (
        "finding.decided",
        "instance.quarantined",
        "person.logged-in",
        "ledger.verified",
        "delivery.failed",
    )
    for kind in kinds:
        ledger.append(Event(kind, kind, "system", site.clock()))
    events = ledger.events(limit=100)[-len(kinds) :]
    doctor = json.loads(told(events, words_for(caller(Role.DOCTOR))))["changed"]
    engineer = json.loads(told(events, words_for(caller(Role.ENGINEER))))["changed"]
    assert set(doctor) == {"finding.decided", "delivery.failed"}
    assert set(engineer) == {"instance.quarantined", "delivery.failed"}
    assert told(events, words_for(caller(Role.AUDITOR))) == ""
    assert words_for(Caller(permissions=frozenset({Permission.KEEP_PEOPLE}))) == frozenset()


def test_a_name_never_goes_through_the_stream(site: PageSite, doctor):
    with stream(doctor) as heard:
        next(heard)
        site.room.study(4, {}, PatientName="Tulip^Canary", PatientID="CANARY-4")
        assert "CANARY" not in json.dumps(next(heard)).upper()


def test_all_pages_share_one_look(site: PageSite, monkeypatch):
    ledger, looks = site.room.house.ledger, []
    monkeypatch.setattr(ledger, "events", lambda *_, **__: looks.append(1) or [])
    live = LiveEvents(ledger, interval_s=60)
    for _ in range(20):
        live._look()
    assert len(looks) <= 1


def test_the_server_need_not_wait_for_open_streams(site: PageSite, doctor):
    ended = threading.Event()

    def listen() -> None:
        with stream(doctor) as heard:
            for _ in heard:
                pass
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    time.sleep(0.5)
    started = time.monotonic()
    site.pages.close()
    assert ended.wait(5)
    assert time.monotonic() - started < 3


def test_a_stream_ends_after_its_lifetime_so_that_who_asks_is_asked_again(site: PageSite, doctor):
    site.pages.live._lifetime_s = 0.2
    with stream(doctor) as heard:
        assert [name for name, _, _ in heard] == ["hello"]


def test_a_listener_that_is_not_logged_in_hears_nothing(site: PageSite):
    answer = site.client().get("/api/v1/events")
    assert answer.status_code == 401
    assert answer.json()["number"] == 1902
